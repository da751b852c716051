import numpy as np
import pytest

from common.gradient_check import GradientMismatch, check_gradients
from common.models import bidirectional
from common.models.bidirectional import (
    bidirectional_backward,
    bidirectional_forward,
    encode,
    encode_backward,
    init_bidirectional,
    init_encoder,
)
from common.params import flatten
from common.recurrent import gru_forward

S, B, D, H = 5, 3, 4, 3
LENGTHS = [5, 2, 4]
MASK = (np.arange(S)[:, None] < LENGTHS).astype(np.float32)


def random_problem(seed=0):
    rng = np.random.default_rng(seed)
    params = init_bidirectional(rng, D, H, np.float64)
    for array in flatten(params).values():
        array[...] = rng.normal(0, 0.5, array.shape)
    return params, rng.normal(0, 0.5, (S, B, D)), rng.normal(0, 0.5, (S, B, 2 * H))


def test_each_sequence_is_read_both_ways_and_alone():
    params, x, _ = random_problem()
    h, _ = bidirectional_forward(params, x, MASK)
    for b, length in enumerate(LENGTHS):
        alone = x[:length, b : b + 1]
        forwards, backwards = (
            gru_forward(params[way], alone[::step])[0][::step, 0]
            for way, step in (("forward", 1), ("backward", -1))
        )
        np.testing.assert_allclose(h[:length, b, :H], forwards, rtol=0, atol=1e-12)
        np.testing.assert_allclose(h[:length, b, H:], backwards, rtol=0, atol=1e-12)


@pytest.mark.parametrize("mask", [None, MASK])
def test_gradients(mask):
    params, x, dh = random_problem()

    def loss_and_grads(p):
        h, cache = bidirectional_forward(p["params"], p["x"], mask)
        dx, grads = bidirectional_backward(dh, cache)
        return np.sum(h * dh), {"params": grads, "x": dx}

    check_gradients(loss_and_grads, {"params": params, "x": x})


def test_what_padding_holds_is_no_matter():
    params, x, dh = random_problem()
    h, cache = bidirectional_forward(params, x, MASK)
    dx, _ = bidirectional_backward(dh * MASK[..., None], cache)
    assert not dx[MASK == 0].any()
    other, _ = bidirectional_forward(params, np.where(MASK[..., None] == 1, x, 1e9), MASK)
    assert np.array_equal(h[MASK == 1], other[MASK == 1])


def encoder_problem():
    rng = np.random.default_rng(0)
    params = init_encoder(rng, 7, D, 2 * H, np.float64)
    for array in flatten(params).values():
        array[...] = rng.normal(0, 0.5, array.shape)
    source = rng.integers(0, 7, (S, B))
    return params, source, rng.normal(0, 0.5, (S, B, 2 * H)), rng.normal(0, 0.5, (B, 2 * H))


def encoder_loss(source, dannotations, dfirst_state):
    def loss_and_grads(params):
        annotations, first_state, cache = encode(params, source, MASK)
        loss = np.sum(annotations * dannotations) + np.sum(first_state * dfirst_state)
        return loss, encode_backward(dannotations, dfirst_state, cache)

    return loss_and_grads


def test_gradients_of_the_encoder_and_its_arguments_are_left_alone():
    params, source, dannotations, dfirst_state = encoder_problem()
    given = dannotations.copy(), dfirst_state.copy()
    check_gradients(encoder_loss(source, dannotations, dfirst_state), params)
    assert np.array_equal(dannotations, given[0]) and np.array_equal(dfirst_state, given[1])


def test_an_encoder_whose_gradient_is_not_turned_round_is_noticed(monkeypatch):
    params, source, *gradients = encoder_problem()
    original = bidirectional.gru_backward

    def not_turned(dh, cache):
        return original(np.ascontiguousarray(dh)[::-1] if dh.strides[0] < 0 else dh, cache)

    monkeypatch.setattr(bidirectional, "gru_backward", not_turned)
    with pytest.raises(GradientMismatch, match="encoder.backward"):
        check_gradients(encoder_loss(source, *gradients), params)


def test_the_first_state_has_read_the_first_token_last():
    params, source, *_ = encoder_problem()
    annotations, first_state, _ = encode(params, source, MASK)
    embedded = params["source_embedding"]["W"][source]
    for b, length in enumerate(LENGTHS):
        _, last, _ = gru_forward(params["encoder"]["backward"], embedded[:length, b : b + 1][::-1])
        expected = np.tanh(last[0] @ params["bridge"]["W"] + params["bridge"]["b"])
        np.testing.assert_allclose(first_state[b], expected, rtol=0, atol=1e-12)
    assert annotations.shape == (S, B, 2 * H)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_init_gives_half_of_the_units_to_each_direction(dtype):
    params = init_encoder(np.random.default_rng(0), 7, D, 6, dtype)
    shapes = {name: array.shape for name, array in flatten(params).items()}
    one_way = {"Wx": (D, 9), "Wh": (3, 9), "b": (9,)}
    assert shapes == {
        "source_embedding.W": (7, D),
        **{f"encoder.{w}.{n}": s for w in ("forward", "backward") for n, s in one_way.items()},
        "bridge.W": (3, 6),
        "bridge.b": (6,),
    }
    assert all(array.dtype == dtype for array in flatten(params).values())
    assert not np.array_equal(
        params["encoder"]["forward"]["Wx"], params["encoder"]["backward"]["Wx"]
    )


def test_float32_unless_told():
    rng = np.random.default_rng(0)
    for params in (init_encoder(rng, 7, D, 6), init_bidirectional(rng, D, H)):
        assert all(array.dtype == np.float32 for array in flatten(params).values())


def test_an_odd_hidden_size_is_refused():
    with pytest.raises(ValueError, match="hidden_size is 5; it must be even"):
        init_encoder(np.random.default_rng(0), 7, D, 5)
