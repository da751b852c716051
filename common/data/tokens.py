"""Token ids, the integers that texts become."""

import numpy as np


def token_array(ids, name="ids"):
    """Return any iterable of integers, a generator too, as an array (N,); an array stays what it is.

    Raises ValueError for what is not one sequence of integers.
    """
    array = ids if isinstance(ids, np.ndarray) else np.asarray(list(ids))
    if array.ndim != 1:
        raise ValueError(f"{name} have shape {array.shape}; give one sequence of ids, (N,)")
    if array.size == 0:
        return array.astype(np.int64)
    _check_integers(array, name)
    return array


def check_tokens(tokens, vocabulary_size, name="tokens"):
    """Raise ValueError unless `tokens` are integers from 0 to vocabulary_size - 1, and at least one."""
    _check_integers(tokens, name)
    if tokens.size == 0:
        raise ValueError(f"{name} of shape {tokens.shape} are empty; give at least one id")
    smallest, largest = tokens.min(), tokens.max()
    if smallest < 0 or largest >= vocabulary_size:
        raise ValueError(
            f"{name} go from {smallest} to {largest}; with a vocabulary of {vocabulary_size} "
            f"the ids allowed are 0 to {vocabulary_size - 1}"
        )


def _check_integers(tokens, name):
    if not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(f"{name} must be integer ids, not {tokens.dtype}")
