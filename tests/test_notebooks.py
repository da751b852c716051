"""What every committed notebook must be, checked without running it; and its exercises, run through their checks."""

import ast
import base64
import json
import re
import struct
from types import SimpleNamespace

import nbformat
import numpy as np
import pytest

from tests.execute import LESSONS, ROOT

CLONE_ADDRESS = re.compile(r"https://github\.com/[\w.-]+/sequence-modeling-from-scratch")


@pytest.fixture(params=LESSONS, ids=[path.stem for path in LESSONS])
def lesson(request):
    notebook = nbformat.read(request.param, as_version=4)
    nbformat.validate(notebook)
    notebook.path = request.param
    return notebook


def code_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def prose_cells(notebook):
    return [cell for cell in notebook.cells if cell.cell_type == "markdown"]


def tags(cell):
    return cell.metadata.get("tags", [])


def tagged(notebook, tag):
    return [cell for cell in notebook.cells if tag in tags(cell)]


def test_executed_in_order_from_one(lesson):
    counts = [cell.execution_count for cell in code_cells(lesson)]
    assert counts == list(range(1, len(counts) + 1))


def test_no_errors_and_no_compared_stderr(lesson):
    for cell in code_cells(lesson):
        for output in cell.outputs:
            assert output.output_type != "error" or "raises-exception" in tags(cell)
            assert output.get("name") != "stderr"


def test_metadata_is_the_same_everywhere_without_widgets_or_timestamps(lesson):
    assert lesson.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    for cell in lesson.cells:
        assert set(cell.metadata) <= {"tags", "jupyter", "cellView"}


def test_outputs_hold_no_path_and_no_object_id(lesson):
    for cell in code_cells(lesson):
        text = json.dumps([{**output, "metadata": {}} for output in cell.outputs])
        text = re.sub(r'"image/png": "[^"]*"', "", text)
        assert not re.search(r"0x[0-9a-f]{6,}|/tmp/|/home/|/root/|/Users/|[A-Z]:\\\\", text)


def test_figures_are_small_png(lesson):
    figures = [
        base64.b64decode(output.data["image/png"])
        for cell in code_cells(lesson)
        for output in cell.outputs
        if "image/png" in output.get("data", {})
    ]
    assert figures
    for png in figures:
        width, _ = struct.unpack(">II", png[16:24])
        assert len(png) < 100_000 and width <= 1200


def test_figures_end_with_show(lesson):
    for cell in code_cells(lesson):
        if "plt.subplots(" in cell.source:
            assert "plt.show()" in cell.source
        assert not cell.source.rstrip().endswith(";")


def test_setup_cell_is_the_same_and_names_the_address_of_pyproject(lesson):
    project = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    (address,) = re.findall(r'^Repository = "(.+)"', project, flags=re.MULTILINE)
    first = nbformat.read(LESSONS[0], as_version=4)
    assert code_cells(lesson)[0].source == code_cells(first)[0].source
    assert code_cells(lesson)[0].metadata == code_cells(first)[0].metadata
    assert f'REPOSITORY = "{address}"' in code_cells(lesson)[0].source
    sources = "\n".join(cell.source for cell in lesson.cells)
    assert set(CLONE_ADDRESS.findall(sources)) == {address}
    colab = address.replace("https://github.com", "https://colab.research.google.com/github")
    assert f"{colab}/blob/main/{lesson.path.relative_to(ROOT).as_posix()}" in lesson.cells[0].source


def test_defaults_of_the_claims_are_those_of_the_parameters_cell(lesson):
    (cell,) = tagged(lesson, "parameters")
    parameters = {
        node.targets[0].id: ast.literal_eval(node.value) for node in ast.parse(cell.source).body
    }
    (call,) = [
        node
        for cell in code_cells(lesson)
        if "check_parameters(" in cell.source
        for node in ast.walk(ast.parse(cell.source))
        if isinstance(node, ast.keyword) and node.arg == "defaults"
    ]
    defaults = ast.literal_eval(call.value)
    assert isinstance(parameters.pop("seed"), int)
    assert defaults == parameters


def test_equations_are_defined_once_and_those_that_code_cites_exist(lesson):
    defined = re.findall(r"\\tag\{(.+?)\}", "\n".join(cell.source for cell in prose_cells(lesson)))
    code = "\n".join(cell.source for cell in code_cells(lesson))
    cited = set(re.findall(r"#.*?\((\d+\.\d+)\)", code))
    assert len(defined) == len(set(defined))
    assert cited and cited <= set(defined)


