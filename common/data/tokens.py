"""Token ids, the integers that texts become."""

import numpy as np


def check_tokens(tokens, vocabulary_size, name="tokens"):
    """Raise ValueError unless `tokens` are integers from 0 to vocabulary_size - 1, and at least one."""
    if not np.issubdtype(tokens.dtype, np.integer):
        raise ValueError(f"{name} must be integer ids, not {tokens.dtype}")
    if tokens.size == 0:
        raise ValueError(f"{name} of shape {tokens.shape} are empty; give at least one id")
    smallest, largest = tokens.min(), tokens.max()
    if smallest < 0 or largest >= vocabulary_size:
        raise ValueError(
            f"{name} go from {smallest} to {largest}; with a vocabulary of {vocabulary_size} "
            f"the ids allowed are 0 to {vocabulary_size - 1}"
        )
