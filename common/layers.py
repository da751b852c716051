"""Layers that act on every position alike."""

import numpy as np


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
    rows, drows = x.reshape(-1, x.shape[-1]), dy.reshape(-1, dy.shape[-1])
    dx = (drows @ params["W"].T).reshape(x.shape)
    return dx, {"W": rows.T @ drows, "b": drows.sum(axis=0)}
