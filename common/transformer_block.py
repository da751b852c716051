"""One block of a transformer (Vaswani et al. 2017, section 3.1), with PyTorch's names for its parts:

    {"self_attn": ..., "norm1": ..., "linear1": ..., "linear2": ..., "norm2": ...}    and in a decoder with a source
    {"multihead_attn": ..., "norm3": ...}

Each part works on the stream x (T, B, D) through a residual connection: before it comes a layer normalisation, and
what it finds is added to x ("pre-norm", Xiong et al. 2020); or it is added first, and the sum normalised, as in the
paper ("post-norm"). The parts are attention to oneself, attention to the source, where there is one, and a hidden
layer with ReLU at each position by itself.
"""

import numpy as np

from common.layers import (
    init_layer_norm,
    init_linear,
    layer_norm_backward,
    layer_norm_forward,
    linear_backward,
    linear_forward,
)
from common.multi_head import (
    init_multi_head,
    multi_head_backward,
    multi_head_forward,
)


def init_block(rng, size, heads, hidden_size, reads_source=False, dtype=np.float32):
    """Return the parameters of a block of `size` features whose inner layer has hidden_size units."""
    block = {
        "self_attn": init_multi_head(rng, size, heads, dtype),
        "linear1": init_linear(rng, size, hidden_size, dtype),
        "linear2": init_linear(rng, hidden_size, size, dtype),
        "norm1": init_layer_norm(size, dtype),
        "norm2": init_layer_norm(size, dtype),
    }
    if reads_source:
        block |= {
            "multihead_attn": init_multi_head(rng, size, heads, dtype),
            "norm3": init_layer_norm(size, dtype),
        }
    return block


def block_forward(block, x, mask=None, causal=False, memory=None, memory_mask=None, pre_norm=True):
    """Return x (T, B, D), the weights of the attentions, [(B, heads, T, .), ...], and the cache for backward.

    mask (T, B) and memory_mask (S, B) are 1 at real tokens; a block with multihead_attn reads memory (S, B, D).
    """
    weights, caches = [], []
    for part, norm in parts(block):
        read, norm_cache = layer_norm_forward(block[norm], x) if pre_norm else (x, None)
        if part == "linear1":
            found, cache = feed_forward(block, read)
        else:
            places = (
                (memory, memory_mask, False) if part == "multihead_attn" else (None, mask, causal)
            )
            found, looked, cache = multi_head_forward(block[part], read, *places)
            weights.append(looked)
        found += x
        x = found
        if not pre_norm:
            x, norm_cache = layer_norm_forward(block[norm], x)
        caches.append((part, norm, cache, norm_cache))
    return x, weights, (caches, pre_norm)


def block_backward(dx, cache):
    """Return dx, dmemory (None without a source) and the gradients of the block."""
    caches, pre_norm = cache
    dmemory, grads = None, {}
    for part, norm, part_cache, norm_cache in reversed(caches):
        if not pre_norm:
            dx, grads[norm] = layer_norm_backward(dx, norm_cache)
        if part == "linear1":
            dread, part_grads = feed_forward_backward(dx, part_cache)
            grads |= part_grads
        else:
            dread, dlooked_at, grads[part] = multi_head_backward(dx, part_cache)
            dmemory = dlooked_at if part == "multihead_attn" else dmemory
        if pre_norm:
            dread, grads[norm] = layer_norm_backward(dread, norm_cache)
        dread += dx
        dx = dread
    return dx, dmemory, grads


def parts(block):
    """Return the parts of a block in their order, each with the name of its normalisation."""
    if "multihead_attn" in block:
        return [("self_attn", "norm1"), ("multihead_attn", "norm2"), ("linear1", "norm3")]
    return [("self_attn", "norm1"), ("linear1", "norm2")]


def feed_forward(block, x):
    """Return relu(x W1 + b1) W2 + b2, at each position by itself, and the cache."""
    a, first = linear_forward(block["linear1"], x)
    np.maximum(a, 0, out=a)
    y, second = linear_forward(block["linear2"], a)
    return y, (first, second)


def feed_forward_backward(dy, cache):
    """Return dx and the gradients {"linear1", "linear2"}; where the ReLU is shut nothing goes back."""
    first, second = cache
    da, second_grads = linear_backward(dy, second)
    da *= second[1] > 0
    dx, first_grads = linear_backward(da, first)
    return dx, {"linear1": first_grads, "linear2": second_grads}
