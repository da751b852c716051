import numpy as np
import pytest

from common.gradient_check import check_gradients
from common.layers import init_linear, linear_backward, linear_forward


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
        linear_forward(init_linear(np.random.default_rng(0), 3, 2), np.ones((5, 4)))


@pytest.mark.parametrize("shape", [(5, 3), (4, 2), (2,)])
def test_linear_backward_refuses_another_shape_than_the_output(shape):
    _, cache = linear_forward(init_linear(np.random.default_rng(0), 3, 2), np.ones((5, 3)))
    with pytest.raises(ValueError, match=r"dy has shape .*, the layer's output had \(5, 2\)"):
        linear_backward(np.ones(shape), cache)
