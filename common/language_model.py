"""A recurrent cell and an output layer make a language model: {"cell": ..., "output": ...}.

The cell is any of common.recurrent, given by its functions: init_lstm, lstm_forward, lstm_backward.
"""

import numpy as np

from common.layers import init_linear, linear_backward, linear_forward
from common.losses import softmax_cross_entropy


def init_language_model(rng, init_cell, vocabulary_size, hidden_size, **cell_options):
    """Return the parameters; `cell_options` go to init_cell, such as forget_bias=2.0."""
    return {
        "cell": init_cell(rng, vocabulary_size, hidden_size, **cell_options),
        "output": init_linear(rng, hidden_size, vocabulary_size),
    }


def loss_and_grads_with(forward, backward):
    """Return loss_and_grads(params, inputs, targets, mask=None, state=None) -> loss, grads, last state.

    inputs, targets and mask are (T, B); the loss is in nats per token with mask 1. The gradient stops at the state
    given: truncated backpropagation through time.
    """

    def loss_and_grads(params, inputs, targets, mask=None, state=None):
        h, state, cell_cache = forward(params["cell"], inputs, state)
        logits, output_cache = linear_forward(params["output"], h)
        loss, dlogits = softmax_cross_entropy(logits, targets, mask)
        dh, output_grads = linear_backward(dlogits, output_cache)
        _, _, cell_grads = backward(dh, cell_cache)
        return loss, {"cell": cell_grads, "output": output_grads}, state

    return loss_and_grads


def logits_of(forward, params, inputs, state=None):
    """Return the logits (T, B, V) of tokens (T, B), and the last state."""
    h, state, _ = forward(params["cell"], inputs, state)
    return linear_forward(params["output"], h)[0], state


def mean_loss(forward, params, ids):
    """Return the nats per token over a whole text, read in one go from a zero state."""
    logits, _ = logits_of(forward, params, ids[:-1, None])
    return softmax_cross_entropy(logits, ids[1:, None])[0]


def accuracy(forward, params, inputs, targets, mask):
    """Return the share of tokens with mask 1 for which the likeliest token is the target."""
    logits, _ = logits_of(forward, params, inputs)
    return float((logits.argmax(axis=-1) == targets)[np.asarray(mask) == 1].mean())


def next_logits_with(forward, params):
    """Return next_logits(ids, state) -> logits (V,), state, as common.sampling.generate wants it."""

    def next_logits(ids, state):
        logits, state = logits_of(forward, params, ids[:, None], state)
        return logits[-1, 0], state

    return next_logits
