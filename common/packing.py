"""Many sequences of unequal length in one batch, without a single padded step.

Sequences are sorted by length, longest first. Then the real tokens of step t are the first B_t columns, and B_t never
grows: the batch shrinks with time. Packed, the rows of all steps stand one below the other, (N, ...), N the number of
real tokens, with batch_sizes (B_1, ..., B_T), as in PyTorch's pack_padded_sequence.

While B_t stays the same, the packed rows are an ordinary rectangle, which the cells of common.recurrent read as it is.
So a pass is one call of the cell for each distinct length, on fewer and fewer columns.
"""

import numpy as np


def pack(x, mask):
    """Return the rows of x (T, B, ...) where mask (T, B) is 1, as (N, ...), and batch_sizes (at most T,).

    Raises ValueError where mask and x do not fit, and unless each column of the mask is ones and then zeros, at least
    one 1, and the columns stand by length, longest first.
    """
    mask = np.asarray(mask)
    if mask.ndim != 2 or np.shape(x)[:2] != mask.shape:
        raise ValueError(
            f"x has shape {np.shape(x)}, the mask {mask.shape}; both must begin (T, B)"
        )
    real = mask == 1
    shrinks = not (real[1:] & ~real[:-1]).any() and not (real[:, 1:] & ~real[:, :-1]).any()
    if not (real.size and real[0].all() and shrinks):
        raise ValueError(
            "this mask cannot be packed: every column must be ones and then zeros, at least one 1, and the columns "
            f"must be sorted by length, longest first; the columns have {real.sum(axis=0)[:20].tolist()} ones"
        )
    batch_sizes = real.sum(axis=1)
    return np.asarray(x)[real], batch_sizes[batch_sizes > 0]


def unpack(rows, batch_sizes):
    """Return packed rows (N, ...) as an array (T, B, ...), with zeros where there is no token.

    Raises ValueError where batch_sizes do not fit.
    """
    _pieces(batch_sizes, len(rows))
    real = np.arange(max(batch_sizes)) < np.asarray(batch_sizes)[:, None]
    x = np.zeros((*real.shape, *rows.shape[1:]), rows.dtype)
    x[real] = rows
    return x


def packed_forward(forward, params, x, batch_sizes, state=None):
    """Run a cell of common.recurrent over packed sequences.

    forward  rnn_forward, lstm_forward or gru_forward
    x        (N, D) floats, or (N,) integer tokens standing for one-hot rows
    state    before the first step: h0 (B, H), for an LSTM (h0, c0); zeros if not given

    Returns h (N, H), the state of each sequence after its own last step, shaped as `state`, and the cache that
    packed_backward needs. Raises ValueError where batch_sizes do not fit, and what the cell raises.
    """
    pieces, h, ends, caches = _pieces(batch_sizes, len(x)), [], [], []
    for rows, steps, B in pieces:
        if state is not None:
            state = _each(lambda s, B=B: s[:B], state)
        piece, state, cache = forward(params, x[rows].reshape(steps, B, *x.shape[1:]), state)
        h.append(piece.reshape(steps * B, -1))
        ends.append(state)
        caches.append(cache)
    last = ends[-1]
    for end in reversed(ends[:-1]):  # what is longer stands before what ends here
        last = _each(lambda longer, s: np.concatenate([longer, s[len(longer) :]]), last, end)
    return np.concatenate(h), last, (pieces, caches, _each(np.zeros_like, last))


def packed_backward(backward, dh, cache, dstate=None):
    """Backpropagate through packed_forward with the cell's backward pass.

    dh      (N, H) gradient with respect to every hidden state
    dstate  gradient with respect to the last states; zeros if not given

    Returns dx (N, D) (None for tokens), the gradient of the first state, and those of the cell's parameters.
    Raises ValueError for a dh of another length, and what the cell raises.
    """
    pieces, caches, zeros = cache
    if len(dh) != pieces[-1][0].stop:
        raise ValueError(f"dh has {len(dh)} rows; there are {pieces[-1][0].stop} hidden states")
    dlast = zeros if dstate is None else dstate
    after, dx, grads = _each(lambda s: s[:0], dlast), [], {}
    for (rows, steps, B), piece_cache in reversed(list(zip(pieces, caches, strict=True))):
        # a sequence that goes on hears from the piece after; one that ends here, from whoever uses its last state
        after = _each(lambda d, s, B=B: np.concatenate([d, s[len(d) : B]]), after, dlast)
        piece, after, piece_grads = backward(dh[rows].reshape(steps, B, -1), piece_cache, after)
        dx.append(piece if piece is None else piece.reshape(steps * B, -1))
        for name, gradient in piece_grads.items():
            grads[name] = grads[name] + gradient if name in grads else gradient
    return None if dx[0] is None else np.concatenate(dx[::-1]), after, grads


def _pieces(batch_sizes, N):
    """Return (slice of packed rows, steps, B) for each stretch of steps with equally many sequences."""
    sizes = np.asarray(batch_sizes)
    fits = sizes.ndim == 1 and sizes.size and sizes.dtype.kind in "iu" and sizes[-1] > 0
    if not fits or (np.diff(sizes) > 0).any() or sizes.sum() != N:
        raise ValueError(
            f"batch_sizes {sizes.tolist()} do not fit {N} packed rows: they must be whole numbers that never grow, "
            f"at least 1, with the sum {N}"
        )
    borders = [0, *(np.flatnonzero(np.diff(sizes)) + 1).tolist(), len(sizes)]
    starts = np.concatenate([[0], np.cumsum(sizes)]).tolist()
    return [
        (slice(starts[t], starts[end]), end - t, int(sizes[t]))
        for t, end in zip(borders[:-1], borders[1:], strict=True)
    ]


def _each(f, *states):
    """Return f of the states, or, where a state is several arrays, as an LSTM's (h, c), of each in turn."""
    if isinstance(states[0], tuple | list):
        return tuple(f(*arrays) for arrays in zip(*states, strict=True))
    return f(*states)
