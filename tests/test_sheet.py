"""The sheet of the three cells: its formulas, read from the page itself, compute what common computes."""

import re

import numpy as np
import pytest

from common import recurrent
from common.layers import linear_backward, linear_forward
from common.losses import softmax, softmax_cross_entropy
from tests.execute import ROOT

SHEET = (ROOT / "book" / "sheet.md").read_text(encoding="utf-8")
SYMBOL = re.compile(
    r"(\\mathrm\{d\})?(\\ell|\\mathbf\{1\}|[a-zA-Z])(?:_(\w|\{.*?\}))?(?:\^(\w|\{.*?\}))?(?:_(t))?"
)
FUNCTIONS = {"tanh": np.tanh, "sigma": lambda a: 1 / (1 + np.exp(-a)), "softmax": softmax}
T, B, D, H, V = 4, 2, 3, 5, 6


def columns(title):
    """Return the formulas of a table of the sheet: those on its left, and those on its right."""
    table = SHEET.split(f"| **{title}", 1)[1].split("|---|---|\n", 1)[1].split("\n\n", 1)[0]
    halves = [line.strip("|").split(" | ") for line in table.splitlines()]
    return [re.findall(r"\$(.+?)\$", " ".join(half)) for half in zip(*halves, strict=True)]


def variable(symbol):
    """Return a symbol as Python: an entry of `at`, by its name and its step (0 for a parameter, which has none)."""
    d, letter, below, above, below_too = symbol.groups(default="")
    below = below.strip("{}")
    step = "t" if below_too or below in ("t", "y_t") else "t - 1" if below == "t-1" else "0"
    name = f"{d and 'd'}{letter}{above}{below if step == '0' else ''}"
    return f" at['{re.sub(r'[^a-zA-Z0-9]', '', name)}', {step}] "


def python(tex):
    """Return a formula as Python. Two factors that stand side by side are a matrix product."""
    tex = re.sub(r"\\operatorname\{(\w+)\}|\\(tanh|sigma)\b", r"<\1\2>", tex)
    parts = re.split(r"(<\w+>|\\top|\\odot)", tex.replace(r"^\top", r"\top"))
    words = {r"\top": ".T", r"\odot": "*"} | {
        f"<{name}>": f" functions['{name}']" for name in FUNCTIONS
    }
    code = "".join(words.get(part) or SYMBOL.sub(variable, part) for part in parts)
    return re.sub(r"(\]|\)|\.T)\s+(?=at\[|functions\[|\()", r"\1 @ ", code.strip())


def compute(tex, at, t=None):
    """Compute one formula at step t, or summed over the steps, and put the result in its place in `at`."""
    left, right = tex.split(" = ")
    right, over_steps = re.subn(r"\\sum_t ", "", right)
    right, over_rows = re.subn(r"\\sum_\{\\text\{rows\}\} ", "", right)
    names = {"at": at, "functions": FUNCTIONS, "t": t}
    steps = range(1, T + 1) if over_steps else [t]
    values = [eval(python(right), {**names, "t": step}) for step in steps]
    values = [value.sum(axis=0) for value in values] if over_rows else values
    at[eval(re.match(r"at\[(.*)\]$", python(left))[1], names)] = sum(values)


def by_left_side(formulas):
    return {tex.split(" = ")[0]: tex for tex in formulas}


