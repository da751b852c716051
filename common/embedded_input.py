"""A recurrent cell that reads words: the input weights meet each distinct word of a batch once, not at every place.

The input product of a word is (row of the embedding) Wx. A batch has few distinct words, so their products are a small
table, and the cell reads that table by the words' numbers in it: the same numbers and gradients, with fewer products.
"""

import numpy as np

from common.data.tokens import check_tokens
from common.sparse import SparseRows


def embed_input(embedding, cell, tokens, mask=None):
    """Return cell parameters and tokens (T, B) with which a cell does what it does on the vectors of `tokens`, and the
    cache for backward.

    embedding {"W": (V, E)}, cell {"Wx": (E, G*H), ...}; mask (T, B), 1 = real token, 0 = padding, which is not read.
    Raises ValueError for tokens that are not integers from 0 to V - 1.
    """
    real = tokens if mask is None else tokens[mask != 0]
    check_tokens(real, len(embedding["W"]))
    distinct = np.unique(real)
    places = np.minimum(np.searchsorted(distinct, tokens), len(distinct) - 1)
    rows = embedding["W"][distinct]
    return {**cell, "Wx": rows @ cell["Wx"]}, places, (embedding, cell, distinct, rows)


def embed_input_backward(grads, cache):
    """Return the gradients of the embedding, {"W": SparseRows}, and of the cell, from those that its backward gave."""
    embedding, cell, distinct, rows = cache
    dproducts = grads["Wx"]
    dW = SparseRows(distinct, dproducts @ cell["Wx"].T, embedding["W"].shape)
    return {"W": dW}, {**grads, "Wx": rows.T @ dproducts}
