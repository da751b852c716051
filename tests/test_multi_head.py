"""Attention with several heads: against the formula head by head, its gradients, its masks."""

import numpy as np
import pytest

from common import multi_head
from common.attention import attention_forward
from common.gradient_check import GradientMismatch, check_gradients
from common.multi_head import init_multi_head, multi_head_backward, multi_head_forward

T, S, B, D, HEADS = 4, 5, 3, 6, 2
MASK = (np.arange(S)[:, None] < [5, 3, 1]).astype(np.float64)


@pytest.fixture
def problem():
    rng = np.random.default_rng(0)
    params = init_multi_head(rng, D, HEADS, np.float64)
    params = {name: array + rng.normal(0, 0.3, array.shape) for name, array in params.items()}
    return (
        params,
        rng.normal(size=(T, B, D)),
        rng.normal(size=(S, B, D)),
        rng.normal(size=(T, B, D)),
    )


def test_shapes_and_a_start_that_keeps_variance():
    params = init_multi_head(np.random.default_rng(0), 400, 8)
    assert params["Wqkv"].shape == (400, 1200) and params["Wo"].shape == (8, 50, 400)
    assert params["Wqkv"].std() == pytest.approx(1 / 20, rel=0.02)
    assert all(array.dtype == np.float32 for array in params.values())


def test_one_head_is_a_head():
    assert init_multi_head(np.random.default_rng(0), 6, 1)["Wo"].shape == (1, 6, 6)


@pytest.mark.parametrize("size, heads", [(6, 4), (6, 0)])
def test_heads_must_share_the_features_equally(size, heads):
    with pytest.raises(ValueError, match="cannot share 6 features equally"):
        init_multi_head(np.random.default_rng(0), size, heads)


def test_each_head_is_dot_attention_on_its_own_columns(problem):
    """The sum over heads of what common.attention gives for a head's projections, times its rows of Wo."""
    params, x, memory, _ = problem
    y, weights, _ = multi_head_forward(params, x, memory, MASK)
    expected, size = np.zeros((T, B, D)) + params["bo"], D // HEADS
    for m in range(HEADS):
        columns = [slice(n * D + m * size, n * D + (m + 1) * size) for n in range(3)]
        q, k, v = (
            some @ params["Wqkv"][:, c] + params["bqkv"][c]
            for some, c in zip((x, memory, memory), columns, strict=True)
        )
        _, looked, _ = attention_forward({}, q / np.sqrt(size), k, MASK)
        np.testing.assert_allclose(weights[:, m], looked.swapaxes(0, 1), atol=1e-14)
        expected += np.einsum("tbs,sbd->tbd", looked, v) @ params["Wo"][m]
    np.testing.assert_allclose(y, expected, atol=1e-13)


def across(problem):
    params, x, memory, read = problem

    def f(arrays):
        y, _, cache = multi_head_forward(arrays["params"], arrays["x"], arrays["memory"], MASK)
        dx, dmemory, grads = multi_head_backward(read, cache)
        return np.sum(y * read), {"params": grads, "x": dx, "memory": dmemory}

    return f, {"params": params, "x": x, "memory": memory}


@pytest.mark.parametrize("causal", [False, True])
def test_gradients_of_looking_at_oneself(problem, causal):
    params, x, _, read = problem
    mask = MASK[:T]

    def f(arrays):
        y, _, cache = multi_head_forward(arrays["params"], arrays["x"], None, mask, causal)
        dx, _, grads = multi_head_backward(read, cache)
        return np.sum(y * read * mask[..., None]), {"params": grads, "x": dx}

    assert check_gradients(f, {"params": params, "x": x}).worst < 1e-7


def test_gradients_of_looking_across(problem):
    assert check_gradients(*across(problem)).worst < 1e-7


@pytest.mark.parametrize(
    "name, broken, where",
    [
        ("_scale", lambda original: lambda params: 1.0, None),
        ("softmax_backward", lambda original: lambda dw, w: dw * w, "Wqkv"),
        ("weight_gradient", lambda original: lambda x, d: original(x, d) * 1.001, "W"),
    ],
)
def test_wrong_gradients_are_noticed(problem, monkeypatch, name, broken, where):
    """Without the scale forward and backward agree all the same: that is another layer, which only an oracle sees."""
    monkeypatch.setattr(multi_head, name, broken(getattr(multi_head, name)))
    if where is None:
        assert check_gradients(*across(problem)).worst < 1e-7
    else:
        with pytest.raises(GradientMismatch, match=where):
            check_gradients(*across(problem))


def test_a_later_token_changes_nothing_earlier(problem):
    params, x, *_ = problem
    y, weights, _ = multi_head_forward(params, x, causal=True)
    changed = x.copy()
    changed[2:] += 1
    again, _, _ = multi_head_forward(params, changed, causal=True)
    assert np.array_equal(y[:2], again[:2]) and not np.array_equal(y[2:], again[2:])
    assert not weights[..., np.triu_indices(T, 1)[0], np.triu_indices(T, 1)[1]].any()


def test_a_hole_is_not_looked_at_by_those_that_come_after_it(problem):
    params, x, *_ = problem
    mask = np.ones((T, B))
    mask[1, 0] = 0
    _, weights, _ = multi_head_forward(params, x, None, mask, causal=True)
    assert not weights[0, :, :, 1].any() and weights[1, :, 1:, 1].all()
    assert not weights[..., np.triu_indices(T, 1)[0], np.triu_indices(T, 1)[1]].any()
    np.testing.assert_allclose(weights.sum(axis=-1), 1)


@pytest.mark.parametrize("garbage", [np.nan, np.inf, 1e300])
def test_what_stands_at_padding_changes_nothing(problem, garbage):
    params, x, memory, read = problem
    filled = np.where(MASK[..., None], memory, garbage)
    for mine, its in ((x, memory), (memory[:T], None)):
        results = []
        for other in (memory, filled):
            mine_now = other[:T] if its is None else mine
            mask = MASK[:T] if its is None else MASK
            y, weights, cache = multi_head_forward(
                params, mine_now, None if its is None else other, mask
            )
            dy = np.where(mask[..., None], read, garbage) if its is None else read
            dx, dmemory, grads = multi_head_backward(dy, cache)
            results.append(
                [y, weights, dx, *([] if dmemory is None else [dmemory]), *grads.values()]
            )
        for one, other in zip(*results, strict=True):
            assert np.array_equal(one, other)


def test_bad_shapes_and_empty_sources_are_refused(problem):
    params, x, memory, _ = problem
    with pytest.raises(ValueError, match=r"both must be \(., B, 6\)"):
        multi_head_forward(params, x, memory[:, :2])
    with pytest.raises(ValueError, match=r"the mask has shape \(5, 2\)"):
        multi_head_forward(params, x, memory, MASK[:, :2])
    with pytest.raises(ValueError, match=r"sequences \[1\] have no real token"):
        multi_head_forward(params, x, memory, MASK * [1, 0, 1])
