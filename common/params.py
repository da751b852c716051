"""Parameters and gradients are plain nested dictionaries of arrays; this is all the bookkeeping they need."""

import numpy as np


def flatten(tree, prefix=""):
    """Return {dotted name: array} for a nested dictionary; the arrays are the same objects, not copies.

    >>> sorted(flatten({"rnn": {"Wx": 1, "b": 2}, "scale": 3}))
    ['rnn.Wx', 'rnn.b', 'scale']
    """
    flat = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        if isinstance(value, dict):
            flat.update(flatten(value, f"{name}."))
        else:
            flat[name] = value
    return flat


def copy_params(tree):
    """Return a nested dictionary of copied arrays."""
    return {
        key: copy_params(value) if isinstance(value, dict) else np.array(value)
        for key, value in tree.items()
    }


def assign_params(target, source):
    """Write the numbers of `source` into the arrays of `target`, in place, so that every reference sees them."""
    values = flatten(source)
    for name, array in flatten(target).items():
        array[...] = values[name]


def count_params(tree):
    """Return how many numbers a nested dictionary of arrays holds."""
    return sum(array.size for array in flatten(tree).values())
