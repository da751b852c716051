"""Models that read a whole sequence: a tag for each token, or one answer for all of them.

Parameters are {"embedding": ..., "layers": {"0": ..., "1": ...}, "output": ...}. Each layer reads forwards, backwards,
or both ways (common.models.bidirectional), and the layer above reads its states.
"""

import numpy as np

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
from common.models.bidirectional import (
    WAYS,
    bidirectional_backward,
    bidirectional_forward,
    init_bidirectional,
)
from common.recurrent import init_gru

POOLS = ("last", "mean", "max")


def init_stack(
    rng, input_size, hidden_size, layers=1, init_cell=init_gru, ways=tuple(WAYS), dtype=np.float32
):
    """Return {"0": ..., "1": ...}, `layers` bidirectional layers, each reading the one below it.

    hidden_size is that of each way, so that a layer hands up len(ways) * hidden_size numbers. Raises ValueError for no
    layer, and for ways other than "forward", "backward" or both.
    """
    if layers < 1:
        raise ValueError(f"layers is {layers}; it must be at least 1")
    if not ways or isinstance(ways, str) or not set(ways) <= set(WAYS):
        raise ValueError(f'ways are {ways!r}; give ("forward",), ("backward",), or both names')
    sizes = [input_size] + [len(ways) * hidden_size] * (layers - 1)
    return {
        str(n): init_bidirectional(rng, size, hidden_size, dtype, init_cell, ways)
        for n, size in enumerate(sizes)
    }


def stack_forward(params, x, mask=None, dropout=0.0, rng=None):
    """Return the states h (T, B, ways * H) of the topmost layer, and the cache: x (T, B, D), mask (T, B).

    `dropout` is the rate at which `rng` drops what one layer hands to the next: not what comes into the first, not
    what leaves the last, not what a cell hands on in time (PyTorch's nn.LSTM). Raises ValueError for dropout
    without rng.
    """
    if dropout and rng is None:
        raise ValueError(f"dropout {dropout} draws what it drops: give an rng as well")
    h, caches = x, []
    for n in range(len(params)):
        h, dropped = dropout_forward(rng, h, dropout if n else 0.0)
        h, cache = bidirectional_forward(params[str(n)], h, mask)
        caches.append((dropped, cache))
    return h, caches


def stack_backward(dh, cache):
    """Return dx (T, B, D) and the gradients of all layers, from dh (T, B, ways * H)."""
    grads = {}
    for n in reversed(range(len(cache))):
        dropped, layer_cache = cache[n]
        dh, grads[str(n)] = bidirectional_backward(dh, layer_cache)
        dh = dropout_backward(dh, dropped)
    return dh, grads


def pool_forward(h, how, mask=None, ways=("forward",)):
    """Return one row (B, W) for each sequence, of its states h (T, B, W), and the cache.

    how   "last"  the state in which each way of reading ends: forwards at the last step, backwards at the first
          "mean"  over the real steps
          "max"   over the real steps, unit by unit; of equal ones the first, which then gets the gradient
    mask  (T, B), 1 = real token, 0 = padding. "last" needs none: a padded step copies the state through
    ways  that h is made of, side by side; only "last" asks

    Raises ValueError for another `how`, for a mask of another shape, and for a sequence without a real token.
    """
    T, B, W = h.shape
    real = np.ones((T, B), bool) if mask is None else np.asarray(mask) != 0
    if how not in POOLS:
        raise ValueError(f"pool is {how!r}; it must be {', '.join(POOLS[:-1])} or {POOLS[-1]}")
    if real.shape != (T, B) or not real.any(axis=0).all():
        raise ValueError(
            f"a mask of shape {real.shape} with {real.sum(axis=0).min()} real tokens in its shortest sequence; it must "
            f"be {(T, B)}, with at least one in each"
        )
    if how == "last":
        parts = np.split(h, len(ways), axis=-1)
        ends = [part[-1 if WAYS[way] == 1 else 0] for way, part in zip(ways, parts, strict=True)]
        return np.concatenate(ends, axis=-1), (how, h.shape, ways)
    if how == "mean":
        count = real.sum(axis=0)[:, None].astype(h.dtype)
        return np.where(real[..., None], h, 0).sum(axis=0) / count, (how, real, count)
    where = np.where(real[..., None], h, -np.inf).argmax(axis=0)[None]
    return np.take_along_axis(h, where, axis=0)[0], (how, h.shape, where)


