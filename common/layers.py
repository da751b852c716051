"""Layers that act on every position alike."""

import numpy as np

from common.data.tokens import check_tokens
from common.sparse import sparse_rows_by_token


def init_linear(rng, input_size, output_size, dtype=np.float32):
    """Return {"W": (input_size, output_size), "b": (output_size,)}.

    Weights are normal with variance 1 / input_size, so that outputs are about as large as inputs
    (LeCun et al. 1998, "Efficient BackProp", section 4.6); the bias starts at zero.
    """
    W = rng.standard_normal((input_size, output_size)) / np.sqrt(input_size)
    return {"W": W.astype(dtype), "b": np.zeros(output_size, dtype)}


def linear_forward(params, x):
    """Return y = x W + b for every position, and the cache for backward: x (..., D) -> y (..., O).

    Raises ValueError where the last axis of x is not the input size.
    """
    W = params["W"]
    if x.shape[-1] != W.shape[0]:
        raise ValueError(
            f"x has {x.shape[-1]} features in its last axis, the layer takes {W.shape[0]}"
        )
    y = x.reshape(-1, W.shape[0]) @ W  # all rows in one product; a stack of matrices takes many
    y += params["b"]
    return y.reshape(*x.shape[:-1], W.shape[1]), (params, x)


def linear_backward(dy, cache):
    """Return dx with the shape of x, and the gradients {"W", "b"} summed over all positions.

    Raises ValueError where dy does not have the shape of the layer's output.
    """
    params, x = cache
    if dy.shape != x.shape[:-1] + params["b"].shape:
        raise ValueError(
            f"dy has shape {dy.shape}, the layer's output had {x.shape[:-1] + params['b'].shape}"
        )
    drows = dy.reshape(-1, dy.shape[-1])
    dx = (drows @ params["W"].T).reshape(x.shape)
    return dx, {"W": weight_gradient(x, dy), "b": drows.sum(axis=0)}


def weight_gradient(inputs, doutputs):
    """Return inputs.T @ doutputs, summed over all leading axes: one product."""
    return inputs.reshape(-1, inputs.shape[-1]).T @ doutputs.reshape(-1, doutputs.shape[-1])


def init_embedding(rng, vocabulary_size, embedding_size, dtype=np.float32):
    """Return {"W": (vocabulary_size, embedding_size)}: a vector for each token, normal, about 1 long."""
    W = rng.standard_normal((vocabulary_size, embedding_size)) / np.sqrt(embedding_size)
    return {"W": W.astype(dtype)}


def embedding_forward(params, tokens):
    """Return the rows x = W[tokens], and the cache for backward: tokens (...) -> x (..., E).

    What one_hot(tokens) @ W gives, without the product (Bengio et al. 2003, section 2, the matrix C).
    Raises ValueError for tokens that are not integers from 0 to V - 1.
    """
    check_tokens(tokens, len(params["W"]))
    return params["W"][tokens], (params, tokens)


def embedding_backward(dx, cache):
    """Return the gradients {"W": SparseRows}: the rows of dx (..., E), summed over equal tokens.

    Raises ValueError where dx does not have the shape of the embedding's output.
    """
    params, tokens = cache
    V, E = params["W"].shape
    if dx.shape != (*tokens.shape, E):
        raise ValueError(
            f"dx has shape {dx.shape}, the embedding's output had {(*tokens.shape, E)}"
        )
    return {"W": sparse_rows_by_token(tokens.ravel(), dx.reshape(-1, E), V)}


def dropout_forward(rng, x, rate):
    """Return x with each number dropped to 0 with probability `rate`, the others divided by 1 - rate, and the cache.

    Divided, so that the expectation of every number is unchanged and nothing needs scaling when the network is used
    (Srivastava et al. 2014, section 10). For training only; a rate of 0 leaves x alone. Raises ValueError for a rate
    outside [0, 1).
    """
    if not 0 <= rate < 1:
        raise ValueError(f"the dropout rate is {rate}; it must be at least 0 and less than 1")
    if rate == 0:
        return x, None
    scale = (rng.random(x.shape, dtype=np.float32) >= rate) / x.dtype.type(1 - rate)
    return x * scale, scale


def dropout_backward(dy, cache):
    """Return dx: what was dropped gets no gradient, the rest is scaled as it was in forward."""
    return dy if cache is None else dy * cache


def init_layer_norm(size, dtype=np.float32):
    """Return {"g": (size,), "b": (size,)}: a gain of 1 and a bias of 0 for each feature."""
    return {"g": np.ones(size, dtype), "b": np.zeros(size, dtype)}


def layer_norm_forward(params, x, eps=1e-5):
    """Return y = g * (x - mean) / sqrt(variance + eps) + b, and the cache: x (..., D), mean and variance over D.

    Ba, Kiros and Hinton (2016), equations 3 and 4; the variance divides by D, and eps is PyTorch's. Raises ValueError
    where the last axis of x is not that of g.
    """
    if x.shape[-1:] != params["g"].shape:
        raise ValueError(
            f"x has {x.shape[-1]} features in its last axis, the layer takes {len(params['g'])}"
        )
    mean = np.full(x.shape[-1], 1 / x.shape[-1], x.dtype)  # @ mean is mean(axis=-1), but faster
    normal = x - (x @ mean)[..., None]
    scale = np.vecdot(normal, normal)[..., None] / x.dtype.type(x.shape[-1])
    scale += eps
    np.sqrt(scale, out=scale)
    np.divide(1, scale, out=scale)
    normal *= scale
    y = normal * params["g"]
    y += params["b"]
    return y, (params, normal, scale)


def layer_norm_backward(dy, cache):
    """Return dx and the gradients {"g", "b"}, summed over all positions.

    x reaches y by three paths: itself, the mean, and the variance. What comes by the mean takes the average out of the
    gradient, what comes by the variance its component along the normalised x.
    """
    params, normal, scale = cache
    D = dy.shape[-1]
    ones = np.ones(dy.size // D, dy.dtype)
    grads = {
        "g": ones @ (dy * normal).reshape(-1, D),  # sums over all positions, but faster
        "b": ones @ dy.reshape(-1, D),
    }
    dx = dy * params["g"]
    of_variance = np.vecdot(dx, normal)[..., None] / dy.dtype.type(D)
    dx -= (dx @ np.full(D, 1 / D, dy.dtype))[..., None]
    dx -= normal * of_variance
    dx *= scale
    return dx, grads
