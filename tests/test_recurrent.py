import math

import numpy as np
import pytest

from common.gradient_check import check_gradients
from common.recurrent import init_rnn, rnn_backward, rnn_forward

T, B, D, H = 5, 3, 4, 6
LENGTHS = [5, 2, 4]
RAGGED = (np.arange(T)[:, None] < LENGTHS).astype(np.float64)
LEFT_PADDED = RAGGED[::-1]
WITH_HOLES_AND_AN_EMPTY_SEQUENCE = np.array([[1, 0, 0], [0, 0, 1], [1, 0, 1], [1, 0, 0], [0, 0, 1]])


def random_rnn(rng):
    """Weights around 0.5 and random biases, in float64, as a gradient check needs them."""
    return {
        "Wx": rng.normal(0, 0.5, (D, H)),
        "Wh": rng.normal(0, 0.5, (H, H)),
        "b": rng.normal(0, 0.5, H),
    }


def random_problem(seed=0):
    """Return params, x, h0, dh, dstate."""
    rng = np.random.default_rng(seed)
    shapes = (T, B, D), (B, H), (T, B, H), (B, H)
    return random_rnn(rng), *(rng.normal(0, 0.5, shape) for shape in shapes)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_init_rnn_gives_shapes_dtype_scale_and_a_zero_bias(dtype):
    params = init_rnn(np.random.default_rng(0), 200, 100, dtype)
    assert {name: array.shape for name, array in params.items()} == {
        "Wx": (200, 100),
        "Wh": (100, 100),
        "b": (100,),
    }
    assert all(array.dtype == dtype for array in params.values())
    assert params["Wx"].std() == pytest.approx(1 / 10, rel=0.02)
    assert not params["b"].any()


@pytest.mark.parametrize("spectral_radius", [1.0, 0.7])
def test_init_rnn_makes_the_recurrence_orthogonal_times_the_spectral_radius(spectral_radius):
    Wh = init_rnn(np.random.default_rng(0), 3, 8, np.float64, spectral_radius=spectral_radius)["Wh"]
    np.testing.assert_allclose(Wh @ Wh.T, spectral_radius**2 * np.eye(8), atol=1e-12)


def test_init_rnn_favours_no_rotation():
    rng = np.random.default_rng(0)
    draws = np.array([init_rnn(rng, 1, 2, np.float64)["Wh"] for _ in range(400)])
    assert np.all(np.abs(draws.mean(axis=0)) < 0.12)


def test_init_rnn_is_float32_unless_told_and_repeats_with_the_seed():
    first, again = (init_rnn(np.random.default_rng(3), 4, 2) for _ in range(2))
    for name in first:
        assert first[name].dtype == np.float32
        assert np.array_equal(first[name], again[name])


def test_forward_is_the_equation_written_out_number_by_number():
    params, x, h0, *_ = random_problem()
    h, hT, _ = rnn_forward(params, x, h0)
    for b in range(B):
        state = list(h0[b])
        for t in range(T):
            state = [
                math.tanh(
                    params["b"][j]
                    + sum(x[t, b, d] * params["Wx"][d, j] for d in range(D))
                    + sum(state[k] * params["Wh"][k, j] for k in range(H))
                )
                for j in range(H)
            ]
            np.testing.assert_allclose(h[t, b], state, rtol=1e-12)
        np.testing.assert_allclose(hT[b], state, rtol=1e-12)


def test_without_h0_the_state_starts_at_zero():
    params, x, h0, *_ = random_problem()
    assert np.array_equal(rnn_forward(params, x)[0], rnn_forward(params, x, np.zeros_like(h0))[0])
    assert not np.allclose(rnn_forward(params, x)[0][0], rnn_forward(params, x, h0)[0][0])


def test_without_dstate_nothing_uses_the_last_state():
    params, x, h0, dh, dstate = random_problem()
    cache = rnn_forward(params, x, h0)[2]
    _, dh0, grads = rnn_backward(dh, cache)
    _, expected_dh0, expected_grads = rnn_backward(dh, cache, np.zeros_like(dstate))
    assert np.array_equal(dh0, expected_dh0)
    assert all(np.array_equal(grads[name], expected_grads[name]) for name in params)


