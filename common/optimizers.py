"""Gradient descent and its relatives; each updates nested dictionaries of arrays in place.

A gradient may be SparseRows, the gradient of a lookup. Then an update is lazy: of the parameter, and of what the
optimizer remembers about it, it reads and writes only the rows that the gradient has. For SGD that is the dense update
exactly. For the others, a row that is not touched stands still, where a dense update would go on moving it by its
momentum, and its moments do not decay; Adam's correction counts all updates, those that left the row alone included.
"""

import math
from contextlib import contextmanager

import numpy as np

from common.params import flatten
from common.sparse import SparseRows


class NonFiniteGradient(ValueError):
    """A gradient is NaN or infinite, which no scaling can repair."""


def clip_by_global_norm(grads, max_norm):
    """Scale all gradients, in place, by one factor so that their joint norm is at most `max_norm`.

    The direction of the step is kept (Pascanu, Mikolov and Bengio 2013, algorithm 1). Returns the norm
    before clipping. Raises ValueError for max_norm <= 0, and NonFiniteGradient (a ValueError) that names the
    gradients which are NaN or infinite.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm is {max_norm}; it must be positive")
    arrays = {
        name: g.values if isinstance(g, SparseRows) else g for name, g in flatten(grads).items()
    }
    norm = math.sqrt(sum(_sum_of_squares(array) for array in arrays.values()))
    if not math.isfinite(norm):
        broken = [name for name, array in arrays.items() if not np.isfinite(array).all()]
        raise NonFiniteGradient(
            f"the gradient of {', '.join(broken) or 'everything'} is not finite"
        )
    if norm > max_norm:
        for array in arrays.values():
            array *= max_norm / norm
    return norm


def _sum_of_squares(array):
    """Return the sum of squares; in float64 where the squares of a finite float32 array overflow."""
    quick = float(np.vdot(array, array))
    return quick if math.isfinite(quick) else float(np.sum(np.square(array, dtype=np.float64)))


class SGD:
    """theta <- theta - learning_rate * g."""

    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def update(self, params, grads):
        for _, p, g in _pairs(params, grads):
            with _touched(g, p) as (g, p):
                p -= self.learning_rate * g


class Momentum:
    """v <- momentum * v + g; theta <- theta - learning_rate * v (Polyak 1964)."""

    def __init__(self, learning_rate, momentum=0.9):
        self.learning_rate, self.momentum = learning_rate, momentum
        self.velocity = {}

    def update(self, params, grads):
        for name, p, g in _pairs(params, grads):
            with _touched(g, p, _memory(self.velocity, name, p)) as (g, p, v):
                v *= self.momentum
                v += g
                p -= self.learning_rate * v


class RMSProp:
    """s <- decay * s + (1 - decay) * g^2; theta <- theta - learning_rate * g / (sqrt(s) + eps).

    Tieleman and Hinton 2012, lecture 6.5 of "Neural Networks for Machine Learning".
    """

    def __init__(self, learning_rate, decay=0.99, eps=1e-8):
        self.learning_rate, self.decay, self.eps = learning_rate, decay, eps
        self.mean_square = {}

    def update(self, params, grads):
        for name, p, g in _pairs(params, grads):
            with _touched(g, p, _memory(self.mean_square, name, p)) as (g, p, s):
                s *= self.decay
                s += (1 - self.decay) * g * g
                p -= self.learning_rate * g / (np.sqrt(s) + self.eps)


class Adam:
    """Momentum over the root mean square, both corrected for having started at zero.

    Kingma and Ba 2015, algorithm 1.
    """

    def __init__(self, learning_rate, beta1=0.9, beta2=0.999, eps=1e-8):
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.step, self.m, self.v = 0, {}, {}

    def update(self, params, grads):
        pairs = _pairs(params, grads)
        self.step += 1
        correction1 = 1 - self.beta1**self.step
        correction2 = 1 - self.beta2**self.step
        for name, p, g in pairs:
            m, v = _memory(self.m, name, p), _memory(self.v, name, p)
            with _touched(g, p, m, v) as (g, p, m, v):
                m *= self.beta1
                change = (1 - self.beta1) * g
                m += change
                v *= self.beta2
                np.multiply(g, g, out=change)
                change *= 1 - self.beta2
                v += change
                # learning_rate * (m / correction1) / (sqrt(v / correction2) + eps): one array, few passes over it
                np.sqrt(v, out=change)
                change += self.eps * math.sqrt(correction2)
                np.divide(m, change, out=change)
                change *= self.learning_rate * math.sqrt(correction2) / correction1
                p -= change


def _memory(memories, name, p):
    """Return what an optimizer remembers about a parameter, zeros at first."""
    if name not in memories:
        memories[name] = np.zeros(p.shape, p.dtype)  # not zeros_like, which writes to every row
    return memories[name]


@contextmanager
def _touched(g, *arrays):
    """Give the gradient and the arrays to work on in place: whole, or just the rows of a sparse gradient."""
    if not isinstance(g, SparseRows):
        yield g, *arrays
        return
    copies = [array[g.rows] for array in arrays]
    yield g.values, *copies
    for array, rows in zip(arrays, copies, strict=True):
        array[g.rows] = rows


def _pairs(params, grads):
    """Return [(name, parameter, gradient)]; raise before anything changes unless names and shapes agree."""
    params, grads = flatten(params), flatten(grads)
    if params.keys() != grads.keys():
        odd = sorted(params.keys() ^ grads.keys())
        raise ValueError(
            f"parameters and gradients must have the same names; only one side has {', '.join(odd)}"
        )
    for name, p in params.items():
        if p.shape != grads[name].shape:
            raise ValueError(
                f"{name} has shape {p.shape}, its gradient {grads[name].shape}; they must be equal"
            )
    return [(name, p, grads[name]) for name, p in params.items()]
