"""Do the tests bite? Break the code in small ways, one at a time, and see whether something notices.

    python -m tests.mutate                     # every module of common against its unit tests
    python -m tests.mutate losses recurrent    # some modules
    python -m tests.mutate notebooks           # every backward function of the notebooks against their own checks

Prints the mutants that survive: each is a missing test, or a change that changes nothing that matters. Works in
copies of the project, and forks, so it runs on Linux and macOS; all of common takes a quarter of an hour.
"""

import ast
import contextlib
import copy
import multiprocessing
import os
import shutil
import signal
import sys
import tempfile
from pathlib import Path

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

import hypothesis  # noqa: E402, F401 - loaded here, so that the forked processes need not
import nbformat  # noqa: E402
import numpy  # noqa: E402, F401
import pytest  # noqa: E402
from tqdm import tqdm  # noqa: E402

from tests.execute import LESSONS, ROOT  # noqa: E402
from tests.test_notebooks import code_cells, run_definitions  # noqa: E402

OPERATORS = {
    ast.Add: ast.Sub,
    ast.Sub: ast.Add,
    ast.Mult: ast.Div,
    ast.Div: ast.Mult,
    ast.Pow: ast.Mult,
    ast.FloorDiv: ast.Mult,
    ast.Mod: ast.Mult,
}
COMPARISONS = {
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
}
MODULES = {path.stem: path for path in sorted((ROOT / "common").rglob("*.py"))}
NOT_MUTATED = {"__init__", "plots"}
CHECKED_IN_NOTEBOOKS = {
    "output_backward",
    "rnn_backward",
    "lstm_backward",
    "lstm_step_backward",
    "gru_backward",
    "gru_step_backward",
    "embedding_backward",
    "sparse_embedding_backward",
    "backward",
    "dropout_backward",
    "model_backward",
    "candidate_backward",
    "before_candidate_backward",
    "after_candidate_backward",
    "masked_gru_backward",
    "bridge_backward",
    "softmax_backward",
    "attend_backward",
    "decoder_step_backward",
    "encoder_backward",
    "dot_score_backward",
    "general_score_backward",
    "concat_score_backward",
    "look_backward",
    "decoder_backward",
}


def variants(node):
    """Yield (what changes, changed copy) for one node of a syntax tree."""
    if isinstance(node, (ast.BinOp, ast.AugAssign)) and type(node.op) in OPERATORS:
        changed = copy.deepcopy(node)
        changed.op = OPERATORS[type(node.op)]()
        yield "operator", changed
    if isinstance(node, ast.BinOp) and isinstance(node.op, (ast.Add, ast.Sub)):
        yield "term dropped", node.left
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.Not)):
        yield "sign dropped", node.operand
    if isinstance(node, ast.Compare) and type(node.ops[0]) in COMPARISONS:
        changed = copy.deepcopy(node)
        changed.ops[0] = COMPARISONS[type(node.ops[0])]()
        yield "comparison", changed
    if isinstance(node, ast.Attribute) and node.attr == "T":
        yield "not transposed", node.value
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        yield "constant", ast.Constant(node.value + 1)


def mutants(source):
    """Yield (line, description, mutated source) for every mutation of a piece of Python."""
    tree = ast.parse(source)
    for parent in ast.walk(tree):
        if isinstance(parent, (ast.JoinedStr, ast.FormattedValue)):
            continue
        for field, value in list(ast.iter_fields(parent)):
            places = list(enumerate(value)) if isinstance(value, list) else [(None, value)]
            for index, node in places:
                if not isinstance(node, ast.AST):
                    continue
                for what, changed in variants(node):
                    replace(parent, field, index, changed)
                    line = getattr(node, "lineno", getattr(parent, "lineno", 0))
                    yield line, f"{what}: {ast.unparse(node)[:60]}", ast.unparse(tree)
                    replace(parent, field, index, node)


def replace(parent, field, index, node):
    if index is None:
        setattr(parent, field, node)
    else:
        getattr(parent, field)[index] = node


def tests_of(module):
    """Return the test files of a module, the cells' comparison with the committed vectors included."""
    names = [f"test_{module}.py", *(["test_reference.py"] if module == "recurrent" else [])]
    return [f"tests/{name}" for name in names]


def survives(module, mutated):
    """Run the tests of a module against a mutant of it, in this process, which must be a fresh one."""
    with tempfile.TemporaryDirectory() as folder:
        workplace = Path(folder) / "project"
        shutil.copytree(ROOT, workplace, ignore=shutil.ignore_patterns(".*", "*.ipynb"))
        (workplace / MODULES[module].relative_to(ROOT)).write_text(mutated, encoding="utf-8")
        os.chdir(workplace)
        sys.path[0] = str(workplace)
        for name in [name for name in sys.modules if name.split(".")[0] in ("common", "tests")]:
            del sys.modules[name]
        signal.alarm(60)
        with open(os.devnull, "w") as nowhere, contextlib.redirect_stdout(nowhere):
            return (
                pytest.main(["-q", "-x", "-n0", "-p", "no:cacheprovider", *tests_of(module)]) == 0
            )


def mutate_module(module):
    """Return the number of mutants of one module, and the descriptions of the survivors."""
    source = MODULES[module].read_text(encoding="utf-8")
    found = list(mutants(source))
    # a forked process has NumPy, pytest and hypothesis loaded already, and leaves no trace of its mutant here
    forked = multiprocessing.get_context("fork")
    survivors = []
    for line, what, mutated in tqdm(found, desc=module):
        process = forked.Process(target=lambda m=mutated: os._exit(survives(module, m)))
        process.start()
        process.join()
        if process.exitcode == 1:
            survivors.append(f"{module}.py:{line} {what}")
            print(survivors[-1], flush=True)
    return len(found), survivors


def check_of(notebook):
    """Return the cells that hold a notebook's gradient check: its arrays, the check itself, the bound."""
    cells = [cell.source for cell in code_cells(notebook)]
    (check,) = [n for n, cell in enumerate(cells) if cell.startswith("report = check_gradients")]
    set_up = [cell for cell in cells[check - 2 : check] if "_backward(" not in cell.split("\n")[0]]
    return set_up + cells[check : check + 2]


def mutate_notebook(path):
    """Return the number of mutants of a notebook's backward functions, and those its own check lets pass."""
    notebook = nbformat.read(path, as_version=4)
    check = check_of(notebook)
    backward = [
        node
        for cell in code_cells(notebook)[1:]
        for node in ast.parse(cell.source).body
        if isinstance(node, ast.FunctionDef) and node.name in CHECKED_IN_NOTEBOOKS
    ]
    found = [(node.name, *mutant) for node in backward for mutant in mutants(ast.unparse(node))]
    survivors = []
    for name, line, what, mutated in found:
        try:
            with contextlib.redirect_stdout(None):
                namespace = run_definitions(notebook, {name: mutated})
                for source in check:
                    exec(source, namespace)
        except Exception:  # whatever it is, the mutant was noticed
            continue
        survivors.append(f"{path.stem} {name}:{line} {what}")
    return len(found), survivors


def main(arguments):
    if arguments == ["notebooks"]:
        results = [mutate_notebook(path) for path in LESSONS]
    else:
        modules = arguments or [module for module in MODULES if module not in NOT_MUTATED]
        results = [mutate_module(module) for module in modules]
    total = sum(count for count, _ in results)
    survivors = [line for _, lines in results for line in lines]
    print(*survivors, sep="\n")
    print(f"{total} mutants, {total - len(survivors)} noticed, {len(survivors)} survived")


if __name__ == "__main__":
    main(sys.argv[1:])
