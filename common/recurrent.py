"""Recurrent cells over whole sequences, forward and backward through time.

Arrays are time-major: inputs (T, B, D), hidden states (T, B, H). Inputs may also be integer tokens (T, B),
which stand for one-hot rows: then the input product is a lookup, and its gradient sums rows by token.

Fast for four reasons. All that does not wait for the previous step leaves the loop over time: the input product, the
slopes of the gates, the gradients of the weights. All gates share one product and one tanh. Loops write into arrays
that exist already. And what leaves the backward loop is computed for a block of steps that fits in the cache.
"""

import numpy as np

from common.data.tokens import check_tokens
from common.layers import weight_gradient
from common.sparse import sum_rows_by_token

CACHED = 2**16  # numbers in an array that stays in the cache while a block of steps is computed


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
    T, B, H = _check_input(params, x, mask)
    h = _states(T, _start(params, h0, (B, H), "h0"))
    a = _project(params, x)
    for t in range(T):
        np.matmul(h[t], params["Wh"], out=h[t + 1])
        h[t + 1] += a[t]
        np.tanh(h[t + 1], out=h[t + 1])
        if mask is not None:
            padded = mask[t] == 0
            h[t + 1, padded] = h[t, padded]
    return h[1:], h[T], (params, x, h, mask)


