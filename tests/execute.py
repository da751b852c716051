"""Execute the notebooks and save them with their outputs: `python -m tests.execute [NOTEBOOK ...]`.

Twice in a row gives the same bytes, but for cells tagged nbval-ignore-output. A notebook that fails is
left as it was.
"""

import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted(ROOT.glob("*_lm/*.ipynb")) + sorted(ROOT.glob("seq2seq/*.ipynb"))


def execute(path):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        store_widget_state=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    unfinished = path.with_suffix(".unfinished")
    with open(unfinished, "w", encoding="utf-8", newline="\n") as file:
        nbformat.write(notebook, file)
    unfinished.replace(path)


if __name__ == "__main__":
    os.environ.pop("MPLBACKEND", None)
    for path in [Path(name).resolve() for name in sys.argv[1:]] or LESSONS:
        print(path.relative_to(ROOT), flush=True)
        execute(path)
