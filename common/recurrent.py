"""Recurrent cells over whole sequences, forward and backward through time.

Arrays are time-major: inputs (T, B, D), hidden states (T, B, H). Inputs may also be integer tokens (T, B),
which stand for one-hot rows: then the input product is a lookup, and its gradient sums rows by token.

A mask (T, B) has 1 for a real token, 0 for padding. A padded step copies the state through, and whatever else stands
there, be it NaN or infinite, is never read.

Fast for five reasons. All that does not wait for the previous step leaves the loop over time: the input product, the
slopes of the gates, the gradients of the weights. All gates share one call for their products and one for their tanh,
and each gate lies in memory in one piece (common.gates). The matrices of the backward loop are transposed before it.
Loops write into arrays that exist already. And what leaves the backward loop is computed for a block of steps that fits
in the cache.
"""

import numpy as np

from common.data.tokens import check_tokens
from common.gates import gates_first, input_gradients, project, stacked_gradient
from common.layers import weight_gradient

CACHED = 2**16  # numbers in an array that stays in the cache while a block of steps is computed
LSTM = (
    2,
    0,
    1,
    3,
)  # inside a pass its gates i f g o stand in the order g i f o: sigmoids side by side, and g i f,
GRU = (0, 1, 2)  # which multiply into the cell state; the GRU's stay r z n


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
    x, padded, (T, B, H) = _read(params, x, mask)
    h = _states(T, _start(params, h0, (B, H), "h0"))
    (a,) = project(params, x, order=(0,))
    for t in range(T):
        np.matmul(h[t], params["Wh"], out=h[t + 1])
        h[t + 1] += a[t]
        np.tanh(h[t + 1], out=h[t + 1])
        if padded is not None:
            np.copyto(h[t + 1], h[t], where=padded[t])
    return h[1:], h[T], (params, x, h, padded)


def rnn_backward(dh, cache, dstate=None):
    """Backpropagate through time (Werbos 1990).

    dh      (T, B, H) gradient with respect to every hidden state, as it comes from the layers above
    dstate  (B, H) gradient with respect to hT from whatever uses the last state; zeros if not given

    Returns dx (T, B, D) (None for tokens), dh0 (B, H), and the gradients {"Wx", "Wh", "b"}.
    Raises ValueError for mismatched shapes.
    """
    params, x, h, padded = cache
    dh, (T, B, H) = _read_gradient(dh, h, padded)
    dh_t, earlier = _start(params, dstate, (B, H), "dstate"), np.empty((B, H), h.dtype)
    da, Wh_transposed = np.empty_like(dh, h.dtype), np.ascontiguousarray(params["Wh"].T)
    for block in _blocks_from_the_last(T, B * H):
        slope = _slope_of_tanh(h[1:][block], out=da[block])
        if padded is not None:
            np.copyto(slope, 0, where=padded[block])
        for t in reversed(range(T)[block]):
            dh_t += dh[t]
            da[t] *= dh_t
            np.matmul(da[t], Wh_transposed, out=earlier)
            if padded is not None:
                np.copyto(earlier, dh_t, where=padded[t])
            dh_t, earlier = earlier, dh_t
    dx, grads = input_gradients(params, x, da[None], order=(0,))
    grads["Wh"] = stacked_gradient(h[:-1], da[None], order=(0,))
    return dx, dh_t, grads


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
    x, padded, (T, B, H) = _read(params, x, mask)
    h0, c0 = (None, None) if state is None else state
    h = _states(T, _start(params, h0, (B, H), "h0"))
    c = _states(T, _start(params, c0, (B, H), "c0"))
    tanh_c, input_part = np.empty_like(h[1:]), np.empty_like(h[0])
    Wh, gates = gates_first(params["Wh"], LSTM), project(params, x, LSTM)
    recurrent_part = np.empty_like(gates[:, 0])
    g, i, f, o = gates
    half = np.array(0.5, h.dtype)  # an array is added faster than a number
    for t in range(T):
        a, sigmoids = gates[:, t], gates[1:, t]
        a += np.matmul(h[t], Wh, out=recurrent_part)
        sigmoids *= half  # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2
        np.tanh(a, out=a)
        sigmoids *= half
        sigmoids += half
        np.multiply(f[t], c[t], out=c[t + 1])
        c[t + 1] += np.multiply(i[t], g[t], out=input_part)
        np.tanh(c[t + 1], out=tanh_c[t])
        np.multiply(o[t], tanh_c[t], out=h[t + 1])
        if padded is not None:
            np.copyto(h[t + 1], h[t], where=padded[t])
            np.copyto(c[t + 1], c[t], where=padded[t])
    return h[1:], (h[T], c[T]), (params, x, h, c, gates, tanh_c, Wh, padded)


