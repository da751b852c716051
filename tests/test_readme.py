"""What the README and the book quote of the lessons is what their stored outputs say, which a run compares anew."""

import re

import nbformat
import pytest

from tests.execute import FIGURES, LESSONS, ROOT, readme_figures

README = (ROOT / "README.md").read_text(encoding="utf-8")
FINDINGS = (ROOT / "book" / "findings.md").read_text(encoding="utf-8")
LESSON_ROWS = re.findall(r"^\| \[(\d+) · .+?\]\((.+?)\) \|", README, flags=re.MULTILINE)
LAB_ROWS = re.findall(r"^\| \[Lab ([A-Z]) · .+?\]\((.+?)\) \|", README, flags=re.MULTILINE)
QUOTED = re.findall(
    r"^- \[(?:lesson \d+|lab [A-Z])\]\(\.\./(.+?)\): (.+)$", FINDINGS, flags=re.MULTILINE
)


def test_the_table_has_every_lesson_and_every_lab_in_order():
    notebooks = {path.relative_to(ROOT).as_posix() for path in LESSONS}
    labs = {path for path in notebooks if re.search("Lab|Clinic", path)}
    assert {path for _, path in LESSON_ROWS} == notebooks - labs
    assert [int(number) for number, _ in LESSON_ROWS] == list(range(1, len(LESSON_ROWS) + 1))
    assert {path for _, path in LAB_ROWS} == labs
    assert [letter for letter, _ in LAB_ROWS] == sorted({letter for letter, _ in LAB_ROWS})


@pytest.mark.parametrize("path, findings", QUOTED, ids=[path for path, _ in QUOTED])
def test_findings_are_verdicts_that_the_lesson_prints(path, findings):
    notebook = nbformat.read(ROOT / path, as_version=4)
    printed = [
        output.get("text", "") for cell in notebook.cells for output in cell.get("outputs", [])
    ]
    verdicts = re.findall(r"^holds: (.+)$", "\n".join(printed), flags=re.MULTILINE)
    claims = re.findall(r"\*(.+?)\*", findings)
    assert claims and set(claims) <= set(verdicts)


def test_every_lesson_and_every_lab_has_findings():
    assert [path for path, _ in QUOTED] == [path for _, path in LESSON_ROWS + LAB_ROWS]


def test_figures_are_those_of_the_lessons():
    (in_readme,) = re.findall(r"!\[.+?\]\((.+?\.png)\)", README)
    shown = re.findall(r"!\[.+?\]\(\.\./(.+?\.png)\)", FINDINGS)
    assert in_readme in shown
    expected = {name: png for path in LESSONS for name, png in readme_figures(path).items()}
    assert sorted(shown) == [
        (FIGURES / name).relative_to(ROOT).as_posix() for name in sorted(expected)
    ]
    for name, png in expected.items():
        assert (FIGURES / name).read_bytes() == png, "run python -m tests.execute"
