import numpy as np
import pytest

from common import attention
from common.attention import (
    attend,
    attend_backward,
    attention_backward,
    attention_forward,
    init_attention,
    masked_softmax,
    memory_backward,
    read_memory,
    softmax_backward,
)
from common.gradient_check import GradientMismatch, check_gradients

T, S, B, Q, K = 4, 5, 3, 6, 4
LENGTHS = [5, 2, 4]
RAGGED = (np.arange(S)[:, None] < LENGTHS).astype(np.float32)
HOLES = np.array([[0, 1, 1], [1, 0, 0], [0, 0, 1], [1, 1, 0], [1, 0, 0]])
every_score = pytest.mark.parametrize("score", ["additive", "general", "dot"])
every_mask = pytest.mark.parametrize("mask", [None, RAGGED, HOLES, RAGGED == 1])


def random_problem(score, seed=0):
    """Return params, queries, keys, dcontext in float64; for "dot", queries are as wide as keys."""
    rng, width = np.random.default_rng(seed), K if score == "dot" else Q
    shapes = {s: a.shape for s, a in init_attention(rng, score, width, K).items()}
    params = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    return params, *(rng.normal(0, 1, shape) for shape in [(T, B, width), (S, B, K), (T, B, K)])


def one_score(params, q, k):
    if "v" in params:
        return params["v"] @ np.tanh(
            np.concatenate([q, k]) @ np.concatenate([params["Wq"], params["Wk"]])
        )
    return q @ params["W"] @ k if "W" in params else q @ k


@every_score
@every_mask
def test_the_equations_one_query_at_a_time(score, mask):
    params, queries, keys, _ = random_problem(score)
    context, weights, _ = attention_forward(params, queries, keys, mask)
    assert context.shape == (T, B, K) and weights.shape == (T, B, S)
    real = np.ones((S, B), bool) if mask is None else mask == 1
    for t in range(T):
        for b in range(B):
            e = np.exp([one_score(params, queries[t, b], k) for k in keys[real[:, b], b]])
            w = np.zeros(S)
            w[real[:, b]] = e / e.sum()
            np.testing.assert_allclose(weights[t, b], w, rtol=0, atol=1e-12)
            np.testing.assert_allclose(context[t, b], w @ keys[:, b], rtol=0, atol=1e-12)
    assert not weights.transpose(2, 1, 0)[~real].any()


def loss_and_grads_with(dcontext, mask):
    def loss_and_grads(p):
        context, _, cache = attention_forward(p["params"], p["queries"], p["keys"], mask)
        dqueries, dkeys, grads = attention_backward(dcontext, cache)
        return np.sum(context * dcontext), {"params": grads, "queries": dqueries, "keys": dkeys}

    return loss_and_grads


@every_score
@every_mask
def test_gradients(score, mask):
    params, queries, keys, dcontext = random_problem(score)
    arrays = {"params": params, "queries": queries, "keys": keys}
    check_gradients(loss_and_grads_with(dcontext, mask), arrays)


BREAKAGES = {
    "softmax_backward": lambda dweights, weights: weights * dweights,
    "_over_steps": lambda weights, values: np.ones((S, B, values.shape[2])),
    "_over_features": lambda queries, keys: np.ones((len(queries), B, S)),
    "weight_gradient": lambda inputs, da: np.zeros((inputs.shape[-1], da.shape[-1])),
}


@pytest.mark.parametrize(
    "score, name",
    [
        (score, name)
        for score in ("additive", "general", "dot")
        for name in BREAKAGES
        if (score, name) != ("dot", "weight_gradient")  # it has no weights
    ],
)
def test_a_broken_backward_pass_is_noticed(score, name, monkeypatch):
    params, queries, keys, dcontext = random_problem(score)
    arrays = {"params": params, "queries": queries, "keys": keys}
    monkeypatch.setattr(attention, name, BREAKAGES[name])
    with pytest.raises(GradientMismatch):
        check_gradients(loss_and_grads_with(dcontext, RAGGED), arrays)


@every_score
@pytest.mark.parametrize("garbage", [1e30, -1e300, np.inf, np.nan])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_padding_has_no_weight_and_no_gradient_whatever_it_holds(score, garbage, dtype):
    problem = random_problem(score)
    params = {name: array.astype(dtype) for name, array in problem[0].items()}
    queries, keys, dcontext = (array.astype(dtype) for array in problem[1:])
    if dtype == np.float32:
        garbage = np.float32(np.clip(garbage, -1e38, None))
    expected, expected_weights, cache = attention_forward(params, queries, keys, RAGGED)
    expected_backward = attention_backward(dcontext, cache)
    keys = np.where(RAGGED[..., None] == 1, keys, dtype(garbage))
    context, weights, cache = attention_forward(params, queries, keys, RAGGED)
    dqueries, dkeys, grads = attention_backward(dcontext, cache)
    assert np.array_equal(context, expected) and np.array_equal(weights, expected_weights)
    assert not weights.transpose(2, 1, 0)[RAGGED == 0].any() and not dkeys[RAGGED == 0].any()
    assert np.array_equal(dqueries, expected_backward[0])
    assert np.array_equal(dkeys, expected_backward[1])
    for name, grad in grads.items():
        assert np.array_equal(grad, expected_backward[2][name]), name


