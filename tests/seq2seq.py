"""What every sequence-to-sequence model must pass: a small problem, and checks that a model's own tests call."""

import numpy as np
import pytest

from common.decoding import greedy_decode, select
from common.gradient_check import GradientMismatch, check_gradients
from common.losses import log_softmax
from common.optimizers import Adam
from common.params import copy_params, flatten
from common.sparse import SparseRows
from common.training import train

S, T, B, V, E, H = 5, 4, 3, 7, 3, 4
SOURCE_LENGTHS, TARGET_LENGTHS = [5, 2, 4], [3, 4, 2]


def random_params(init, seed=0):
    """Weights around 0.5 and random biases, in float64, for source vocabulary V and target vocabulary V + 1."""
    rng = np.random.default_rng(seed)
    params = init(rng, V, V + 1, E, H, np.float64)
    for array in flatten(params).values():
        array[...] = rng.normal(0, 0.5, array.shape)
    return params


def random_batch(seed=1):
    """Return source, source_mask, target_inputs, targets, target_mask, ragged on both sides."""
    rng = np.random.default_rng(seed)
    source_mask = (np.arange(S)[:, None] < SOURCE_LENGTHS).astype(np.float32)
    target_mask = (np.arange(T)[:, None] < TARGET_LENGTHS).astype(np.float32)
    source = rng.integers(3, V, (S, B)) * source_mask.astype(int)
    target_inputs = rng.integers(3, V + 1, (T, B)) * target_mask.astype(int)
    targets = rng.integers(2, V + 1, (T, B)) * target_mask.astype(int)
    return source, source_mask, target_inputs, targets, target_mask


def gradient_report(model, params, batch):
    """Attention moves the loss but little through its scores, so a step of 1e-4 is less disturbed by rounding."""
    return check_gradients(lambda p: model.loss_and_grads(p, *batch)[:2], params, step=1e-4)


def assert_wrong_gradients_are_noticed(model, params, monkeypatch, name, broken, where):
    """Replace a function of the model by broken(original); the check must blame a parameter whose name has `where`."""
    monkeypatch.setattr(model, name, broken(getattr(model, name)))
    with pytest.raises(GradientMismatch, match=where):
        gradient_report(model, params, random_batch())


def assert_padding_is_never_read(model, params):
    """Every pair alone, without padding, gives the logits it gives in the batch; what padding holds is no matter."""
    source, source_mask, target_inputs, targets, target_mask = random_batch()
    logits, weights, _ = model.forward(params, source, source_mask, target_inputs)
    for b, (source_length, length) in enumerate(zip(SOURCE_LENGTHS, TARGET_LENGTHS, strict=True)):
        alone = source[:source_length, b : b + 1], None, target_inputs[:length, b : b + 1]
        alone_logits, alone_weights, _ = model.forward(params, *alone)
        np.testing.assert_allclose(logits[:length, b], alone_logits[:, 0], rtol=0, atol=1e-12)
        if weights is not None:
            assert not weights[:, b, source_length:].any()
            ours = weights[:length, b, :source_length]
            np.testing.assert_allclose(ours, alone_weights[:, 0], rtol=0, atol=1e-12)
    others = (
        np.where(source_mask, source, -9),
        source_mask,
        np.where(target_mask, target_inputs, 99),
    )
    loss, grads, _ = model.loss_and_grads(
        params, source, source_mask, target_inputs, targets, target_mask
    )
    other_loss, other_grads, _ = model.loss_and_grads(
        params, *others, np.where(target_mask, targets, 5), target_mask
    )
    assert loss == other_loss
    ours, theirs = flatten(grads), flatten(other_grads)
    for name, g in ours.items():
        other = theirs[name]
        if isinstance(
            g, SparseRows
        ):  # a row too many would be moved by what an optimizer remembers
            assert np.array_equal(g.rows, other.rows)
            g, other = g.values, other.values
        assert np.array_equal(g, other)


def assert_steps_follow_teacher_forcing(model, params):
    source, source_mask, target_inputs, *_ = random_batch()
    logits, weights, _ = model.forward(params, source, source_mask, target_inputs)
    state = model.start(params, source, source_mask)
    for t in range(T):
        step_logits, state, step_weights = model.step(params, target_inputs[t], state)
        np.testing.assert_allclose(step_logits, logits[t], rtol=0, atol=1e-12)
        if weights is None:
            assert step_weights is None
        else:
            np.testing.assert_allclose(step_weights, weights[t], rtol=0, atol=1e-12)


def assert_selected_states_go_on_as_before(model, params):
    source, source_mask, target_inputs, *_ = random_batch()
    _, state, _ = model.step(params, target_inputs[0], model.start(params, source, source_mask))
    logits, _, _ = model.step(params, target_inputs[1], state)
    chosen = [2, 0, 2, 1]
    again, _, _ = model.step(params, target_inputs[1, chosen], select(state, chosen))
    np.testing.assert_allclose(again, logits[chosen], rtol=0, atol=1e-12)


def assert_forward_leaves_everything_as_it_is(model, params):
    """Forward and backward change no parameter, and a cache can be used twice."""
    batch, before = random_batch(), copy_params(params)
    logits, _, cache = model.forward(params, *batch[:3])
    dlogits = np.random.default_rng(2).normal(size=logits.shape)
    given = dlogits.copy()
    first, second = (flatten(model.backward(dlogits, cache)) for _ in range(2))
    for name, g in first.items():
        g, again = (x.values if isinstance(x, SparseRows) else x for x in (g, second[name]))
        assert np.array_equal(g, again), name
    assert np.array_equal(dlogits, given)
    old = flatten(before)
    assert all(np.array_equal(array, old[name]) for name, array in flatten(params).items())


def assert_learns_to_copy(model, init, learning_rate=0.02):
    """Train in float32 on 24 sequences of three words, then decode them."""
    rng = np.random.default_rng(0)
    params = init(rng, 6, 6, 8, 16)
    assert all(array.dtype == np.float32 for array in flatten(params).values())
    words = rng.integers(3, 6, (4, 24))
    ones = np.ones_like(words)
    target_inputs = np.concatenate([ones[:1], words])
    targets = np.concatenate([words, 2 * ones[:1]])
    batch = words, ones, target_inputs, targets, np.ones_like(targets)
    logits, _, cache = model.forward(params, *batch[:3])
    assert logits.dtype == np.float32
    initial = -log_softmax(logits).mean()
    assert abs(initial - np.log(6)) < 0.5, "the untrained model should know nothing"
    for g in flatten(model.backward(np.ones_like(logits), cache)).values():
        assert (g.values if isinstance(g, SparseRows) else g).dtype == np.float32
    history = train(
        params,
        model.loss_and_grads,
        lambda: iter([batch]),
        Adam(learning_rate),
        300,
        progress=False,
    )
    assert history["loss"][-1] < 0.1
    ids, weights = greedy_decode(model, params, words, ones, max_length=8)
    assert ids == targets.T.tolist()
    assert weights is None or [w.shape for w in weights] == [(5, 4)] * 24


every_check = pytest.mark.parametrize(
    "check",
    [
        assert_padding_is_never_read,
        assert_steps_follow_teacher_forcing,
        assert_selected_states_go_on_as_before,
        assert_forward_leaves_everything_as_it_is,
    ],
)
