"""Sequence to sequence with attention that comes after the decoder's step: update, look, predict.

Luong, Pham and Manning 2015 ("Effective Approaches to Attention-based Neural Machine Translation"), global attention:

    s_t = GRU(y_(t-1), s_(t-1));  c_t = attention(s_t, annotations);  a_t = tanh([c_t; s_t] W + b)  (eq. 5)

The logits are a linear layer over the attentional vector a_t (the paper's h~_t). With input feeding (section 3.3) the
GRU reads [y_(t-1); a_(t-1)], a_0 = 0, so it knows where the model has looked; without, no step waits for attention,
and all steps attend in one go. The decoder's Wx tells by its number of rows which it is; params["attention"] tells
the score by its names (common.attention), and is empty or missing for "dot".

The paper stacks LSTMs, with an encoder that reads forwards only. Here the cell is a GRU and the encoder that of
common.models.bahdanau, so that the two models differ in their attention and in nothing else.
"""

import numpy as np

from common.attention import (
    attend,
    attend_backward,
    init_attention,
    memory_backward,
    read_memory,
)
from common.embedded_input import embed_input, embed_input_backward
from common.gates import gates_first, stacked_gradient
from common.layers import (
    embedding_forward,
    init_embedding,
    init_linear,
    linear_backward,
    linear_forward,
    weight_gradient,
)
from common.models.bidirectional import encode, encode_backward, init_encoder
from common.models.teacher_forcing import loss_and_grads_with
from common.recurrent import GRU, gru_backward, gru_forward, init_gru


def init_luong(
    rng,
    source_size,
    target_size,
    embedding_size,
    hidden_size,
    dtype=np.float32,
    score="general",
    input_feeding=True,
):
    """Return the parameters; hidden_size is the decoder's, and each direction of the encoder has half of it.

    score  "dot", "general" or "concat" (section 3.1)
    """
    E, H = embedding_size, hidden_size
    return {
        **init_encoder(rng, source_size, E, H, dtype),
        "target_embedding": init_embedding(rng, target_size, E, dtype),
        "decoder": init_gru(rng, E + H if input_feeding else E, H, dtype),
        "attention": init_attention(rng, score, H, H, dtype),
        "combine": init_linear(rng, H + H, H, dtype),
        "output": init_linear(rng, H, target_size, dtype),
    }


def look(params, s, memory):
    """Return the attentional vectors (T, B, H), the weights (T, B, S) and a cache, for states s (T, B, H)."""
    context, weights, attend_cache = attend(params.get("attention", {}), s, memory)
    combined = np.concatenate([context, s], axis=-1)
    attentional, _ = linear_forward(params["combine"], combined)
    np.tanh(attentional, out=attentional)
    return attentional, weights, (params, attend_cache, combined, attentional)


def look_backward(dattentional, cache):
    """Return ds (T, B, H), and a record for the gradients of attention, annotations and "combine"."""
    params, attend_cache, combined, attentional = cache
    da = dattentional * (1 - attentional**2)
    W, K = params["combine"]["W"], combined.shape[2] - attentional.shape[2]
    dcontext, ds = np.split(da @ W.T, [K], axis=-1)
    dqueries, record = attend_backward(dcontext, attend_cache)
    return ds + dqueries, (record, combined, da)


