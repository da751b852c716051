"""The language model without recurrence: gradients, causality, generation with cached keys, places."""

import numpy as np
import pytest

from common.gradient_check import check_gradients
from common.losses import log_softmax, softmax_cross_entropy
from common.models import transformer
from common.models.transformer import init_transformer, next_logits_with, sinusoids
from common.optimizers import Adam
from common.params import flatten
from common.sampling import generate, greedy
from common.training import train

T, B, V, D, HEADS = 5, 3, 7, 6, 2
TOKENS = np.random.default_rng(1).integers(0, V, (2, T, B))
MASK = (np.arange(T)[:, None] < [5, 3, 1]).astype(np.float64)


@pytest.fixture(params=[(True, None), (False, None), (True, T)], ids=["pre", "post", "learnt"])
def params(request):
    pre_norm, longest = request.param
    rng = np.random.default_rng(0)
    params = init_transformer(rng, V, D, HEADS, 2, 8, longest, pre_norm, np.float64)
    for array in flatten(params).values():
        array += rng.normal(0, 0.3, array.shape)
    return params


def test_gradients(params):
    report = check_gradients(
        lambda p: transformer.loss_and_grads(p, *TOKENS, MASK)[:2], params, step=1e-6
    )
    assert report.worst < 1e-7


def test_a_later_token_changes_no_earlier_logit(params):
    logits, _, _ = transformer.forward(params, TOKENS[0])
    changed = TOKENS[0].copy()
    changed[3:] = (changed[3:] + 1) % V
    again, _, _ = transformer.forward(params, changed)
    assert np.array_equal(logits[:3], again[:3])
    assert not np.allclose(logits[3:], again[3:])


def test_the_mask_is_of_the_loss_and_padding_at_the_end_changes_nothing(params):
    filled = np.where(MASK, TOKENS[0], (TOKENS[0] + 1) % V)
    logits, _, _ = transformer.forward(params, TOKENS[0])
    loss, grads, _ = transformer.loss_and_grads(params, *TOKENS, MASK)
    assert loss == softmax_cross_entropy(logits, TOKENS[1], MASK)[0]
    again, other, _ = transformer.loss_and_grads(params, filled, TOKENS[1], MASK)
    assert loss == again
    other = flatten(other)
    for name, g in flatten(grads).items():
        pair = (x.to_dense() if hasattr(x, "to_dense") else x for x in (g, other[name]))
        np.testing.assert_allclose(*pair, rtol=0, atol=1e-15, err_msg=name)


def test_a_question_at_the_end_alone_may_be_asked(params):
    """All tokens are read, the loss is of the last: a mask that hid the others would leave nothing to answer from."""
    mask = np.zeros((T, B))
    mask[-1] = 1
    logits, _, _ = transformer.forward(params, TOKENS[0])
    loss, _, _ = transformer.loss_and_grads(params, *TOKENS, mask)
    assert loss == softmax_cross_entropy(logits[-1], TOKENS[1, -1])[0]


@pytest.mark.parametrize("pieces", [[1, 1, 1, 1, 1], [3, 2], [2, 1, 2]])
def test_cached_keys_give_what_reading_it_all_again_gives(params, pieces):
    next_logits, state, end = next_logits_with(params), None, 0
    for piece in pieces:
        start, end = end, end + piece
        logits, state = next_logits(TOKENS[0, start:end, 0], state)
        whole, _, _ = transformer.forward(params, TOKENS[0, :end, :1])
        np.testing.assert_allclose(logits, whole[-1, 0], rtol=0, atol=1e-12)


def test_an_untrained_model_knows_nothing_and_a_trained_one_its_batch():
    params = init_transformer(np.random.default_rng(0), V, 16, 2, 1)
    assert all(array.dtype == np.float32 for array in flatten(params).values())
    inputs, targets = TOKENS
    logits, _, _ = transformer.forward(params, inputs)
    assert logits.dtype == np.float32
    assert abs(-log_softmax(logits).mean() - np.log(V)) < 0.1
    batches = lambda: iter([(inputs, targets)])  # noqa: E731
    history = train(params, transformer.loss_and_grads, batches, Adam(0.01), 200, progress=False)
    assert history["loss"][-1] < 0.1
    assert len(generate(next_logits_with(params), inputs[:1, 0], 2, greedy)) == 2


def test_places_beyond_the_learnt_ones_are_refused():
    params = init_transformer(np.random.default_rng(0), V, D, HEADS, 1, longest=4)
    with pytest.raises(ValueError, match="the last of 5 places has no vector: only 4 were learnt"):
        transformer.forward(params, TOKENS[0])


def test_sinusoids_by_hand():
    table = sinusoids([0, 3], 4, np.float64)
    assert table[0].tolist() == [0, 1, 0, 1]
    assert table[1] == pytest.approx([np.sin(3), np.cos(3), np.sin(0.03), np.cos(0.03)])
    assert sinusoids([1], 3).shape == (1, 3)