def rnn_backward(dh, cache, dstate=None):
    """Backpropagate through time (Werbos 1990).

    dh      (T, B, H) gradient with respect to every hidden state, as it comes from the layers above
    dstate  (B, H) gradient with respect to hT from whatever uses the last state; zeros if not given

    Returns dx (T, B, D) (None for tokens), dh0 (B, H), and the gradients {"Wx", "Wh", "b"}.
    Raises ValueError for mismatched shapes.
    """
    params, x, h, mask = cache
    T, B, H = _check_dh(dh, h)
    dh_t, earlier = _start(params, dstate, (B, H), "dstate"), np.empty((B, H), h.dtype)
    da = np.empty_like(dh, h.dtype)
    padded = _padded(mask)
    for block in _blocks_from_the_last(T, B * H):
        slope = _slope_of_tanh(h[1:][block], out=da[block])
        if mask is not None:
            np.copyto(slope, 0, where=padded[block])
        for t in reversed(range(T)[block]):
            dh_t += dh[t]
            da[t] *= dh_t
            np.matmul(da[t], params["Wh"].T, out=earlier)
            if mask is not None:
                np.copyto(earlier, dh_t, where=padded[t])
            dh_t, earlier = earlier, dh_t
    dx, grads = _input_gradients(params, x, da)
    grads["Wh"] = weight_gradient(h[:-1], da)
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
    T, B, H = _check_input(params, x, mask)
    h0, c0 = (None, None) if state is None else state
    h = _states(T, _start(params, h0, (B, H), "h0"))
    c = _states(T, _start(params, c0, (B, H), "c0"))
    tanh_c, input_part = np.empty_like(h[1:]), np.empty_like(h[0])
    gates = _project(params, x)
    recurrent_part = np.empty_like(gates[0])
    i, f, g, o = _blocks_of_columns(gates, 4)
    # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2, so scale * tanh(scale * a) + shift is the sigmoid or the tanh itself
    scale = np.tile(np.repeat(np.array([0.5, 0.5, 1, 0.5], h.dtype), H), (B, 1))
    shift = 1 - scale
    for t in range(T):
        a = gates[t]
        a += np.matmul(h[t], params["Wh"], out=recurrent_part)
        a *= scale
        np.tanh(a, out=a)
        a *= scale
        a += shift
        np.multiply(f[t], c[t], out=c[t + 1])
        c[t + 1] += np.multiply(i[t], g[t], out=input_part)
        np.tanh(c[t + 1], out=tanh_c[t])
        np.multiply(o[t], tanh_c[t], out=h[t + 1])
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
    dhT, dcT = (None, None) if dstate is None else dstate
    dh_t, dc_t = _start(params, dhT, (B, H), "dhT"), _start(params, dcT, (B, H), "dcT")
    earlier, through_h = np.empty_like(dh_t), np.empty_like(dh_t)
    da, dc_by_dh = np.empty_like(gates), np.empty_like(tanh_c)
    i, f, g, o = _blocks_of_columns(gates, 4)
    padded = _padded(mask)
    for block in _blocks_from_the_last(T, B * 4 * H):
        # da = slope * what the gate multiplies * the gradient of that product; all but the gradient is known by now
        di, df, dg, do = (d[block] for d in _blocks_of_columns(da, 4))
        _slope_of_sigmoid(gates[block], out=da[block])
        _slope_of_tanh(g[block], out=dg)
        for d, factor in ((di, g), (df, c), (dg, i), (do, tanh_c)):
            d *= factor[block]
        _slope_of_tanh(tanh_c[block], out=dc_by_dh[block])
        dc_by_dh[block] *= o[block]
        if mask is not None:
            np.copyto(da[block], 0, where=padded[block])
            np.copyto(dc_by_dh[block], 0, where=padded[block])
        for t in reversed(range(T)[block]):
            dh_t += dh[t]
            dc_t += np.multiply(dh_t, dc_by_dh[t], out=through_h)
            da_t = da[t].reshape(B, 4, H)
            da_t[:, :3] *= dc_t[:, None]
            da_t[:, 3] *= dh_t
            np.matmul(da[t], params["Wh"].T, out=earlier)
            np.multiply(dc_t, f[t], out=dc_t, where=True if mask is None else ~padded[t])
            if mask is not None:
                np.copyto(earlier, dh_t, where=padded[t])
            dh_t, earlier = earlier, dh_t
    dx, grads = _input_gradients(params, x, da)
    grads["Wh"] = weight_gradient(h[:-1], da)
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

    feed(t, h_(t-1)) -> (B, 3H) is added to x_t Wx + b: an input that cannot be known before the state it depends on,
    such as the context that attention makes of it.
    """
    T, B, H = _check_input(params, x, mask)
    Wh, after = params["Wh"], "bn" in params
    h = _states(T, _start(params, h0, (B, H), "h0"))
    gates, inner = _project(params, x), np.empty_like(h[1:])
    r, z, n = _blocks_of_columns(gates, 3)
    recurrent_part = np.empty((B, 3 * H if after else 2 * H), h.dtype)
    through_n = np.empty_like(h[0])
    for t in range(T):
        if feed is not None:
            gates[t] += feed(t, h[t])
        np.matmul(h[t], Wh if after else Wh[:, : 2 * H], out=recurrent_part)
        rz = gates[t, :, : 2 * H]  # sigmoid(a) = tanh(a / 2) / 2 + 1 / 2
        rz += recurrent_part[:, : 2 * H]
        rz *= 0.5
        np.tanh(rz, out=rz)
        rz *= 0.5
        rz += 0.5
        if after:
            np.add(recurrent_part[:, 2 * H :], params["bn"], out=inner[t])
            n[t] += np.multiply(r[t], inner[t], out=through_n)
        else:
            np.multiply(r[t], h[t], out=inner[t])
            n[t] += np.matmul(inner[t], Wh[:, 2 * H :], out=through_n)
        np.tanh(n[t], out=n[t])
        np.subtract(h[t], n[t], out=h[t + 1])  # h = n + z * (h_prev - n)
        h[t + 1] *= z[t]
        h[t + 1] += n[t]
        if mask is not None:
            padded = mask[t] == 0
            h[t + 1, padded] = h[t, padded]
    return h[1:], h[T], (params, x, h, gates, inner, mask)


def gru_backward(dh, cache, dstate=None, feed_backward=None):
    """Backpropagate through time; arguments and returns as for rnn_backward, with "bn" among the gradients if it is
    among the parameters. Raises ValueError for mismatched shapes.

    feed_backward(t, da_t) -> (B, H), from the last step to the first, is what reaches h_(t-1) through `feed`, whose
    result at step t has the gradient da_t (B, 3H).
    """
    params, x, h, gates, inner, mask = cache
    T, B, H = _check_dh(dh, h)
    Wh, after = params["Wh"], "bn" in params
    dh_t, earlier = _start(params, dstate, (B, H), "dstate"), np.empty((B, H), h.dtype)
    # Reset "before": `apart` is the gradient of r * h, which waits for a product, and the gate waits for it.
    # Reset "after": nothing waits. In the place of n, da holds r * dn, the gradient of the inner product, so that all
    # three take one product with Wh; dn itself is `apart` until the loop is over.
    da, apart, through_n = np.empty_like(gates), np.empty_like(inner), np.empty_like(dh_t)
    r, z, n = _blocks_of_columns(gates, 3)
    padded = _padded(mask)
    for block in _blocks_from_the_last(T, B * 3 * H):
        dr, dz, dn = (d[block] for d in _blocks_of_columns(da, 3))
        _slope_of_sigmoid(gates[block], out=da[block])
        _slope_of_tanh(n[block], out=dn)
        dr *= (inner if after else h)[block]
        dz *= np.subtract(h[block], n[block], out=apart[block])
        dn *= np.subtract(1, z[block], out=apart[block])
        if mask is not None:
            np.copyto(da[block], 0, where=padded[block])
        if after:
            dr *= dn
            apart[block] = dn
            dn *= r[block]
        for t in reversed(range(T)[block]):
            dh_t += dh[t]
            da_t = da[t].reshape(B, 3, H)
            if after:
                da_t *= dh_t[:, None]
                apart[t] *= dh_t
                np.matmul(da[t], Wh.T, out=earlier)
            else:
                da_t[:, 1:] *= dh_t[:, None]
                np.matmul(da_t[:, 2], Wh[:, 2 * H :].T, out=apart[t])
                da_t[:, 0] *= apart[t]
                np.matmul(da[t, :, : 2 * H], Wh[:, : 2 * H].T, out=earlier)
                earlier += np.multiply(apart[t], r[t], out=through_n)
            earlier += np.multiply(dh_t, z[t], out=through_n)
            if mask is not None:
                np.copyto(earlier, dh_t, where=padded[t])
            if feed_backward is not None:
                da_fed = np.hstack([da[t, :, : 2 * H], apart[t]]) if after else da[t]
                earlier += feed_backward(t, da_fed)
            dh_t, earlier = earlier, dh_t
    recurrent_grads = {}
    if after:
        recurrent_grads["Wh"] = weight_gradient(h[:-1], da)
        recurrent_grads["bn"] = da[..., 2 * H :].sum(axis=(0, 1))
        da[..., 2 * H :] = apart
    else:
        into_rz, into_n = (h[:-1], da[..., : 2 * H]), (inner, da[..., 2 * H :])
        recurrent_grads["Wh"] = np.hstack([weight_gradient(*into_rz), weight_gradient(*into_n)])
    dx, grads = _input_gradients(params, x, da)
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


def _blocks_of_columns(a, count):
    """Return `count` views (T, B, H) of an array (T, B, count * H): one for each gate."""
    T, B, G = a.shape
    return np.moveaxis(a.reshape(T, B, count, G // count), 2, 0)


def _project(params, x):
    """Return x Wx + b for all steps at once; for tokens a lookup."""
    Wx, b = params["Wx"], params["b"]
    if x.ndim == 2 and x.size >= len(Wx):
        return (Wx + b)[x]
    if x.ndim == 2:
        a = Wx[x]
    else:
        a = np.empty((*x.shape[:2], len(b)), Wx.dtype)
        np.matmul(x.reshape(-1, len(Wx)), Wx, out=a.reshape(-1, len(b)))
    a += b
    return a


def _padded(mask):
    """Return the mask's opposite (T, B, 1), true where a step is padding; None for no mask."""
    return None if mask is None else (mask == 0)[..., None]


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


