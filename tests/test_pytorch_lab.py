"""Lab E with PyTorch: run whole, it reaches the verdicts that are stored; and its script for two workers, alone.

PyTorch is nobody's dependency, so cells that need it are not compared by nbval. Here they are.
"""

import os
import re
import subprocess
import sys

import nbformat
import pytest
from nbclient import NotebookClient

from tests.execute import ROOT

PATH = ROOT / "word_level_lm" / "05_PyTorch_Lab.ipynb"
ABSENT = "PyTorch is not installed here"


def printed(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    return "\n".join(output.get("text", "") for output in outputs)


def verdicts(notebook):
    return re.findall(r"^holds: (.+)$", printed(notebook), flags=re.MULTILINE)


def test_what_is_stored_was_made_with_pytorch():
    stored = nbformat.read(PATH, as_version=4)
    assert ABSENT not in printed(stored)
    assert len(verdicts(stored)) > 25


def test_every_cell_that_needs_pytorch_is_exempt_from_comparison():
    for cell in nbformat.read(PATH, as_version=4).cells:
        calls = cell.cell_type == "code" and re.search(r"^.*\bwith_torch\(", cell.source, re.M)
        if calls and "def with_torch" not in cell.source:
            assert "nbval-ignore-output" in cell.metadata.get("tags", []), cell.source


def test_with_pytorch_the_lab_reaches_its_verdicts():
    pytest.importorskip("torch")
    stored = nbformat.read(PATH, as_version=4)
    notebook = nbformat.read(PATH, as_version=4)
    place = {"metadata": {"path": str(PATH.parent)}}
    NotebookClient(notebook, timeout=300, kernel_name="python3", resources=place).execute()
    assert ABSENT not in printed(notebook)
    assert verdicts(notebook) == verdicts(stored)


@pytest.mark.parametrize("workers, agrees", [(2, True), (1, True), (3, False)])
def test_averaged_gradients_are_those_of_the_whole_batch(workers, agrees):
    pytest.importorskip("torch")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone"]
    command += ["--nproc-per-node", str(workers), "-m", "word_level_lm.data_parallel"]
    alone = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=ROOT, env=alone, capture_output=True, text=True, timeout=300)
    assert (run.returncode == 0) == agrees, run.stderr
    said = run.stdout if agrees else run.stderr
    expected = "to 1e-5" if agrees else "3 workers cannot share 8 streams alike"
    assert expected in said
