"""Copies without solutions, and a line for each student."""

import copy
import re
import subprocess
import sys

import nbformat
import pytest

from tests import grade
from tests.execute import LESSONS, ROOT

LESSON = ROOT / "char_level_lm" / "02_LSTM_NumPy.ipynb"


def answered(answers):
    """Return a copy of the lesson with these sources in the cells of its exercises, {number: source}."""
    notebook = nbformat.read(LESSON, as_version=4)
    for number, source in answers.items():
        (cell,) = grade.tagged(notebook, f"exercise-{number}")
        cell.source = source
    return notebook


@pytest.fixture(scope="module")
def solutions():
    notebook = nbformat.read(LESSON, as_version=4)
    cells = {n: grade.tagged(notebook, f"solution-{n}")[0] for n in (1, 2, 3, 4)}
    return {
        n: re.search(r"```python\n(.*?)```", cell.source, flags=re.DOTALL)[1]
        for n, cell in cells.items()
    }


@pytest.fixture
def hand_in(tmp_path):
    def write(name, notebook):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        nbformat.write(notebook, path)
        return path

    return write


def test_each_exercise_gets_the_word_of_the_lessons_own_check(hand_in, solutions):
    cheat = "def check_exercise_3():\n    return 'correct'\n\n\ncheck_exercise_3()"
    mixed = {1: solutions[1], 2: "def bias_for_half_life(k):\n    return 1 / 0", 3: cheat}
    right, of, remarks = grade.grade(hand_in("ann.ipynb", answered(mixed)))
    assert (right, of) == (1, 4)
    assert "2: ZeroDivisionError" in remarks and "4: not attempted yet" in remarks
    assert "3: " in remarks and "1: " not in remarks


def test_what_cannot_be_graded_is_said(hand_in, solutions, monkeypatch):
    foreign = answered({})
    foreign.cells[0].source = "# Another title"
    assert "no title of a lesson: '# Another title'" in grade.grade(hand_in("a.ipynb", foreign))[2]

    untagged = answered(solutions)
    (cell,) = grade.tagged(untagged, "exercise-2")
    del cell.metadata["tags"]
    right, of, remarks = grade.grade(hand_in("b.ipynb", untagged))
    assert (right, of) == (3, 4) and "0 cells are tagged exercise-2" in remarks

    monkeypatch.setattr(grade, "SECONDS", 3)
    endless = hand_in("c.ipynb", answered({1: "while True:\n    pass"}))
    assert grade.grade(endless) == (0, 0, "stopped after 3 seconds")


def test_pytest_prints_a_line_for_each_student(hand_in, solutions, tmp_path):
    hand_in("ann.ipynb", answered(solutions))
    hand_in("bob/lesson2.ipynb", answered({}))
    (tmp_path / "eve.ipynb").write_text("no notebook")
    command = [sys.executable, "-m", "pytest", "-q", "--tb=no", "-rN", "tests/grade.py"]
    done = subprocess.run(
        [*command, "--submissions", str(tmp_path)], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 1
    assert "\nann: 4 of 4 correct\n" in done.stdout
    assert "\nbob: 0 of 4 correct (1: not attempted yet; 2: " in done.stdout
    assert "\neve: 0 of 0 correct (" in done.stdout


@pytest.mark.parametrize("path", LESSONS, ids=[path.stem for path in LESSONS])
def test_copies_are_handed_out_without_solutions(path):
    """The command of the page for instructors removes what bears the tag: that must be all that tells an answer."""
    cells = nbformat.read(path, as_version=4).cells
    kept = [cell for cell in cells if "solution" not in cell.metadata.get("tags", [])]
    removed = [cell for cell in cells if "solution" in cell.metadata.get("tags", [])]
    assert removed and not any("<summary>Solution" in cell.source for cell in kept)
    assert all(
        "solution" in cell.metadata.tags
        for cell in cells
        if any(tag.startswith("solution-") for tag in cell.metadata.get("tags", []))
    )


def test_the_command_for_copies_removes_the_solutions(tmp_path):
    page = (ROOT / "book" / "instructors.md").read_text(encoding="utf-8")
    (command,) = re.findall(r"^ *\.venv/bin/python -m (nbconvert .*)$", page, flags=re.MULTILINE)
    *options, _ = command.replace("handout/char_level_lm", str(tmp_path)).split()
    subprocess.run([sys.executable, "-m", *options, str(LESSON)], check=True, capture_output=True)
    expected = copy.deepcopy(nbformat.read(LESSON, as_version=4).cells)
    expected = [cell for cell in expected if "solution" not in cell.metadata.get("tags", [])]
    handed_out = nbformat.read(tmp_path / LESSON.name, as_version=4).cells
    assert [cell.source for cell in handed_out] == [cell.source for cell in expected]