def lstm_backward(dh, cache, dstate=None):
    """Backpropagate through time; see rnn_backward.

    dstate is (dhT, dcT) from whatever uses the last state; zeros if not given.
    Returns dx, (dh0, dc0), and the gradients {"Wx", "Wh", "b"}. Raises ValueError for mismatched shapes.
    """
    params, x, h, c, gates, tanh_c, Wh, padded = cache
    dh, (T, B, H) = _read_gradient(dh, h, padded)
    dhT, dcT = (None, None) if dstate is None else dstate
    dh_t, dc_t = _start(params, dhT, (B, H), "dhT"), _start(params, dcT, (B, H), "dcT")
    earlier, through_h = np.empty_like(dh_t), np.empty_like(dh_t)
    through_gates = np.empty_like(gates[:, 0])
    da, dc_by_dh = np.empty_like(gates), np.empty_like(tanh_c)
    g, i, f, o = gates
    dg, di, df, do = da
    Wh_transposed = np.ascontiguousarray(Wh.swapaxes(1, 2))
    for block in _blocks_from_the_last(T, B * 4 * H):
        # da = slope * what the gate multiplies * the gradient of that product; all but the gradient is known by now
        _slope_of_tanh(g[block], out=dg[block])
        _slope_of_sigmoid(gates[1:, block], out=da[1:, block])
        for d, factor in ((dg, i), (di, g), (df, c), (do, tanh_c)):
            d[block] *= factor[block]
        _slope_of_tanh(tanh_c[block], out=dc_by_dh[block])
        dc_by_dh[block] *= o[block]
        if padded is not None:
            np.copyto(da[:, block], 0, where=padded[block])
            np.copyto(dc_by_dh[block], 0, where=padded[block])
        for t in reversed(range(T)[block]):
            dh_t += dh[t]
            dc_t += np.multiply(dh_t, dc_by_dh[t], out=through_h)
            da[:3, t] *= dc_t
            do[t] *= dh_t
            np.matmul(da[:, t], Wh_transposed, out=through_gates)
            np.add.reduce(through_gates, axis=0, out=earlier)
            np.multiply(dc_t, f[t], out=dc_t, where=True if padded is None else ~padded[t])
            if padded is not None:
                np.copyto(earlier, dh_t, where=padded[t])
            dh_t, earlier = earlier, dh_t
    dx, grads = input_gradients(params, x, da, LSTM)
    grads["Wh"] = stacked_gradient(h[:-1], da, LSTM)
    return dx, (dh_t, dc_t), grads


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


