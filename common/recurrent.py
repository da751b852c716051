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
    Wh = params["Wh"]
    T, B = _check_input(x, params["Wx"], mask)
    H = Wh.shape[0]
    states = np.empty((T + 1, B, H), dtype=Wh.dtype)
    states[0] = 0 if h0 is None else _check_state(h0, (B, H), "h0")

    projected = _project(params, x)
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
    Wh = params["Wh"]
    T, B, H = _check_dh(dh, states)
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

    dx, grads = _weight_gradients(params, x, states, da)
    return dx, carried, grads


def init_lstm(rng, input_size, hidden_size, dtype=np.float32, forget_bias=1.0):
    """Return the parameters of an LSTM with a forget gate (Gers, Schmidhuber and Cummins 2000).

    {"Wx": (input_size, 4H), "Wh": (H, 4H), "b": (4H,)}, the gates side by side in the order i f g o.

    Wx is normal with variance 1 / H, each gate's block of Wh orthogonal; b is zero but for the forget
    gate's `forget_bias` (Jozefowicz, Zaremba and Sutskever 2015 recommend 1).
    """
    params = _init_gates(rng, input_size, hidden_size, 4, dtype)
    params["b"][hidden_size : 2 * hidden_size] = forget_bias
    return params


def lstm_forward(params, x, state=None, mask=None):
    """Run an LSTM over a sequence.

    i, f, o = sigmoid(...), g = tanh(...) of x_t Wx + h_(t-1) Wh + b;  c_t = f * c_(t-1) + i * g;  h_t = o * tanh(c_t)

    x, mask as for rnn_forward; state is (h0, c0), each (B, H), zeros if not given.
    Returns h (T, B, H), the last state (hT, cT), and the cache that lstm_backward needs.
    Raises ValueError for mismatched shapes and tokens out of range.
    """
    T, B = _check_input(x, params["Wx"], mask)
    H = len(params["Wh"])
    dtype = params["Wh"].dtype
    h, c = np.zeros((2, T + 1, B, H), dtype)
    if state is not None:
        h[0], c[0] = (
            _check_state(s, (B, H), name) for s, name in zip(state, ("h0", "c0"), strict=True)
        )
    gates, tanh_c = np.empty((T, B, 4 * H), dtype), np.empty((T, B, H), dtype)
    projected = _project(params, x)
    for t in range(T):
        a = projected[t] + h[t] @ params["Wh"]
        i, f, g, o = np.split(gates[t], 4, axis=1)
        i[...], f[...], o[...] = (_sigmoid(a[:, k * H : (k + 1) * H]) for k in (0, 1, 3))
        np.tanh(a[:, 2 * H : 3 * H], out=g)
        c[t + 1] = f * c[t] + i * g
        np.tanh(c[t + 1], out=tanh_c[t])
        h[t + 1] = o * tanh_c[t]
        if mask is not None:
            padded = mask[t] == 0
            h[t + 1, padded], c[t + 1, padded] = h[t, padded], c[t, padded]
    return h[1:], (h[T], c[T]), (params, x, h, c, gates, tanh_c, mask)


def lstm_backward(dh, cache, dstate=None):
    """Backpropagate through time; see rnn_backward.

    dstate is (dhT, dcT) from whatever uses the last state; zeros if not given.
    Returns dx, (dh0, dc0), and the gradients {"Wx", "Wh", "b"}. Raises ValueError for mismatched shapes.
    """
    params, x, h, c, gates, tanh_c, mask = cache
    T, B, H = _check_dh(dh, h)
    dh_next, dc_next = np.zeros((2, B, H), h.dtype)
    if dstate is not None:
        dh_next, dc_next = (
            _check_state(s, (B, H), name) for s, name in zip(dstate, ("dhT", "dcT"), strict=True)
        )
    da = np.empty_like(gates)
    for t in reversed(range(T)):
        i, f, g, o = np.split(gates[t], 4, axis=1)
        dh_t = dh[t] + dh_next
        dc_t = dc_next + dh_t * o * (1 - tanh_c[t] ** 2)
        da[t] = np.concatenate(
            [
                dc_t * g * i * (1 - i),
                dc_t * c[t] * f * (1 - f),
                dc_t * i * (1 - g * g),
                dh_t * tanh_c[t] * o * (1 - o),
            ],
            axis=1,
        )
        if mask is None:
            dc_next, dh_next = dc_t * f, da[t] @ params["Wh"].T
        else:
            padded = (mask[t] == 0)[:, None]
            da[t] = np.where(padded, 0, da[t])
            dc_next = np.where(padded, dc_next, dc_t * f)
            dh_next = np.where(padded, dh_t, da[t] @ params["Wh"].T)
    dx, grads = _weight_gradients(params, x, h, da)
    return dx, (dh_next, dc_next), grads


def init_gru(rng, input_size, hidden_size, dtype=np.float32, reset="before"):
    """Return the parameters of a GRU, its gates side by side in the order r z n.

    reset="before"  the reset gate multiplies the state before the recurrent product (Cho et al. 2014, eq. 5-8):
                    {"Wx": (input_size, 3H), "Wh": (H, 3H), "b": (3H,)}
    reset="after"   it multiplies the recurrent product, as in PyTorch and cuDNN; one parameter more,
                    the candidate's recurrent bias "bn" (H,), by which forward tells the variants apart

    Raises ValueError for any other `reset`.
    """
    if reset not in ("before", "after"):
        raise ValueError(f'reset is {reset!r}; it must be "before" (Cho) or "after" (PyTorch)')
    params = _init_gates(rng, input_size, hidden_size, 3, dtype)
    if reset == "after":
        params["bn"] = np.zeros(hidden_size, dtype)
    return params


