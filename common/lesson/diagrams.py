"""The diagrams of the course: SVG files in the folder beside this module, in one style, shown by one line.

    # @title Diagram: the network, unrolled
    diagrams.show("rnn_unrolled")

These two lines are a cell of their own, folded like every cell that draws. States are circles, gates are squares,
operations small circles. What is computed forward is blue and solid; gradients are red and dashed, against the arrows.
A file paints its own light ground, so it is the same on a dark page, and says how it looks in attributes of its groups,
since GitHub's viewer takes out style sheets and references. An arrowhead is a path that starts at its tip.
"""

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
    svg = (FOLDER / f"{name}.svg").read_text(encoding="utf-8")
    # not IPython.display.SVG, which parses the file and writes it anew
    display({"image/svg+xml": svg, "text/plain": describe(svg)}, raw=True)


def describe(svg):
    """Return what a diagram says of itself to those who cannot see it: its title and description."""
    root = ET.fromstring(svg)
    title, description = (root.findtext(SVG + tag) for tag in ("title", "desc"))
    return f"Diagram: {title}. {' '.join(description.split())}"
