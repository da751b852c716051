"""Grade exercises: `python -m pytest -q --tb=no -rN tests/grade.py --submissions FOLDER`, one line for each student.

FOLDER holds notebooks, one or several for each student, as ann.ipynb or as ann/02_LSTM_NumPy.ipynb. Of a submission
only the cells of its exercises count; everything else, the checks above all, is taken from the lesson of this project
that bears the same title. Each submission runs in a process of its own, for at most a minute. It is the student's
code, and it runs with your rights.
"""

import json
import re
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

from tests.execute import LESSONS, ROOT
from tests.test_notebooks import exercise_numbers, run_definitions, tagged

SECONDS = 60


def title(notebook):
    return notebook.cells[0].source.splitlines()[0].strip() if notebook.cells else ""


def lesson_of(submission):
    """Return the notebook of this project whose exercises a submission answers."""
    lessons = {title(lesson): lesson for lesson in map(read, LESSONS)}
    if title(submission) not in lessons:
        raise ValueError(f"its first line is no title of a lesson: {title(submission)!r}")
    return lessons[title(submission)]


def read(path):
    return nbformat.read(path, as_version=4)


def verdicts(path):
    """Return {number of the exercise: what the lesson's own check says of a submission}."""
    submission = read(path)
    lesson = lesson_of(submission)
    found = {}
    for number in exercise_numbers(lesson):
        namespace = run_definitions(lesson)
        answers = tagged(submission, f"exercise-{number}")
        if len(answers) != 1:
            found[number] = f"{len(answers)} cells are tagged exercise-{number}, one is expected"
            continue
        check = namespace[f"check_exercise_{number}"]  # the lesson's, whatever the answer defines
        try:
            exec(compile(answers[0].source, f"exercise {number}", "exec"), namespace)
            found[number] = check()
        except Exception as problem:
            found[number] = f"{type(problem).__name__}: {problem}"
    return found


def grade(path):
    """Return (right, of how many, what is said of the others) of a submission, which may fail or run for ever."""
    command = [sys.executable, "-m", "tests.grade", str(path)]
    try:
        done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired:
        return 0, 0, f"stopped after {SECONDS} seconds"
    if done.returncode:
        return 0, 0, (done.stderr.strip().splitlines() or ["ended without a word"])[-1]
    said = json.loads(done.stdout.splitlines()[-1])
    open_ones = [
        f"{number}: {' '.join(str(verdict).split())}"
        for number, verdict in said.items()
        if verdict != "correct"
    ]
    return len(said) - len(open_ones), len(said), "; ".join(open_ones)


def students(folder):
    """Return {student: paths}. A notebook belongs to the folder that it is in, or, on the first level, to its name."""
    found = {}
    for path in sorted(Path(folder).rglob("*.ipynb")):
        parts = path.relative_to(folder).parts
        if not any(part.startswith(".") for part in parts):
            found.setdefault(re.sub(r"\.ipynb$", "", parts[0]), []).append(path)
    return found


def pytest_generate_tests(metafunc):
    folder = metafunc.config.getoption("--submissions")
    if folder is None:
        pytest.skip("give a folder with --submissions", allow_module_level=True)
    found = students(folder)
    metafunc.parametrize("paths", found.values(), ids=found.keys())


def test_submissions(paths, record_property):
    results = [grade(path) for path in paths]
    right, of = (sum(result[i] for result in results) for i in (0, 1))
    remarks = "; ".join(result[2] for result in results if result[2])
    record_property("grade", f"{right} of {of} correct" + (f" ({remarks})" if remarks else ""))
    assert right == of > 0


if __name__ == "__main__":
    print(json.dumps(verdicts(sys.argv[1])))
