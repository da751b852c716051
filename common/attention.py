"""Attention: a decoder's state (the query) weighs the encoder's states (the keys); their weighted mean is the context.

Queries are (T, B, Q), for one decoder step or many; keys are (S, B, K). Which score is used is recorded in the
parameters by their names:

    {"Wq": (Q, A), "Wk": (K, A), "v": (A,)}  additive  tanh(q Wq + k Wk) . v  (Bahdanau, Cho and Bengio 2015, A.1.2)
    {"W": (Q, K)}                            general   q W . k                (Luong, Pham and Manning 2015, 3.1)
    {}                                       dot       q . k                  (the same)

General and dot are Luong's multiplicative scores. His third, "concat", v . tanh(W [q; k]), is the additive one: the
rows of W that meet q are Wq, those that meet k are Wk.

A decoder asks at every step, but its keys stay the same. So all that concerns keys alone is done once per sentence:
their projection in read_memory, all products for their gradient in memory_backward, after the last step.
"""

import numpy as np

from common.layers import weight_gradient

SCORES = ("additive", "concat", "general", "dot")


def init_attention(rng, score, query_size, key_size, dtype=np.float32):
    """Return the parameters for a score: "additive" (or "concat", its other name), "general" or "dot".

    The additive score has as many hidden units A as a query has numbers. Weights are normal with variance one over the
    number of inputs. Raises ValueError for another score, and for "dot" between sizes that differ.
    """
    if score not in SCORES:
        raise ValueError(f"the score is {score!r}; it must be one of {', '.join(SCORES)}")
    if score == "dot" and query_size != key_size:
        raise ValueError(
            f'"dot" needs queries and keys of one size, not {query_size} and {key_size}; use "general"'
        )
    shapes = {"dot": {}, "general": {"W": (query_size, key_size)}}.get(
        score, {"Wq": (query_size,) * 2, "Wk": (key_size, query_size), "v": (query_size,)}
    )
    return {
        name: (rng.standard_normal(shape) / np.sqrt(shape[0])).astype(dtype)
        for name, shape in shapes.items()
    }


def read_memory(params, keys, mask=None):
    """Return what every decoder step needs to know about the keys (S, B, K), a dictionary of arrays.

    mask (S, B), 1 = real token, 0 = padding. Keys at padding are never looked at, whatever they hold.
    Raises ValueError for mismatched shapes and a source without any real token.
    """
    K = keys.shape[-1]
    if params:
        K = len(params["Wk"]) if "v" in params else params["W"].shape[1]
    if keys.ndim != 3 or keys.shape[2] != K:
        raise ValueError(f"the keys have shape {keys.shape}; they must be (S, B, {K})")
    S, B, _ = keys.shape
    padded = np.zeros((B, S), bool)
    if mask is not None:
        if mask.shape != (S, B):
            raise ValueError(f"the mask has shape {mask.shape}; it must be (S, B) = {(S, B)}")
        padded = mask.T == 0
        if padded.all(axis=1).any():
            empty = np.flatnonzero(padded.all(axis=1)).tolist()
            raise ValueError(
                f"sources {empty} have no real token to look at; give each at least one mask 1"
            )
        keys = np.where(padded.T[..., None], 0, keys)
    projected = keys
    if "v" in params:
        projected = _product(keys, params["Wk"])
    elif "W" in params:
        projected = _product(keys, params["W"].T)
    return {"keys": keys, "projected": projected, "padded": padded}


def attend(params, queries, memory):
    """Return context (T, B, K), weights (T, B, S) and a cache, for queries (T, B, Q).

    Weights of a query sum to 1; at padding they are exactly 0. Raises ValueError for queries of another shape.
    """
    keys, projected, padded = memory["keys"], memory["projected"], memory["padded"]
    B, Q = len(padded), len(params["Wq"]) if "v" in params else projected.shape[2]
    if queries.ndim != 3 or queries.shape[1:] != (B, Q):
        raise ValueError(f"the queries have shape {queries.shape}; they must be (T, {B}, {Q})")
    hidden = None
    if "v" in params:
        hidden = _product(queries, params["Wq"])[:, None] + projected  # (T, S, B, A)
        np.tanh(hidden, out=hidden)
        scores = _product(hidden, params["v"]).swapaxes(1, 2)
    else:
        scores = _over_features(queries, projected)
    weights = masked_softmax(scores, ~padded)
    context = np.matmul(weights.swapaxes(0, 1), keys.swapaxes(0, 1)).swapaxes(0, 1)
    return context, weights, (params, queries, memory, weights, hidden)


