"""The diagrams of the course: SVG files in the folder beside this module, in one style, shown by one line.

    # @title Diagram: the network, unrolled
    diagrams.show("rnn_unrolled")

These two lines are a cell of their own, folded like every cell that draws. States are circles, gates are squares,
operations small circles. What is computed forward is blue and solid; gradients are red and dashed, against the arrows.

A file paints its own light ground, so it is the same on a dark page. How it looks stands in attributes of its groups,
since GitHub's viewer takes out style sheets and references; an arrowhead is a path that starts at its tip. After a
change to an SVG file, `python -m tests.draw_diagrams` draws the PNG beside it again.
"""

import base64
import xml.etree.ElementTree as ET
from pathlib import Path

from IPython.display import display

FOLDER = Path(__file__).resolve().parent / "diagrams"
SVG = "{http://www.w3.org/2000/svg}"


def names():
    """Return the names of all diagrams, sorted."""
    return sorted(path.stem for path in FOLDER.glob("*.svg"))


def show(name):
    """Display the diagram of this name as the output of a cell; where no picture can be shown, its description.

    Raises ValueError for an unknown name.
    """
    if name not in names():
        raise ValueError(f"there is no diagram {name!r}; there are {', '.join(names())}")
    data, metadata = bundle(name)
    display(data, metadata=metadata, raw=True)


def bundle(name):
    """Return what a cell displays of a diagram, as {type: content}, and how large.

    It is the SVG file itself (IPython.display.SVG would write it anew); the PNG beside it, since JupyterLab shows no
    SVG of a notebook that it does not trust, such as one just cloned; and the description.
    """
    svg = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    png = base64.b64encode((FOLDER / f"{name}.png").read_bytes()).decode()
    width = int(ET.fromstring(svg).get("width"))
    data = {"image/svg+xml": svg, "image/png": png, "text/plain": describe(svg)}
    return data, {"image/png": {"width": width}}


def describe(svg):
    """Return what a diagram says of itself to those who cannot see it: its title and description."""
    root = ET.fromstring(svg)
    title, description = (root.findtext(SVG + tag) for tag in ("title", "desc"))
    return f"Diagram: {title}. {' '.join(description.split())}"