def test_a_sequence_in_two_halves_is_the_whole_sequence():
    params, x, h0, *_ = random_problem()
    h, hT, _ = rnn_forward(params, x, h0)
    first, middle, _ = rnn_forward(params, x[:2], h0)
    second, last, _ = rnn_forward(params, x[2:], middle)
    np.testing.assert_allclose(np.concatenate([first, second]), h, rtol=0, atol=1e-14)
    np.testing.assert_allclose(last, hT, rtol=0, atol=1e-14)


@pytest.mark.parametrize("with_states", [False, True])
@pytest.mark.parametrize("mask_dtype", [None, bool, np.int64, np.float64])
@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_shapes_and_dtype_are_kept(dtype, tokens, mask_dtype, with_states):
    params = init_rnn(np.random.default_rng(0), D, H, dtype)
    x = np.ones((T, B), int) if tokens else np.ones((T, B, D), dtype)
    mask = None if mask_dtype is None else RAGGED.astype(mask_dtype)
    state = np.ones((B, H), dtype) if with_states else None
    h, hT, cache = rnn_forward(params, x, state, mask)
    dx, dh0, grads = rnn_backward(np.ones_like(h), cache, state)
    assert h.shape == (T, B, H) and hT.shape == dh0.shape == (B, H)
    assert h.dtype == hT.dtype == dh0.dtype == dtype
    assert all(
        grads[name].shape == params[name].shape and grads[name].dtype == dtype for name in params
    )
    assert dx is None if tokens else dx.shape == x.shape and dx.dtype == dtype


@pytest.mark.parametrize("mask", [None, RAGGED])
def test_forward_and_backward_leave_what_they_are_given_unchanged(mask):
    params, *given = random_problem()
    before = [array.copy() for array in (*params.values(), *given)]
    x, h0, dh, dstate = given
    h, _, cache = rnn_forward(params, x, h0, mask)
    states = h.copy()
    rnn_backward(dh, cache, dstate)
    assert all(
        np.array_equal(now, then)
        for now, then in zip((*params.values(), *given), before, strict=True)
    )
    assert np.array_equal(h, states)


@pytest.mark.parametrize("mask", [None, RAGGED, LEFT_PADDED, WITH_HOLES_AND_AN_EMPTY_SEQUENCE])
@pytest.mark.parametrize("tokens", [False, True])
def test_the_gradients_of_the_rnn_are_proven(tokens, mask):
    params, x, h0, read_h, read_hT = random_problem(1)
    ids = np.random.default_rng(2).integers(D, size=(T, B))

    def f(params):
        h, hT, cache = rnn_forward(
            params["rnn"], ids if tokens else params["x"], params["h0"], mask
        )
        loss = np.sum(h**2 * read_h) + np.sum(hT**2 * read_hT)
        dx, dh0, grads = rnn_backward(2 * h * read_h, cache, 2 * hT * read_hT)
        return loss, {"rnn": grads, "h0": dh0} | ({} if tokens else {"x": dx})

    check_gradients(f, {"rnn": params, "h0": h0} | ({} if tokens else {"x": x}))


@pytest.mark.parametrize("mask", [None, RAGGED])
def test_tokens_are_one_hot_rows(mask):
    params, _, h0, dh, dstate = random_problem()
    ids = np.array([[0, 2, 0], [2, 2, 0], [0, 0, 3], [3, 2, 2], [0, 3, 0]])
    h, hT, cache = rnn_forward(params, ids, h0, mask)
    dx, dh0, grads = rnn_backward(dh, cache, dstate)
    expected_h, expected_hT, expected_cache = rnn_forward(params, np.eye(D)[ids], h0, mask)
    _, expected_dh0, expected_grads = rnn_backward(dh, expected_cache, dstate)
    assert dx is None
    np.testing.assert_allclose(h, expected_h, rtol=0, atol=1e-12)
    np.testing.assert_allclose(hT, expected_hT, rtol=0, atol=1e-12)
    np.testing.assert_allclose(dh0, expected_dh0, rtol=0, atol=1e-12)
    for name in params:
        np.testing.assert_allclose(grads[name], expected_grads[name], rtol=0, atol=1e-12)
    assert not grads["Wx"][1].any()


def test_a_padded_step_copies_the_state_through():
    params, x, h0, *_ = random_problem()
    h, hT, _ = rnn_forward(params, x, h0, WITH_HOLES_AND_AN_EMPTY_SEQUENCE)
    states = np.concatenate([h0[None], h])
    for t, b in np.argwhere(WITH_HOLES_AND_AN_EMPTY_SEQUENCE == 0):
        assert np.array_equal(states[t + 1, b], states[t, b])
    for t, b in np.argwhere(WITH_HOLES_AND_AN_EMPTY_SEQUENCE == 1):
        assert not np.allclose(states[t + 1, b], states[t, b])
    assert np.array_equal(hT, h[-1]) and np.array_equal(hT[1], h0[1])