def forward(params, source, source_mask, target_inputs):
    """Return the logits (T, B, V) with teacher forcing, the attention weights (T, B, S), and the cache."""
    annotations, first_state, encode_cache = encode(params, source, source_mask)
    memory = read_memory(params.get("attention", {}), annotations, source_mask)
    E = params["target_embedding"]["W"].shape[1]
    word_rows, fed_rows = np.split(params["decoder"]["Wx"], [E])
    word_decoder, places, read_cache = embed_input(
        params["target_embedding"], {**params["decoder"], "Wx": word_rows}, target_inputs
    )
    fed_gates = gates_first(fed_rows, GRU)
    looks = []  # (attentional, weights, cache) of one step each, or of all at once

    def feed(t, s_before):
        if t == 0:
            return 0
        looks.append(look(params, s_before[None], memory))
        return np.matmul(looks[-1][0][0], fed_gates)

    s, s_last, decoder_cache = gru_forward(
        word_decoder, places, first_state, feed=feed if len(fed_rows) else None
    )
    looks.append(look(params, s_last[None] if len(fed_rows) else s, memory))
    attentional, weights, look_caches = zip(*looks, strict=True)
    attentional, weights = np.concatenate(attentional), np.concatenate(weights)
    logits, output_cache = linear_forward(params["output"], attentional)
    caches = encode_cache, read_cache, decoder_cache, look_caches, output_cache
    return logits, weights, (*caches, attentional, fed_gates)


def backward(dlogits, cache):
    """Return the gradients of all parameters."""
    *caches, attentional, fed_gates = cache
    encode_cache, read_cache, decoder_cache, look_caches, output_cache = caches
    dattentional, output_grads = linear_backward(dlogits, output_cache)
    T, B, H = attentional.shape
    da, records = np.zeros((3, T, B, H), attentional.dtype), []
    from_gates = np.ascontiguousarray(fed_gates.swapaxes(1, 2))

    def look_back(rows, look_cache):
        ds, record = look_backward(dattentional[rows], look_cache)
        records.append(record)
        return ds

    def feed_backward(t, da_t):
        if t == 0:
            return 0
        da[:, t - 1] = da_t
        dattentional[t - 1] += np.matmul(da_t, from_gates).sum(axis=0)
        return look_back(slice(t - 1, t), look_caches[t - 1])[0]

    if fed_gates.size:
        ds = np.zeros_like(attentional)
        ds[-1:] = look_back(slice(T - 1, T), look_caches[-1])
        _, dfirst_state, decoder_grads = gru_backward(
            ds, decoder_cache, feed_backward=feed_backward
        )
    else:
        ds = look_back(slice(T), look_caches[0])
        _, dfirst_state, decoder_grads = gru_backward(ds, decoder_cache)
    embedding_grads, decoder_grads = embed_input_backward(decoder_grads, read_cache)
    if fed_gates.size:
        dfed_rows = stacked_gradient(attentional, da, GRU)
        decoder_grads["Wx"] = np.concatenate([decoder_grads["Wx"], dfed_rows])
    attend_records, combined, dcombine = zip(*records, strict=True)
    combined, dcombine = np.concatenate(combined), np.concatenate(dcombine)
    dannotations, attention_grads = memory_backward(attend_records)
    combine_grads = {"W": weight_gradient(combined, dcombine), "b": dcombine.sum(axis=(0, 1))}
    return {
        **encode_backward(dannotations, dfirst_state, encode_cache),
        "target_embedding": embedding_grads,
        "decoder": decoder_grads,
        "attention": attention_grads,
        "combine": combine_grads,
        "output": output_grads,
    }


loss_and_grads = loss_and_grads_with(forward, backward)


def start(params, source, source_mask=None):
    """Return the decoder's state before its first step, for common.decoding."""
    annotations, first_state, _ = encode(params, source, source_mask)
    memory = read_memory(params.get("attention", {}), annotations, source_mask)
    return {"s": first_state, "attentional": np.zeros_like(first_state), "memory": memory}


def step(params, tokens, state):
    """Read the last tokens (B,); return logits (B, V) for the next ones, the new state, and the weights (B, S)."""
    x, _ = embedding_forward(params["target_embedding"], tokens[None])
    if len(params["decoder"]["Wx"]) > x.shape[2]:
        x = np.concatenate([x, state["attentional"][None]], axis=-1)
    s, _, _ = gru_forward(params["decoder"], x, state["s"])
    attentional, weights, _ = look(params, s, state["memory"])
    logits, _ = linear_forward(params["output"], attentional[0])
    return logits, {**state, "s": s[0], "attentional": attentional[0]}, weights[0]
