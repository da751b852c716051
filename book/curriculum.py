"""What the book knows of the curriculum, and Sphinx does not: its path and labs, and where equations are.

All of it is read from the notebooks, so a new notebook, named like its neighbours, is in the book.
"""

import re
from importlib.util import find_spec
from pathlib import Path

import bibliography
import course
import nbformat
from docutils import nodes
from sphinx.util import logging
from sphinx.util.fileutil import copy_asset
from sphinx.util.nodes import make_refnode

ROOT = Path(__file__).resolve().parent.parent
logger = logging.getLogger(__name__)

BADGE = re.compile(r"\[!\[Open in Colab\]\(.+?\)\]\((.+/(.+?\.ipynb))\)")
FOLD_TITLE = re.compile(r"# @title (.+)\n")
LESSONS_NAMED = re.compile(r"[Ll]essons? (\d+(?:(?:, | and | to )\d+)*)")
TAG = re.compile(r"\\tag\{([\d.]+)\}")
NUMBER = re.compile(r"\((\d+\.\d+)\)")
SECTION = re.compile(r"\d+(?:\.\d+)?(?= )")
NUMBERS = re.compile(
    r"(?:lesson (?P<before>\d+)['’]s )?(?P<list>\(\d+\.\d+\)(?:(?:, | and | to )\(\d+\.\d+\))*)"
    r"(?: of lesson (?P<after>\d+))?"
)


# --- the path and the labs ---


def first_match(pattern, text):
    match = re.search(pattern, text, flags=re.MULTILINE)
    return match[1].strip() if match else ""


def read_entry(path):
    """Return what the map says of a notebook: its number or letter, title, question, page, and what it needs."""
    notebook = course.read(path)
    needs = first_match(r"\*\*You need\*\* \|(.+)\|", notebook.cells[1].source)
    numbers = [int(n) for n in re.findall(r"\d+", " ".join(LESSONS_NAMED.findall(needs)))]
    return {
        "name": course.number(notebook),
        "title": first_match(r"^# .+? · (.+)", notebook.cells[0].source),
        "question": course.question(notebook),
        "docname": path.relative_to(ROOT).with_suffix("").as_posix(),
        "needs": max(numbers, default=0),
    }


def read_curriculum():
    """Return the lessons in the order of their numbers, and the labs in that of their letters."""
    folders = ["*_lm", "seq2seq"]
    entries = [read_entry(path) for folder in folders for path in ROOT.glob(f"{folder}/*.ipynb")]
    lessons = sorted((e for e in entries if e["name"].isdigit()), key=lambda e: int(e["name"]))
    labs = sorted((e for e in entries if not e["name"].isdigit()), key=lambda e: e["name"])
    return lessons, labs


def fill_in_curriculum(app, docname, source):
    """Let the book's own pages name the notebooks, and hold tables made of them: they are templates (Jinja's)."""
    if docname.startswith("book/") and re.search(r"\{%|\{\{ (course|bibliography)\.", source[0]):
        lessons, labs = app.env.curriculum
        pages = [path.stem for path in (ROOT / "book").glob("*.md")]
        names = {"lessons": lessons, "labs": labs, "pages": pages}
        names |= {"course": course, "bibliography": bibliography}
        source[0] = app.builder.templates.render_string(source[0], names)


# --- notebooks ---


def read_notebook(text):
    """Read a notebook: buttons in place of the badge, and on each fold the title that it has in Colab."""
    notebook = nbformat.reads(text, as_version=4)
    for cell in notebook.cells:
        title = FOLD_TITLE.match(cell.source)
        if cell.cell_type == "markdown":
            cell.source = BADGE.sub(
                r"[Open in Colab](\1) {download}`Download .ipynb <\2>`", cell.source
            )
        elif title:
            cell.source = cell.source[title.end() :]
            prompts = {"code_prompt_show": title[1], "code_prompt_hide": title[1]}
            # the picture in a cell's output is what the title says
            cell.metadata["mystnb"] = {**prompts, "image": {"alt": title[1]}}
    return notebook


def lighten_downloads(app, exception):
    """Leave outputs out of the notebooks to download, half of the whole site: they are on the page, and made anew."""
    if exception is None:
        for path in (app.outdir / "_downloads").glob("*/*.ipynb"):
            notebook = nbformat.read(path, as_version=4)
            for cell in notebook.cells:
                if cell.cell_type == "code":
                    cell.outputs, cell.execution_count = [], None
            nbformat.write(notebook, path)


# --- equations ---


def note_equations(app, doctree):
    """Remember which page has which numbered equation."""
    blocks = doctree.findall(nodes.math_block)
    app.env.equations[app.env.docname] = {n for b in blocks for n in TAG.findall(b.astext())}


def forget_equations(app, env, docname):
    env.equations.pop(docname, None)


def mark_equations(app, doctree, docname):
    """Make every numbered equation a place to link to; and have all set as they are written.

    (Sphinx puts what has a line break into a `split`, in which a number is an error; not so what MyST calls amsmath.)
    """
    for block in doctree.findall(nodes.math_block):
        block["ids"] += [f"equation-{number}" for number in TAG.findall(block.astext())]
        block["classes"].append("amsmath")


def page_of_lesson(env, number):
    return next((e["docname"] for e in env.curriculum[0] if e["name"] == number), None)


def references_in(env, docname, text):
    """Yield (start, end, page, number) for every number of an equation in a text of a page."""
    for match in NUMBERS.finditer(text):
        lesson = match["before"] or match["after"]
        page = page_of_lesson(env, lesson) if lesson else docname
        for number in NUMBER.finditer(text, match.start("list"), match.end("list")):
            if number[1] in env.equations.get(page, ()):
                yield *number.span(), page, number[1]
            elif lesson:
                logger.warning("lesson %s has no equation %s", lesson, number[0], location=docname)


