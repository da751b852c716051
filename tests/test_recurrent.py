import math

import numpy as np
import pytest

from common import recurrent
from common.gradient_check import check_gradients
from common.recurrent import init_gru, init_lstm, init_rnn

T, B, D, H = 5, 3, 4, 6
LENGTHS = [5, 2, 4]
RAGGED = (np.arange(T)[:, None] < LENGTHS).astype(np.float64)
LEFT_PADDED = RAGGED[::-1]
WITH_HOLES_AND_AN_EMPTY_SEQUENCE = np.array([[1, 0, 0], [0, 0, 1], [1, 0, 1], [1, 0, 0], [0, 0, 1]])
CELLS = {
    "rnn": {},
    "lstm": {},
    "gru before": {"reset": "before"},
    "gru after": {"reset": "after"},
}
GATES = {"rnn": 1, "lstm": 4, "gru before": 3, "gru after": 3}
every_cell = pytest.mark.parametrize("cell", CELLS)


@pytest.fixture(autouse=True)
def short_blocks(monkeypatch):
    """Let the backward passes of these small problems cross a border between blocks of time steps, too."""
    monkeypatch.setattr(recurrent, "CACHED", B * 4 * H)


def init(cell, rng, *sizes, **options):
    return getattr(recurrent, f"init_{cell.split()[0]}")(rng, *sizes, **CELLS[cell], **options)


def forward(cell, params, x, states=None, mask=None):
    """Return h, [every last state], cache: `states` is always a list, [h0] or [h0, c0]."""
    run = getattr(recurrent, f"{cell.split()[0]}_forward")
    if cell == "lstm":
        return run(params, x, states, mask)
    h, hT, cache = run(params, x, states and states[0], mask)
    return h, [hT], cache


def backward(cell, dh, cache, dstates=None):
    """Return dx, [gradient of every first state], grads."""
    run = getattr(recurrent, f"{cell.split()[0]}_backward")
    if cell == "lstm":
        return run(dh, cache, dstates)
    dx, dh0, grads = run(dh, cache, dstates and dstates[0])
    return dx, [dh0], grads


def random_params(cell, rng):
    """Weights around 0.5 and random biases, in float64, as a gradient check needs them."""
    shapes = {name: array.shape for name, array in init(cell, rng, D, H).items()}
    return {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}


def random_problem(cell, seed=0):
    """Return params, x, states, dh, dstates."""
    rng = np.random.default_rng(seed)
    params = random_params(cell, rng)
    x, dh = rng.normal(0, 0.5, (T, B, D)), rng.normal(0, 0.5, (T, B, H))
    states, dstates = rng.normal(0, 0.5, (2, 2 if cell == "lstm" else 1, B, H))
    return params, x, list(states), dh, list(dstates)


def assert_close(actual, expected, atol=1e-12):
    for one, other in zip(actual, expected, strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=atol)


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


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("cell", ["lstm", "gru before", "gru after"])
def test_gates_lie_side_by_side_each_as_in_the_rnn(cell, dtype):
    params, gates = init(cell, np.random.default_rng(0), 200, 50, dtype=dtype), GATES[cell]
    shapes = {"Wx": (200, gates * 50), "Wh": (50, gates * 50), "b": (gates * 50,)}
    shapes |= {"bn": (50,)} if cell == "gru after" else {}
    assert {name: array.shape for name, array in params.items()} == shapes
    assert all(array.dtype == dtype for array in params.values())
    for block in np.split(params["Wh"], gates, axis=1):
        np.testing.assert_allclose(block @ block.T, np.eye(50), atol=1e-5)
    assert params["Wx"].std() == pytest.approx(1 / math.sqrt(50), rel=0.02)


@pytest.mark.parametrize("forget_bias", [1.0, 0.0, 2.5])
def test_the_forget_bias_sits_in_the_second_block_and_nowhere_else(forget_bias):
    b = init_lstm(np.random.default_rng(0), 3, 2, forget_bias=forget_bias)["b"]
    assert b.tolist() == [0, 0, forget_bias, forget_bias, 0, 0, 0, 0]


def test_the_forget_bias_is_1_unless_told_and_the_bias_of_a_gru_is_0():
    assert init_lstm(np.random.default_rng(0), 3, 1)["b"].tolist() == [0, 1, 0, 0]
    for params in (init_gru(np.random.default_rng(0), 3, 2, reset=r) for r in ("before", "after")):
        assert not params["b"].any() and not params.get("bn", np.zeros(1)).any()


