"""Gradient descent and its relatives; each updates nested dictionaries of arrays in place.

A gradient may be SparseRows, the gradient of a lookup. Then an update is lazy: of the parameter, and of what the
optimizer remembers about it, it reads and writes only the rows that the gradient has. For SGD that is the dense update
exactly. For the others, a row that is not touched stands still, where a dense update would go on moving it by its
momentum, and its moments do not decay; Adam's correction counts all updates, those that left the row alone included.
"""

import math

import numpy as np

from common.params import all_own_memory, check_apart, check_writable, flatten
from common.sparse import SparseRows


class NonFiniteGradient(ValueError):
    """A gradient is NaN or infinite, which no scaling can repair."""


def clip_by_global_norm(grads, max_norm):
    """Scale all gradients, in place, by one factor so that their joint norm is at most `max_norm`.

    The direction of the step is kept (Pascanu, Mikolov and Bengio 2013, algorithm 1). Returns the norm
    before clipping. Gradients that share memory are counted under every name and scaled once.

    Raises ValueError for max_norm <= 0 and for gradients that are not writable arrays of floats, and
    NonFiniteGradient (a ValueError) that names the gradients which are NaN or infinite.
    """
    if not max_norm > 0:
        raise ValueError(f"max_norm is {max_norm}; it must be positive")
    arrays = {name: _values(g) for name, g in flatten(grads).items()}
    check_writable(arrays, "the gradient of ", "f")

    unit, squares = 1.0, sum(_sum_of_squares(array) for array in arrays.values())
    if not 1e-20 < squares < 1e20:  # squares of float32 may have become 0 or infinite on the way
        unit, squares = _in_units_of_the_largest(arrays)
    norm = unit * math.sqrt(squares)
    if norm > max_norm:
        factor = max_norm / math.sqrt(squares)
        if unit == 1 and all_own_memory(arrays.values()):
            for array in arrays.values():
                array *= factor
        else:  # all products before the first is written: a number that two gradients share is scaled once
            scaled = [array.astype(np.float64) / unit * factor for array in arrays.values()]
            for array, values in zip(arrays.values(), scaled, strict=True):
                array[...] = values
    return norm


def _sum_of_squares(array):
    array = array.astype(np.float32) if array.dtype == np.float16 else array
    return float(np.vdot(array, array))


def _in_units_of_the_largest(arrays):
    """Return the largest absolute number of all, and the sum of squares in units of it, neither 0 nor infinite."""
    broken = [name for name, array in arrays.items() if not np.isfinite(array).all()]
    if broken:
        raise NonFiniteGradient(f"the gradient of {', '.join(broken)} is not finite")
    unit = max((float(np.abs(array).max(initial=0)) for array in arrays.values()), default=0.0)
    if unit == 0:
        return 1.0, 0.0
    return unit, sum(_sum_of_squares(array.astype(np.float64) / unit) for array in arrays.values())


class SGD:
    """theta <- theta - learning_rate * g."""

    def __init__(self, learning_rate):
        self.learning_rate = learning_rate

    def update(self, params, grads):
        for g, p in _touched(_pairs(params, grads)):
            p -= self.learning_rate * g


class Momentum:
    """v <- momentum * v + g; theta <- theta - learning_rate * v (Polyak 1964)."""

    def __init__(self, learning_rate, momentum=0.9):
        self.learning_rate, self.momentum = learning_rate, momentum
        self.velocity = {}

    def update(self, params, grads):
        for g, p, v in _touched(_pairs(params, grads), self.velocity):
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
        for g, p, s in _touched(_pairs(params, grads), self.mean_square):
            s *= self.decay
            s += (1 - self.decay) * g * g
            p -= self.learning_rate * g / (np.sqrt(s) + self.eps)


class Adam:
    """Momentum over the root mean square, both corrected for having started at zero.

    Kingma and Ba 2015, algorithm 1. The sums m and v are kept without the paper's factors 1 - beta, which are the same
    for all numbers and stand in the size of the step: two passes over the arrays less.
    """

    def __init__(self, learning_rate, beta1=0.9, beta2=0.999, eps=1e-8):
        self.learning_rate, self.beta1, self.beta2, self.eps = learning_rate, beta1, beta2, eps
        self.step, self.m, self.v = 0, {}, {}

    def update(self, params, grads):
        pairs = _pairs(params, grads)
        self.step += 1
        # the paper's means are m * mean1 and v * mean2: theta -= learning_rate * m mean1 / (sqrt(v mean2) + eps)
        mean1 = (1 - self.beta1) / (1 - self.beta1**self.step)
        mean2 = (1 - self.beta2) / (1 - self.beta2**self.step)
        size = self.learning_rate * mean1 / math.sqrt(mean2)
        eps = self.eps / math.sqrt(mean2)
        for g, p, m, v in _touched(pairs, self.m, self.v):
            m *= self.beta1
            m += g
            change = np.multiply(g, g, out=np.empty_like(p))
            v *= self.beta2
            v += change
            np.sqrt(v, out=change)  # from here on, change = size * m / (sqrt(v) + eps)
            change += eps
            np.divide(m, change, out=change)
            change *= size
            p -= change


def _touched(pairs, *memories):
    """Give each gradient, its parameter and what is remembered about it, zeros at first, to work on in place.

    The gradient is whole, or just the rows of a sparse one; then so is the rest.
    """
    for name, p, g in pairs:
        for memory in memories:
            if name not in memory:  # zeros, not zeros_like, which writes to every row
                memory[name] = np.zeros(p.shape, p.dtype)
        arrays = [p, *(memory[name] for memory in memories)]
        if not isinstance(g, SparseRows):
            yield g, *arrays
            continue
        copies = [array[g.rows] for array in arrays]
        yield g.values, *copies
        for array, rows in zip(arrays, copies, strict=True):
            array[g.rows] = rows


def _pairs(params, grads):
    """Return [(name, parameter, gradient)]; raise before anything changes unless all is as an update needs it."""
    params, grads = flatten(params), flatten(grads)
    if params.keys() != grads.keys():
        odd = sorted(params.keys() ^ grads.keys())
        raise ValueError(
            f"parameters and gradients must have the same names; only one side has {', '.join(odd)}"
        )
    check_writable(params, kinds="f")
    values = {name: _values(g) for name, g in grads.items()}
    for name, p in params.items():
        g = grads[name]
        if (
            not isinstance(values[name], (np.ndarray, np.floating))
            or values[name].dtype.kind != "f"
        ):
            raise ValueError(
                f"the gradient of {name} must be an array of floats; it is a {type(g).__name__}"
            )
        if p.shape != g.shape:
            raise ValueError(
                f"{name} has shape {p.shape}, its gradient {g.shape}; they must be equal"
            )
    if not all_own_memory([*params.values(), *values.values()]):
        check_apart(params, {f"the gradient of {name}": array for name, array in values.items()})
    return [(name, p, grads[name]) for name, p in params.items()]


def _values(g):
    """Return the array in which a gradient's numbers are."""
    return g.values if isinstance(g, SparseRows) else g
