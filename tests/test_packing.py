import numpy as np
import pytest

from common import recurrent
from common.gradient_check import GradientMismatch, check_gradients
from common.packing import pack, packed_backward, packed_forward, unpack
from tests.test_recurrent import D, H, every_cell, random_params

LENGTHS = [5, 3, 3, 1]
T, B = 6, len(LENGTHS)  # one step more than the longest
MASK = (np.arange(T)[:, None] < LENGTHS).astype(np.float64)
N = sum(LENGTHS)


def passes(cell):
    name = cell.split()[0]
    return getattr(recurrent, f"{name}_forward"), getattr(recurrent, f"{name}_backward")


def problem(cell, tokens=False):
    """Return params, x, state, dh, dstate; what stands at padding is garbage."""
    rng = np.random.default_rng(0)
    params = random_params(cell, rng)
    x = rng.integers(0, D, (T, B)) if tokens else rng.normal(0, 0.5, (T, B, D))
    dh = rng.normal(0, 0.5, (T, B, H))
    for array in (dh,) if tokens else (x, dh):
        array[MASK == 0] = np.nan
    states = [tuple(rng.normal(0, 0.5, (2, B, H))) for _ in range(2)]
    state, dstate = states if cell == "lstm" else (states[0][0], states[1][0])
    return params, x, state, dh, dstate


def test_packed_rows_are_those_of_the_first_step_then_of_the_second():
    x = np.arange(T * B).reshape(T, B)
    rows, batch_sizes = pack(x, MASK)
    assert rows.tolist() == [0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 16]
    assert batch_sizes.tolist() == [4, 3, 3, 1, 1]


def test_unpacked_rows_stand_where_they_stood_and_the_rest_is_zero():
    x = np.random.default_rng(0).normal(size=(T, B, D))
    rows = unpack(*pack(x, MASK))
    np.testing.assert_array_equal(rows, np.where(MASK[..., None] == 1, x, 0)[:5])


@every_cell
@pytest.mark.parametrize("tokens", [False, True])
def test_packed_is_masked_forward_and_backward(cell, tokens):
    params, x, state, dh, dstate = problem(cell, tokens)
    forward, backward = passes(cell)
    h, last, cache = forward(params, x, state, MASK)
    dx, dstate0, grads = backward(dh, cache, dstate)

    rows, batch_sizes = pack(x, MASK)
    packed_h, packed_last, packed_cache = packed_forward(forward, params, rows, batch_sizes, state)
    packed_dx, packed_dstate0, packed_grads = packed_backward(
        backward, pack(dh, MASK)[0], packed_cache, dstate
    )
    close = {"rtol": 0, "atol": 1e-12}
    np.testing.assert_allclose(packed_h, pack(h, MASK)[0], **close)
    np.testing.assert_allclose(packed_last, last, **close)
    np.testing.assert_allclose(packed_dstate0, dstate0, **close)
    assert packed_grads.keys() == grads.keys()
    for name, gradient in grads.items():
        np.testing.assert_allclose(packed_grads[name], gradient, **close)
    if tokens:
        assert packed_dx is None and dx is None
    else:
        np.testing.assert_allclose(packed_dx, pack(dx, MASK)[0], **close)


@every_cell
def test_without_states_it_starts_from_zeros_and_nothing_comes_back(cell):
    params, x, *_ = problem(cell)
    forward, backward = passes(cell)
    rows, batch_sizes = pack(x, MASK)
    zeros = (np.zeros((B, H)),) * 2 if cell == "lstm" else np.zeros((B, H))
    results = []
    for state in (None, zeros):
        h, last, cache = packed_forward(forward, params, rows, batch_sizes, state)
        dx, _, grads = packed_backward(backward, np.ones_like(h), cache, state)
        results.append([h, *np.reshape(last, (-1, B, H)), dx, *grads.values()])
    for one, other in zip(*results, strict=True):
        np.testing.assert_array_equal(one, other)


def loss_and_grads_of(cell, backward, R, batch_sizes):
    """A loss that reads every state and the last ones with the fixed random numbers R; check_gradients checks it."""
    forward, _ = passes(cell)

    def loss_and_grads(tree):
        state = (tree["h0"], tree["c0"]) if cell == "lstm" else tree["h0"]
        h, last, cache = packed_forward(forward, tree["cell"], tree["x"], batch_sizes, state)
        last = last if cell == "lstm" else (last,)
        loss = (h**2 * R["h"]).sum() + sum((s * R["last"]).sum() for s in last)
        dstate = (R["last"],) * 2 if cell == "lstm" else R["last"]
        dx, dstate0, grads = packed_backward(backward, 2 * h * R["h"], cache, dstate)
        dstates = dstate0 if cell == "lstm" else (dstate0,)
        return loss, {"cell": grads, "x": dx, **dict(zip(("h0", "c0"), dstates, strict=False))}

    return loss_and_grads