def section_numbers(notebook):
    text = "\n".join(cell.source for cell in prose_cells(notebook))
    return re.findall(r"^#{2,3} (\d+(?:\.\d+)?) ", text, flags=re.MULTILINE)


def cited_sections(text):
    """Return [(lesson or None for this one, section), ...] of a lesson's text; sections of papers are left out."""
    cited, number = [], r"\d+(?:\.\d+)*"
    for match in re.finditer(rf"[Ss]ections? ({number}(?:(?:,| and| to) {number})*)", text):
        before, after = text[: match.start()], text[match.end() :]
        if re.search(r"(\d{4}, |their |et al\. \()$", before):
            continue
        if re.match(r"[^();:]{0,20} of (the paper|[A-Z])", after):
            continue
        other = re.search(r"lesson (\d+)(?:'s|,) $", before) or re.match(
            r" of \[?lesson (\d+)", after
        )
        cited += [(other and other[1], section) for section in re.findall(number, match[1])]
    return cited


def test_sections_are_numbered_without_a_gap(lesson):
    section, subsection = -1, 0
    for number in section_numbers(lesson):
        if "." not in number:
            section, subsection = section + 1, 0
            assert number == str(section)
        else:
            subsection += 1
            assert number == f"{section}.{subsection}"


def test_sections_that_are_cited_exist(lesson):
    sections = {None: section_numbers(lesson)}
    for path in LESSONS:
        notebook = nbformat.read(path, as_version=4)
        title = re.match(r"# (\d+) · ", notebook.cells[0].source)
        if title:
            sections[title[1]] = section_numbers(notebook)
    text = "\n".join(cell.source for cell in lesson.cells).partition("### References")[0]
    cited = cited_sections(text)
    assert cited
    for where, number in cited:
        assert number in sections[where], f"section {number} of lesson {where or 'itself'}"


def test_citations_of_sections_are_read_as_meant():
    here = "(section 4). Sections 9.4 and 9.5 say so; see sections 4.1 to 4.4, and Section 10."
    elsewhere = "that of lesson 3, sections 4.1 and 4.2, and section 5 of [lesson 1](x.ipynb)"
    papers = (
        "(2014, section 3.3), their section 3.1, et al. (section 5.3), section 3.3 of the paper"
    )
    papers += "; sections 3.1, 3.2, A.1.2 and A.2 of Bahdanau"
    assert cited_sections(here) == [
        (None, number) for number in ["4", "9.4", "9.5", "4.1", "4.4", "10"]
    ]
    assert cited_sections(elsewhere) == [("3", "4.1"), ("3", "4.2"), ("1", "5")]
    assert cited_sections(papers) == []


def test_links_to_files_resolve(lesson):
    for cell in prose_cells(lesson):
        for target in re.findall(r"\]\(([^)#\s]+)", cell.source):
            if not target.startswith(("http://", "https://", "attachment:")):
                assert (lesson.path.parent / target).exists(), target


def test_code_cells_are_short(lesson):
    lengths = [
        len([line for line in cell.source.splitlines() if line.strip()])
        for cell in code_cells(lesson)
    ]
    assert max(lengths) <= 30


def test_ignored_output_is_followed_by_a_check(lesson):
    cells = code_cells(lesson)
    for i, cell in enumerate(cells):
        if "nbval-ignore-output" in tags(cell) and "play" not in tags(cell):
            after = "\n".join(cell.source for cell in cells[i : i + 4])
            assert "assert " in after or "check_outcome(" in after


def marks_of_a_fold(cell):
    """Return whether JupyterLab, Colab and the book fold the cell, and whether Colab has a title to show for it."""
    lab = cell.metadata.get("jupyter", {}).get("source_hidden", False)
    colab = cell.metadata.get("cellView") == "form"
    return lab, colab, "hide-input" in tags(cell), cell.source.startswith("# @title ")


def is_folded(cell):
    return all(marks_of_a_fold(cell))


def is_plumbing(source):
    """Return whether code sets up, draws, checks claims or judges an exercise, rather than teaches."""
    marks = r"project_root|plt\.|plots\.|diagrams\.show|interact\(|check_(outcome|exercise|parameters|setting)"
    return bool(re.search(rf"\b({marks})", source))


