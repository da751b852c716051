"""What the book's pages say of the notebooks, read from the notebooks themselves: minutes, exercises, gradients."""

import re
from pathlib import Path

import nbformat

NO_BREAK = "\u00a0"
ROOT = Path(__file__).resolve().parent.parent
NOTEBOOKS = sorted(ROOT.glob("*_lm/0*.ipynb")) + sorted(ROOT.glob("seq2seq/0*.ipynb"))

# A first reading with a pencil at hand, of what is not folded. A reckoning, not a measurement: readers of
# lessons 1 to 3 reckoned with as long, of lessons 6 and 8 with up to twice that.
WORDS, LINES, FORMULA, FIGURE = 130, 15, 0.75, 0.5  # words and lines a minute; minutes each


def read(path):
    notebook = nbformat.read(path, as_version=4)
    notebook.path = path
    return notebook


def number(notebook):
    """Return the number of a lesson or the letter of a lab."""
    return re.match(r"# (?:Lab )?(\w+) · ", notebook.cells[0].source)[1]


def name(notebook):
    """Return how the course calls a notebook: 'lesson 3' or 'lab A'."""
    return f"{'lesson' if number(notebook).isdigit() else 'lab'} {number(notebook)}"


def question(notebook):
    """Return the question that stands at the head of a notebook."""
    head = notebook.cells[0].source
    found = re.search(r"\*\*The question of this (?:lesson|lab)\b.*?: (.+?)\*\*", head)
    return found[1][0].upper() + found[1][1:]


def course():
    """Return the notebooks in their order: the lessons by number, then the labs by letter."""
    notebooks = [read(path) for path in NOTEBOOKS]
    return sorted(notebooks, key=lambda n: (name(n).startswith("lab"), len(name(n)), name(n)))


def minutes(cells):
    """Return how long a first reading of these cells takes, without exercises and folds."""
    total = 0.0
    for cell in cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL)
            total += len(text.split()) / WORDS + FORMULA * text.count(r"\tag{")
            continue
        total += FIGURE * any("image/png" in o.get("data", {}) for o in cell.outputs)
        if not cell.metadata.get("jupyter", {}).get("source_hidden"):
            total += len([line for line in cell.source.splitlines() if line.strip()]) / LINES
    return total


def sections(notebook):
    """Return [(title, cells)] of the numbered sections of a notebook; a cell in which one begins is cut in two."""
    found = []
    for cell in notebook.cells:
        pieces = [cell]
        if cell.cell_type == "markdown":
            texts = re.split(r"^(?=## \d)", cell.source, flags=re.MULTILINE)
            pieces = [nbformat.v4.new_markdown_cell(text) for text in texts if text.strip()]
        for piece in pieces:
            if piece.cell_type == "markdown" and piece.source.startswith("## "):
                title = re.match(r"## (\d+ · .+)", piece.source)
                found += [(title[1], [])] if title else []
            if found:
                found[-1][1].append(piece)
    return found


def exercises(notebook):
    """Return [(number, kind, what)] of the exercises: '### Exercise 2 · Warm up: min-p sampling'."""
    text = "\n".join(cell.source for cell in notebook.cells if cell.cell_type == "markdown")
    heads = re.findall(r"^### Exercise (\d+) · ([A-Z][a-z ]+?): (.+)$", text, flags=re.MULTILINE)
    return [(int(number), kind, what) for number, kind, what in heads]


def link(notebook):
    """Return a link to a notebook, as a page of the book writes it."""
    return f"[{name(notebook).replace(' ', NO_BREAK)}](../{notebook.path.relative_to(ROOT).as_posix()})"


def printed(notebook):
    """Return all text that the cells of a notebook have printed."""
    outputs = [o for c in notebook.cells if c.cell_type == "code" for o in c.outputs]
    return "\n".join(o.get("text") or o.get("data", {}).get("text/plain", "") for o in outputs)


def gradient_errors(notebook):
    """Return the relative errors of the arrays whose gradients a notebook has checked, as it printed them."""
    text = printed(notebook)
    rows = re.findall(r"^ *\S+ +\([\d, ]*\) +(\d\.\de-\d\d)  ok$", text, flags=re.MULTILINE)
    rows += re.findall(r"^d\w+ +relative error (\d+e-\d\d)$", text, flags=re.MULTILINE)
    for arrays, worst in re.findall(r"(\d+) arrays, (\d\.\de-\d\d)$", text, flags=re.MULTILINE):
        rows += [worst] * int(arrays)
    return [float(row) for row in rows]


def table(head, rows):
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


def times_table():
    rows = []
    for notebook in course():
        found = [
            (title, round(minutes(cells)))
            for title, cells in sections(notebook)
            if not title.endswith("Exercises")
        ]
        total = round(sum(some for _, some in found) / 5) * 5
        parts = ", ".join(f"{title.split(' · ')[0]}: {some}" for title, some in found if some > 1)
        rows.append([link(notebook), f"**{total}**", parts])
    return table(["", "minutes", "section: minutes"], rows)


# What an exercise of a kind asks of a student who has read the lesson: how hard, and about how many minutes.
KINDS = {
    "Predict": ("★", 10),
    "Warm up": ("★", 10),
    "Derive and code": ("★★★", 40),
    "Debug": ("★★", 20),
}


def exercises_table():
    rows = []
    for notebook in course():
        for number, kind, what in exercises(notebook):
            stars, some = KINDS[kind]
            rows.append([link(notebook), number, kind, what, stars, some])
    return table(["", "", "kind", "what", "difficulty", "minutes"], rows)


def gradients_table():
    rows = []
    for notebook in course():
        errors = gradient_errors(notebook)
        held = len(re.findall(r"^holds: ", printed(notebook), flags=re.MULTILINE))
        worst = f"{max(errors):.0e}" if errors else ""
        rows.append([link(notebook), len(errors) or "", worst, held])
    return table(["", "arrays checked", "largest relative error", "claims held"], rows)


def oracles_table():
    """Compare our cells and attention with the committed answers of the oracles, now."""
    from tests import test_reference as reference

    found = {}
    for oracle, cell, kind in reference.CASES:
        ours = reference.our_answers(oracle, cell, reference.PROBLEMS[cell][kind])
        errors = reference.errors(ours, reference.ANSWERS[oracle][cell][kind])
        found.setdefault((cell, oracle), []).extend(errors.values())
    for score in reference.attention.SCORES:
        for kind in reference.attention.KINDS:
            problem, theirs = (reference.ATTENTION[p][score][kind] for p in ("problems", "torch"))
            errors = reference.errors(reference.our_attention(problem), theirs)
            found.setdefault((f"attention, {score}", "torch"), []).extend(errors.values())
    columns = ["torch", "keras", "onnx", "onnxruntime"]
    rows = [
        [what, *(f"{max(found[what, c]):.0e}" if (what, c) in found else "" for c in columns)]
        for what in dict.fromkeys(what for what, _ in found)
    ]
    names = ["PyTorch", "Keras", "ONNX reference", "ONNX Runtime (float32)"]
    return table(["", *names], rows)