@every_score
def test_step_by_step_is_the_same_as_all_at_once(score):
    params, queries, keys, dcontext = random_problem(score)
    expected = attention_forward(params, queries, keys, RAGGED)
    dqueries, dkeys, grads = attention_backward(dcontext, expected[2])
    memory = read_memory(params, keys, RAGGED)
    steps = [attend(params, queries[t : t + 1], memory) for t in range(T)]
    for i in (0, 1):
        together = np.concatenate([step[i] for step in steps])
        np.testing.assert_allclose(together, expected[i], rtol=0, atol=1e-12)
    records = []
    for t in reversed(range(T)):
        dquery, record = attend_backward(dcontext[t : t + 1], steps[t][2])
        records.append(record)
        np.testing.assert_allclose(dquery[0], dqueries[t], rtol=0, atol=1e-12)
    dkeys_together, grads_together = memory_backward(records)
    np.testing.assert_allclose(dkeys_together, dkeys, rtol=0, atol=1e-12)
    assert grads_together.keys() == grads.keys() == params.keys()
    for name, grad in grads.items():
        np.testing.assert_allclose(grads_together[name], grad, rtol=0, atol=1e-12)


@every_score
def test_backward_twice_is_the_same_and_arguments_are_left_alone(score):
    params, queries, keys, dcontext = random_problem(score)
    given = [array.copy() for array in (queries, keys, dcontext)]
    _, _, cache = attention_forward(params, queries, keys, RAGGED)
    first, second = (attention_backward(dcontext, cache) for _ in range(2))
    assert all(np.array_equal(a, b) for a, b in zip(first[:2], second[:2], strict=True))
    assert all(np.array_equal(first[2][name], second[2][name]) for name in params)
    for array, before in zip((queries, keys, dcontext), given, strict=True):
        assert np.array_equal(array, before)


@every_score
def test_float32_stays_float32(score):
    problem = random_problem(score)
    params = {name: array.astype(np.float32) for name, array in problem[0].items()}
    queries, keys, dcontext = (array.astype(np.float32) for array in problem[1:])
    context, weights, cache = attention_forward(params, queries, keys, RAGGED.astype(np.float64))
    dqueries, dkeys, grads = attention_backward(dcontext, cache)
    for array in (context, weights, dqueries, dkeys, *grads.values()):
        assert array.dtype == np.float32


def test_the_masked_softmax_of_scores_that_would_overflow():
    scores = np.array([[1000.0, 1001, 5000], [-1000, -1001, 0]])
    weights = masked_softmax(scores, np.array([1.0, 1, 0]))
    less, more = 1 / (1 + np.e), np.e / (1 + np.e)
    np.testing.assert_allclose(weights, [[less, more, 0], [more, less, 0]])
    assert scores[0, 2] == 5000


def test_softmax_backward_is_the_product_with_the_jacobian():
    rng = np.random.default_rng(0)
    weights = masked_softmax(rng.normal(size=6), np.ones(6))
    dweights = rng.normal(size=6)
    jacobian = np.diag(weights) - np.outer(weights, weights)
    np.testing.assert_allclose(softmax_backward(dweights, weights), jacobian @ dweights, atol=1e-15)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(
    "score, shapes",
    [
        ("additive", {"Wq": (80, 80), "Wk": (60, 80), "v": (80,)}),
        ("concat", {"Wq": (80, 80), "Wk": (60, 80), "v": (80,)}),
        ("general", {"W": (80, 60)}),
    ],
)
def test_init_gives_shapes_dtype_and_scale(score, shapes, dtype):
    params = init_attention(np.random.default_rng(0), score, 80, 60, dtype)
    assert {name: array.shape for name, array in params.items()} == shapes
    for array in params.values():
        assert array.dtype == dtype
        assert array.std() == pytest.approx(
            len(array) ** -0.5, rel=0.05 if array.ndim == 2 else 0.3
        )


def test_init_for_dot_has_no_parameters_and_is_float32_elsewhere():
    rng = np.random.default_rng(0)
    assert init_attention(rng, "dot", 3, 3) == {}
    assert init_attention(rng, "general", 3, 3)["W"].dtype == np.float32


@pytest.mark.parametrize(
    "score, sizes, message",
    [
        (
            "scaled",
            (3, 3),
            "the score is 'scaled'; it must be one of additive, concat, general, dot",
        ),
        ("dot", (3, 4), '"dot" needs queries and keys of one size, not 3 and 4; use "general"'),
    ],
)
def test_init_refuses(score, sizes, message):
    with pytest.raises(ValueError, match=message):
        init_attention(np.random.default_rng(0), score, *sizes)


@every_score
def test_shapes_that_do_not_fit_are_refused(score):
    params, queries, keys, _ = random_problem(score)
    width = queries.shape[2]
    wrong_queries = [queries[0], queries[:, :2], queries[..., :2]]
    for wrong in wrong_queries:
        with pytest.raises(
            ValueError, match=rf"the queries have shape .*; they must be \(T, 3, {width}\)"
        ):
            attention_forward(params, wrong, keys)
    wrong_keys = [keys[0]] + ([] if score == "dot" else [keys[..., :2]])
    for wrong in wrong_keys:
        with pytest.raises(ValueError, match=r"the keys have shape .*; they must be \(S, B, 4\)"):
            attention_forward(params, queries, wrong)
    with pytest.raises(
        ValueError, match=r"the mask has shape \(3, 5\); it must be \(S, B\) = \(5, 3\)"
    ):
        attention_forward(params, queries, keys, RAGGED.T)


def test_a_source_without_a_real_token_is_refused_by_its_number():
    params, queries, keys, _ = random_problem("general")
    mask = RAGGED.copy()
    mask[:, 1] = 0
    with pytest.raises(ValueError, match=r"sources \[1\] have no real token to look at"):
        attention_forward(params, queries, keys, mask)