def gru_forward(params, x, h0=None, mask=None, feed=None):
    """Run a GRU over a sequence.

    r, z = sigmoid(x_t Wx + h_(t-1) Wh + b);  h_t = z * h_(t-1) + (1 - z) * n, where, with the columns of n,
    n = tanh(x_t Wx + (r * h_(t-1)) Wh + b)  or, if params have "bn",  n = tanh(x_t Wx + b + r * (h_(t-1) Wh + bn))

    x, h0, mask and what is returned as for rnn_forward. Raises ValueError for mismatched shapes and tokens
    out of range.

    feed(t, h_(t-1)) -> (3, B, H), for r, z and n, or 0, is added to x_t Wx + b: an input that cannot be known before
    the state it depends on, such as the context that attention makes of it.
    """
    x, padded, (T, B, H) = _read(params, x, mask)
    after = "bn" in params
    h = _states(T, _start(params, h0, (B, H), "h0"))
    Wh, gates, inner = gates_first(params["Wh"], GRU), project(params, x, GRU), np.empty_like(h[1:])
    recurrent_part, through_n = np.empty_like(gates[:, 0]), np.empty_like(h[0])
    r, z, n = gates
    half = np.array(0.5, h.dtype)
    for t in range(T):
        if feed is not None:
            gates[:, t] += feed(t, h[t])
        rz = gates[:2, t]
        if after:
            np.matmul(h[t], Wh, out=recurrent_part)
            np.add(recurrent_part[2], params["bn"], out=inner[t])
        else:
            np.matmul(h[t], Wh[:2], out=recurrent_part[:2])
        rz += recurrent_part[:2]
        rz *= half  # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2
        np.tanh(rz, out=rz)
        rz *= half
        rz += half
        if after:
            n[t] += np.multiply(r[t], inner[t], out=through_n)
        else:
            np.multiply(r[t], h[t], out=inner[t])
            n[t] += np.matmul(inner[t], Wh[2], out=through_n)
        np.tanh(n[t], out=n[t])
        np.subtract(h[t], n[t], out=h[t + 1])  # h = n + z * (h_prev - n)
        h[t + 1] *= z[t]
        h[t + 1] += n[t]
        if padded is not None:
            np.copyto(h[t + 1], h[t], where=padded[t])
    return h[1:], h[T], (params, x, h, gates, inner, Wh, padded)


def gru_backward(dh, cache, dstate=None, feed_backward=None):
    """Backpropagate through time; arguments and returns as for rnn_backward, with "bn" among the gradients if it is
    among the parameters. Raises ValueError for mismatched shapes.

    feed_backward(t, da_t) -> (B, H), from the last step to the first, is what reaches h_(t-1) through `feed`, whose
    result at step t has the gradient da_t (3, B, H).
    """
    params, x, h, gates, inner, Wh, padded = cache
    dh, (T, B, H) = _read_gradient(dh, h, padded)
    after = "bn" in params
    dh_t, earlier = _start(params, dstate, (B, H), "dstate"), np.empty((B, H), h.dtype)
    # Reset "before": `apart` is the gradient of r * h, which waits for a product, and the gate waits for it.
    # Reset "after": nothing waits. In the place of n, da holds r * dn, the gradient of the inner product, so that all
    # three take one product with Wh; dn itself is `apart` until the loop is over.
    da, apart, through_z = np.empty_like(gates), np.empty_like(inner), np.empty_like(dh_t)
    through_gates, Wh_transposed = (
        np.empty_like(gates[:, 0]),
        np.ascontiguousarray(Wh.swapaxes(1, 2)),
    )
    r, z, n = gates
    dr, dz, dn = da
    for block in _blocks_from_the_last(T, B * 3 * H):
        _slope_of_sigmoid(gates[:2, block], out=da[:2, block])
        _slope_of_tanh(n[block], out=dn[block])
        dr[block] *= (inner if after else h)[block]
        dz[block] *= np.subtract(h[block], n[block], out=apart[block])
        dn[block] *= np.subtract(1, z[block], out=apart[block])
        if padded is not None:
            np.copyto(da[:, block], 0, where=padded[block])
        if after:
            dr[block] *= dn[block]
            apart[block] = dn[block]
            dn[block] *= r[block]
        for t in reversed(range(T)[block]):
            dh_t += dh[t]
            if after:
                da[:, t] *= dh_t
                apart[t] *= dh_t
                np.matmul(da[:, t], Wh_transposed, out=through_gates)
            else:
                da[1:, t] *= dh_t
                np.matmul(dn[t], Wh_transposed[2], out=apart[t])
                dr[t] *= apart[t]
                np.matmul(da[:2, t], Wh_transposed[:2], out=through_gates[:2])
                np.multiply(apart[t], r[t], out=through_gates[2])
            np.add.reduce(through_gates, axis=0, out=earlier)
            earlier += np.multiply(dh_t, z[t], out=through_z)
            if padded is not None:
                np.copyto(earlier, dh_t, where=padded[t])
            if feed_backward is not None:
                da_t = np.concatenate([da[:2, t], apart[None, t]]) if after else da[:, t]
                earlier += feed_backward(t, da_t)
            dh_t, earlier = earlier, dh_t
    recurrent_grads = {}
    if after:
        recurrent_grads["Wh"] = stacked_gradient(h[:-1], da, GRU)
        recurrent_grads["bn"] = dn.sum(axis=(0, 1))
        dn[:] = apart
    else:
        into_rz = [weight_gradient(h[:-1], d) for d in da[:2]]
        recurrent_grads["Wh"] = np.hstack([*into_rz, weight_gradient(inner, dn)])
    dx, grads = input_gradients(params, x, da, GRU)
    return dx, dh_t, grads | recurrent_grads