def cell(kind):
    """Return the formulas of a cell on the sheet: forward, backward, and of its parameters and inputs."""
    (rnn, rnn_backward), (dparams, exceptions) = columns("RNN"), columns("Parameters")
    dx, in_cho, *in_pytorch = exceptions
    if kind == "rnn":
        blocks, forward, backward, exceptions = [""], rnn, rnn_backward, []
    else:
        forward, backward = columns("LSTM" if kind == "lstm" else "GRU** of Cho")
        blocks = list("ifgo" if kind == "lstm" else "rzn")
        exceptions = {"lstm": [], "cho": [in_cho], "pytorch": in_pytorch}[kind]
        if kind == "pytorch":
            other_forward, other_backward = columns("GRU** of PyTorch")
            forward = (by_left_side(forward) | by_left_side(other_forward)).values()
            backward = (by_left_side(backward) | by_left_side(other_backward)).values()
        forward, backward = [*forward, *rnn[2:]], [*rnn_backward[:3], *backward]

    def of_block(tex, k):
        return tex.replace("k", k) if k else re.sub(r"[_^]?k", "", tex)

    each = [of_block(tex, k) for tex in dparams[:3] for k in blocks]
    left, summand = dx.split(r" = \sum_k ")
    dx = f"{left} = {' + '.join(of_block(summand, k) for k in blocks)}"
    return blocks, forward, [*backward, dx], [*each, *dparams[3:], *exceptions]


@pytest.mark.parametrize("kind", ["rnn", "lstm", "cho", "pytorch"])
def test_the_formulas_of_the_sheet_compute_what_common_computes(kind):
    blocks, forward, backward, sums = cell(kind)
    rng = np.random.default_rng(5)
    shapes = {"Wx": (D, H), "Wh": (H, H), "b": (H,)}
    at = {(n + k, 0): rng.normal(0, 0.5, shape) for n, shape in shapes.items() for k in blocks}
    at |= {("Wy", 0): rng.normal(0, 0.5, (H, V)), ("by", 0): rng.normal(0, 0.5, V), ("N", 0): T * B}
    at |= {("bhn", 0): rng.normal(0, 0.5, H)} if kind == "pytorch" else {}
    x, targets = rng.normal(size=(T, B, D)), rng.integers(V, size=(T, B))
    at |= {("x", t + 1): x[t] for t in range(T)}
    at |= {("mathbf1", t + 1): np.eye(V)[targets[t]] for t in range(T)}
    for name in ["h", "c"] if kind == "lstm" else ["h"]:
        at[name, 0], at[f"d{name}rightarrow", T] = rng.normal(size=(2, B, H))
    params = {n: np.concatenate([at[n + k, 0] for k in blocks], axis=-1) for n in shapes}
    params |= {"bn": at["bhn", 0]} if kind == "pytorch" else {}
    output = {"W": at["Wy", 0], "b": at["by", 0]}

    for t in range(1, T + 1):
        for tex in forward:
            compute(tex, at, t)
    for t in range(T, 0, -1):
        for tex in backward:
            compute(tex, at, t)
    for tex in sums:
        compute(tex, at)

    name = kind if kind in ("rnn", "lstm") else "gru"
    start, end = at["h", 0], at["dhrightarrow", T]
    if kind == "lstm":
        start, end = (start, at["c", 0]), (end, at["dcrightarrow", T])
    h, _, cache = getattr(recurrent, f"{name}_forward")(params, x, start)
    logits, output_cache = linear_forward(output, h)
    _, dlogits = softmax_cross_entropy(logits, targets)
    dh, output_grads = linear_backward(dlogits, output_cache)
    dx, dstart, grads = getattr(recurrent, f"{name}_backward")(dh, cache, end)
    expected = {"h": h, "ell": logits, "dell": dlogits, "dhuparrow": dh, "dx": dx}
    for symbol, array in expected.items():
        np.testing.assert_allclose([at[symbol, t + 1] for t in range(T)], array, atol=1e-12)
    for n in shapes:
        ours = np.concatenate([at[f"d{n}{k}", 0] for k in blocks], axis=-1)
        np.testing.assert_allclose(ours, grads[n], atol=1e-12)
    np.testing.assert_allclose(at["dWy", 0], output_grads["W"], atol=1e-12)
    np.testing.assert_allclose(at["dby", 0], output_grads["b"], atol=1e-12)
    if kind == "pytorch":
        np.testing.assert_allclose(at["dbhn", 0], grads["bn"], atol=1e-12)
    ours = (
        (at["dhrightarrow", 0], at["dcrightarrow", 0]) if kind == "lstm" else at["dhrightarrow", 0]
    )
    np.testing.assert_allclose(ours, dstart, atol=1e-12)
