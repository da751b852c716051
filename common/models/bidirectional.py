"""The bidirectional encoder: annotations of every source token, made of what stands before it and after it."""

import numpy as np

from common.embedded_input import embed_input, embed_input_backward
from common.layers import (
    init_embedding,
    init_linear,
    linear_backward,
    linear_forward,
)
from common.recurrent import gru_backward, gru_forward, init_gru


def init_bidirectional(rng, input_size, hidden_size, dtype=np.float32):
    """Return {"forward": ..., "backward": ...}, the parameters of two GRUs (Schuster and Paliwal 1997)."""
    return {way: init_gru(rng, input_size, hidden_size, dtype) for way in ("forward", "backward")}


def bidirectional_forward(params, x, mask=None):
    """Return h (S, B, 2H), at each step the states of the GRUs that read forwards and backwards, and the cache.

    x (S, B, D), or tokens (S, B) for one-hot rows; mask (S, B), 1 = real token, 0 = padding. Reading backwards meets
    the padding first: there the mask keeps the zero state, so that reading begins at the last real token of each
    sequence.
    """
    forwards, _, forward_cache = gru_forward(params["forward"], x, mask=mask)
    reverse_mask = None if mask is None else mask[::-1]
    backwards, _, backward_cache = gru_forward(params["backward"], x[::-1], mask=reverse_mask)
    return np.concatenate([forwards, backwards[::-1]], axis=-1), (forward_cache, backward_cache)


def bidirectional_backward(dh, cache):
    """Return dx (S, B, D) (None for tokens) and the gradients of the parameters, from dh (S, B, 2H)."""
    dforwards, dbackwards = np.split(dh, 2, axis=-1)
    dx, _, forward_grads = gru_backward(dforwards, cache[0])
    dx_reversed, _, backward_grads = gru_backward(dbackwards[::-1], cache[1])
    dx = None if dx is None else dx + dx_reversed[::-1]
    return dx, {"forward": forward_grads, "backward": backward_grads}


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
