"""Sequence to sequence without attention: an encoder's last state is all that the decoder knows of the source.

Cho et al. 2014 ("Learning Phrase Representations using RNN Encoder-Decoder"), with the decoder of Sutskever, Vinyals
and Le 2014: it sees the source in its first state only. All arrays are time-major: source (S, B), target (T, B).
"""

import numpy as np

from common.embedded_input import embed_input, embed_input_backward
from common.layers import (
    embedding_forward,
    init_embedding,
    init_linear,
    linear_backward,
    linear_forward,
)
from common.models.teacher_forcing import loss_and_grads_with
from common.recurrent import gru_backward, gru_forward, init_gru


def init_encoder_decoder(
    rng, source_size, target_size, embedding_size, hidden_size, dtype=np.float32
):
    """Return the parameters for vocabularies of source_size and target_size tokens."""
    return {
        "source_embedding": init_embedding(rng, source_size, embedding_size, dtype),
        "encoder": init_gru(rng, embedding_size, hidden_size, dtype),
        "bridge": init_linear(rng, hidden_size, hidden_size, dtype),
        "target_embedding": init_embedding(rng, target_size, embedding_size, dtype),
        "decoder": init_gru(rng, embedding_size, hidden_size, dtype),
        "output": init_linear(rng, hidden_size, target_size, dtype),
    }


def encode(params, source, source_mask=None):
    """Return the decoder's first state (B, H), tanh of a linear layer over the encoder's last, and a cache."""
    encoder, places, read_cache = embed_input(
        params["source_embedding"], params["encoder"], source, source_mask
    )
    _, last_state, encoder_cache = gru_forward(encoder, places, mask=source_mask)
    first_state, bridge_cache = linear_forward(params["bridge"], last_state)
    np.tanh(first_state, out=first_state)
    return first_state, (read_cache, encoder_cache, bridge_cache, first_state, len(source))


def encode_backward(dfirst_state, cache):
    """Return the gradients {"source_embedding", "encoder", "bridge"}."""
    read_cache, encoder_cache, bridge_cache, first_state, S = cache
    dlast_state, bridge_grads = linear_backward(dfirst_state * (1 - first_state**2), bridge_cache)
    dh = np.zeros((S, *first_state.shape), first_state.dtype)  # the loss reads the last state only
    _, _, encoder_grads = gru_backward(dh, encoder_cache, dlast_state)
    embedding_grads, encoder_grads = embed_input_backward(encoder_grads, read_cache)
    return {
        "source_embedding": embedding_grads,
        "encoder": encoder_grads,
        "bridge": bridge_grads,
    }


def forward(params, source, source_mask, target_inputs):
    """Return the logits (T, B, V) with teacher forcing, None (for there is no attention), and the cache."""
    first_state, encode_cache = encode(params, source, source_mask)
    decoder, places, read_cache = embed_input(
        params["target_embedding"], params["decoder"], target_inputs
    )
    s, _, decoder_cache = gru_forward(decoder, places, first_state)
    logits, output_cache = linear_forward(params["output"], s)
    return logits, None, (encode_cache, read_cache, decoder_cache, output_cache)


def backward(dlogits, cache):
    """Return the gradients of all parameters."""
    encode_cache, read_cache, decoder_cache, output_cache = cache
    ds, output_grads = linear_backward(dlogits, output_cache)
    _, dfirst_state, decoder_grads = gru_backward(ds, decoder_cache)
    embedding_grads, decoder_grads = embed_input_backward(decoder_grads, read_cache)
    return {
        **encode_backward(dfirst_state, encode_cache),
        "target_embedding": embedding_grads,
        "decoder": decoder_grads,
        "output": output_grads,
    }


loss_and_grads = loss_and_grads_with(forward, backward)


def start(params, source, source_mask=None):
    """Return the decoder's state before its first step, for common.decoding."""
    return {"s": encode(params, source, source_mask)[0]}


def step(params, tokens, state):
    """Read the last tokens (B,); return logits (B, V) for the next ones, the new state, and None."""
    embedded, _ = embedding_forward(params["target_embedding"], tokens[None])
    s, _, _ = gru_forward(params["decoder"], embedded, state["s"])
    return linear_forward(params["output"], s[0])[0], {"s": s[0]}, None