def _init_gates(rng, input_size, hidden_size, gates, dtype):
    blocks = [init_rnn(rng, input_size, hidden_size, dtype) for _ in range(gates)]
    return {
        name: np.concatenate([block[name] for block in blocks], axis=-1)
        for name in ("Wx", "Wh", "b")
    }


def _start(params, state, shape, name):
    """Return an array of its own, of the dtype of the parameters, that holds the state, or zeros if there is none."""
    dtype = params["Wh"].dtype
    return (
        np.zeros(shape, dtype)
        if state is None
        else np.array(_check_state(state, shape, name), dtype)
    )


def _states(T, start):
    """Return (T + 1, B, H) with row 0 filled: row t is the state before step t, row t + 1 the one after."""
    states = np.empty((T + 1, *start.shape), start.dtype)
    states[0] = start
    return states


def _blocks_from_the_last(T, step_size):
    """Return slices of time, the last steps first, in which arrays of `step_size` numbers a step fit in the cache."""
    steps = max(1, CACHED // step_size)
    return [slice(max(0, stop - steps), stop) for stop in range(T, 0, -steps)]


def _slope_of_sigmoid(y, out):
    """Return y (1 - y), the derivative of the sigmoid where its value is y."""
    np.square(y, out=out)
    return np.subtract(y, out, out=out)


def _slope_of_tanh(y, out):
    """Return 1 - y^2, the derivative of tanh where its value is y."""
    np.square(y, out=out)
    return np.subtract(1, out, out=out)


def _read(params, x, mask):
    """Return x as it may be computed with, where a step is padding (T, B, 1), None for nowhere, and T, B, H."""
    Wx, Wh = params["Wx"], params["Wh"]
    if mask is not None and mask.shape != x.shape[:2]:
        raise ValueError(f"the mask has shape {mask.shape}; it must be (T, B) = {x.shape[:2]}")
    padded = None if mask is None or mask.all() else (mask == 0)[..., None]
    if padded is not None:
        x = np.where(padded if x.ndim == 3 else padded[..., 0], 0, x)
    if x.ndim == 2:
        check_tokens(x, len(Wx))
    elif x.ndim != 3 or x.shape[2] != len(Wx) or 0 in x.shape:
        raise ValueError(
            f"x has shape {x.shape}; it must be (T, B, {len(Wx)}) floats or (T, B) integer tokens"
        )
    return x, padded, (*x.shape[:2], len(Wh))


def _read_gradient(dh, states, padded):
    """Return dh as it may be computed with, and T, B, H."""
    if dh.shape != states[1:].shape:
        raise ValueError(f"dh has shape {dh.shape}; the hidden states have {states[1:].shape}")
    if padded is not None:
        dh = np.where(padded & ~np.isfinite(dh), 0, dh)
    return dh, dh.shape


def _check_state(state, shape, name):
    if state.shape != shape:
        raise ValueError(f"{name} has shape {state.shape}; it must be (B, H) = {shape}")
    return state
