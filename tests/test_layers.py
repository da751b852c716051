import inspect
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from common.gradient_check import GradientMismatch, check_gradients
from common.layers import (
    dropout_backward,
    dropout_forward,
    embedding_backward,
    embedding_forward,
    init_embedding,
    init_layer_norm,
    init_linear,
    layer_norm_backward,
    layer_norm_forward,
    linear_backward,
    linear_forward,
    weight_gradient,
)
from common.sparse import SparseRows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_init_linear_gives_shapes_dtype_scale_and_a_zero_bias(dtype):
    params = init_linear(np.random.default_rng(0), 400, 100, dtype)
    assert params["W"].shape == (400, 100) and params["b"].shape == (100,)
    assert params["W"].dtype == params["b"].dtype == dtype
    assert params["W"].std() == pytest.approx(1 / 20, rel=0.02)
    assert abs(params["W"].mean()) < 0.001
    assert not params["b"].any()


def test_init_linear_is_float32_unless_told_and_repeats_with_the_seed():
    first, again = (init_linear(np.random.default_rng(3), 4, 2) for _ in range(2))
    assert first["W"].dtype == np.float32
    assert np.array_equal(first["W"], again["W"])


def test_linear_forward_by_hand():
    params = {"W": np.array([[1.0, 2], [3, 4], [5, 6]]), "b": np.array([0.5, -1])}
    y, _ = linear_forward(params, np.array([[1.0, 0, 2], [0, 1, 0]]))
    assert y.tolist() == [[11.5, 13], [3.5, 3]]


@pytest.mark.parametrize("shape", [(), (5,), (4, 2)])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_linear_keeps_leading_axes_and_dtype(shape, dtype):
    params = init_linear(np.random.default_rng(0), 3, 6, dtype)
    y, cache = linear_forward(params, np.ones((*shape, 3), dtype))
    dx, grads = linear_backward(np.ones_like(y), cache)
    assert y.shape == (*shape, 6) and dx.shape == (*shape, 3)
    assert grads["W"].shape == (3, 6) and grads["b"].shape == (6,)
    assert y.dtype == dx.dtype == grads["W"].dtype == grads["b"].dtype == dtype


def test_the_gradients_of_linear_are_proven():
    rng = np.random.default_rng(1)
    read = rng.normal(size=(4, 2, 5))

    def f(params):
        y, cache = linear_forward(params["linear"], params["x"])
        dx, grads = linear_backward(2 * y * read, cache)
        return np.sum(y**2 * read), {"linear": grads, "x": dx}

    linear = {"W": rng.normal(0, 0.5, (3, 5)), "b": rng.normal(0, 0.5, 5)}
    check_gradients(f, {"linear": linear, "x": rng.normal(0, 0.5, (4, 2, 3))})


def test_linear_forward_refuses_another_input_size():
    with pytest.raises(ValueError, match="x has 4 features in its last axis, the layer takes 3"):
        linear_forward(init_linear(np.random.default_rng(0), 3, 2), np.ones((5, 2, 4)))


@pytest.mark.parametrize("shape", [(5, 4, 3), (4, 5, 2), (20, 2), (2,)])
def test_linear_backward_refuses_another_shape_than_the_output(shape):
    _, cache = linear_forward(init_linear(np.random.default_rng(0), 3, 2), np.ones((5, 4, 3)))
    with pytest.raises(ValueError, match=r"dy has shape .*, the layer's output had \(5, 4, 2\)"):
        linear_backward(np.ones(shape), cache)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_init_embedding_gives_vectors_about_1_long(dtype):
    params = init_embedding(np.random.default_rng(0), 400, 100, dtype)
    assert params.keys() == {"W"} and params["W"].shape == (400, 100)
    assert params["W"].dtype == dtype
    assert np.linalg.norm(params["W"], axis=1).mean() == pytest.approx(1, rel=0.01)
    assert abs(params["W"].mean()) < 0.001


def test_init_embedding_is_float32_unless_told_and_repeats_with_the_seed():
    first, again = (init_embedding(np.random.default_rng(3), 4, 2) for _ in range(2))
    assert first["W"].dtype == np.float32
    assert np.array_equal(first["W"], again["W"])