def tree_of(cell):
    params, x, state, *_ = problem(cell)
    states = state if cell == "lstm" else (state,)
    named = {name: s.copy() for name, s in zip(("h0", "c0"), states, strict=False)}
    return {"cell": params, "x": pack(x, MASK)[0], **named}


@every_cell
def test_every_gradient_is_what_nudging_says(cell):
    rng = np.random.default_rng(1)
    R = {"h": rng.normal(size=(N, H)), "last": rng.normal(size=(B, H))}
    batch_sizes = pack(MASK, MASK)[1]
    backward = passes(cell)[1]
    check_gradients(loss_and_grads_of(cell, backward, R, batch_sizes), tree_of(cell))

    def forgets_those_that_end(dh, cache, dstate):
        after = tuple(map(np.zeros_like, dstate)) if cell == "lstm" else np.zeros_like(dstate)
        return backward(dh, cache, after)

    with pytest.raises(GradientMismatch):
        check_gradients(
            loss_and_grads_of(cell, forgets_those_that_end, R, batch_sizes), tree_of(cell)
        )


@every_cell
def test_nothing_that_is_given_is_written_to_and_the_dtype_is_kept(cell):
    params, x, state, dh, dstate = problem(cell)
    params = {name: array.astype(np.float32) for name, array in params.items()}
    forward, backward = passes(cell)
    rows, batch_sizes = pack(x.astype(np.float32), MASK)
    dh, _ = pack(dh.astype(np.float32), MASK)
    given = [rows, dh, *np.atleast_3d(state), *np.atleast_3d(dstate), *params.values()]
    before = [array.copy() for array in given]
    h, last, cache = packed_forward(forward, params, rows, batch_sizes, state)
    dx, _, grads = packed_backward(backward, dh, cache, dstate)
    for array, copy in zip(given, before, strict=True):
        np.testing.assert_array_equal(array, copy)
    assert {a.dtype for a in (h, dx, *grads.values())} == {np.dtype(np.float32)}
    assert np.asarray(last).dtype == np.float32


def test_it_packs_as_torch_does():
    torch = pytest.importorskip("torch")
    x = np.random.default_rng(0).normal(size=(T, B, D))
    packed = torch.nn.utils.rnn.pack_padded_sequence(torch.tensor(x), LENGTHS)
    rows, batch_sizes = pack(x, MASK)
    np.testing.assert_array_equal(rows, packed.data.numpy())
    assert batch_sizes.tolist() == packed.batch_sizes.tolist()


@pytest.mark.parametrize(
    "mask",
    [
        [[1, 1], [0, 1]],  # the longer one second
        [[0, 1], [1, 1]],  # padded in front
        [[1, 0], [1, 0]],  # an empty one
        [[1, 1], [0, 0], [1, 0]],  # a hole
    ],
)
def test_a_mask_that_cannot_be_packed_is_refused(mask):
    mask = np.array(mask, float)
    with pytest.raises(ValueError, match="sorted by length, longest first"):
        pack(mask, mask)


def test_shapes_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match=r"x has shape \(3, 2\), the mask \(2, 2\)"):
        pack(np.ones((3, 2)), np.ones((2, 2)))
    with pytest.raises(ValueError, match="cannot be packed"):
        pack(np.ones((0, 2)), np.ones((0, 2)))
    for batch_sizes in ([2, 3], [3], [3, 2, 0], [], [2.5, 2.5], [[3, 2]]):
        with pytest.raises(ValueError, match="do not fit 5 packed rows"):
            unpack(np.ones((5, 1)), batch_sizes)
        with pytest.raises(ValueError, match="do not fit 5 packed rows"):
            packed_forward(recurrent.rnn_forward, {}, np.ones((5, 1)), batch_sizes)
    params = random_params("rnn", np.random.default_rng(0))
    h, _, cache = packed_forward(recurrent.rnn_forward, params, np.ones((5, D)), [3, 2])
    with pytest.raises(ValueError, match="dh has 4 rows; there are 5 hidden states"):
        packed_backward(recurrent.rnn_backward, h[:4], cache)