def test_a_ragged_batch_is_every_sequence_alone_at_its_own_length():
    params, x, h0, dh, dstate = random_problem()
    dh *= RAGGED[..., None]
    h, hT, cache = rnn_forward(params, x, h0, RAGGED)
    dx, dh0, grads = rnn_backward(dh, cache, dstate)

    summed = {name: np.zeros_like(array) for name, array in params.items()}
    for b, length in enumerate(LENGTHS):
        one, real = slice(b, b + 1), slice(length)
        alone_h, alone_hT, alone_cache = rnn_forward(params, x[real, one], h0[one])
        alone_dx, alone_dh0, alone_grads = rnn_backward(dh[real, one], alone_cache, dstate[one])
        np.testing.assert_allclose(h[real, one], alone_h, rtol=0, atol=1e-12)
        np.testing.assert_allclose(hT[one], alone_hT, rtol=0, atol=1e-12)
        np.testing.assert_allclose(dx[real, one], alone_dx, rtol=0, atol=1e-12)
        np.testing.assert_allclose(dh0[one], alone_dh0, rtol=0, atol=1e-12)
        assert not dx[length:, b].any()
        for name in summed:
            summed[name] += alone_grads[name]
    for name in summed:
        np.testing.assert_allclose(grads[name], summed[name], rtol=0, atol=1e-12)


@pytest.mark.parametrize(
    "x, h0, mask, message",
    [
        (
            np.ones((T, B, D + 1)),
            None,
            None,
            r"x has shape \(5, 3, 5\); it must be \(T, B, 4\) floats",
        ),
        (
            np.ones(D),
            None,
            None,
            r"x has shape \(4,\); it must be \(T, B, 4\) floats or \(T, B\) integer tokens",
        ),
        (np.ones((0, B, D)), None, None, r"x has shape \(0, 3, 4\)"),
        (np.ones((T, 0, D)), None, None, r"x has shape \(5, 0, 4\)"),
        (np.ones((T, B)), None, None, "tokens must be integer ids, not float64"),
        (np.full((T, B), D), None, None, "tokens go from 4 to 4; .* allowed are 0 to 3"),
        (np.full((T, B), -1), None, None, "tokens go from -1 to -1; .* allowed are 0 to 3"),
        (np.ones((0, B), int), None, None, r"tokens of shape \(0, 3\) are empty"),
        (
            np.ones((T, B, D)),
            np.ones((H, B)),
            None,
            r"h0 has shape \(6, 3\); it must be \(B, H\) = \(3, 6\)",
        ),
        (
            np.ones((T, B, D)),
            np.ones(H),
            None,
            r"h0 has shape \(6,\); it must be \(B, H\) = \(3, 6\)",
        ),
        (
            np.ones((T, B, D)),
            None,
            np.ones((B, T)),
            r"the mask has shape \(3, 5\); it must be \(T, B\) = \(5, 3\)",
        ),
        (
            np.ones((T, B), int),
            None,
            np.ones(T),
            r"the mask has shape \(5,\); it must be \(T, B\) = \(5, 3\)",
        ),
    ],
)
def test_rnn_forward_refuses(x, h0, mask, message):
    with pytest.raises(ValueError, match=message):
        rnn_forward(random_rnn(np.random.default_rng(0)), x, h0, mask)


@pytest.mark.parametrize(
    "dh, dstate, message",
    [
        (
            np.ones((T - 1, B, H)),
            None,
            r"dh has shape \(4, 3, 6\); the hidden states have \(5, 3, 6\)",
        ),
        (
            np.ones((T, B, H + 1)),
            None,
            r"dh has shape \(5, 3, 7\); the hidden states have \(5, 3, 6\)",
        ),
        (
            np.ones((T, B, H)),
            np.ones((1, H)),
            r"dstate has shape \(1, 6\); it must be \(B, H\) = \(3, 6\)",
        ),
    ],
)
def test_rnn_backward_refuses(dh, dstate, message):
    params, x, *_ = random_problem()
    with pytest.raises(ValueError, match=message):
        rnn_backward(dh, rnn_forward(params, x)[2], dstate)
