"""Attention with several heads (Vaswani et al. 2017, section 3.2): queries, keys and values are all learnt projections.

    {"Wqkv": (D, 3 D), "bqkv": (3 D,), "Wo": (heads, D / heads, D), "bo": (D,)}

The columns of Wqkv make queries, keys and values, in PyTorch's order; within each, a head has D / heads columns of its
own. How many heads there are is read off Wo: row block m of it is what head m writes. Sequences are time-major,
(T, B, D), as everywhere; what is multiplied head by head is first laid out as (B, heads, T, D / heads).
"""

import numpy as np

from common.attention import masked_softmax, softmax_backward
from common.layers import weight_gradient


def init_multi_head(rng, size, heads, dtype=np.float32):
    """Return the parameters, weights normal with variance 1 / size, biases zero.

    Raises ValueError where size is not a multiple of heads.
    """
    if heads < 1 or size % heads:
        raise ValueError(f"{heads} heads cannot share {size} features equally; choose a divisor")
    Wqkv, Wo = (rng.standard_normal((size, n * size)) / np.sqrt(size) for n in (3, 1))
    return {
        "Wqkv": Wqkv.astype(dtype),
        "bqkv": np.zeros(3 * size, dtype),
        "Wo": Wo.reshape(heads, size // heads, size).astype(dtype),
        "bo": np.zeros(size, dtype),
    }


def multi_head_forward(params, x, memory=None, mask=None, causal=False):
    """Return y (T, B, D), the weights (B, heads, T, S), and the cache for backward.

    x       (T, B, D), one query for each position
    memory  (S, B, D), what is looked at; None: x itself, S = T
    mask    (S, B), 1 = real token, 0 = padding, which is never looked at, whatever it holds; None: all are real
    causal  position t looks at positions 1 to t only; where S > T, as when the last T of S positions ask, at those
            up to its own

    Raises ValueError for shapes that do not fit and for a sequence without any real token.
    """
    D, itself = len(params["bo"]), memory is None
    memory = x if itself else memory
    if x.ndim != 3 or memory.shape != (len(memory), x.shape[1], D) or x.shape[2] != D:
        raise ValueError(f"x is {x.shape}, memory {memory.shape}; both must be (., B, {D})")
    visible, memory = visible_places(len(x), memory, mask, causal)
    x = memory if itself else x
    padded = None if mask is None or not itself else np.asarray(mask)[..., None] == 0
    q, k, v = (
        project(params, x)
        if itself
        else (queries_of(params, x), *keys_and_values_of(params, memory))
    )
    y, weights, cache = look(params, q, k, v, visible)
    return y, weights, (params, x, None if itself else memory, padded, cache)


def visible_places(T, memory, mask, causal):
    """Return what each query may look at, booleans (B or 1, 1, T or 1, S), and memory with zeros at padding."""
    S, B, _ = memory.shape
    visible = np.tri(T, S, S - T, dtype=bool)[None, None] if causal else np.ones((1, 1, 1, S), bool)
    if mask is not None:
        if mask.shape != (S, B):
            raise ValueError(f"the mask has shape {mask.shape}; it must be (S, B) = {(S, B)}")
        real = np.asarray(mask) != 0
        if not real.any(axis=0).all():
            empty = np.flatnonzero(~real.any(axis=0)).tolist()
            raise ValueError(f"sequences {empty} have no real token to look at")
        memory = np.where(real[..., None], memory, 0)
        visible = visible & real.T[:, None, None]
    return visible, memory


def project(params, x):
    """Return queries, keys and values (T, B, D) of one sequence, in one product; queries are scaled (3.2.1)."""
    qkv = _rows(x) @ params["Wqkv"]
    qkv += params["bqkv"]
    q, k, v = np.split(qkv.reshape(*x.shape[:2], -1), 3, axis=-1)
    return q * _scale(params), k, v


def queries_of(params, x):
    """Return the queries (T, B, D) of x alone, scaled."""
    D = len(params["bo"])
    q = _rows(x) @ params["Wqkv"][:, :D] + params["bqkv"][:D]
    return (q * _scale(params)).reshape(x.shape)


def keys_and_values_of(params, memory):
    """Return the keys and the values (S, B, D) of what is looked at."""
    D = len(params["bo"])
    kv = _rows(memory) @ params["Wqkv"][:, D:] + params["bqkv"][D:]
    return np.split(kv.reshape(*memory.shape[:2], 2 * D), 2, axis=-1)


def look(params, q, k, v, visible):
    """Return y (T, B, D), the weights (B, heads, T, S) and the cache; q is scaled already.

    visible (B or 1, 1, T or 1, S) is true where a query may look.
    """
    heads = len(params["Wo"])
    q, k, v = (np.ascontiguousarray(_by_head(x, heads)) for x in (q, k, v))
    weights = masked_softmax(np.matmul(q, k.swapaxes(2, 3)), visible)
    mixed = _together(np.matmul(weights, v))
    y = _rows(mixed) @ params["Wo"].reshape(-1, mixed.shape[2])
    y += params["bo"]
    return y.reshape(mixed.shape), weights, (q, k, v, weights, mixed)


def multi_head_backward(dy, cache):
    """Return dx, dmemory (None where x looked at itself) and the gradients of the parameters."""
    params, x, memory, padded, (q, k, v, weights, mixed) = cache
    dy = dy if padded is None else np.where(padded, 0, dy)
    heads, D, W = len(params["Wo"]), len(params["bo"]), params["Wqkv"]
    grads = {
        "Wo": weight_gradient(mixed, dy).reshape(params["Wo"].shape),
        "bo": _rows(dy).sum(axis=0),
    }
    dmixed = (_rows(dy) @ params["Wo"].reshape(D, D).T).reshape(dy.shape)
    dmixed = np.ascontiguousarray(_by_head(dmixed, heads))
    dscores = softmax_backward(np.matmul(dmixed, v.swapaxes(2, 3)), weights)
    dq = np.matmul(dscores, k)
    dq *= _scale(params)
    dk = np.matmul(dscores.swapaxes(2, 3), q)
    dv = np.matmul(weights.swapaxes(2, 3), dmixed)
    if memory is None:
        dqkv = _together(dq, dk, dv)
        grads |= {"Wqkv": weight_gradient(x, dqkv), "bqkv": _rows(dqkv).sum(axis=0)}
        return (_rows(dqkv) @ W.T).reshape(x.shape), None, grads
    dq, dkv = _together(dq), _together(dk, dv)
    dW = [weight_gradient(x, dq), weight_gradient(memory, dkv)]
    db = [_rows(dq).sum(axis=0), _rows(dkv).sum(axis=0)]
    grads |= {"Wqkv": np.concatenate(dW, axis=1), "bqkv": np.concatenate(db)}
    dx, dmemory = _rows(dq) @ W[:, :D].T, _rows(dkv) @ W[:, D:].T
    return dx.reshape(x.shape), dmemory.reshape(memory.shape), grads


def _scale(params):
    """Return 1 / sqrt(D / heads), by which queries are multiplied, in their dtype."""
    return params["Wo"].dtype.type(params["Wo"].shape[1] ** -0.5)


def _rows(x):
    return x.reshape(-1, x.shape[-1])


def _by_head(x, heads):
    """Return (T, B, D) as a view (B, heads, T, D / heads)."""
    T, B, D = x.shape
    return x.reshape(T, B, heads, D // heads).transpose(1, 2, 0, 3)


def _together(*by_head):
    """Return arrays (B, heads, T, D / heads) side by side as one (T, B, D or 2 D or 3 D): what _by_head took apart."""
    B, heads, T, size = by_head[0].shape
    together = np.empty((T, B, len(by_head), heads, size), by_head[0].dtype)
    for n, x in enumerate(by_head):
        together[:, :, n] = x.transpose(2, 0, 1, 3)
    return together.reshape(T, B, -1)