def open_lines(cell):
    """Return the lines of a code cell that a reader sees; blank ones do not count."""
    return [] if is_folded(cell) else [line for line in cell.source.splitlines() if line.strip()]


def words_outside_folds(cell):
    return re.sub(r"<details>.*?</details>", "", cell.source, flags=re.DOTALL).split()


def test_a_folded_cell_is_folded_everywhere(lesson):
    for cell in code_cells(lesson):
        assert len(set(marks_of_a_fold(cell))) == 1, cell.source


def test_what_does_not_teach_is_folded(lesson):
    for cell in code_cells(lesson):
        assert is_folded(cell) or not is_plumbing(cell.source), cell.source


@pytest.mark.parametrize(
    "source, plumbing",
    [
        ("fig, ax = plt.subplots()", True),
        ("plots.use_style()", True),
        ('diagrams.show("rnn_unrolled")', True),
        ("_ = interact(draw, k=dial)", True),
        ('check_outcome(loss < 2, "it learns")', True),
        ("def check_exercise_1():\n    return", True),
        ("check_parameters(globals(), defaults={})", True),
        ("import matplotlib.pyplot as plt\nfrom common.lesson import diagrams, plots", False),
        ("a_t = x[t] @ Wx + h @ Wh + b  # (2.1)", False),
        ("check_gradients(f, arrays)", False),
    ],
)
def test_what_does_not_teach_is_recognised(source, plumbing):
    assert is_plumbing(source) == plumbing


def test_open_code_is_short(lesson):
    cells = [open_lines(cell) for cell in code_cells(lesson)]
    assert max(map(len, cells)) <= 25
    assert sum(map(len, cells)) <= 450


def test_lines_of_code_fit_a_page(lesson):
    lines = [line for cell in code_cells(lesson) for line in cell.source.splitlines()]
    assert [line for line in lines if len(line) > 88] == []


def test_words_outside_folds_keep_the_budget(lesson):
    words = [word for cell in prose_cells(lesson) for word in words_outside_folds(cell)]
    assert len(words) <= (4000 if re.search("Lab|Clinic", lesson.path.name) else 5500)


def ems_wide(tex):
    """Return about how wide a line of display mathematics is, in units of its font size, without its number.

    Nine of ten formulas of the course are within 2 of what MathJax makes of them.
    """
    tex = re.sub(
        r"\\(tag|begin|end)\{.*?\}|\\[Bb]igg?(?![a-z])|\\(mathrm|mathbf|text|operatorname)\b",
        "",
        tex,
    )
    for _ in range(3):  # of a fraction, the longer part
        part = r"(\d|\{[^{}]*\})"
        tex = re.sub(rf"\\t?frac{part}{part}", lambda match: max(match.groups(), key=len), tex)
    wide = dict.fromkeys("BDEHLNRSTVW", 0.8) | {
        "\\quad": 1.1,
        "\\qquad": 2.2,
        "\\sum": 1.0,
        "\\prod": 1.0,
        "\\top": 0.35,
    }
    wide |= dict.fromkeys(["\\,", "\\;", "\\ "], 0.2) | dict.fromkeys(["\\tanh", "\\log"], 1.8)
    wide |= dict.fromkeys(["=", "+", "-", "\\odot", "\\cdot", "\\leftarrow", "\\le"], 1.2)
    ems, depth, script, raised = 0, 0, None, False
    for token in re.findall(r"\\[a-zA-Z]+|\\.|\S", tex):
        if token in "_^":
            raised = True
        elif token == "{":
            depth += 1
            script = depth if raised and script is None else script
            raised = False
        elif token == "}":
            script = None if script == depth else script
            depth -= 1
        else:
            ems += 0.35 if raised or script else wide.get(token, 0.5)
            raised = False
    return ems


@pytest.mark.parametrize(
    "tex, ems",  # as measured in a browser
    [
        (r"h_t = \tanh(a_t) \tag{2.2}", 5.9),
        (r"a_t = x_t W_x + h_{t-1} W_h + b \tag{2.1}", 10.7),
        (r"p_k = \frac{e^{z_k}}{\sum_j e^{z_j}} \tag{3.1}", 5.5),
        (r"\mathrm{d}x_t = \sum_k \mathrm{d}a^k_t W_{xk}^\top \tag{4.9}", 7.7),
    ],
)
def test_widths_of_formulas_are_guessed_well(tex, ems):
    assert abs(ems_wide(tex) - ems) < 1.5


