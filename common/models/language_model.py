"""A recurrent cell and an output layer make a language model: {"cell": ..., "output": ...}.

The cell is any of common.recurrent, given by its functions: init_lstm, lstm_forward, lstm_backward; or one like them,
with parameters of its own. It reads one-hot tokens, or, where the parameters have an "embedding", the vectors of that
table. Where the output layer has a bias only, its weights are the embedding's, transposed (Press and Wolf 2017; Inan,
Khosravi and Socher 2017).
"""

import numpy as np

from common.embedded_input import embed_input, embed_input_backward
from common.layers import (
    dropout_backward,
    dropout_forward,
    embedding_backward,
    embedding_forward,
    init_embedding,
    init_linear,
    linear_backward,
    linear_forward,
)
from common.losses import softmax_cross_entropy


def init_language_model(
    rng,
    init_cell,
    vocabulary_size,
    hidden_size,
    embedding_size=None,
    tied=False,
    dtype=np.float32,
    **cell_options,
):
    """Return the parameters; `cell_options` go to init_cell, such as forget_bias=2.0.

    embedding_size  None: the cell reads one-hot tokens
    tied            the output layer uses the embedding; embedding_size must then be hidden_size, else ValueError
    """
    if tied and embedding_size != hidden_size:
        raise ValueError(
            f"tied weights need embedding_size equal to hidden_size; they are {embedding_size} and {hidden_size}"
        )
    input_size = vocabulary_size if embedding_size is None else embedding_size
    params = {
        "cell": init_cell(rng, input_size, hidden_size, dtype=dtype, **cell_options),
        "output": init_linear(rng, hidden_size, vocabulary_size, dtype),
    }
    if embedding_size is not None:
        params["embedding"] = init_embedding(rng, vocabulary_size, embedding_size, dtype)
    if tied:
        del params["output"]["W"]
    return params


def loss_and_grads_with(forward, backward, dropout=0.0, rng=None):
    """Return loss_and_grads(params, inputs, targets, mask=None, state=None) -> loss, grads, last state.

    inputs, targets and mask are (T, B); the loss is in nats per token with mask 1. The gradient stops at the state
    given: truncated backpropagation through time. `dropout` is the rate at which `rng` drops what goes into the cell
    from below and what comes out of it, not what it hands on in time (Zaremba, Sutskever and Vinyals 2014, section
    3.2); one-hot inputs are left alone. Raises ValueError for dropout without rng.
    """
    if dropout and rng is None:
        raise ValueError(f"dropout {dropout} draws what it drops: give an rng as well")

    def loss_and_grads(params, inputs, targets, mask=None, state=None):
        cell, x = params["cell"], inputs
        by_word = "embedding" in params and "Wx" in cell and not dropout  # not by place
        if by_word:
            cell, x, embedding_cache = embed_input(params["embedding"], cell, inputs)
        elif "embedding" in params:
            x, embedding_cache = embedding_forward(params["embedding"], inputs)
            x, x_cache = dropout_forward(rng, x, dropout)
        h, state, cell_cache = forward(cell, x, state)
        h, h_cache = dropout_forward(rng, h, dropout)
        logits, output_cache = linear_forward(_output_layer(params), h)
        loss, dlogits = softmax_cross_entropy(logits, targets, mask)

        dh, output_grads = linear_backward(dlogits, output_cache)
        dx, _, cell_grads = backward(dropout_backward(dh, h_cache), cell_cache)
        grads = {"cell": cell_grads, "output": output_grads}
        if by_word:
            grads["embedding"], grads["cell"] = embed_input_backward(cell_grads, embedding_cache)
        elif "embedding" in params:
            grads["embedding"] = embedding_backward(dropout_backward(dx, x_cache), embedding_cache)
        if "W" not in params["output"]:
            shared = np.ascontiguousarray(output_grads.pop("W").T)
            grads["embedding"] = {"W": grads["embedding"]["W"].add_to(shared)}
        return loss, grads, state

    return loss_and_grads


def _output_layer(params):
    """Return {"W", "b"}, where the weights are tied with W a view of the embedding."""
    if "W" in params["output"]:
        return params["output"]
    return {"W": params["embedding"]["W"].T, "b": params["output"]["b"]}


def logits_of(forward, params, inputs, state=None):
    """Return the logits (T, B, V) of tokens (T, B), and the last state."""
    x = embedding_forward(params["embedding"], inputs)[0] if "embedding" in params else inputs
    h, state, _ = forward(params["cell"], x, state)
    return linear_forward(_output_layer(params), h)[0], state


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