def _input_gradients(params, x, da):
    """Return dx and {"Wx", "b"} from the gradients da of all pre-activations."""
    if x.ndim == 2:
        dWx = sum_rows_by_token(x.ravel(), da.reshape(-1, da.shape[-1]), len(params["Wx"]))
        return None, {"Wx": dWx, "b": dWx.sum(axis=0)}
    dx = da.reshape(-1, da.shape[-1]) @ params["Wx"].T
    return dx.reshape(x.shape), {"Wx": weight_gradient(x, da), "b": da.sum(axis=(0, 1))}


def _check_dh(dh, states):
    if dh.shape != states[1:].shape:
        raise ValueError(f"dh has shape {dh.shape}; the hidden states have {states[1:].shape}")
    return dh.shape


def _check_input(params, x, mask):
    """Return T, B, H."""
    Wx, Wh = params["Wx"], params["Wh"]
    if x.ndim == 2:
        check_tokens(x, len(Wx))
    elif x.ndim != 3 or x.shape[2] != len(Wx) or 0 in x.shape:
        raise ValueError(
            f"x has shape {x.shape}; it must be (T, B, {len(Wx)}) floats or (T, B) integer tokens"
        )
    if mask is not None and mask.shape != x.shape[:2]:
        raise ValueError(f"the mask has shape {mask.shape}; it must be (T, B) = {x.shape[:2]}")
    return *x.shape[:2], len(Wh)


def _check_state(state, shape, name):
    if state.shape != shape:
        raise ValueError(f"{name} has shape {state.shape}; it must be (B, H) = {shape}")
    return state
