"""Reading both ways: annotations of every token, made of what stands before it and after it; and the encoder."""

import numpy as np

from common.embedded_input import embed_input, embed_input_backward
from common.layers import (
    init_embedding,
    init_linear,
    linear_backward,
    linear_forward,
)
from common.recurrent import (
    gru_backward,
    gru_forward,
    init_gru,
    lstm_backward,
    lstm_forward,
    rnn_backward,
    rnn_forward,
)

WAYS = {"forward": 1, "backward": -1}  # the step with which each reads


def init_bidirectional(
    rng, input_size, hidden_size, dtype=np.float32, init_cell=init_gru, ways=tuple(WAYS)
):
    """Return {"forward": ..., "backward": ...}, the parameters of two cells (Schuster and Paliwal 1997).

    init_cell  of common.recurrent; which cell it is, forward and backward tell by the number of its gates
    ways       one of the two names alone makes a network that reads one way
    """
    return {way: init_cell(rng, input_size, hidden_size, dtype=dtype) for way in ways}


def bidirectional_forward(params, x, mask=None):
    """Return h (S, B, 2H), at each step the states of the cells that read forwards and backwards, and the cache.

    x (S, B, D), or tokens (S, B) for one-hot rows; mask (S, B), 1 = real token, 0 = padding. Reading backwards meets
    the padding first: there the mask keeps the zero state, so that reading begins at the last real token of each
    sequence. With parameters for one way only, h is (S, B, H).
    """
    states, caches = [], {}
    for way, step in WAYS.items():
        if way in params:
            forward, _ = cell_functions(params[way])
            turned_mask = None if mask is None else mask[::step]
            h, _, caches[way] = forward(params[way], x[::step], mask=turned_mask)
            states.append(h[::step])
    return np.concatenate(states, axis=-1), (params, caches)


def bidirectional_backward(dh, cache):
    """Return dx (S, B, D) (None for tokens) and the gradients of the parameters, from dh (S, B, 2H)."""
    params, caches = cache
    dx, grads = None, {}
    for (way, cell_cache), dstates in zip(
        caches.items(), np.split(dh, len(caches), axis=-1), strict=True
    ):
        step, (_, backward) = WAYS[way], cell_functions(params[way])
        dturned, _, grads[way] = backward(dstates[::step], cell_cache)
        if dturned is not None:
            dx = dturned[::step] if dx is None else dx + dturned[::step]
    return dx, grads


def cell_functions(params):
    """Return forward and backward of the cell whose parameters these are: 1 gate's block is an RNN's, 3 a GRU's, 4 an
    LSTM's."""
    return {
        1: (rnn_forward, rnn_backward),
        3: (gru_forward, gru_backward),
        4: (lstm_forward, lstm_backward),
    }[params["Wx"].shape[1] // len(params["Wh"])]


def init_encoder(rng, source_size, embedding_size, hidden_size, dtype=np.float32):
    """Return the parameters of embedding, bidirectional GRU, and the bridge to a decoder of `hidden_size` units.

    Each direction gets half of the units, so that annotations are as wide as the decoder's state: the dot product of
    Luong et al. needs that, and models with one direction and with two are of comparable size. (Bahdanau et al. give
    each direction as many units as the decoder.) Raises ValueError for an odd hidden_size.
    """
    if hidden_size % 2:
        raise ValueError(
            f"hidden_size is {hidden_size}; it must be even, for each direction gets half of it"
        )
    return {
        "source_embedding": init_embedding(rng, source_size, embedding_size, dtype),
        "encoder": init_bidirectional(rng, embedding_size, hidden_size // 2, dtype),
        "bridge": init_linear(rng, hidden_size // 2, hidden_size, dtype),
    }


def encode(params, source, source_mask=None):
    """Return the annotations (S, B, H), the decoder's first state (B, H), and a cache, for source ids (S, B).

    The first state is tanh of a linear layer over the state that has read all the way backwards, to the first token:
    its memory of how the sentence begins is freshest (Bahdanau, Cho and Bengio 2015, A.2.2).
    """
    cells, read_caches = {}, {}
    for way, cell in params["encoder"].items():
        cells[way], places, read_caches[way] = embed_input(
            params["source_embedding"], cell, source, source_mask
        )
    annotations, encoder_cache = bidirectional_forward(cells, places, source_mask)
    read_backwards = annotations[0, :, annotations.shape[2] // 2 :]
    first_state, bridge_cache = linear_forward(params["bridge"], read_backwards)
    np.tanh(first_state, out=first_state)
    return annotations, first_state, (read_caches, encoder_cache, bridge_cache, first_state)


def encode_backward(dannotations, dfirst_state, cache):
    """Return the gradients {"source_embedding", "encoder", "bridge"}."""
    read_caches, encoder_cache, bridge_cache, first_state = cache
    dread_backwards, bridge_grads = linear_backward(
        dfirst_state * (1 - first_state**2), bridge_cache
    )
    dannotations = dannotations.copy()
    dannotations[0, :, dannotations.shape[2] // 2 :] += dread_backwards
    _, encoder_grads = bidirectional_backward(dannotations, encoder_cache)
    (dforward, forward_grads), (dbackward, backward_grads) = (
        embed_input_backward(encoder_grads[way], read_caches[way])
        for way in ("forward", "backward")
    )
    dforward["W"].values += dbackward["W"].values  # of the same rows
    return {
        "source_embedding": dforward,
        "encoder": {"forward": forward_grads, "backward": backward_grads},
        "bridge": bridge_grads,
    }