@pytest.mark.parametrize("reset", ["both", None, True])
def test_init_gru_refuses_another_reset(reset):
    with pytest.raises(ValueError, match='it must be "before" .Cho. or "after" .PyTorch.'):
        init_gru(np.random.default_rng(0), 3, 2, reset=reset)


def sigmoid(a):
    return 1 / (1 + np.exp(-a))


def one_step(cell, params, x, states):
    """Each equation on its own line, one matrix for each gate: the next states [h] or [h, c]."""
    h = states[0]
    Wx, Wh, b = (np.split(params[name], GATES[cell], axis=-1) for name in ("Wx", "Wh", "b"))

    def a(k):
        return x @ Wx[k] + h @ Wh[k] + b[k]

    if cell == "rnn":
        return [np.tanh(a(0))]
    if cell == "lstm":
        i, f, g, o = sigmoid(a(0)), sigmoid(a(1)), np.tanh(a(2)), sigmoid(a(3))
        c = f * states[1] + i * g
        return [o * np.tanh(c), c]
    r, z = sigmoid(a(0)), sigmoid(a(1))
    if cell == "gru before":
        n = np.tanh(x @ Wx[2] + (r * h) @ Wh[2] + b[2])
    else:
        n = np.tanh(x @ Wx[2] + b[2] + r * (h @ Wh[2] + params["bn"]))
    return [z * h + (1 - z) * n]


@every_cell
def test_forward_is_the_equations_in_the_order_of_the_gates(cell):
    params, x, states, *_ = random_problem(cell)
    h, last, _ = forward(cell, params, x, states)
    for t in range(T):
        states = one_step(cell, params, x[t], states)
        np.testing.assert_allclose(h[t], states[0], rtol=1e-12)
    assert_close(last, states)


@pytest.mark.parametrize(
    "block, meaning",
    [
        (0, "nothing comes in: c = f c0"),
        (1, "nothing stays: c = i g"),
        (3, "nothing goes out: h = 0"),
    ],
)
def test_closing_a_gate_of_the_lstm_does_what_its_name_says(block, meaning):
    params, x, states, *_ = random_problem("lstm")
    params["b"][block * H : (block + 1) * H] = -500
    h, (_, c), _ = forward("lstm", params, x[:1], states)
    i, f, g, o = np.split(x[0] @ params["Wx"] + states[0] @ params["Wh"] + params["b"], 4, axis=1)
    expected = {0: sigmoid(f) * states[1], 1: sigmoid(i) * np.tanh(g)}
    assert_close([h], [np.zeros_like(h)]) if block == 3 else assert_close([c], [expected[block]])


@pytest.mark.parametrize("cell", ["gru before", "gru after"])
def test_an_update_gate_at_1_keeps_the_state_and_at_0_takes_the_candidate(cell):
    params, x, states, *_ = random_problem(cell)
    params["b"][H : 2 * H] = 1000
    assert_close(forward(cell, params, x, states)[1], states)
    params["b"][H : 2 * H], params["b"][2 * H :] = -1000, 1000
    assert_close(forward(cell, params, x, states)[1], [np.ones((B, H))])


@pytest.mark.parametrize("extreme", [-1e4, 1e4])
@every_cell
def test_gates_saturate_without_a_warning(cell, extreme):
    params, x, states, dh, dstates = random_problem(cell)
    params["b"][:] = extreme
    with np.errstate(all="raise", under="ignore"):
        h, last, cache = forward(cell, params, x, states)
        dx, dstart, grads = backward(cell, dh, cache, dstates)
    assert all(np.isfinite(a).all() for a in (h, *last, dx, *dstart, *grads.values()))


@every_cell
def test_without_states_they_start_at_zero(cell):
    params, x, states, *_ = random_problem(cell)
    h = forward(cell, params, x)[0]
    assert np.array_equal(h, forward(cell, params, x, [np.zeros_like(s) for s in states])[0])
    assert not np.allclose(h[0], forward(cell, params, x, states)[0][0])


@every_cell
def test_without_dstate_nothing_uses_the_last_states(cell):
    params, x, states, dh, dstates = random_problem(cell)
    cache = forward(cell, params, x, states)[2]
    _, dstart, grads = backward(cell, dh, cache)
    _, expected_dstart, expected_grads = backward(
        cell, dh, cache, [np.zeros_like(d) for d in dstates]
    )
    assert np.array_equal(dstart, expected_dstart)
    assert all(np.array_equal(grads[name], expected_grads[name]) for name in params)


