"""Gradients of lookups: most rows of a table are zero, so only the others are kept."""

from dataclasses import dataclass

import numpy as np


@dataclass
class SparseRows:
    """An array (V, E) of zeros but for some rows: row rows[i] is values[i].

    rows    (N,) distinct indices, ascending
    values  (N, E)
    shape   (V, E)
    """

    rows: np.ndarray
    values: np.ndarray
    shape: tuple

    def to_dense(self):
        """Return the whole array (V, E), zeros included."""
        return self.add_to(np.zeros(self.shape, self.values.dtype))

    def add_to(self, array):
        """Add to an array (V, E) in place, touching only these rows; return it."""
        array[self.rows] += self.values
        return array


def sparse_rows_by_token(tokens, rows, vocabulary_size):
    """Return the SparseRows that sum `rows` (N, E) over equal tokens (N,). Its cost does not depend on V.

    Sorting brings equal tokens together; one sum takes all rows of a token that occurs more than once. (np.add.at and
    np.add.reduceat give the same, many times slower for wide rows.)
    """
    order = np.argsort(tokens, kind="stable")
    distinct, starts, counts = np.unique(tokens[order], return_index=True, return_counts=True)
    sums = rows[order[starts]]
    for i in np.flatnonzero(counts > 1):
        np.add.reduce(rows[order[starts[i] : starts[i] + counts[i]]], axis=0, out=sums[i])
    return SparseRows(distinct, sums, (vocabulary_size, rows.shape[1]))


def sum_rows_by_token(tokens, rows, vocabulary_size):
    """Return the same as a whole array (V, H): what one_hot(tokens).T @ rows gives, without the product."""
    if len(tokens) > vocabulary_size:
        return sparse_rows_by_token(tokens, rows, vocabulary_size).to_dense()
    sums = np.zeros((vocabulary_size, rows.shape[1]), dtype=rows.dtype)
    for token, row in zip(tokens.tolist(), rows, strict=True):
        sums[token] += row
    return sums
