"""Sequence to sequence with attention that comes before the decoder's step (Bahdanau, Cho and Bengio 2015).

The state s_(t-1) asks, the context c_t answers, and the GRU reads it together with the last word:

    c_t = attention(s_(t-1), annotations);  s_t = GRU([y_(t-1); c_t], s_(t-1));  r_t = tanh([s_t; y_(t-1); c_t] W + b)

The logits are a linear layer over r_t. The paper's r_t is a maxout layer of s_(t-1), y_(t-1) and c_t (A.2.2); ours
reads the new state, as its equation 4 says, and has a tanh for the maxout. Time-major: source (S, B), target (T, B).

The question may come late: then [s_(t-1); y_(t-1)] asks, and Wq has E rows more (`with_late_question`).
"""

import numpy as np

from common.attention import (
    attend,
    attend_backward,
    init_attention,
    memory_backward,
    read_memory,
)
from common.gates import gates_first, stacked_gradient
from common.layers import (
    embedding_backward,
    embedding_forward,
    init_embedding,
    init_linear,
    linear_backward,
    linear_forward,
)
from common.models.bidirectional import encode, encode_backward, init_encoder
from common.models.teacher_forcing import loss_and_grads_with
from common.recurrent import GRU, gru_backward, gru_forward, init_gru


def init_bahdanau(rng, source_size, target_size, embedding_size, hidden_size, dtype=np.float32):
    """Return the parameters; hidden_size is the decoder's, and each direction of the encoder has half of it."""
    E, H = embedding_size, hidden_size
    return {
        **init_encoder(rng, source_size, E, H, dtype),
        "target_embedding": init_embedding(rng, target_size, E, dtype),
        "attention": init_attention(rng, "additive", H, H, dtype),
        "decoder": init_gru(rng, E + H, H, dtype),
        "readout": init_linear(rng, H + E + H, H, dtype),
        "output": init_linear(rng, H, target_size, dtype),
    }


def with_late_question(params):
    """Return the parameters with a Wq (H + E, A), whose last E rows, zero at first, read the last word y_(t-1).

    It is the same function until they are trained. The other arrays are shared with `params`, not copied.
    """
    Wq = params["attention"]["Wq"]
    rows = np.zeros((params["target_embedding"]["W"].shape[1], Wq.shape[1]), Wq.dtype)
    return {**params, "attention": {**params["attention"], "Wq": np.concatenate([Wq, rows])}}


def _question(params, s_before, word):
    """Return what asks: the state (B, H), or [state; last word] (B, H + E) where Wq has rows for both."""
    if len(params["attention"]["Wq"]) == s_before.shape[1]:
        return s_before
    return np.concatenate([s_before, word], axis=1)


def forward(params, source, source_mask, target_inputs):
    """Return the logits (T, B, V) with teacher forcing, the attention weights (T, B, S), and the cache."""
    annotations, first_state, encode_cache = encode(params, source, source_mask)
    memory = read_memory(params["attention"], annotations, source_mask)
    embedded, embedding_cache = embedding_forward(params["target_embedding"], target_inputs)
    T, B, E = embedded.shape
    context = np.empty((T, B, annotations.shape[2]), embedded.dtype)
    weights = np.empty((T, B, len(annotations)), embedded.dtype)
    word_rows, context_rows = np.split(params["decoder"]["Wx"], [E])
    context_gates = gates_first(context_rows, GRU)
    attend_caches = []

    def feed(t, s_before):
        context[t : t + 1], weights[t : t + 1], cache = attend(
            params["attention"], _question(params, s_before, embedded[t])[None], memory
        )
        attend_caches.append(cache)
        return np.matmul(context[t], context_gates)

    word_decoder = {**params["decoder"], "Wx": word_rows}
    s, _, decoder_cache = gru_forward(word_decoder, embedded, first_state, feed=feed)
    r, readout_cache = linear_forward(
        params["readout"], np.concatenate([s, embedded, context], axis=-1)
    )
    np.tanh(r, out=r)
    logits, output_cache = linear_forward(params["output"], r)
    caches = encode_cache, embedding_cache, attend_caches, decoder_cache
    return logits, weights, (*caches, readout_cache, output_cache, context, context_gates, r)


def backward(dlogits, cache):
    """Return the gradients of all parameters."""
    *caches, readout_cache, output_cache, context, context_gates, r = cache
    encode_cache, embedding_cache, attend_caches, decoder_cache = caches
    dr, output_grads = linear_backward(dlogits, output_cache)
    dr *= 1 - r**2
    dread, readout_grads = linear_backward(dr, readout_cache)
    H, K = r.shape[2], context.shape[2]
    ds, dembedded, dcontext = np.split(dread, [H, dread.shape[2] - K], axis=-1)
    da, records = np.empty((3, *r.shape), r.dtype), []
    from_gates = np.ascontiguousarray(context_gates.swapaxes(1, 2))

    def feed_backward(t, da_t):
        da[:, t] = da_t
        dcontext[t] += np.matmul(da_t, from_gates).sum(axis=0)
        dquestion, record = attend_backward(dcontext[t : t + 1], attend_caches[t])
        records.append(record)
        ds_before, dword = np.split(dquestion[0], [H], axis=1)
        if dword.size:
            dembedded[t] += dword
        return ds_before

    dfed, dfirst_state, decoder_grads = gru_backward(ds, decoder_cache, feed_backward=feed_backward)
    dcontext_rows = stacked_gradient(context, da, GRU)
    decoder_grads["Wx"] = np.concatenate([decoder_grads["Wx"], dcontext_rows])
    dannotations, attention_grads = memory_backward(records)
    return {
        **encode_backward(dannotations, dfirst_state, encode_cache),
        "target_embedding": embedding_backward(dembedded + dfed, embedding_cache),
        "attention": attention_grads,
        "decoder": decoder_grads,
        "readout": readout_grads,
        "output": output_grads,
    }


loss_and_grads = loss_and_grads_with(forward, backward)


def start(params, source, source_mask=None):
    """Return the decoder's state before its first step, for common.decoding."""
    annotations, first_state, _ = encode(params, source, source_mask)
    return {
        "s": first_state,
        "memory": read_memory(params["attention"], annotations, source_mask),
    }


def step(params, tokens, state):
    """Read the last tokens (B,); return logits (B, V) for the next ones, the new state, and the weights (B, S)."""
    embedded, _ = embedding_forward(params["target_embedding"], tokens[None])
    question = _question(params, state["s"], embedded[0])[None]
    context, weights, _ = attend(params["attention"], question, state["memory"])
    words_and_context = np.concatenate([embedded, context], axis=-1)
    s, _, _ = gru_forward(params["decoder"], words_and_context, state["s"])
    r, _ = linear_forward(params["readout"], np.concatenate([s, words_and_context], axis=-1))
    logits, _ = linear_forward(params["output"], np.tanh(r[0]))
    return logits, {**state, "s": s[0]}, weights[0]
