"""A language model without recurrence: a stack of causal transformer blocks (Vaswani et al. 2017; Radford et al. 2018).

    {"embedding": {"W": (V, D)}, "layers": {"0": block, ...}, "output": {"W": (D, V), "b": (V,)}}

Two things are recorded by what is there: with "positions" {"W": (longest, D)} places are learnt vectors, without they
are sinusoids (section 3.5); with "norm", a last normalisation, the blocks are pre-norm, without post-norm. Embeddings
are multiplied by sqrt(D) (section 3.4), so that they are as large as the sinusoids.
"""

import numpy as np

from common.layers import (
    embedding_backward,
    embedding_forward,
    init_embedding,
    init_layer_norm,
    init_linear,
    layer_norm_backward,
    layer_norm_forward,
    linear_backward,
    linear_forward,
)
from common.losses import softmax_cross_entropy
from common.multi_head import look, project, queries_of, visible_places
from common.transformer_block import block_backward, block_forward, feed_forward, init_block, parts


def init_transformer(
    rng,
    vocabulary_size,
    size,
    heads,
    layers,
    hidden_size=None,
    longest=None,
    pre_norm=True,
    dtype=np.float32,
):
    """Return the parameters; hidden_size is 4 * size if not given, as in the paper.

    longest  None: sinusoids; else the number of places for which a vector is learnt
    """
    params = {
        "embedding": init_embedding(rng, vocabulary_size, size, dtype),
        **init_stack(rng, size, heads, layers, hidden_size, pre_norm, dtype=dtype),
        "output": init_output(rng, size, vocabulary_size, dtype),
    }
    if longest is not None:
        params["positions"] = init_embedding(rng, longest, size, dtype)
    return params


def init_output(rng, size, vocabulary_size, dtype=np.float32):
    """Return the output layer, a tenth of a linear layer's weights: at first all tokens are about equally likely."""
    output = init_linear(rng, size, vocabulary_size, dtype)
    return {**output, "W": output["W"] * dtype(0.1)}


def init_stack(
    rng, size, heads, layers, hidden_size=None, pre_norm=True, reads_source=False, dtype=np.float32
):
    """Return {"layers": {"0": block, ...}}, and "norm" for pre-norm blocks."""
    hidden_size = 4 * size if hidden_size is None else hidden_size
    blocks = [init_block(rng, size, heads, hidden_size, reads_source, dtype) for _ in range(layers)]
    stack = {"layers": {str(n): block for n, block in enumerate(blocks)}}
    return stack | ({"norm": init_layer_norm(size, dtype)} if pre_norm else {})


def stack_forward(stack, x, mask=None, causal=False, memory=None, memory_mask=None):
    """Return x (T, B, D), the weights of each block, and the cache for backward."""
    weights, caches = [], []
    for block in stack["layers"].values():
        x, looked, cache = block_forward(
            block, x, mask, causal, memory, memory_mask, "norm" in stack
        )
        weights.append(looked)
        caches.append(cache)
    norm_cache = None
    if "norm" in stack:
        x, norm_cache = layer_norm_forward(stack["norm"], x)
    return x, weights, (list(stack["layers"]), caches, norm_cache)


def stack_backward(dx, cache):
    """Return dx, dmemory (None without a source) and the gradients of the stack."""
    names, caches, norm_cache = cache
    grads, dmemory = {}, None
    if norm_cache is not None:
        dx, grads["norm"] = layer_norm_backward(dx, norm_cache)
    layers = {}
    for name, block_cache in zip(reversed(names), reversed(caches), strict=True):
        dx, dlooked_at, layers[name] = block_backward(dx, block_cache)
        if dlooked_at is not None:
            dmemory = dlooked_at if dmemory is None else dmemory + dlooked_at
    return dx, dmemory, {"layers": {name: layers[name] for name in names}, **grads}


def sinusoids(places, size, dtype=np.float32):
    """Return (len(places), size): sines and cosines in turns, wavelengths from 2 pi to 10000 * 2 pi (section 3.5)."""
    rates = 10000.0 ** (-np.arange(0, size, 2) / size)
    angles = np.asarray(places)[:, None] * rates
    table = np.stack([np.sin(angles), np.cos(angles)], axis=-1).reshape(len(angles), -1)
    return table[:, :size].astype(dtype)