def pool_backward(dpooled, cache):
    """Return dh (T, B, W), from dpooled (B, W): a state that had no part in the result gets none of the gradient."""
    how, shape, used = cache
    if how == "mean":
        real, count = shape, used
        return np.where(real[..., None], dpooled / count, 0)
    dh = np.zeros(shape, dpooled.dtype)
    if how == "max":
        np.put_along_axis(dh, used, dpooled[None], axis=0)
        return dh
    parts = zip(
        used,
        np.split(dh, len(used), axis=-1),  # views: what is written there is written into dh
        np.split(dpooled, len(used), axis=-1),
        strict=True,
    )
    for way, part, dpart in parts:
        part[-1 if WAYS[way] == 1 else 0] = dpart
    return dh


def init_tagger(
    rng,
    vocabulary_size,
    classes,
    embedding_size,
    hidden_size,
    layers=1,
    init_cell=init_gru,
    ways=tuple(WAYS),
    dtype=np.float32,
):
    """Return the parameters of embedding, layers and output; the last four arguments as for init_stack."""
    stack = init_stack(rng, embedding_size, hidden_size, layers, init_cell, ways, dtype)
    return {
        "embedding": init_embedding(rng, vocabulary_size, embedding_size, dtype),
        "layers": stack,
        "output": init_linear(rng, len(ways) * hidden_size, classes, dtype),
    }


def tagger_forward(params, tokens, mask=None, pool=None, dropout=0.0, rng=None):
    """Return the logits, and the cache: tokens (T, B), mask (T, B), 1 = real token, 0 = padding.

    pool     None: a tag for each token, logits (T, B, classes); "last", "mean" or "max" (pool_forward): one answer
             for each sequence, logits (B, classes)
    dropout  between layers, drawn by rng, as in stack_forward; leave it at 0 where the model is used

    Raises ValueError for tokens that are not in the vocabulary, and as pool_forward and stack_forward do.
    """
    if mask is not None:
        tokens = np.where(
            np.asarray(mask) != 0, tokens, 0
        )  # whatever stands at padding is not read
    x, embedding_cache = embedding_forward(params["embedding"], tokens)
    h, stack_cache = stack_forward(params["layers"], x, mask, dropout, rng)
    pool_cache = None
    if pool is not None:
        top = params["layers"][str(len(params["layers"]) - 1)]
        ways = tuple(way for way in WAYS if way in top)
        h, pool_cache = pool_forward(h, pool, mask, ways)
    logits, output_cache = linear_forward(params["output"], h)
    return logits, (embedding_cache, stack_cache, pool_cache, output_cache)


def tagger_backward(dlogits, cache):
    """Return the gradients {"embedding", "layers", "output"}, from dlogits of the shape of the logits."""
    embedding_cache, stack_cache, pool_cache, output_cache = cache
    dh, output_grads = linear_backward(dlogits, output_cache)
    if pool_cache is not None:
        dh = pool_backward(dh, pool_cache)
    dx, layer_grads = stack_backward(dh, stack_cache)
    return {
        "embedding": embedding_backward(dx, embedding_cache),
        "layers": layer_grads,
        "output": output_grads,
    }


def loss_and_grads_with(pool=None, dropout=0.0, rng=None):
    """Return loss_and_grads(params, tokens, targets, mask=None, state=None) -> loss, grads, None.

    targets are (T, B), or (B,) with `pool`; the loss is the mean over the real tokens, or over the sequences.
    """

    def loss_and_grads(params, tokens, targets, mask=None, state=None):
        logits, cache = tagger_forward(params, tokens, mask, pool, dropout, rng)
        of_tokens = mask if pool is None else None
        loss, dlogits = softmax_cross_entropy(logits, targets, of_tokens)
        return loss, tagger_backward(dlogits, cache), None

    return loss_and_grads
