"""The web book, made by Sphinx of the notebooks as they are committed: nothing is executed.

The project's root is the source folder, so that links between notebooks and pages hold here as they do on GitHub.
"""

import sys
from pathlib import Path

import tomllib

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "book"))  # for curriculum, the extension beside this file
with open(ROOT / "pyproject.toml", "rb") as file:
    ADDRESSES = tomllib.load(file)["project"]["urls"]

project = html_title = "Sequence Modeling from Scratch"
project_copyright = "the authors of Sequence Modeling from Scratch, under the MIT licence"
extensions = ["myst_nb", "sphinx_copybutton", "curriculum"]
root_doc = "book/index"
include_patterns = ["book/*.md", "data/README.md", "*_lm/*.ipynb", "seq2seq/*.ipynb"]

nb_execution_mode = "off"
nb_custom_formats = {".ipynb": ["curriculum.read_notebook", {}, False]}
myst_enable_extensions = ["dollarmath", "amsmath", "attrs_block"]
myst_heading_anchors = 4
copybutton_exclude = ".linenos"

html_theme = "furo"
html_baseurl = ADDRESSES["Documentation"]
html_theme_options = {
    "source_repository": ADDRESSES["Repository"],
    "source_branch": "main",
    "source_directory": "",
    "top_of_page_buttons": ["view"],
}
html_static_path = ["_static"]
html_favicon = "_static/icon.svg"
html_css_files = ["book.css"]
html_js_files = ["book.js"]
html_additional_pages = {"index": "start.html"}
templates_path = ["_templates"]
html_copy_source = False
html_use_index = False
html_domain_indices = False

# MathJax 3, which sphinx-mathjax-offline has, in the parts that curriculum.py ships; without the menu, which would make
# every formula a stop of the tab key.
mathjax_path = "mathjax/startup.js"
mathjax3_config = {"loader": {"load": ["core", "input/tex", "output/chtml", "a11y/assistive-mml"]}}