@every_cell
def test_a_sequence_in_two_halves_is_the_whole_sequence_both_ways(cell):
    params, x, states, dh, dstates = random_problem(cell)
    h, last, cache = forward(cell, params, x, states)
    first, middle, first_cache = forward(cell, params, x[:2], states)
    second, end, second_cache = forward(cell, params, x[2:], middle)
    assert_close([np.concatenate([first, second]), *end], [h, *last])

    dx, dstart, grads = backward(cell, dh, cache, dstates)
    late_dx, dmiddle, late = backward(cell, dh[2:], second_cache, dstates)
    early_dx, begin, early = backward(cell, dh[:2], first_cache, dmiddle)
    assert_close([np.concatenate([early_dx, late_dx]), *begin], [dx, *dstart])
    assert_close([early[name] + late[name] for name in params], [grads[name] for name in params])


@pytest.mark.parametrize("steps_per_block", [1, 2, 3, T, 100])
@pytest.mark.parametrize("mask", [None, RAGGED])
@every_cell
def test_the_blocks_of_backward_change_nothing(cell, mask, steps_per_block, monkeypatch):
    params, x, states, dh, dstates = random_problem(cell)
    cache = forward(cell, params, x, states, mask)[2]
    results = []
    for cached in (10**9, steps_per_block * B * GATES[cell] * H):
        monkeypatch.setattr(recurrent, "CACHED", cached)
        dx, dstart, grads = backward(cell, dh, cache, dstates)
        results.append([dx, *dstart, *grads.values()])
    assert_close(*results)


@pytest.mark.parametrize("with_states", [False, True])
@pytest.mark.parametrize("mask_dtype", [None, bool, np.int64, np.float64])
@pytest.mark.parametrize("tokens", [False, True])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@every_cell
def test_shapes_and_dtype_are_kept(cell, dtype, tokens, mask_dtype, with_states):
    params = init(cell, np.random.default_rng(0), D, H, dtype=dtype)
    x = np.ones((T, B), int) if tokens else np.ones((T, B, D), dtype)
    mask = None if mask_dtype is None else RAGGED.astype(mask_dtype)
    count = 2 if cell == "lstm" else 1
    states = [np.ones((B, H), dtype)] * count if with_states else None
    h, last, cache = forward(cell, params, x, states, mask)
    dx, dstart, grads = backward(cell, np.ones_like(h), cache, states)
    assert h.shape == (T, B, H) and len(last) == len(dstart) == count
    assert all(array.shape == (B, H) and array.dtype == dtype for array in (*last, *dstart))
    assert h.dtype == dtype and grads.keys() == params.keys()
    assert all(
        grads[name].shape == params[name].shape and grads[name].dtype == dtype for name in params
    )
    assert dx is None if tokens else dx.shape == x.shape and dx.dtype == dtype


@pytest.mark.parametrize("mask", [None, RAGGED])
@every_cell
def test_forward_and_backward_leave_what_they_are_given_unchanged(cell, mask):
    params, x, states, dh, dstates = random_problem(cell)
    given = *params.values(), x, *states, dh, *dstates
    before = [array.copy() for array in given]
    h, last, cache = forward(cell, params, x, states, mask)
    results = [array.copy() for array in (h, *last)]
    first = backward(cell, dh, cache, dstates)
    again = backward(cell, dh, cache, dstates)
    assert all(np.array_equal(now, then) for now, then in zip(given, before, strict=True))
    assert all(np.array_equal(now, then) for now, then in zip((h, *last), results, strict=True))
    assert np.array_equal(first[0], again[0])
    assert all(np.array_equal(first[2][name], again[2][name]) for name in params)


@pytest.mark.parametrize("mask", [None, RAGGED, LEFT_PADDED, WITH_HOLES_AND_AN_EMPTY_SEQUENCE])
@pytest.mark.parametrize("tokens", [False, True])
@every_cell
def test_the_gradients_are_proven(cell, tokens, mask):
    params, x, states, read_h, read_last = random_problem(cell, 1)
    ids = np.random.default_rng(2).integers(D, size=(T, B))
    starts = dict(zip(("h0", "c0"), states, strict=False))

    def f(params):
        inputs, states = ids if tokens else params["x"], [params[name] for name in starts]
        h, last, cache = forward(cell, params["cell"], inputs, states, mask)
        loss = np.sum(h**2 * read_h) + sum(
            np.sum(s**2 * read) for s, read in zip(last, read_last, strict=True)
        )
        dlast = [2 * s * read for s, read in zip(last, read_last, strict=True)]
        dx, dstart, grads = backward(cell, 2 * h * read_h, cache, dlast)
        grads = {"cell": grads, **dict(zip(starts, dstart, strict=True))}
        return loss, grads if tokens else {**grads, "x": dx}

    check_gradients(f, {"cell": params, **starts} | ({} if tokens else {"x": x}))


