"""Notebooks run side by side, and a run of them ends with their run times. Property tests draw the same examples on
every machine, and a slow or busy machine fails none of them."""

import os
from collections import Counter
from pathlib import Path

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # before NumPy: waiting threads cost more than they give

from hypothesis import settings  # noqa: E402

settings.register_profile("project", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("project")

seconds_of_notebook = Counter()
grades = {}


def pytest_addoption(parser):
    parser.addoption("--submissions", help="a folder of notebooks, for tests/grade.py")


def pytest_xdist_auto_num_workers(config):
    """Return a worker per core; where single files are named, no more than notebooks among them.

    Workers take about two seconds to start, which one file of unit tests is not worth: it runs without any.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    named = [Path(argument.split("::")[0]) for argument in config.args]
    if all(path.is_file() for path in named):
        cores = min(cores, sum(path.suffix == ".ipynb" for path in named))
    return cores if cores > 1 else 0


def pytest_runtest_logreport(report):
    notebook = report.nodeid.split("::")[0]
    if notebook.endswith(".ipynb"):
        seconds_of_notebook[notebook] += report.duration
    for name, value in report.user_properties:
        if name == "grade":
            grades[report.nodeid] = value


def pytest_terminal_summary(terminalreporter):
    """Say how long each notebook took, from the start of its kernel to its last cell."""
    if seconds_of_notebook:
        terminalreporter.section("run time of the notebooks")
    for notebook, seconds in sorted(seconds_of_notebook.items()):
        terminalreporter.write_line(f"{seconds:5.0f} s  {notebook}")
    if grades:
        terminalreporter.section("grades")
    for test, grade in grades.items():
        terminalreporter.write_line(f"{test.partition('[')[2][:-1]}: {grade}")
