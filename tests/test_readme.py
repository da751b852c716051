"""What the README says of the lessons is what their stored outputs say, which a run of the notebooks compares anew."""

import re

import nbformat
import pytest

from tests.execute import FIGURES, LESSONS, ROOT, readme_figures

README = (ROOT / "README.md").read_text(encoding="utf-8")
ROWS = re.findall(r"^\| \[(\d) · .+?\]\((.+?)\) \|", README, flags=re.MULTILINE)
LABS = re.findall(r"^\| \[([A-F]) · .+?\]\((.+?)\) \|", README, flags=re.MULTILINE)
QUOTED = re.findall(r"^- \[(?:lesson \d|lab [A-F])\]\((.+?)\): (.+)$", README, flags=re.MULTILINE)


def test_the_tables_have_every_lesson_and_every_lab_in_order():
    notebooks = [path.relative_to(ROOT).as_posix() for path in LESSONS]
    lessons = [path for path in notebooks if not re.search("Lab|Clinic", path)]
    assert [path for _, path in ROWS] == lessons
    assert [int(number) for number, _ in ROWS] == list(range(1, len(lessons) + 1))
    assert [path for _, path in LABS] == [path for path in notebooks if path not in lessons]
    assert [letter for letter, _ in LABS] == sorted({letter for letter, _ in LABS})


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
    assert [path for path, _ in QUOTED] == [path for _, path in ROWS + LABS]


def test_figures_are_those_of_the_lessons():
    shown = re.findall(r"!\[.+?\]\((.+?\.png)\)", README)
    expected = {name: png for path in LESSONS for name, png in readme_figures(path).items()}
    assert sorted(shown) == [
        (FIGURES / name).relative_to(ROOT).as_posix() for name in sorted(expected)
    ]
    for name, png in expected.items():
        assert (FIGURES / name).read_bytes() == png, "run python -m tests.execute"
