"""Property tests draw the same examples on every machine, and a slow or busy machine fails none of them. A run of the
notebooks ends with their run times."""

import os
from collections import Counter

os.environ.setdefault(
    "OPENBLAS_NUM_THREADS", "1"
)  # before NumPy: waiting threads cost more than they give

from hypothesis import settings  # noqa: E402

settings.register_profile("project", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("project")

seconds_of_notebook = Counter()


def pytest_runtest_logreport(report):
    notebook = report.nodeid.split("::")[0]
    if notebook.endswith(".ipynb"):
        seconds_of_notebook[notebook] += report.duration


def pytest_terminal_summary(terminalreporter):
    """Say how long each notebook took, from the start of its kernel to its last cell."""
    if seconds_of_notebook:
        terminalreporter.section("run time of the notebooks")
    for notebook, seconds in seconds_of_notebook.items():
        terminalreporter.write_line(f"{seconds:5.0f} s  {notebook}")