@given(arrays(np.int64, array_shapes(max_dims=3, max_side=4), elements=st.integers(0, 5)))
def test_an_embedding_is_the_product_with_one_hot_rows_there_and_back(tokens):
    rng, one_hot = np.random.default_rng(0), np.eye(6)[tokens]
    params = {"W": rng.normal(size=(6, 3))}
    x, cache = embedding_forward(params, tokens)
    assert np.array_equal(x, one_hot @ params["W"])

    dx = rng.integers(-9, 9, x.shape).astype(float)  # whole numbers, whose sums are exact
    dW = embedding_backward(dx, cache)["W"]
    assert isinstance(dW, SparseRows) and dW.shape == (6, 3)
    assert np.array_equal(dW.rows, np.unique(tokens))
    assert np.array_equal(dW.to_dense(), one_hot.reshape(-1, 6).T @ dx.reshape(-1, 3))


def test_the_gradient_of_an_embedding_is_proven():
    rng = np.random.default_rng(1)
    tokens, read = np.array([[2, 0], [2, 2], [4, 0], [3, 4]]), rng.normal(size=(4, 2, 3))

    def f(params):
        x, cache = embedding_forward(params, tokens)
        return np.sum(x**2 * read), embedding_backward(2 * x * read, cache)

    check_gradients(f, {"W": rng.normal(0, 0.5, (5, 3))})


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_an_embedding_keeps_the_dtype_and_hands_out_copies(dtype):
    params = init_embedding(np.random.default_rng(0), 5, 3, dtype)
    before, tokens = params["W"].copy(), np.array([1, 4, 1])
    x, cache = embedding_forward(params, tokens)
    dx = np.ones_like(x)
    dW = embedding_backward(dx, cache)["W"]
    assert x.dtype == dW.values.dtype == dtype
    x *= 2
    dW.values *= 2
    assert np.array_equal(params["W"], before) and np.all(dx == 1)


@pytest.mark.parametrize(
    "tokens, message",
    [
        ([5], "tokens go from 5 to 5; .* allowed are 0 to 4"),
        ([[0], [-1]], "tokens go from -1 to 0; .* allowed are 0 to 4"),
        ([1.0], "tokens must be integer ids, not float64"),
        (np.ones((0, 2), int), r"tokens of shape \(0, 2\) are empty"),
    ],
)
def test_embedding_forward_refuses_what_is_no_token(tokens, message):
    with pytest.raises(ValueError, match=message):
        embedding_forward(init_embedding(np.random.default_rng(0), 5, 3), np.array(tokens))


@pytest.mark.parametrize("shape", [(4, 2), (4, 2, 5), (2, 4, 3), (8, 3)])
def test_embedding_backward_refuses_another_shape_than_the_output(shape):
    params = init_embedding(np.random.default_rng(0), 5, 3)
    _, cache = embedding_forward(params, np.zeros((4, 2), int))
    with pytest.raises(
        ValueError, match=r"dx has shape .*, the embedding's output had \(4, 2, 3\)"
    ):
        embedding_backward(np.ones(shape), cache)


