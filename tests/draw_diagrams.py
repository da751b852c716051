"""Draw the PNG that stands beside the SVG of each diagram: `python -m tests.draw_diagrams`, with Chromium or Chrome.

JupyterLab shows no SVG of a notebook that it does not trust, such as one just cloned, but a PNG. Each PNG holds the
digest of the SVG that it was drawn from, so that a test sees when it is out of date; only such ones are drawn.
"""

import hashlib
import shutil
import subprocess
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

from PIL import Image
from PIL.PngImagePlugin import PngInfo

from common.lesson.diagrams import FOLDER

SCALE = 1.5  # pixels of the PNG for one of the diagram


def digest(svg_path):
    return hashlib.sha256(svg_path.read_text(encoding="utf-8").encode()).hexdigest()


def is_drawn(svg_path):
    """Return whether the PNG beside an SVG is there and was drawn from it as it is now."""
    png_path = svg_path.with_suffix(".png")
    return png_path.exists() and Image.open(png_path).info.get("drawn from") == digest(svg_path)


def draw(svg_path, browser):
    root = ET.fromstring(svg_path.read_text(encoding="utf-8"))
    size = f"--window-size={root.get('width')},{root.get('height')}"
    with tempfile.TemporaryDirectory() as folder:
        shot = Path(folder) / "shot.png"
        options = ["--headless", "--no-sandbox", "--hide-scrollbars", f"--user-data-dir={folder}"]
        options += [size, f"--force-device-scale-factor={SCALE}", f"--screenshot={shot}"]
        subprocess.run([browser, *options, svg_path.as_uri()], check=True, capture_output=True)
        image = Image.open(shot).convert("RGB").quantize(64, dither=Image.Dither.NONE)
    info = PngInfo()
    info.add_text("drawn from", digest(svg_path))
    image.save(svg_path.with_suffix(".png"), optimize=True, pnginfo=info)


if __name__ == "__main__":
    names = ("chromium", "chromium-browser", "google-chrome", "chrome")
    browser = next(filter(None, map(shutil.which, names)), None)
    for path in sorted(FOLDER.glob("*.svg")):
        if not is_drawn(path):
            print(path.name, flush=True)
            draw(path, browser)
