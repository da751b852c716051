"""Our cells and attention against PyTorch, Keras and ONNX: committed vectors, and the libraries where installed."""

from itertools import combinations

import numpy as np
import pytest

from common.attention import attention_backward, attention_forward
from common.checkpoint import load_params
from common.layers import layer_norm_backward, layer_norm_forward
from common.models.tagger import pool_backward, pool_forward, stack_backward, stack_forward
from common.multi_head import multi_head_backward, multi_head_forward
from common.params import flatten
from common.recurrent import (
    gru_backward,
    gru_forward,
    lstm_backward,
    lstm_forward,
    rnn_backward,
    rnn_forward,
)
from common.transformer_block import block_backward, block_forward
from tests.reference import attention, tagger, transformer
from tests.reference.generate import (
    CASES,
    GATES,
    HERE,
    ORACLES,
    draw_problem,
    our_params,
    reorder,
)

PROBLEMS = load_params(HERE / "problems.safetensors")
ANSWERS = {oracle: load_params(HERE / f"{oracle}.safetensors") for oracle in ORACLES}
# Rounding errors of float64 are near 1e-15; onnxruntime computes in float32, whose rounding errors are near 1e-7.
TOLERANCE = {"torch": 1e-10, "keras": 1e-10, "onnx": 1e-10, "onnxruntime": 1e-6}
MODULES = {"keras": ("torch", "keras"), "onnxruntime": ("onnx", "onnxruntime")}
SIZES = [(1, 1, 1, 1), (2, 5, 1, 3), (7, 4, 3, 5), (9, 2, 8, 1), (20, 6, 12, 24)]


def our_answers(oracle, cell, problem, always_masked=False):
    """Solve a problem with our cells; what they give at padded steps counts only where the oracle gives the same."""
    mask = problem["mask"]
    # At a padded step Keras repeats its last output, as we do; the others put zeros there.
    read = np.ones_like(problem["dh"]) if oracle == "keras" else mask[..., None]
    state, dstate = problem["h0"], problem["dhT"]
    forward, backward = {"rnn": (rnn_forward, rnn_backward)}.get(cell, (gru_forward, gru_backward))
    if cell == "lstm":
        forward, backward = lstm_forward, lstm_backward
        state, dstate = (state, problem["c0"]), (dstate, problem["dcT"])

    params = our_params(cell, problem)
    masked = always_masked or not mask.all()
    h, last, cache = forward(params, problem["x"], state, mask if masked else None)
    dx, dstate0, grads = backward(problem["dh"] * read, cache, dstate)
    answers = {f"d{name}": grad for name, grad in grads.items()} | {"h": h * read, "dx": dx}
    if cell == "lstm":
        return answers | dict(zip(("hT", "cT", "dh0", "dc0"), (*last, *dstate0), strict=True))
    return answers | {"hT": last, "dh0": dstate0}


def errors(ours, theirs):
    """Return {name: largest difference, relative to the largest entry} for every array that the oracle gave."""
    return {s: np.abs(ours[s] - array).max() / np.abs(array).max() for s, array in theirs.items()}


def assert_equal(ours, theirs, tolerance):
    assert all(ours[name].shape == array.shape for name, array in theirs.items())
    wrong = {name: error for name, error in errors(ours, theirs).items() if not error <= tolerance}
    assert not wrong


def import_or_skip(oracle):
    for module in MODULES.get(oracle, (oracle,)):
        pytest.importorskip(module)


@pytest.mark.parametrize("oracle, cell, kind", CASES)
def test_our_cells_give_the_committed_answers(oracle, cell, kind):
    ours = our_answers(oracle, cell, PROBLEMS[cell][kind])
    assert_equal(ours, ANSWERS[oracle][cell][kind], TOLERANCE[oracle])


@pytest.mark.parametrize("oracle, cell", [case[:2] for case in CASES if case[2] == "full"])
def test_a_mask_without_padding_changes_nothing(oracle, cell):
    ours = our_answers(oracle, cell, PROBLEMS[cell]["full"], always_masked=True)
    assert_equal(ours, ANSWERS[oracle][cell]["full"], TOLERANCE[oracle])


