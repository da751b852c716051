"""The diagrams: one style, nothing from outside, words for those who cannot see them, and what a cell displays."""

import base64
import re
import xml.etree.ElementTree as ET

import nbformat
import pytest

from common.lesson import diagrams
from tests.draw_diagrams import is_drawn
from tests.execute import LESSONS

FILES = sorted(diagrams.FOLDER.glob("*.svg"))


@pytest.fixture(params=FILES, ids=[path.stem for path in FILES])
def path(request):
    return request.param


def looks(path):
    """Return {class: its other attributes} of the groups of a file."""
    groups = ET.fromstring(path.read_text(encoding="utf-8")).iter(diagrams.SVG + "g")
    return {group.attrib.pop("class"): group.attrib for group in groups}


def test_a_file_is_small_and_plain_svg_that_any_viewer_shows(path):
    """No style sheet, no reference even to itself: GitHub's viewer takes such things out."""
    text = path.read_text(encoding="utf-8")
    root = ET.fromstring(text)
    assert root.tag == diagrams.SVG + "svg" and root.get("class") == "diagram"
    width, height = int(root.get("width")), int(root.get("height"))
    assert width <= 640 and root.get("viewBox") == f"0 0 {width} {height}"
    assert len(text.encode()) < 15_000 and "\r" not in text and text.endswith("</svg>\n")
    tags = {element.tag.removeprefix(diagrams.SVG) for element in root.iter()}
    assert tags <= {"svg", "title", "desc", "g", "rect", "circle", "path", "text", "tspan"}
    assert not re.search(r"href|url\(| style=|<!ENTITY", text)
    assert re.findall(r"https?:[^\"]*", text) == ["http://www.w3.org/2000/svg"]


def test_a_file_has_a_title_and_a_description(path):
    root = ET.fromstring(path.read_text(encoding="utf-8"))
    ids = [root.find(diagrams.SVG + tag).get("id") for tag in ("title", "desc")]
    assert root.get("aria-labelledby").split() == ids == [f"{path.stem}-title", f"{path.stem}-desc"]
    assert len(root.findtext(diagrams.SVG + "title").split()) >= 4
    assert len(root.findtext(diagrams.SVG + "desc").split()) >= 20


def test_a_file_paints_its_own_ground_first(path):
    first = next(ET.fromstring(path.read_text(encoding="utf-8")).iter(diagrams.SVG + "g"))
    assert first.get("class") == "ground" and first.get("fill") != "none"


def test_what_is_called_the_same_looks_the_same_in_all_files(path):
    style = {name: look for other in FILES for name, look in looks(other).items()}
    assert looks(path).items() <= style.items()
    for name, look in style.items():
        assert ("stroke-dasharray" in look) == (name in ("gradient", "gradient new", "guide"))


def test_a_file_has_a_png_beside_it_that_was_drawn_from_it(path):
    assert is_drawn(path), "run python -m tests.draw_diagrams"
    assert path.with_suffix(".png").stat().st_size < 30_000


def test_show_displays_the_file_itself_the_png_and_its_description(monkeypatch):
    shown = []
    monkeypatch.setattr(diagrams, "display", lambda *args, **options: shown.append((args, options)))
    assert diagrams.show("rnn_unrolled") is None
    (((data,), options),) = shown
    assert options == {"metadata": {"image/png": {"width": 640}}, "raw": True}
    assert list(data) == ["image/svg+xml", "image/png", "text/plain"]
    file = diagrams.FOLDER / "rnn_unrolled.svg"
    assert data["image/svg+xml"] == file.read_text(encoding="utf-8")
    assert base64.b64decode(data["image/png"]) == file.with_suffix(".png").read_bytes()
    title = "Diagram: A recurrent network, unrolled over three steps. "
    assert data["text/plain"].startswith(title) and "\n" not in data["text/plain"]


@pytest.mark.parametrize("name", ["rnn", "", "../diagrams/rnn_unrolled", None])
def test_an_unknown_name_is_refused_with_the_names_there_are(name):
    with pytest.raises(ValueError, match=f"no diagram {name!r}; there are .*rnn_unrolled"):
        diagrams.show(name)


def test_notebooks_hold_the_diagrams_as_they_are():
    for path in LESSONS:
        for cell in nbformat.read(path, as_version=4).cells:
            names = re.findall(r"diagrams\.show\(\"(\w+)\"\)", cell.source)
            if names:
                stored = [(output.data, output.metadata) for output in cell.outputs]
                files = [diagrams.bundle(name) for name in names]
                assert stored == files, f"execute {path.name} again"
