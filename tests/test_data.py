import re

from common.data.text import DATA, load_corpus


def test_every_corpus_is_plain_text_with_unix_line_ends():
    for path in DATA.glob("*.txt"):
        content = path.read_bytes()
        assert content.isascii() and b"\r" not in content
        assert content.endswith(b"\n") and not content.endswith(b"\n\n")


def test_the_thirsty_crow_is_one_short_text():
    assert 650 <= len(load_corpus("thirsty_crow")) <= 1000


def test_the_fables_are_separated_by_one_blank_line():
    text = load_corpus("fables")
    assert len(text) >= 100_000
    assert len(text.split("\n\n")) >= 70
    assert "\n\n\n" not in text and not text.startswith("\n")
    assert not re.search(r"[ \t]$", text, re.MULTILINE)


def test_the_fables_have_no_digits():
    assert not re.search(r"\d", load_corpus("fables"))


def test_every_fable_has_a_title_of_its_own_and_a_text():
    fables = [fable.split("\n") for fable in load_corpus("fables").strip().split("\n\n")]
    titles = [fable[0] for fable in fables]
    assert len(set(titles)) == len(titles)
    assert all(0 < len(title) < 80 and not title.endswith(".") for title in titles)
    assert all(len(fable) > 1 for fable in fables)


def test_the_dinosaurs_are_distinct_sorted_names_one_a_line():
    names = load_corpus("dinosaurs").splitlines()
    assert len(names) >= 500
    assert all(name.isalpha() for name in names)
    assert names == sorted(set(names))


def test_the_program_is_one():
    compile(load_corpus("program"), "program.txt", "exec")


def test_the_other_kinds_of_text_are_long_enough_to_compare():
    for name in ("program", "poem"):
        assert 8_000 <= len(load_corpus(name)) <= 10_000


def test_the_readme_states_the_sizes():
    readme = (DATA / "README.md").read_text(encoding="utf-8")
    crow, fables, dinosaurs = (
        load_corpus(name) for name in ("thirsty_crow", "fables", "dinosaurs")
    )
    assert f"{len(crow)} characters" in readme
    assert f"{len(fables.strip().split(chr(10) * 2))} fables" in readme
    assert f"{len(fables):,} characters" in readme
    assert f"{len(dinosaurs.split())} names" in readme
    for name in ("program", "poem"):
        assert f"{len(load_corpus(name)):,} characters" in readme