@pytest.mark.parametrize("oracle, cell", [case[:2] for case in CASES if case[2] == "tokens"])
def test_our_lookup_of_tokens_gives_the_answers_to_one_hot_rows(oracle, cell):
    problem, theirs = PROBLEMS[cell]["tokens"], dict(ANSWERS[oracle][cell]["tokens"])
    ours = our_answers(oracle, cell, problem | {"x": problem["x"].argmax(axis=-1)})
    assert ours.pop("dx") is None and theirs.pop("dx") is not None
    assert_equal(ours, theirs, TOLERANCE[oracle])


@pytest.mark.parametrize("oracle, cell, kind", CASES)
def test_the_committed_vectors_could_not_hide_an_error(oracle, cell, kind):
    problem, answers = PROBLEMS[cell][kind], ANSWERS[oracle][cell][kind]
    for name, array in problem.items():
        if name != "mask" and not (name == "x" and kind == "tokens"):
            assert len(np.unique(array)) == array.size, f"{name} repeats a number"
    mask = problem["mask"].astype(int)
    assert mask.all() == (kind == "full")
    assert (np.diff(mask, axis=0) > 0).any() == (kind == "holes")
    if kind in ("padded", "tokens"):
        assert len(set(mask.sum(axis=0))) == mask.shape[1], "two sequences have the same length"

    expected = {"h", "hT"} | ({"cT"} if cell == "lstm" else set())
    if oracle in ("torch", "keras"):
        expected |= {"dx", "dh0", "dWx", "dWh", "db"}
        expected |= {"lstm": {"dc0"}, "gru_after": {"dbn"}}.get(cell, set())
    assert answers.keys() == expected
    dtype = np.float32 if oracle == "onnxruntime" else np.float64
    assert all(array.dtype == dtype and array.any() for array in answers.values())


def mistakes(cell, problem):
    """Yield (what went wrong, the problem as one who makes this mistake would read it)."""
    G, H = GATES[cell], len(problem["Wh"])
    weights = ("Wx", "Wh", "b_ih", "b_hh")
    for i, j in combinations(range(G), 2):
        order = list(range(G))
        order[i], order[j] = j, i
        yield f"gates {i} and {j} swapped", {s: reorder(problem[s], order) for s in weights}
    for k in range(G):
        Wh, b_ih, b_hh = (problem[s].copy() for s in weights[1:])
        block = slice(k * H, (k + 1) * H)
        Wh[:, block] = Wh[:, block].T
        yield f"Wh of gate {k} transposed", {"Wh": Wh}
        b_ih[block] = b_hh[block] = 0
        yield f"the input bias of gate {k} dropped", {"b_ih": b_ih}
        yield f"the recurrent bias of gate {k} dropped", {"b_hh": b_hh}
    if cell == "gru_after":
        n = slice(2 * H, None)
        b_ih, b_hh = problem["b_ih"].copy(), problem["b_hh"].copy()
        b_ih[n], b_hh[n] = problem["b_hh"][n], problem["b_ih"][n]
        yield "bn swapped with the candidate's input bias", {"b_ih": b_ih, "b_hh": b_hh}
    for state in {"h0", "c0"} & problem.keys():
        yield f"{state} forgotten", {state: np.zeros_like(problem[state])}
    if not problem["mask"].all():
        yield "the mask forgotten", {"mask": np.ones_like(problem["mask"])}


@pytest.mark.parametrize("oracle, cell, kind", CASES)
def test_classic_mistakes_are_noticed_in_the_outputs(oracle, cell, kind):
    problem, theirs = PROBLEMS[cell][kind], ANSWERS[oracle][cell][kind]
    for what, change in mistakes(cell, problem):
        wrong = errors(our_answers(oracle, cell, problem | change), theirs)
        assert max(wrong["h"], wrong["hT"]) > 1e-3, what


