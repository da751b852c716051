"""The pages of the book that are not notebooks: symbols that are defined once, and in the code as the page says."""

import re
from collections import Counter

import nbformat
import pytest

from tests.execute import LESSONS, ROOT

SYMBOLS = (ROOT / "book" / "symbols.md").read_text(encoding="utf-8")


def rows(page):
    """Return the cells of every row of every table, without the heads."""
    lines = [line for line in page.splitlines() if line.startswith("|")]
    rows = [[cell.strip() for cell in line[1:-1].split(" | ")] for line in lines]
    heads = {i - 1 for i, line in enumerate(lines) if set(line) <= set("|-")}
    return [row for i, row in enumerate(rows) if i not in heads and not lines[i].startswith("|--")]


def test_every_symbol_is_defined_once():
    symbols = [symbol for row in rows(SYMBOLS) for symbol in re.findall(r"\$(.+?)\$", row[0])]
    assert len(symbols) > 70
    assert [symbol for symbol, count in Counter(symbols).items() if count > 1] == []


@pytest.fixture(scope="module")
def names_in_code():
    sources = [path.read_text(encoding="utf-8") for path in (ROOT / "common").rglob("*.py")]
    for path in LESSONS:
        cells = nbformat.read(path, as_version=4).cells
        sources += [cell.source for cell in cells if cell.cell_type == "code"]
    return set(re.findall(r"\w+", "\n".join(sources)))


def test_names_in_code_are_used_there(names_in_code):
    codes = [
        code for row in rows(SYMBOLS) if len(row) > 2 for code in re.findall("`(.+?)`", row[1])
    ]
    names = {name for code in codes for name in re.findall(r"[A-Za-z]\w*", code)}
    names -= {"dX"}
    assert len(names) > 40
    assert names <= names_in_code


def test_every_copy_of_the_address_is_that_of_pyproject():
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    repository, book = (
        re.search(rf'^{name} = "https://(.+)"', project, flags=re.MULTILINE)[1]
        for name in ("Repository", "Documentation")
    )
    owner, name = repository.removeprefix("github.com/").split("/")
    assert book == f"{owner}.github.io/{name}/"
    others = [ROOT / name for name in ("README.md", "CITATION.cff", "pyproject.toml")]
    paths = [*LESSONS, *(ROOT / "book").glob("*.md"), *others]
    texts = [path.read_text(encoding="utf-8") for path in paths]
    copies = re.findall(r"[\w.-]+/sequence-modeling-from-scratch", "\n".join(texts))
    assert len(copies) > 20
    assert set(copies) <= {f"{owner}/{name}", f"{owner}.github.io/{name}"}


def test_the_book_is_built_by_the_same_command_everywhere():
    command = "python -m sphinx -M html . book/_build -c book -W --keep-going"
    for path in ("README.md", "book/contributing.md", ".github/workflows/book.yml"):
        assert (ROOT / path).read_text(encoding="utf-8").count(command) == 1, path
