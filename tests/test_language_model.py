import numpy as np
import pytest

from common.gradient_check import check_gradients
from common.language_model import (
    accuracy,
    init_language_model,
    logits_of,
    loss_and_grads_with,
    mean_loss,
    next_logits_with,
)
from common.losses import softmax_cross_entropy
from common.recurrent import init_gru, init_lstm, lstm_backward, lstm_forward

V, H, T, B = 5, 4, 6, 3


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    params = init_language_model(rng, init_lstm, V, H, dtype=np.float64, forget_bias=0.5)
    params["output"] = {name: array.astype(np.float64) for name, array in params["output"].items()}
    return params, rng.integers(0, V, (T, B)), rng.integers(0, V, (T, B))


def test_cell_options_reach_the_cell():
    assert (
        "bn" in init_language_model(np.random.default_rng(0), init_gru, V, H, reset="after")["cell"]
    )


@pytest.mark.parametrize("masked", [False, True])
def test_gradients_of_the_whole_model(model, masked):
    params, inputs, targets = model
    mask = np.arange(T)[:, None] < np.array([6, 4, 2]) if masked else None
    state = tuple(np.random.default_rng(1).normal(size=(2, B, H)))
    loss_and_grads = loss_and_grads_with(lstm_forward, lstm_backward)
    check_gradients(lambda p: loss_and_grads(p, inputs, targets, mask, state)[:2], params)


def test_a_text_read_in_one_go_or_in_pieces_has_the_same_logits(model):
    params, inputs, _ = model
    whole, _ = logits_of(lstm_forward, params, inputs)
    first, state = logits_of(lstm_forward, params, inputs[:2])
    second, _ = logits_of(lstm_forward, params, inputs[2:], state)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-12)
    ids = inputs[:, 0]
    logits, _ = next_logits_with(lstm_forward, params)(ids, None)
    np.testing.assert_allclose(logits, whole[-1, 0], atol=1e-12)


def test_mean_loss_and_accuracy_by_their_definitions(model):
    params, inputs, targets = model
    ids = inputs[:, 0]
    logits, _ = logits_of(lstm_forward, params, ids[:-1, None])
    assert mean_loss(lstm_forward, params, ids) == softmax_cross_entropy(logits, ids[1:, None])[0]
    logits, _ = logits_of(lstm_forward, params, inputs)
    mask = np.zeros((T, B), dtype=int)
    mask[-1] = 1
    expected = (logits[-1].argmax(axis=-1) == targets[-1]).mean()
    assert accuracy(lstm_forward, params, inputs, targets, mask) == expected
