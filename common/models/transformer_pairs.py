"""Sequence to sequence without recurrence (Vaswani et al. 2017): an encoder that looks at itself, and a decoder that
looks back at itself and across at the encoder.

    {"source_embedding": {"W"}, "target_embedding": {"W"}, "encoder": stack, "decoder": stack, "output": {"W", "b"}}

Stacks are those of common.models.transformer, places are sinusoids. Time-major: source (S, B), target (T, B).
"""

import numpy as np

from common.layers import init_embedding, linear_backward, linear_forward
from common.models.teacher_forcing import loss_and_grads_with
from common.models.transformer import (
    embed,
    embed_backward,
    extend,
    init_output,
    init_stack,
    stack_backward,
    stack_forward,
)
from common.multi_head import keys_and_values_of, visible_places


def init_transformer_pairs(
    rng,
    source_size,
    target_size,
    size,
    heads,
    layers,
    hidden_size=None,
    pre_norm=True,
    dtype=np.float32,
):
    """Return the parameters: as many layers in the encoder as in the decoder; hidden_size 4 * size if not given."""
    return {
        "source_embedding": init_embedding(rng, source_size, size, dtype),
        "target_embedding": init_embedding(rng, target_size, size, dtype),
        "encoder": init_stack(rng, size, heads, layers, hidden_size, pre_norm, False, dtype),
        "decoder": init_stack(rng, size, heads, layers, hidden_size, pre_norm, True, dtype),
        "output": init_output(rng, size, target_size, dtype),
    }


def encode(params, source, source_mask):
    """Return what the decoder looks at, (S, B, D), and the cache."""
    if source_mask is not None:
        source = np.where(np.asarray(source_mask) == 0, source[:1], source)
    x, embed_cache = embed(params["source_embedding"], source)
    memory, _, stack_cache = stack_forward(params["encoder"], x, source_mask)
    return memory, (embed_cache, stack_cache)


def forward(params, source, source_mask, target_inputs):
    """Return the logits (T, B, V) with teacher forcing, the weights of each decoder block, and the cache.

    The weights of a block are [(B, heads, T, T), (B, heads, T, S)]: at the target so far, and at the source.
    """
    memory, encode_cache = encode(params, source, source_mask)
    x, embed_cache = embed(params["target_embedding"], target_inputs)
    x, weights, stack_cache = stack_forward(params["decoder"], x, None, True, memory, source_mask)
    logits, output_cache = linear_forward(params["output"], x)
    return logits, weights, (encode_cache, embed_cache, stack_cache, output_cache)


def backward(dlogits, cache):
    """Return the gradients of all parameters."""
    (source_cache, encoder_cache), embed_cache, stack_cache, output_cache = cache
    dx, output_grads = linear_backward(dlogits, output_cache)
    dx, dmemory, decoder_grads = stack_backward(dx, stack_cache)
    dsource, _, encoder_grads = stack_backward(dmemory, encoder_cache)
    return {
        "source_embedding": embed_backward(dsource, source_cache)[0],
        "target_embedding": embed_backward(dx, embed_cache)[0],
        "encoder": encoder_grads,
        "decoder": decoder_grads,
        "output": output_grads,
    }


loss_and_grads = loss_and_grads_with(forward, backward)


def start(params, source, source_mask=None):
    """Return the decoder's state before its first step, for common.decoding: keys and values of the source."""
    memory, _ = encode(params, source, source_mask)
    mask = np.ones(source.shape) if source_mask is None else np.asarray(source_mask)
    _, memory = visible_places(1, memory, mask, causal=False)
    sources, written = {}, {}
    for name, block in params["decoder"]["layers"].items():
        keys, values = keys_and_values_of(block["multihead_attn"], memory)
        sources[name] = {"keys": keys, "values": values}
        written[name] = {"keys": keys[:0], "values": values[:0]}
    return {"sources": sources, "written": written, "mask": mask.T}


def step(params, tokens, state):
    """Read the last tokens (B,); return logits (B, V), the new state, and the weights (B, S) at the source.

    The weights are those of the last block, in the mean over its heads.
    """
    before = len(state["written"]["0"]["keys"])
    x, _ = embed(params["target_embedding"], tokens[None], start=before)
    visible = state["mask"][:, None, None] != 0
    x, written, weights = extend(params["decoder"], x, state["written"], state["sources"], visible)
    logits, _ = linear_forward(params["output"], x[0])
    return logits, {**state, "written": written}, weights[:, :, 0].mean(axis=1)