def test_an_embedding_needs_memory_for_the_rows_it_looks_up_not_for_the_table():
    V = 2**18
    params = {"W": np.ones((V, 4), np.float32)}
    tokens = np.arange(0, V, V // 10)
    tracemalloc.start()
    try:
        x, cache = embedding_forward(params, tokens)
        embedding_backward(x, cache)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < params["W"].nbytes / 100


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("rate", [0.2, 0.5, 0.9])
def test_dropout_drops_at_its_rate_and_scales_the_rest(rate, dtype):
    x = np.random.default_rng(0).normal(size=(200, 5, 50)).astype(dtype)
    before = x.copy()
    y, cache = dropout_forward(np.random.default_rng(1), x, rate)
    assert y.dtype == dtype and y.shape == x.shape and np.array_equal(x, before)
    dropped = y == 0
    assert dropped.mean() == pytest.approx(rate, abs=0.005)  # three standard deviations and more
    np.testing.assert_allclose(y[~dropped], x[~dropped] / (1 - rate), rtol=1e-6)
    # neither a whole position nor a whole feature: every number is dropped on its own
    assert dropped.mean(axis=2).std() < 0.1 and dropped.mean(axis=(0, 1)).std() < 0.03

    dx = dropout_backward(np.ones_like(y), cache)
    assert dx.dtype == dtype
    np.testing.assert_allclose(dx, np.where(dropped, 0, 1 / (1 - rate)), rtol=1e-6)


def test_dropout_repeats_with_the_seed_and_differs_from_call_to_call():
    x, rng = np.ones((4, 50)), np.random.default_rng(0)
    first, second = (dropout_forward(rng, x, 0.5)[0] for _ in range(2))
    assert np.array_equal(first, dropout_forward(np.random.default_rng(0), x, 0.5)[0])
    assert not np.array_equal(first, second)


def test_the_gradient_of_dropout_is_proven():
    read = np.random.default_rng(0).normal(size=(4, 2, 3))

    def f(params):
        # the same numbers are dropped at every call
        y, cache = dropout_forward(np.random.default_rng(1), params["x"], 0.4)
        return np.sum(y**2 * read), {"x": dropout_backward(2 * y * read, cache)}

    check_gradients(f, {"x": np.random.default_rng(2).normal(0, 0.5, (4, 2, 3))})


def test_a_dropout_rate_of_0_changes_nothing_and_draws_nothing():
    x = np.ones((3, 2))
    y, cache = dropout_forward(None, x, 0)
    assert y is x and dropout_backward(y, cache) is y


@pytest.mark.parametrize("rate", [-0.1, 1, 1.5, np.nan])
def test_a_dropout_rate_outside_0_to_1_is_refused(rate):
    with pytest.raises(
        ValueError, match=f"the dropout rate is {rate}; it must be at least 0 and less than 1"
    ):
        dropout_forward(np.random.default_rng(0), np.ones(3), rate)


def test_weight_gradient_sums_over_all_leading_axes():
    inputs, doutputs = np.random.default_rng(0).normal(size=(2, 3, 4, 5))
    expected = np.einsum("tbi,tbo->io", inputs, doutputs)
    np.testing.assert_allclose(weight_gradient(inputs, doutputs), expected, atol=1e-12)


def test_layer_norm_by_hand():
    params = {"g": np.array([1.0, 2, 1]), "b": np.array([0.0, 0, 5])}
    y, _ = layer_norm_forward(params, np.array([[1.0, 2, 3]]), eps=0)
    np.testing.assert_allclose(y, [[-np.sqrt(1.5), 0, np.sqrt(1.5) + 5]])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_layer_norm_keeps_the_dtype_and_survives_equal_features(dtype):
    params = init_layer_norm(4, dtype)
    y, cache = layer_norm_forward(params, np.ones((2, 3, 4), dtype))
    dx, grads = layer_norm_backward(np.ones_like(y), cache)
    assert not y.any() and np.isfinite(dx).all()
    assert y.dtype == dx.dtype == grads["g"].dtype == grads["b"].dtype == dtype


def layer_norm_problem():
    rng = np.random.default_rng(4)
    read = rng.normal(size=(4, 2, 5))

    def f(arrays):
        y, cache = layer_norm_forward(arrays["norm"], arrays["x"])
        dx, grads = layer_norm_backward(2 * y * read, cache)
        return np.sum(y**2 * read), {"norm": grads, "x": dx}

    norm = {"g": rng.normal(1, 0.3, 5), "b": rng.normal(0, 0.5, 5)}
    return f, {"norm": norm, "x": rng.normal(size=(4, 2, 5))}


def test_the_gradients_of_layer_norm_are_proven():
    assert check_gradients(*layer_norm_problem()).worst < 1e-7


@pytest.mark.parametrize(
    "path", ["(dx @ np.full(D, 1 / D, dy.dtype))[..., None]", "normal * of_variance"]
)
def test_a_path_of_layer_norm_left_out_is_noticed(path, monkeypatch):
    source = inspect.getsource(layer_norm_backward)
    assert path in source
    exec(source.replace(path, "0"), layer_norm_backward.__globals__, broken := {})
    monkeypatch.setitem(globals(), "layer_norm_backward", broken["layer_norm_backward"])
    with pytest.raises(GradientMismatch, match="dx"):
        check_gradients(*layer_norm_problem())


def test_layer_norm_refuses_another_size():
    with pytest.raises(ValueError, match="x has 4 features in its last axis, the layer takes 3"):
        layer_norm_forward(init_layer_norm(3), np.ones((5, 2, 4)))