def embed(embedding, tokens, positions=None, start=0):
    """Return sqrt(D) times the rows of the table, with the place of each added, (T, B, D), and the cache.

    tokens (T, B) stand at the places start, start + 1, ...; `positions` is the table of learnt places, or None. Raises
    ValueError for places beyond that table, and for tokens outside the vocabulary.
    """
    x, cache = embedding_forward(embedding, tokens)
    D, last = x.shape[-1], start + len(tokens)
    if positions is None:
        where = sinusoids(np.arange(start, last), D, x.dtype)
    elif last > len(positions["W"]):
        raise ValueError(
            f"the last of {last} places has no vector: only {len(positions['W'])} were learnt"
        )
    else:
        where = positions["W"][start:last]
    x *= x.dtype.type(np.sqrt(D))
    x += where[:, None]
    return x, (cache, positions, start)


def embed_backward(dx, cache):
    """Return the gradients of the embedding, and of the learnt places or None."""
    embedding_cache, positions, start = cache
    dpositions = None
    if positions is not None:
        dW = np.zeros_like(positions["W"])
        dW[start : start + len(dx)] = dx.sum(axis=1)
        dpositions = {"W": dW}
    scale = dx.dtype.type(np.sqrt(dx.shape[-1]))
    return embedding_backward(dx * scale, embedding_cache), dpositions


def forward(params, tokens):
    """Return the logits (T, B, V) for the token after each of (T, B), the weights of each block, and the cache.

    Padding at the end of a sequence needs no mask: nothing looks at what comes after it.
    """
    x, embed_cache = embed(params["embedding"], tokens, params.get("positions"))
    x, weights, stack_cache = stack_forward(params, x, causal=True)
    logits, output_cache = linear_forward(params["output"], x)
    return logits, weights, (embed_cache, stack_cache, output_cache)


def backward(dlogits, cache):
    """Return the gradients of all parameters."""
    embed_cache, stack_cache, output_cache = cache
    dx, output_grads = linear_backward(dlogits, output_cache)
    dx, _, grads = stack_backward(dx, stack_cache)
    embedding_grads, position_grads = embed_backward(dx, embed_cache)
    grads |= {"embedding": embedding_grads, "output": output_grads}
    return grads if position_grads is None else grads | {"positions": position_grads}


def loss_and_grads(params, inputs, targets, mask=None, state=None):
    """Return loss, grads, None: inputs, targets and mask (T, B), the loss in nats per token with mask 1.

    A token with mask 0 is read all the same: the mask says which answers count. A chunk of text stands for itself:
    nothing is carried over, and the state is None.
    """
    logits, _, cache = forward(params, inputs)
    loss, dlogits = softmax_cross_entropy(logits, targets, mask)
    return loss, backward(dlogits, cache), None


def extend(stack, x, cached=None, sources=None, visible=None):
    """Return what stack_forward gives for the last positions x (T, B, D) alone, causal, the cache with them added, and
    the weights (B, heads, T, S) at the source in the last block, or None.

    Keys and values do not change when a token is added, so they need not be computed again.

    cached   those of all positions before, {block: {"keys": (., B, D), "values": (., B, D)}}
    sources  those of the source, for blocks that read one; `visible` then says which of its places are real,
             (B, 1, 1, S)
    """
    pre_norm, now, at_source = "norm" in stack, {}, None
    for name, block in stack["layers"].items():
        for part, norm in parts(block):
            read = layer_norm_forward(block[norm], x)[0] if pre_norm else x
            if part == "linear1":
                found, _ = feed_forward(block, read)
            elif part == "self_attn":
                found, now[name] = look_back(block[part], read, cached and cached[name])
            else:
                q, places = queries_of(block[part], read), sources[name]
                found, at_source, _ = look(
                    block[part], q, places["keys"], places["values"], visible
                )
            x = x + found
            x = x if pre_norm else layer_norm_forward(block[norm], x)[0]
    x = layer_norm_forward(stack["norm"], x)[0] if pre_norm else x
    return x, now, at_source


def look_back(params, x, cached):
    """Return what causal attention gives for the last positions x, and {"keys", "values"} with theirs added."""
    q, k, v = project(params, x)
    if cached is not None:
        k, v = (np.concatenate([cached[n], new]) for n, new in (("keys", k), ("values", v)))
    visible, _ = visible_places(len(q), k, None, causal=True)
    y, _, _ = look(params, q, k, v, visible)
    return y, {"keys": k, "values": v}


def next_logits_with(params):
    """Return next_logits(ids, state) -> logits (V,), state, as common.sampling.generate wants it; keys are cached."""

    def next_logits(ids, state):
        start = len(state["0"]["keys"]) if state else 0
        x, _ = embed(params["embedding"], np.asarray(ids)[:, None], params.get("positions"), start)
        x, state, _ = extend(params, x, state)
        return linear_forward(params["output"], x[-1])[0][0], state

    return next_logits