@pytest.mark.parametrize("oracle", ORACLES)
@pytest.mark.parametrize("cell, other", [("gru_before", "gru_after"), ("gru_after", "gru_before")])
def test_one_gru_taken_for_the_other_is_noticed(oracle, cell, other):
    if other in ANSWERS[oracle]:
        ours = our_answers(oracle, cell, PROBLEMS[other]["full"])
        assert errors(ours, {"h": ANSWERS[oracle][other]["full"]["h"]})["h"] > 1e-3


@pytest.mark.parametrize("oracle", ORACLES)
def test_the_oracle_gives_the_committed_answers_again(oracle):
    import_or_skip(oracle)
    solve, cells, kinds = ORACLES[oracle]
    for cell in cells:
        for kind in kinds:
            again, committed = solve(cell, PROBLEMS[cell][kind]), ANSWERS[oracle][cell][kind]
            assert again.keys() == committed.keys()
            assert_equal(again, committed, TOLERANCE[oracle])


@pytest.mark.parametrize("oracle, cell", [case[:2] for case in CASES if case[2] == "full"])
def test_our_cells_agree_with_the_oracle_itself(oracle, cell):
    import_or_skip(oracle)
    solve, _, kinds = ORACLES[oracle]
    for seed, sizes in enumerate(SIZES, start=1):
        for kind in kinds:
            problem = draw_problem(np.random.default_rng(seed), cell, kind, *sizes)
            ours, theirs = our_answers(oracle, cell, problem), solve(cell, problem)
            assert_equal(ours, theirs, TOLERANCE[oracle])


ATTENTION = load_params(attention.VECTORS)
every_attention = pytest.mark.parametrize(
    "score, kind", [(score, kind) for score in attention.SCORES for kind in attention.KINDS]
)


def our_attention(problem):
    params = {name: problem[name] for name in ("Wq", "Wk", "v", "W") if name in problem}
    arguments = (problem[name] for name in ("queries", "keys", "mask"))
    context, weights, cache = attention_forward(params, *arguments)
    dqueries, dkeys, grads = attention_backward(problem["dcontext"], cache)
    answers = {f"d{name}": grad for name, grad in grads.items()}
    return answers | {"context": context, "weights": weights, "dqueries": dqueries, "dkeys": dkeys}


@every_attention
def test_our_attention_gives_the_committed_answers(score, kind):
    problem, theirs = (ATTENTION[part][score][kind] for part in ("problems", "torch"))
    ours = our_attention(problem)
    assert ours.keys() == theirs.keys()
    assert_equal(ours, theirs, 1e-10)
    assert problem["mask"].all() == (kind == "full")
    assert all(array.any() and array.dtype == np.float64 for array in theirs.values())


@every_attention
def test_attention_in_pytorch_itself(score, kind):
    import_or_skip("torch")
    problem, committed = (ATTENTION[part][score][kind] for part in ("problems", "torch"))
    assert_equal(attention.torch_answers(problem), committed, 1e-10)
    for seed, sizes in enumerate([(1, 2, 1, 1, 1), (1, 6, 2, 3, 5), (9, 3, 4, 8, 2)]):
        problem = attention.draw_problem(np.random.default_rng(seed), score, kind, *sizes)
        assert_equal(our_attention(problem), attention.torch_answers(problem), 1e-10)


TRANSFORMER = load_params(transformer.VECTORS)
every_part = pytest.mark.parametrize("part", transformer.PARTS)


def our_part(part, problem):
    """Return what our layer normalisation, attention with heads, or block answers to a problem of the transformer."""
    params, x, dy = problem["params"], problem["x"], problem["dy"]
    memory, mask = problem.get("memory"), problem.get("mask")
    dmemory = None
    if part == "layer_norm":
        y, cache = layer_norm_forward(params, x)
        dx, grads = layer_norm_backward(dy, cache)
    elif part in ("self", "causal", "cross"):
        y, _, cache = multi_head_forward(params, x, memory, mask, part == "causal")
        dx, dmemory, grads = multi_head_backward(dy, cache)
    else:
        masks = (None, True, memory, mask) if memory is not None else (mask,)
        y, _, cache = block_forward(params, x, *masks, pre_norm=part.endswith("pre"))
        dx, dmemory, grads = block_backward(dy, cache)
    return {"y": y, "dx": dx, "grads": grads} | ({} if dmemory is None else {"dmemory": dmemory})


