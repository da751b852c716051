"""Parameters and gradients are plain nested dictionaries of arrays; this is all the bookkeeping they need."""

from itertools import combinations, product

import numpy as np


def flatten(tree, prefix=""):
    """Return {dotted name: array} for a nested dictionary; the arrays are the same objects, not copies.

    >>> sorted(flatten({"rnn": {"Wx": 1, "b": 2}, "scale": 3}))
    ['rnn.Wx', 'rnn.b', 'scale']

    Raises ValueError where two of them would get the same name.
    """
    flat = {}
    for key, value in tree.items():
        name = f"{prefix}{key}"
        below = flatten(value, f"{name}.") if isinstance(value, dict) else (name,)
        if not flat.keys().isdisjoint(below):
            raise ValueError(
                f"two entries are called {min(flat.keys() & below)!r} (a dot in a key is a level, and 0 is '0'); "
                "rename one of them"
            )
        if isinstance(value, dict):
            flat.update(below)
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
    """Write the numbers of `source` into the arrays of `target`, in place, so that every reference sees them.

    The two may share memory: all is read before anything is written. Raises ValueError for other names or shapes, and
    for a target that check_writable or check_apart refuses; then nothing has been changed.
    """
    arrays, values = flatten(target), copy_params(flatten(source))
    check_writable(arrays)
    check_apart(arrays)
    if arrays.keys() != values.keys():
        odd = sorted(arrays.keys() ^ values.keys())
        raise ValueError(
            f"both must have the same names to be assigned; only one side has {', '.join(odd)}"
        )
    for name, array in arrays.items():
        if array.shape != values[name].shape:
            raise ValueError(
                f"{name} has shape {array.shape}, what is assigned {values[name].shape}; they must be equal"
            )
    for name, array in arrays.items():
        array[...] = values[name]


def count_params(tree):
    """Return how many numbers a nested dictionary of arrays holds."""
    return sum(np.size(array) for array in flatten(tree).values())


def check_writable(arrays, what="", kinds="biuf"):
    """Raise ValueError unless all values of {name: array} are arrays of numbers that can be changed in place.

    A number that is no array, np.float64(2.0) as much as 2.0, cannot: one would change a copy and lose it. `kinds` are
    the kinds of numbers allowed, "f" for floats only; `what` stands before the name in the message.
    """
    for name, array in arrays.items():
        if not isinstance(array, np.ndarray):
            raise ValueError(
                f"{what}{name} is a {type(array).__name__}, which cannot be changed in place; "
                "give an array, for a single number np.array(number)"
            )
        if array.dtype.kind not in kinds:
            raise ValueError(f"{what}{name} is an array of {array.dtype}; it must be one of floats")
        if not array.flags.writeable:
            raise ValueError(f"{what}{name} is a read-only array; give a copy of it")


def all_own_memory(arrays):
    """Return whether a glance shows that no two arrays share memory: each is, or is a view of, an array of its own.

    Quick enough for every training step. False says that they may: views of one array, or memory of other libraries.
    """
    owners = set()
    for array in arrays:
        owner = array.base
        if owner is None:
            owner = array
        elif not isinstance(owner, np.ndarray) or owner.base is not None:
            return False
        owners.add(id(owner))
    return len(owners) == len(arrays)


def check_apart(arrays, others=()):
    """Raise ValueError, naming both, if an array of {name: array} shares memory with another one, or one of `others`.

    `others`, a second such dictionary, may share memory among themselves.
    """
    pairs = [*combinations(arrays.items(), 2), *product(arrays.items(), dict(others).items())]
    for (name, array), (other_name, other) in pairs:
        if np.shares_memory(array, other):
            raise ValueError(
                f"{name} and {other_name} share memory: a change of one changes the other; give one of them a copy, "
                "or, if they are meant to be one array, keep it under one name, its gradient the sum of both"
            )