def test_formulas_fit_a_narrow_page(lesson):
    for cell in prose_cells(lesson):
        for formula in re.findall(r"\$\$(.*?)\$\$", cell.source, flags=re.DOTALL):
            for line in formula.split(r"\\"):
                assert ems_wide(line) <= 29, line


def run_definitions(notebook, replaced=None):
    """Run only the imports, functions and classes of a notebook, and its parameters: what exercises may use.

    replaced  {name of a function: source to run in its place}
    """
    namespace = {"__name__": "lesson"}
    for cell in code_cells(notebook)[1:]:
        body = ast.parse(cell.source).body
        if "parameters" not in tags(cell):
            kinds = (ast.Import, ast.ImportFrom, ast.FunctionDef, ast.ClassDef)
            body = [node for node in body if isinstance(node, kinds)]
        sources = [(replaced or {}).get(getattr(node, "name", None)) for node in body]
        body = [
            ast.parse(source).body[0] if source else node
            for node, source in zip(body, sources, strict=True)
        ]
        exec(compile(ast.Module(body, []), "lesson", "exec"), namespace)
    return namespace


def fixed_limits(source):
    """Return the limits of decoding that are numbers, in calls and as defaults of functions."""
    limits = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") in (
            "greedy_decode",
            "beam_search",
        ):
            limits += node.args[4:5] + [k.value for k in node.keywords if k.arg == "max_length"]
        if isinstance(node, ast.FunctionDef):
            names = [argument.arg for argument in node.args.args]
            defaults = dict(zip(reversed(names), reversed(node.args.defaults), strict=False))
            limits += [defaults[name] for name in ("max_length", "longest") if name in defaults]
    return [limit.value for limit in limits if isinstance(limit, ast.Constant)]


def test_no_lesson_stops_decoding_at_a_fixed_number(lesson):
    for cell in code_cells(lesson)[1:]:
        if "greedy_decode" in cell.source or "beam_search" in cell.source:
            assert fixed_limits(cell.source) == []


def test_a_fixed_number_is_recognised():
    assert fixed_limits("greedy_decode(m, p, s, mask, max_length=12)") == [12]
    assert fixed_limits("beam_search(m, p, s, 4, 30)") == [30]
    assert fixed_limits("def translate(model, max_length=40):\n    pass") == [40]
    assert fixed_limits("longest = max(map(len, targets))\nbeam_search(m, p, s, 4, longest)") == []


@pytest.mark.parametrize("name", ["01_Encoder_Decoder_GRU_NumPy", "02_Bahdanau_Attention_NumPy"])
def test_right_answers_count_however_long_they_are(name):
    (path,) = [path for path in LESSONS if path.stem == name]
    namespace = run_definitions(nbformat.read(path, as_version=4))
    target = np.arange(3, 103)

    def step(params, tokens, state):
        ids = np.append(target, 2)[state["at"][:, 0]]
        return np.eye(103)[ids], {"at": state["at"] + 1}, None

    model = SimpleNamespace(
        start=lambda params, source, mask: {"at": np.zeros((source.shape[1], 1), int)}, step=step
    )
    namespace.update(encoder_decoder=model, EOS=2)
    words = None, SimpleNamespace(tokens_at=list)
    pairs = [(np.array([1, 2]), target), (np.array([1]), target)]
    if "answers" in namespace:
        written = namespace["answers"](None, pairs)
    else:
        written, _ = namespace["translate"](model, None, pairs, words)
    assert written == [target.tolist()] * 2


def exercise_numbers(notebook):
    found = [re.findall(r"^exercise-(\d+)$", tag) for cell in notebook.cells for tag in tags(cell)]
    return [int(number) for numbers in found for number in numbers]


def test_every_solution_passes_its_check_and_the_untouched_stub_does_not(lesson):
    numbers = exercise_numbers(lesson)
    assert len(numbers) >= 3
    for number in numbers:
        namespace = run_definitions(lesson)
        check = f"check_exercise_{number}"
        assert namespace[check]() == "not attempted yet"
        (solution,) = tagged(lesson, f"solution-{number}")
        (code,) = re.findall(r"```python\n(.*?)```", solution.source, flags=re.DOTALL)
        exec(code, namespace)
        assert namespace[check]() == "correct"