def assert_same_part(part, problem, theirs):
    """Compare all but what stands at padding, where PyTorch and we go different ways."""
    ours, theirs = flatten(our_part(part, problem)), flatten(theirs)
    if "memory" not in problem and "mask" in problem:
        real = np.asarray(problem["mask"])[..., None] != 0
        for answers in (ours, theirs):
            answers |= {name: np.where(real, answers[name], 0) for name in ("y", "dx")}
    assert ours.keys() == theirs.keys()
    assert_equal(ours, theirs, 1e-10)


@every_part
def test_our_transformer_gives_the_committed_answers(part):
    problem, theirs = (TRANSFORMER[which][part] for which in ("problems", "torch"))
    assert_same_part(part, problem, theirs)
    assert all(array.any() and array.dtype == np.float64 for array in flatten(theirs).values())


@every_part
def test_the_transformer_in_pytorch_itself(part):
    import_or_skip("torch")
    problem, committed = (TRANSFORMER[which][part] for which in ("problems", "torch"))
    given = problem | ({"mask": problem["mask"] != 0} if "mask" in problem else {})
    assert_equal(flatten(transformer.torch_answers(part, given)), flatten(committed), 1e-10)
    for seed, sizes in enumerate([(2, 3, 1), (2, 7, 2), (9, 9, 4)]):
        drawn = transformer.draw_problem(np.random.default_rng(seed), part, *sizes)
        assert_same_part(part, drawn, transformer.torch_answers(part, drawn))


TAGGER = load_params(tagger.VECTORS)
every_stack = pytest.mark.parametrize(
    "cell, kind", [(cell, kind) for cell in tagger.CELLS for kind in tagger.KINDS]
)


def our_stack(problem):
    """Return what our stacked bidirectional cells and pools answer; at padded steps, where PyTorch has 0, 0."""
    mask, ways = problem["mask"], ("forward", "backward")
    h, cache = stack_forward(problem["params"], problem["x"], mask)
    answers, dh = {"h": h * (mask[..., None] != 0)}, problem["dh"]
    for how in ("last", "mean", "max"):
        answers[how], pool_cache = pool_forward(h, how, mask, ways)
        dh = dh + pool_backward(problem[f"d{how}"], pool_cache)
    answers["dx"], answers["grads"] = stack_backward(dh, cache)
    return flatten(answers)


@every_stack
def test_our_stacked_bidirectional_cells_give_the_committed_answers(cell, kind):
    problem, theirs = (TAGGER[which][cell][kind] for which in ("problems", "torch"))
    ours, theirs = our_stack(problem), flatten(theirs)
    assert ours.keys() == theirs.keys()
    assert_equal(ours, theirs, 1e-10)
    assert problem["mask"].all() == (kind == "full")
    assert all(array.any() and array.dtype == np.float64 for array in theirs.values())


@every_stack
def test_stacked_bidirectional_cells_in_pytorch_itself(cell, kind):
    import_or_skip("torch")
    problem, committed = (TAGGER[which][cell][kind] for which in ("problems", "torch"))
    assert_equal(flatten(tagger.torch_answers(cell, problem)), flatten(committed), 1e-10)
    for seed, sizes in enumerate([(1, 2, 1, 1, 1), (2, 9, 4, 2, 5), (3, 4, 2, 6, 4)]):
        drawn = tagger.draw_problem(np.random.default_rng(seed), cell, kind, *sizes)
        assert_equal(our_stack(drawn), flatten(tagger.torch_answers(cell, drawn)), 1e-10)


@every_stack
def test_one_way_taken_for_the_other_is_noticed(cell, kind):
    problem, theirs = (TAGGER[which][cell][kind] for which in ("problems", "torch"))
    for n in problem["params"]:
        layer = problem["params"][n]
        exchanged = {"forward": layer["backward"], "backward": layer["forward"]}
        wrong = our_stack(problem | {"params": problem["params"] | {n: exchanged}})
        assert errors(wrong, {"h": theirs["h"]})["h"] > 1e-3
