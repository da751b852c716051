"""Notebooks are run side by side, each whole on one worker, and single files of unit tests without any worker."""

import os
import shutil
import subprocess
import sys
from types import SimpleNamespace

import nbformat
import pytest

from conftest import pytest_xdist_auto_num_workers
from tests.execute import LESSONS, ROOT


@pytest.mark.parametrize(
    "arguments, cores, workers",
    [
        (["tests", "seq2seq"], 8, 8),
        (["tests"], 2, 2),
        (["tests"], 1, 0),
        ([__file__], 8, 0),
        ([__file__ + "::test_the_number_of_workers", __file__], 8, 0),
        ([str(LESSONS[0])], 8, 0),
        (list(map(str, LESSONS[:3])), 8, 3),
        (list(map(str, LESSONS[:3])), 2, 2),
    ],
)
def test_the_number_of_workers(arguments, cores, workers, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(cores)), raising=False)
    monkeypatch.chdir(ROOT)
    assert pytest_xdist_auto_num_workers(SimpleNamespace(args=arguments)) == workers


def test_a_notebook_stays_on_its_worker_and_its_run_time_is_told(tmp_path):
    for name in ("conftest.py", "pyproject.toml"):
        shutil.copy(ROOT / name, tmp_path)
    cells = ["import os", *["a = os.environ['OPENBLAS_NUM_THREADS']"] * 4, "assert a == '1'"]
    for name in ("one.ipynb", "two.ipynb"):
        notebook = nbformat.v4.new_notebook(cells=list(map(nbformat.v4.new_code_cell, cells)))
        nbformat.write(notebook, tmp_path / name)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "--nbval", "-n", "2", "one.ipynb", "two.ipynb"],
        cwd=tmp_path,
        env={k: v for k, v in os.environ.items() if "PYTEST" not in k and "BLAS" not in k},
        capture_output=True,
        encoding="utf-8",
        timeout=240,
    )
    assert done.returncode == 0 and "12 passed" in done.stdout, done.stdout + done.stderr
    assert "2 workers" in done.stdout and done.stdout.count(" s  ") == 2, done.stdout
