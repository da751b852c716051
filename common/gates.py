"""The gates of a recurrent cell, one after the other: arrays (G, ...), each gate's part in one piece.

Parameters hold the gates side by side, Wx (D, G*H) and Wh (H, G*H), as PyTorch does. A pass takes them apart once: then
every product and every sum over a gate runs through memory without gaps, and the products of all gates are one call, a
stack of small ones, for which BLAS has faster routines.
"""

import numpy as np

from common.sparse import sum_rows_by_token


def gates_first(W, order):
    """Return (G, rows, H), a copy of W (rows, G*H): its blocks of columns, in the order of their numbers."""
    H = W.shape[1] // len(order)
    return np.stack([W[:, gate * H : (gate + 1) * H] for gate in order])


def side_by_side(blocks, order):
    """Return (..., G*H) from blocks (G, ..., H): gates_first backwards."""
    return np.concatenate([blocks[order.index(gate)] for gate in range(len(order))], axis=-1)


def project(params, x, order):
    """Return x Wx + b (G, T, B, H) for all steps at once; for tokens x (T, B) a lookup."""
    Wx, b = params["Wx"], gates_first(params["b"][None], order)
    if x.ndim == 3:
        a = np.matmul(x.reshape(-1, len(Wx)), gates_first(Wx, order))
        a += b
    elif x.size < len(Wx):
        a = gates_first(Wx[x.ravel()], order)
        a += b
    else:
        a = np.take(gates_first(Wx, order) + b, x.ravel(), axis=1)
    T, B = x.shape[:2]
    if B == 1:  # then the gates of one step can be one piece as well, and small steps need that
        a = np.ascontiguousarray(a.swapaxes(0, 1)).swapaxes(0, 1)
    return a.reshape(len(order), T, B, -1)


def input_gradients(params, x, da, order):
    """Return dx (None for tokens) and {"Wx", "b"} from the gradients da (G, T, B, H) of the pre-activations."""
    Wx, rows = params["Wx"], da.reshape(len(order), -1, da.shape[-1])
    if x.ndim == 2:
        dWx = side_by_side(sum_rows_by_token(x.ravel(), rows, len(Wx)), order)
        return None, {"Wx": dWx, "b": dWx.sum(axis=0)}
    dx = sum(np.matmul(rows, gates_first(Wx, order).swapaxes(1, 2)))
    grads = {"Wx": stacked_gradient(x, da, order), "b": side_by_side(rows.sum(axis=1), order)}
    return dx.reshape(x.shape), grads


def stacked_gradient(inputs, da, order):
    """Return the gradient (D, G*H) of weights that multiply `inputs` (T, B, D), from da (G, T, B, H)."""
    D, H = inputs.shape[-1], da.shape[-1]
    gradient = np.empty((D, len(order) * H), da.dtype)
    for gate, d in zip(order, da, strict=True):
        block = gradient[:, gate * H : (gate + 1) * H]
        np.matmul(inputs.reshape(-1, D).T, d.reshape(-1, H), out=block)
    return gradient