def link_prose(app, doctree, docname):
    """Turn the numbers of equations in the prose of a page into links."""
    env = app.env
    for text in list(doctree.findall(nodes.Text)):
        paragraph = text.parent
        if not NUMBER.search(text) or not isinstance(paragraph, nodes.TextElement):
            continue
        if isinstance(paragraph, (nodes.FixedTextElement, nodes.literal, nodes.math)):
            continue
        if isinstance(paragraph, (nodes.reference, nodes.title, nodes.math_block)):
            continue
        # "(4.1) of [lesson 1](...)", where "lesson 1" is a link of its own, is the text with its neighbours
        at = paragraph.index(text)
        before = paragraph[at - 1].astext() if at > 0 else ""
        after = paragraph[at + 1].astext() if at + 1 < len(paragraph) else ""
        new, end = [], 0
        for start, stop, page, number in references_in(env, docname, before + text + after):
            start, stop = start - len(before), stop - len(before)
            if start >= 0 and stop <= len(text):
                label = nodes.inline(text=f"({number})")
                anchor = f"equation-{number}"
                new += [nodes.Text(text[end:start])]
                new += [make_refnode(app.builder, docname, page, anchor, label)]
                end = stop
        if new:
            paragraph.replace(text, [*new, nodes.Text(text[end:])])


def link_comments(app, pagename, templatename, context, doctree):
    """Turn the numbers of equations in the comments of code into links."""

    def linked(comment):
        html, end = "", 0
        for start, stop, page, number in references_in(app.env, pagename, comment[0]):
            uri = "" if page == pagename else app.builder.get_relative_uri(pagename, page)
            link = f'<a href="{uri}#equation-{number}">({number})</a>'
            html, end = html + comment[0][end:start] + link, stop
        return html + comment[0][end:]

    if "body" in context:
        context["body"] = re.sub(r'<span class="c1">.*?</span>', linked, context["body"])


def name_for_all(app, pagename, templatename, context, doctree):
    """Mend what a screen reader would be told wrongly: a fold is named by its title, a caption has a level."""
    for part in ("body", "furo_navigation_tree"):
        if part in context:
            context[part] = (
                context[part]
                .replace('<summary aria-label="Toggle hidden content">', "<summary>")
                .replace(
                    'class="caption" role="heading"',
                    'class="caption" role="heading" aria-level="2"',
                )
            )


# --- terms ---


def section_of_term(lesson, names):
    """Return the numbered section of a page that defines a term, or None if the whole page does, or none for sure.

    It is the first with the term itself in bold, or else with it in its title, or else with it within what is bold.
    """
    term = re.compile(rf"(?<!\w)(?:{'|'.join(map(re.escape, names))})s?(?!\w)", re.IGNORECASE)
    page, *sections = lesson.findall(nodes.section)
    if term.search(page[0].astext()):
        return None
    sections = [section for section in sections if SECTION.match(section[0].astext())]
    tries = (nodes.strong, term.fullmatch), (nodes.title, term.search), (nodes.strong, term.search)
    for kind, found in tries:
        for section in sections:
            own = [part for part in section.children if not isinstance(part, nodes.section)]
            texts = [node.astext() for part in own for node in part.findall(kind)]
            if any(found(text.rstrip(".:")) for text in texts):
                return section
    return None


def link_terms(app, doctree, docname):
    """Lead the links of the glossary on, from a lesson to the section that defines the term."""
    lessons = {}
    for item in doctree.findall(nodes.definition_list_item) if docname == "book/glossary" else ():
        names = [term.astext() for term in item.findall(nodes.term)][0].split(", ")
        link = list(item.findall(nodes.reference))[-1]
        page = link["refuri"].removeprefix("../").removesuffix(".html")
        if page not in lessons:
            lessons[page] = app.env.get_doctree(page)
        section = section_of_term(lessons[page], names)
        if section:
            link["refuri"] += f"#{section['ids'][0]}"
            number = SECTION.match(section[0].astext())[0]
            link += nodes.Text(f", section {number}")


# --- mathematics without a network ---


def ship_mathjax(app, exception):
    """Copy what a page loads of MathJax, 1 MB of 15."""
    if exception is None:
        package = Path(find_spec("sphinx-mathjax-offline").origin).parent / "static" / "mathjax"
        parts = [
            f"{part}.js" for part in ["startup", *app.config.mathjax3_config["loader"]["load"]]
        ]
        parts += ["output/chtml/fonts/tex.js", "output/chtml/fonts/woff-v2"]
        for part in parts:
            target = app.outdir / "_static" / "mathjax" / part
            copy_asset(package / part, target if (package / part).is_dir() else target.parent)


def start(app):
    app.env.curriculum = read_curriculum()
    if not hasattr(app.env, "equations"):
        app.env.equations = {}


def setup(app):
    app.connect("builder-inited", start)
    app.connect("source-read", fill_in_curriculum)
    app.connect("doctree-read", note_equations)
    app.connect("env-purge-doc", forget_equations)
    app.connect("doctree-resolved", mark_equations)
    app.connect("doctree-resolved", link_prose)
    app.connect("doctree-resolved", link_terms)
    app.connect("html-page-context", link_comments)
    app.connect("html-page-context", name_for_all, priority=900)  # after the theme
    app.connect("build-finished", lighten_downloads)
    app.connect("build-finished", ship_mathjax)
    return {"version": "1", "parallel_read_safe": False, "parallel_write_safe": True}