@pytest.mark.parametrize("mask", [RAGGED, LEFT_PADDED, WITH_HOLES_AND_AN_EMPTY_SEQUENCE])
@pytest.mark.parametrize("garbage", [np.nan, np.inf, -np.inf])
@pytest.mark.filterwarnings("error")
@every_cell
def test_what_stands_at_a_padded_step_changes_nothing(cell, mask, garbage):
    params, x, states, dh, dstates = random_problem(cell)
    results = []
    for there in (0, garbage):
        given = [np.where(mask[..., None] == 0, there, array) for array in (x, dh)]
        h, last, cache = forward(cell, params, given[0], states, mask)
        dx, dstart, grads = backward(cell, given[1], cache, dstates)
        results.append([dx, h, *last, *dstart, *grads.values()])
    assert all(np.array_equal(*pair) for pair in zip(*results, strict=True))
    assert not results[1][0][mask == 0].any()


@every_cell
def test_a_padded_token_may_be_any_number(cell):
    params, _, states, dh, _ = random_problem(cell)
    ids = np.random.default_rng(0).integers(0, D, (T, B))
    results = []
    for there in (0, -1, D):
        h, _, cache = forward(cell, params, np.where(RAGGED == 0, there, ids), states, RAGGED)
        results.append([h, *backward(cell, dh, cache)[2].values()])
    assert all(
        np.array_equal(a, b) and np.array_equal(a, c) for a, b, c in zip(*results, strict=True)
    )


@pytest.mark.parametrize("batch_size", [1, 2])
@every_cell
def test_every_sequence_stands_for_itself(cell, batch_size):
    params, x, states, dh, dstates = random_problem(cell)
    all_h, all_last, cache = forward(cell, params, x, states)
    all_dx, all_dstart, _ = backward(cell, dh, cache, dstates)
    few = slice(batch_size)
    h, last, cache = forward(cell, params, x[:, few], [s[few] for s in states])
    dx, dstart, _ = backward(cell, dh[:, few], cache, [s[few] for s in dstates])
    assert_close([h, dx], [all_h[:, few], all_dx[:, few]])
    assert_close([*last, *dstart], [s[few] for s in (*all_last, *all_dstart)])


@pytest.mark.parametrize("mask", [None, RAGGED])
@pytest.mark.parametrize("steps", [1, T])
@every_cell
def test_tokens_are_one_hot_rows(cell, steps, mask):
    params, _, states, dh, dstates = random_problem(cell)
    ids = np.array([[0, 2, 0], [2, 2, 0], [0, 0, 3], [3, 2, 2], [0, 3, 0]])[:steps]
    mask, dh = mask if mask is None else mask[:steps], dh[:steps]
    h, last, cache = forward(cell, params, ids, states, mask)
    dx, dstart, grads = backward(cell, dh, cache, dstates)
    expected_h, expected_last, expected_cache = forward(cell, params, np.eye(D)[ids], states, mask)
    _, expected_dstart, expected = backward(cell, dh, expected_cache, dstates)
    assert dx is None
    assert_close([h, *last, *dstart], [expected_h, *expected_last, *expected_dstart])
    assert_close([grads[name] for name in params], [expected[name] for name in params])
    assert not grads["Wx"][1].any()


@every_cell
def test_a_padded_step_copies_the_state_through(cell):
    params, x, first, *_ = random_problem(cell)
    mask = WITH_HOLES_AND_AN_EMPTY_SEQUENCE
    h, last, _ = forward(cell, params, x, first, mask)
    states = np.concatenate([first[0][None], h])
    for t, b in np.argwhere(mask == 0):
        assert np.array_equal(states[t + 1, b], states[t, b])
    for t, b in np.argwhere(mask == 1):
        assert not np.allclose(states[t + 1, b], states[t, b])
    assert np.array_equal(last[0], h[-1])
    assert all(np.array_equal(end[1], start[1]) for end, start in zip(last, first, strict=True))


