"""What the book computes from the notebooks, and its pages that are made of it."""

import re
import sys

import pytest

from tests.execute import ROOT

sys.path.insert(0, str(ROOT / "book"))
import bibliography  # noqa: E402
import course  # noqa: E402

NOTEBOOKS = course.course()
every_notebook = pytest.mark.parametrize("notebook", NOTEBOOKS, ids=map(course.name, NOTEBOOKS))
FORMS = (
    r"https://doi\.org/10\.\d{4,9}/\S+",
    r"https://arxiv\.org/abs/\d{4}\.\d{4,5}",
    r"https://aclanthology\.org/([A-Z]\d\d-\d{4}|\d{4}\.[a-z-]+\.\d+)",
    r"https://(www\.)?jmlr\.org/papers/v\d+/\w+\.html",
    r"https://proceedings\.mlr\.press/v\d+/\w+\.html",
)
NOT_PAPERS = ("PyTorch:", "Keras:", "ONNX:", "Olah", "Engel", "Elhage")


def test_lessons_come_in_order_and_labs_after_them():
    names = [course.name(notebook) for notebook in NOTEBOOKS]
    lessons = [name for name in names if name.startswith("lesson")]
    assert lessons == [f"lesson {n}" for n in range(1, len(lessons) + 1)]
    labs = names[len(lessons) :]
    assert labs == sorted(labs) and labs[0] == "lab A"


@every_notebook
def test_sections_hold_the_whole_notebook(notebook):
    sections = course.sections(notebook)
    numbers = [int(title.split(" · ")[0]) for title, _ in sections]
    assert numbers == list(range(len(sections)))
    code = [cell for _, cells in sections for cell in cells if cell.cell_type == "code"]
    assert code == [cell for cell in notebook.cells if cell.cell_type == "code"]


@every_notebook
def test_a_first_reading_fits_an_evening(notebook):
    found = course.sections(notebook)
    total = sum(course.minutes(cells) for title, cells in found if not title.endswith("Exercises"))
    assert 30 < total <= (62 if course.name(notebook).startswith("lab") else 95)


@every_notebook
def test_exercises_are_of_the_four_kinds_in_order_and_have_titles(notebook):
    found = course.exercises(notebook)
    assert len(found) == sum(cell.source.count("### Exercise ") for cell in notebook.cells)
    assert [number for number, _, _ in found] == list(range(1, len(found) + 1))
    kinds = [kind for _, kind, _ in found]
    assert sorted(kinds, key=list(course.KINDS).index) == kinds
    assert set(kinds) == set(course.KINDS)


def test_minutes_count_what_is_open():
    notebook = NOTEBOOKS[0]
    (folded,) = [cell for cell in notebook.cells if "project_root" in cell.source]
    assert course.minutes([folded]) == 0
    assert course.minutes(notebook.cells) > 60


def test_references_are_cited_in_one_way_and_say_what_is_taken():
    found = bibliography.references()
    assert len(found) > 50
    entries = [
        re.findall(r"^- (.+)$", n.cells[-1].source.partition("### References")[2], flags=re.M)
        for n in NOTEBOOKS
    ]
    links = {}
    for entry in (entry for some in entries for entry in some):
        _, title, link, _ = bibliography.split_reference(entry)
        links.setdefault(title, set()).add(link)
    assert {title: found for title, found in links.items() if len(found) > 1} == {}
    for title, (who, link, _, notes) in found.items():
        assert any(notes.values()), f"nobody says what is taken from {title}"
        if not who.startswith(NOT_PAPERS) and link:
            assert any(re.fullmatch(form, link) for form in FORMS), link


@pytest.mark.parametrize(
    "entry, parts",
    [
        (
            "Elman, J. L. (1990). [Finding structure](https://doi.org/10.1/x). *Science* 14. The net.",
            ("Elman, J. L. (1990).", "Finding structure", "https://doi.org/10.1/x"),
        ),
        (
            "Zipf, G. K. (1949). *Human behavior*. Rank.",
            ("Zipf, G. K. (1949).", "Human behavior", None),
        ),
        (
            "PyTorch: [GRU](https://x.org/GRU.html). Its note.",
            ("PyTorch:", "GRU", "https://x.org/GRU.html"),
        ),
    ],
)
def test_references_are_read(entry, parts):
    assert bibliography.split_reference(entry)[:3] == parts


def test_venues_are_told_from_notes():
    assert bibliography.split_venue("*Cognitive Science* 14. The net.") == (
        "*Cognitive Science* 14",
        "The net.",
    )
    assert bibliography.split_venue("ICLR.") == ("ICLR", "")
    assert bibliography.split_venue("Peepholes.") == ("", "Peepholes.")


def test_gradient_errors_are_read_from_what_the_notebooks_print():
    errors = {course.name(n): course.gradient_errors(n) for n in NOTEBOOKS}
    for name, found in errors.items():
        if name.startswith("lesson"):
            assert len(found) >= 7 and max(found) < 1e-7, name


def test_pages_use_every_table_and_no_other():
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "book").glob("*.md")]
    used = re.findall(r"^\{\{ (\w+\.\w+)\(\) \}\}$", "\n".join(pages), flags=re.MULTILINE)
    made = [f"course.{name}" for name in vars(course) if name.endswith("_table")]
    made += [f"bibliography.{name}" for name in vars(bibliography) if name.endswith("_list")]
    assert sorted(used) == sorted(made)


def test_terms_of_the_glossary_occur_where_it_sends_the_reader():
    text = (ROOT / "book" / "glossary.md").read_text(encoding="utf-8")
    entries = re.findall(r"^(\S.*)\n  .+?\(\[(.+?)\]\(", text, flags=re.MULTILINE)
    assert len(entries) > 80
    sources = {course.name(n): "\n".join(c.source for c in n.cells).casefold() for n in NOTEBOOKS}
    assert len({term for term, _ in entries}) == len(entries)
    for term, where in entries:
        words = [re.sub(r"(ing|s)$", "", word) for word in re.findall(r"\w{3,}", term.casefold())]
        assert any(word in sources[where] for word in words), (term, where)