def attend_backward(dcontext, cache):
    """Return dqueries (T, B, Q), and a record for memory_backward."""
    params, _, memory, weights, hidden = cache
    dweights = _over_features(dcontext, memory["keys"])
    dscores = softmax_backward(dweights, weights)
    if "v" in params:
        # d = dscores * (1 - hidden^2), times v, is the gradient inside the tanh; v can wait for the sums over d
        d = np.square(hidden)
        np.subtract(1, d, out=d)
        by_source = np.ascontiguousarray(dscores.swapaxes(1, 2))  # (T, S, B)
        d *= by_source[..., None]
        dv = by_source.ravel() @ hidden.reshape(-1, hidden.shape[-1])
        dprojected_queries = d.sum(axis=1) * params["v"]
        dqueries = _product(dprojected_queries, params["Wq"].T)
        return dqueries, (cache, dcontext, dscores, dprojected_queries, d.sum(axis=0), dv)
    projected = memory["projected"].swapaxes(0, 1)
    dqueries = np.matmul(dscores.swapaxes(0, 1), projected).swapaxes(0, 1)
    return dqueries, (cache, dcontext, dscores)


def memory_backward(records):
    """Return dkeys (S, B, K) and the gradients of the parameters, from the records of all steps together."""
    caches, dcontext, dscores, *sums = zip(*records, strict=True)
    params, _, memory, _, _ = caches[0]
    keys = memory["keys"]
    queries, weights = (np.concatenate([cache[i] for cache in caches]) for i in (1, 3))
    dcontext, dscores = np.concatenate(dcontext), np.concatenate(dscores)
    dkeys = _over_steps(weights, dcontext)
    if "v" in params:
        dprojected_queries, d, dv = np.concatenate(sums[0]), sum(sums[1]), sum(sums[2])
        dprojected = d * params["v"]
        dkeys += _product(dprojected, params["Wk"].T)
        dWq = weight_gradient(queries, dprojected_queries)
        return dkeys, {"Wq": dWq, "Wk": weight_gradient(keys, dprojected), "v": dv}
    dprojected = _over_steps(dscores, queries)
    if "W" in params:
        dkeys += _product(dprojected, params["W"])
        return dkeys, {"W": weight_gradient(dprojected, keys)}
    dkeys += dprojected
    return dkeys, {}


def attention_forward(params, queries, keys, mask=None):
    """Return context (T, B, K), weights (T, B, S) and the cache for backward: all queries at once.

    queries (T, B, Q), keys (S, B, K), mask (S, B) with 1 = real token, 0 = padding. Raises ValueError for mismatched
    shapes and a source without any real token.
    """
    return attend(params, queries, read_memory(params, keys, mask))


def attention_backward(dcontext, cache):
    """Return dqueries, dkeys and the gradients of the parameters; at padding, dkeys is exactly 0."""
    dqueries, record = attend_backward(dcontext, cache)
    return dqueries, *memory_backward([record])


def masked_softmax(scores, mask):
    """Return the softmax over the last axis, with exactly 0 where the mask is: 1 = may be looked at, 0 = may not."""
    weights = np.where(mask, scores, -np.inf)
    weights -= weights.max(axis=-1, keepdims=True)
    np.exp(weights, out=weights)
    weights /= weights.sum(axis=-1, keepdims=True)
    return weights


def softmax_backward(dweights, weights):
    """Return dscores: the Jacobian of the softmax, diag(w) - w w^T, times dweights, without the matrix."""
    weighted = weights * dweights
    return weighted - weights * weighted.sum(axis=-1, keepdims=True)


def _product(x, W):
    """Return x @ W for every row of x (..., D), in one product."""
    return (x.reshape(-1, x.shape[-1]) @ W).reshape(*x.shape[:-1], *W.shape[1:])


def _over_features(queries, keys):
    """Return the dot products (T, B, S) of queries (T, B, D) with the keys (S, B, D) of the same sentence."""
    return np.matmul(queries.swapaxes(0, 1), keys.transpose(1, 2, 0)).swapaxes(0, 1)


def _over_steps(weights, values):
    """Return the sums (S, B, D) over steps t of weights (T, B, S) times values (T, B, D)."""
    return np.matmul(weights.transpose(1, 2, 0), values.swapaxes(0, 1)).swapaxes(0, 1)
