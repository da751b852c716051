"""Recurrent cells over whole sequences, forward and backward through time.

Arrays are time-major: inputs (T, B, D), hidden states (T, B, H). Inputs may also be integer tokens (T, B),
which stand for one-hot rows: then the input product is a lookup, and its gradient sums rows by token.
"""

import numpy as np

from common.losses import check_tokens


def init_rnn(rng, input_size, hidden_size, dtype=np.float32, spectral_radius=1.0):
    """Return the parameters of Elman's network (Elman 1990, "Finding Structure in Time").

    {"Wx": (input_size, hidden_size), "Wh": (hidden_size, hidden_size), "b": (hidden_size,)}

    Wx is normal with variance 1 / hidden_size, Wh a random orthogonal matrix times `spectral_radius` (Saxe et
    al. 2014), b zero.
    """
    Wx = rng.standard_normal((input_size, hidden_size)) / np.sqrt(hidden_size)
    orthogonal, upper = np.linalg.qr(rng.standard_normal((hidden_size, hidden_size)))
    # QR alone favours some rotations; the signs of R's diagonal make every rotation equally likely (Mezzadri 2007)
    Wh = spectral_radius * orthogonal * np.sign(np.diag(upper))
    return {"Wx": Wx.astype(dtype), "Wh": Wh.astype(dtype), "b": np.zeros(hidden_size, dtype)}


def rnn_forward(params, x, h0=None, mask=None):
    """Run h_t = tanh(x_t Wx + h_(t-1) Wh + b) over a sequence.

    x     (T, B, D) floats, or (T, B) integer tokens standing for one-hot rows
    h0    (B, H) state before the first step; zeros if not given
    mask  (T, B), 1 = real token, 0 = padding; a padded step copies the state through

    Returns h (T, B, H), the last state hT (B, H), and the cache that rnn_backward needs.
    Raises ValueError for mismatched shapes and tokens out of range.
    """
    Wx, Wh, b = params["Wx"], params["Wh"], params["b"]
    T, B = _check_input(x, Wx, mask)
    H = Wh.shape[0]
    states = np.empty((T + 1, B, H), dtype=Wh.dtype)
    states[0] = 0 if h0 is None else _check_state(h0, (B, H), "h0")

    projected = (Wx + b)[x] if x.ndim == 2 else x @ Wx + b
    for t in range(T):
        a = states[t] @ Wh
        a += projected[t]
        np.tanh(a, out=states[t + 1])
        if mask is not None:
            padded = mask[t] == 0
            states[t + 1, padded] = states[t, padded]
    return states[1:], states[T], (params, x, states, mask)


def rnn_backward(dh, cache, dstate=None):
    """Backpropagate through time (Werbos 1990).

    dh      (T, B, H) gradient with respect to every hidden state, as it comes from the layers above
    dstate  (B, H) gradient with respect to hT from whatever uses the last state; zeros if not given

    Returns dx (T, B, D) (None for tokens), dh0 (B, H), and the gradients {"Wx", "Wh", "b"}.
    Raises ValueError for mismatched shapes.
    """
    params, x, states, mask = cache
    Wx, Wh = params["Wx"], params["Wh"]
    if dh.shape != states[1:].shape:
        raise ValueError(f"dh has shape {dh.shape}; the hidden states have {states[1:].shape}")
    T, B, H = dh.shape
    carried = (
        np.zeros((B, H), dtype=Wh.dtype)
        if dstate is None
        else _check_state(dstate, (B, H), "dstate")
    )

    slope = 1 - states[1:] ** 2
    da = np.empty_like(slope)
    for t in reversed(range(T)):
        dh_t = dh[t] + carried
        np.multiply(dh_t, slope[t], out=da[t])
        if mask is None:
            carried = da[t] @ Wh.T
        else:
            padded = mask[t] == 0
            da[t, padded] = 0
            carried = np.where(padded[:, None], dh_t, da[t] @ Wh.T)

    rows = da.reshape(T * B, H)
    if x.ndim == 2:
        dx, dWx = None, _sum_rows_by_token(x.ravel(), rows, len(Wx))
    else:
        dx, dWx = da @ Wx.T, x.reshape(T * B, -1).T @ rows
    return (
        dx,
        carried,
        {"Wx": dWx, "Wh": states[:-1].reshape(T * B, H).T @ rows, "b": rows.sum(axis=0)},
    )


def _sum_rows_by_token(tokens, rows, vocabulary_size):
    """Return the (V, H) sums of `rows` over equal tokens: what one_hot(tokens).T @ rows gives, without the product.

    Sorting puts equal tokens side by side, so one reduceat sums each run; np.add.at is many times slower.
    """
    order = np.argsort(tokens, kind="stable")
    present, starts = np.unique(tokens[order], return_index=True)
    sums = np.zeros((vocabulary_size, rows.shape[1]), dtype=rows.dtype)
    sums[present] = np.add.reduceat(rows[order], starts, axis=0)
    return sums


def _check_input(x, Wx, mask):
    if x.ndim == 2:
        check_tokens(x, len(Wx))
    elif x.ndim != 3 or x.shape[2] != len(Wx) or 0 in x.shape:
        raise ValueError(
            f"x has shape {x.shape}; it must be (T, B, {len(Wx)}) floats or (T, B) integer tokens"
        )
    if mask is not None and mask.shape != x.shape[:2]:
        raise ValueError(f"the mask has shape {mask.shape}; it must be (T, B) = {x.shape[:2]}")
    return x.shape[:2]


def _check_state(state, shape, name):
    if state.shape != shape:
        raise ValueError(f"{name} has shape {state.shape}; it must be (B, H) = {shape}")
    return state
