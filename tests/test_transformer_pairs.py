"""The encoder-decoder without recurrence passes what every model of pairs must."""

import numpy as np
import pytest

from common.gradient_check import check_gradients
from common.models import transformer_pairs
from common.models.transformer_pairs import init_transformer_pairs
from common.params import flatten
from tests import seq2seq
from tests.seq2seq import random_batch, random_params


def init(rng, source_size, target_size, E, H, dtype=np.float32, pre_norm=True):
    """Two heads, with twice as many features as the other models have hidden units; the inner layers have as many."""
    layers = 2 if pre_norm else 1
    return init_transformer_pairs(
        rng, source_size, target_size, 2 * H, 2, layers, H, pre_norm, dtype
    )


@pytest.fixture(params=[True, False], ids=["pre-norm", "post-norm"])
def params(request):
    params = random_params(lambda *args: init(*args, pre_norm=request.param))
    for name, array in flatten(params).items():
        array += name.endswith(
            ".g"
        )  # gains around 1: with small ones nothing would be left of the gradient
    return params


def test_gradients(params):
    """Layer normalisation bends more than the recurrent models do, so the step is the usual one."""
    batch = random_batch()
    report = check_gradients(lambda p: transformer_pairs.loss_and_grads(p, *batch)[:2], params)
    assert report.worst < 1e-7


def test_padding_is_never_read(params):
    source, source_mask, target_inputs, targets, target_mask = random_batch()
    logits, weights, _ = transformer_pairs.forward(params, source, source_mask, target_inputs)
    for b, (length, written) in enumerate(
        zip(seq2seq.SOURCE_LENGTHS, seq2seq.TARGET_LENGTHS, strict=True)
    ):
        alone = source[:length, b : b + 1], None, target_inputs[:written, b : b + 1]
        np.testing.assert_allclose(
            logits[:written, b],
            transformer_pairs.forward(params, *alone)[0][:, 0],
            rtol=0,
            atol=1e-12,
        )
        assert all(not across[b, :, :, length:].any() for _, across in weights)


def test_steps_follow_teacher_forcing(params):
    source, source_mask, target_inputs, *_ = random_batch()
    logits, weights, _ = transformer_pairs.forward(params, source, source_mask, target_inputs)
    state = transformer_pairs.start(params, source, source_mask)
    for t in range(seq2seq.T):
        step_logits, state, looked = transformer_pairs.step(params, target_inputs[t], state)
        np.testing.assert_allclose(step_logits, logits[t], rtol=0, atol=1e-12)
        np.testing.assert_allclose(looked, weights[-1][1][:, :, t].mean(axis=1), atol=1e-12)


def test_selected_states_go_on_as_before(params):
    seq2seq.assert_selected_states_go_on_as_before(transformer_pairs, params)


def test_forward_leaves_everything_as_it_is(params):
    seq2seq.assert_forward_leaves_everything_as_it_is(transformer_pairs, params)


def test_what_padding_holds_changes_no_bit(params):
    source, source_mask, target_inputs, targets, target_mask = random_batch()
    batch = source, source_mask, target_inputs, targets, target_mask
    garbage = (
        np.where(source_mask, source, -9),
        source_mask,
        np.where(target_mask, target_inputs, 99),
        np.where(target_mask, targets, 5),
        target_mask,
    )
    ours, theirs = (transformer_pairs.loss_and_grads(params, *some) for some in (batch, garbage))
    assert ours[0] == theirs[0]
    for name, g in flatten(ours[1]).items():
        other = flatten(theirs[1])[name]
        g, other = (x.to_dense() if hasattr(x, "to_dense") else x for x in (g, other))
        assert np.array_equal(g, other), name


def test_it_learns_to_copy():
    seq2seq.assert_learns_to_copy(transformer_pairs, init, learning_rate=0.005)
