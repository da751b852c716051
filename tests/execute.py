"""Execute the notebooks and save them with their outputs: `python -m tests.execute [NOTEBOOK ...]`.

Twice in a row gives the same bytes, but for cells tagged nbval-ignore-output. A notebook that fails is
left as it was. Figures of cells tagged readme-figure are saved for the README, too.
"""

import base64
import os
import sys
from pathlib import Path

import nbformat
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parent.parent
LESSONS = sorted(ROOT.glob("*_lm/*.ipynb")) + sorted(ROOT.glob("seq2seq/*.ipynb"))
FIGURES = ROOT / ".github" / "figures"


def readme_figures(path):
    """Return {file name: PNG bytes} of the figures in cells tagged readme-figure."""
    pngs = [
        base64.b64decode(output.data["image/png"])
        for cell in nbformat.read(path, as_version=4).cells
        for output in cell.get("outputs", [])
        if "readme-figure" in cell.metadata.get("tags", [])
        and "image/png" in output.get("data", {})
    ]
    stem = f"{path.parent.name}_{path.stem}"
    return {f"{stem}_{n}.png": png for n, png in enumerate(pngs, 1)}


def remove_widgets(notebook):
    """Remove what a slider leaves behind: it needs a kernel to live, and its id is another one at every execution.

    (nbclient can run sliders only if it keeps their state, in the notebook's metadata, which is replaced below.)
    """
    for cell in notebook.cells:
        if "outputs" in cell:
            cell.outputs = [
                output
                for output in cell.outputs
                if "application/vnd.jupyter.widget-view+json" not in output.get("data", {})
            ]


def execute(path):
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=300,
        kernel_name="python3",
        record_timing=False,
        coalesce_streams=True,
        resources={"metadata": {"path": str(path.parent)}},
    ).execute()
    remove_widgets(notebook)
    notebook.metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    unfinished = path.with_suffix(".unfinished")
    with open(unfinished, "w", encoding="utf-8", newline="\n") as file:
        nbformat.write(notebook, file)
    unfinished.replace(path)
    for name, png in readme_figures(path).items():
        FIGURES.mkdir(exist_ok=True)
        (FIGURES / name).write_bytes(png)


if __name__ == "__main__":
    os.environ.pop("MPLBACKEND", None)
    for path in [Path(name).resolve() for name in sys.argv[1:]] or LESSONS:
        print(path.relative_to(ROOT), flush=True)
        execute(path)
