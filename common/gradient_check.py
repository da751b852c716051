"""Compare a hand-derived gradient with what the loss itself does when one number is nudged."""

from dataclasses import dataclass

import numpy as np

from common.params import check_apart, check_writable, flatten
from common.sparse import SparseRows


class GradientMismatch(AssertionError):
    """A gradient that the loss contradicts; the message names the parameter and the index."""


@dataclass
class GradientReport:
    """Relative error of every parameter; prints as a table."""

    rows: (
        list  # (name, shape, relative error, index of the largest difference, analytic, numerical)
    )
    tolerance: float

    @property
    def worst(self):
        return max(error for _, _, error, *_ in self.rows)

    def __str__(self):
        width = max(len(name) for name, *_ in self.rows)
        lines = [f"{'parameter':{max(width, 9)}}  {'shape':>12}  relative error"]
        for name, shape, error, *_ in self.rows:
            verdict = "ok" if error <= self.tolerance else "WRONG"
            lines.append(f"{name:{max(width, 9)}}  {str(shape):>12}  {error:14.1e}  {verdict}")
        return "\n".join(lines)


def numerical_gradient(f, array, step=1e-5):
    """Return the gradient of the number f() with respect to every element of `array`, by centred differences.

    (f(a + step) - f(a - step)) / (2 step) is off by step^2 / 6 times the third derivative, plus rounding of about
    1e-16 / step; step = 1e-5 keeps both near 1e-11 for a loss and weights of order one. `array` is nudged in
    place, one element at a time, and restored. Raises ValueError unless it is a writable array of float64.
    """
    check_writable({"what is nudged": array})
    if array.dtype != np.float64:
        raise ValueError(
            f"a gradient check needs float64, not {array.dtype}: rounding would hide errors"
        )
    gradient = np.empty(array.shape)
    for index in np.ndindex(array.shape):
        original = array[index]
        try:
            array[index] = original + step
            above = f()
            array[index] = original - step
            below = f()
        finally:
            array[index] = original
        gradient[index] = (above - below) / (2 * step)
    return gradient


def check_gradients(f, params, tolerance=1e-7, step=1e-5, raise_on_mismatch=True):
    """Check every element of every gradient that `f` claims; return a GradientReport.

    f(params) -> (loss, grads). `params` is a nested dictionary of float64 arrays: put inputs and initial states
    in it too, so that their gradients are checked as well. `grads` has the same names and shapes; SparseRows are fine.

    The relative error of an array is its largest absolute difference over its largest absolute gradient, numerical
    or analytic. (Element by element it would blame rounding wherever a gradient happens to be close to zero.)

    Raises GradientMismatch where an error exceeds `tolerance`, where names or shapes differ, and where the loss
    does not depend on an array at all, since such a check would prove nothing. Raises ValueError for no parameters,
    for those that are not writable arrays of float64, and for two that share memory: nudging one nudges the other.
    """
    arrays = flatten(params)
    if not arrays:
        raise ValueError("there are no parameters to check")
    check_writable(arrays)
    check_apart(arrays)
    analytic = {
        name: g.to_dense() if isinstance(g, SparseRows) else np.array(g)
        for name, g in flatten(f(params)[1]).items()
    }
    if analytic.keys() != arrays.keys():
        odd = ", ".join(sorted(analytic.keys() ^ arrays.keys()))
        raise GradientMismatch(
            f"every array needs a gradient of the same name; only one side has {odd}"
        )
    rows = []
    for name, array in arrays.items():
        if np.shape(analytic[name]) != array.shape:
            raise GradientMismatch(
                f"d{name} has shape {np.shape(analytic[name])}, {name} has {array.shape}"
            )
        numerical = numerical_gradient(lambda: f(params)[0], array, step)
        difference = np.abs(analytic[name] - numerical)
        difference = np.where(np.isfinite(difference), difference, np.inf)
        scale = max(np.abs(numerical).max(initial=0), np.abs(analytic[name]).max(initial=0))
        if scale == 0:
            raise GradientMismatch(
                f"the loss does not depend on {name}: this check would prove nothing about it"
            )
        index = tuple(int(i) for i in np.unravel_index(difference.argmax(), array.shape))
        error = np.inf if np.isinf(difference[index]) else float(difference[index] / scale)
        rows.append(
            (name, array.shape, error, index, float(analytic[name][index]), float(numerical[index]))
        )
    report = GradientReport(rows, tolerance)
    if raise_on_mismatch and report.worst > tolerance:
        name, _, error, index, ours, theirs = max(rows, key=lambda row: row[2])
        raise GradientMismatch(
            f"d{name}{list(index)} is {ours:.6g}, but nudging {name}{list(index)} says {theirs:.6g} "
            f"(relative error {error:.1e}, allowed {tolerance:.0e})\n{report}"
        )
    return report