@every_cell
def test_a_ragged_batch_is_every_sequence_alone_at_its_own_length(cell):
    params, x, states, dh, dstates = random_problem(cell)
    dh *= RAGGED[..., None]
    h, last, cache = forward(cell, params, x, states, RAGGED)
    dx, dstart, grads = backward(cell, dh, cache, dstates)

    summed = {name: np.zeros_like(array) for name, array in params.items()}
    for b, length in enumerate(LENGTHS):
        one, real = slice(b, b + 1), slice(length)
        alone = forward(cell, params, x[real, one], [s[one] for s in states])
        alone_dx, alone_dstart, alone_grads = backward(
            cell, dh[real, one], alone[2], [d[one] for d in dstates]
        )
        assert_close([h[real, one], dx[real, one]], [alone[0], alone_dx])
        assert_close([s[one] for s in (*last, *dstart)], [*alone[1], *alone_dstart])
        assert not dx[length:, b].any()
        for name in summed:
            summed[name] += alone_grads[name]
    assert_close([grads[name] for name in summed], summed.values())


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
@every_cell
def test_forward_refuses(cell, x, h0, mask, message):
    params, _, states, *_ = random_problem(cell)
    with pytest.raises(ValueError, match=message):
        forward(cell, params, x, None if h0 is None else [h0, *states[1:]], mask)


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
@every_cell
def test_backward_refuses(cell, dh, dstate, message):
    params, x, _, _, dstates = random_problem(cell)
    cache, name = forward(cell, params, x)[2], "dhT" if cell == "lstm" else "dstate"
    with pytest.raises(ValueError, match=message.replace("dstate", name)):
        backward(cell, dh, cache, None if dstate is None else [dstate, *dstates[1:]])


def test_the_lstm_refuses_a_cell_state_of_another_shape():
    params, x, (h0, c0), dh, (dhT, dcT) = random_problem("lstm")
    with pytest.raises(ValueError, match=r"c0 has shape \(6, 3\); it must be \(B, H\) = \(3, 6\)"):
        forward("lstm", params, x, [h0, c0.T])
    with pytest.raises(ValueError, match=r"dcT has shape \(6, 3\); it must be"):
        backward("lstm", dh, forward("lstm", params, x)[2], [dhT, dcT.T])


@pytest.mark.parametrize("cell", ["gru before", "gru after"])
@pytest.mark.parametrize("mask", [None, RAGGED, WITH_HOLES_AND_AN_EMPTY_SEQUENCE])
def test_what_is_fed_into_a_gru_step_by_step_may_depend_on_the_state_before(cell, mask):
    params, x, (h0,), dh, (dhT,) = random_problem(cell)
    params["feed"] = np.random.default_rng(1).normal(0, 0.5, (3, H, H))

    def loss_and_grads(p):
        own = {name: array for name, array in p["params"].items() if name != "feed"}
        fed = np.zeros((T, B, H))
        da = np.zeros((3, T, B, H))

        def feed(t, h_before):
            fed[t] = np.sin(h_before)
            return fed[t] @ p["params"]["feed"]

        def feed_backward(t, da_t):
            da[:, t] = da_t
            dfed = np.sum(da_t @ p["params"]["feed"].swapaxes(1, 2), axis=0)
            return dfed * np.sqrt(1 - fed[t] ** 2)  # |h| < 1: cos > 0

        h, hT, cache = recurrent.gru_forward(own, p["x"], p["h0"], mask, feed)
        dx, dh0, grads = recurrent.gru_backward(dh, cache, dhT, feed_backward)
        grads["feed"] = fed.reshape(-1, H).T @ da.reshape(3, -1, H)
        return np.sum(dh * h) + np.sum(dhT * hT), {"params": grads, "x": dx, "h0": dh0}

    check_gradients(loss_and_grads, {"params": params, "x": x, "h0": h0})


@pytest.mark.parametrize("cell", ["gru before", "gru after"])
def test_feeding_known_inputs_is_the_same_as_reading_them(cell):
    params, x, (h0,), *_ = random_problem(cell)
    expected, _, _ = recurrent.gru_forward(params, x, h0)
    first, rest = params | {"Wx": params["Wx"][:1]}, params["Wx"][1:]
    fed, seen = [], []

    def feed(t, h_before):
        fed.append(t)
        seen.append(h_before.copy())
        return np.stack(np.split(x[t, :, 1:] @ rest, 3, axis=1))

    h, _, _ = recurrent.gru_forward(first, x[..., :1], h0, feed=feed)
    assert_close([h], [expected])
    assert fed == list(range(T))
    assert_close(seen, [h0, *expected[:-1]])