def gru_forward(params, x, h0=None, mask=None):
    """Run a GRU over a sequence.

    r, z = sigmoid(x_t Wx + h_(t-1) Wh + b);  h_t = z * h_(t-1) + (1 - z) * n, where, with the columns of n,
    n = tanh(x_t Wx + (r * h_(t-1)) Wh + b)  or, if params have "bn",  n = tanh(x_t Wx + b + r * (h_(t-1) Wh + bn))

    x, h0, mask and what is returned as for rnn_forward. Raises ValueError for mismatched shapes and tokens
    out of range.
    """
    T, B = _check_input(x, params["Wx"], mask)
    Wh = params["Wh"]
    H = len(Wh)
    h = np.zeros((T + 1, B, H), Wh.dtype)
    if h0 is not None:
        h[0] = _check_state(h0, (B, H), "h0")
    gates, inner = np.empty((T, B, 3 * H), Wh.dtype), np.empty((T, B, H), Wh.dtype)
    projected = _project(params, x)
    for t in range(T):
        gates[t, :, : 2 * H] = _sigmoid(projected[t, :, : 2 * H] + h[t] @ Wh[:, : 2 * H])
        r, z, n = np.split(gates[t], 3, axis=1)
        if "bn" in params:
            inner[t] = h[t] @ Wh[:, 2 * H :] + params["bn"]
            np.tanh(projected[t, :, 2 * H :] + r * inner[t], out=n)
        else:
            inner[t] = r * h[t]
            np.tanh(projected[t, :, 2 * H :] + inner[t] @ Wh[:, 2 * H :], out=n)
        h[t + 1] = z * h[t] + (1 - z) * n
        if mask is not None:
            padded = mask[t] == 0
            h[t + 1, padded] = h[t, padded]
    return h[1:], h[T], (params, x, h, gates, inner, mask)


def gru_backward(dh, cache, dstate=None):
    """Backpropagate through time; arguments and returns as for rnn_backward, with "bn" among the gradients if it is
    among the parameters. Raises ValueError for mismatched shapes."""
    params, x, h, gates, inner, mask = cache
    T, B, H = _check_dh(dh, h)
    Wh, after = params["Wh"], "bn" in params
    dh_next = (
        np.zeros((B, H), h.dtype) if dstate is None else _check_state(dstate, (B, H), "dstate")
    )
    da, dinner = np.empty_like(gates), np.empty_like(inner)
    for t in reversed(range(T)):
        r, z, n = np.split(gates[t], 3, axis=1)
        dh_t = dh[t] + dh_next
        dan = dh_t * (1 - z) * (1 - n * n)
        daz = dh_t * (h[t] - n) * z * (1 - z)
        if after:
            dinner[t] = dan * r
            dr = dan * inner[t]
            through_n = dinner[t] @ Wh[:, 2 * H :].T
        else:
            dinner[t] = dan @ Wh[:, 2 * H :].T
            dr = dinner[t] * h[t]
            through_n = dinner[t] * r
        da[t] = np.concatenate([dr * r * (1 - r), daz, dan], axis=1)
        earlier = dh_t * z + through_n + da[t, :, : 2 * H] @ Wh[:, : 2 * H].T
        if mask is None:
            dh_next = earlier
        else:
            padded = (mask[t] == 0)[:, None]
            da[t], dinner[t] = np.where(padded, 0, da[t]), np.where(padded, 0, dinner[t])
            dh_next = np.where(padded, dh_t, earlier)
    dx, grads = _weight_gradients(params, x, h, da)
    if after:
        rows = dinner.reshape(T * B, H)
        grads["Wh"][:, 2 * H :] = h[:-1].reshape(T * B, H).T @ rows
        grads["bn"] = rows.sum(axis=0)
    else:
        grads["Wh"][:, 2 * H :] = inner.reshape(T * B, H).T @ da[..., 2 * H :].reshape(T * B, H)
    return dx, dh_next, grads


def _init_gates(rng, input_size, hidden_size, gates, dtype):
    blocks = [init_rnn(rng, input_size, hidden_size, dtype) for _ in range(gates)]
    return {
        name: np.concatenate([block[name] for block in blocks], axis=-1)
        for name in ("Wx", "Wh", "b")
    }


def _sigmoid(a):
    """Through tanh, which never overflows: sigmoid(a) = (1 + tanh(a / 2)) / 2."""
    return 0.5 * np.tanh(0.5 * a) + 0.5


def _project(params, x):
    """Return x Wx + b for all steps at once; for tokens a lookup."""
    return (params["Wx"] + params["b"])[x] if x.ndim == 2 else x @ params["Wx"] + params["b"]


def _weight_gradients(params, x, h, da):
    """Return dx and {"Wx", "Wh", "b"} from the gradients da of all pre-activations, each in one product."""
    T, B, G = da.shape
    rows = da.reshape(T * B, G)
    if x.ndim == 2:
        dx, dWx = None, _sum_rows_by_token(x.ravel(), rows, len(params["Wx"]))
    else:
        dx, dWx = da @ params["Wx"].T, x.reshape(T * B, -1).T @ rows
    dWh = h[:-1].reshape(T * B, -1).T @ rows
    return dx, {"Wx": dWx, "Wh": dWh, "b": rows.sum(axis=0)}


def _check_dh(dh, states):
    if dh.shape != states[1:].shape:
        raise ValueError(f"dh has shape {dh.shape}; the hidden states have {states[1:].shape}")
    return dh.shape


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
