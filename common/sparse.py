"""Gradients of lookups: most rows of a table are zero, so only the others are kept."""

from dataclasses import dataclass

import numpy as np

SMALL = 2**13  # numbers in a one-hot matrix below which the product with it is faster than sorting
RARE = 4  # occurrences up to which a token is summed with others of its kind


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
    """Return the SparseRows that sum `rows` (N, E) over equal tokens (N,). Its cost does not depend on V."""
    distinct, sums = _sums_of_equal_tokens(tokens, rows)
    return SparseRows(distinct, sums, (vocabulary_size, rows.shape[1]))


def sum_rows_by_token(tokens, rows, vocabulary_size):
    """Return the same as a whole array (..., V, H), for rows (..., N, H): what one_hot(tokens).T @ rows gives, without
    the product, where that would be large."""
    if len(tokens) * vocabulary_size < SMALL:
        one_hot = np.arange(vocabulary_size)[:, None] == tokens
        return one_hot.astype(rows.dtype) @ rows
    distinct, of_distinct = _sums_of_equal_tokens(tokens, rows)
    if len(distinct) == vocabulary_size:
        return of_distinct
    sums = np.zeros((*rows.shape[:-2], vocabulary_size, rows.shape[-1]), rows.dtype)
    sums[..., distinct, :] = of_distinct
    return sums


def _sums_of_equal_tokens(tokens, rows):
    """Return the distinct tokens, ascending, and the sum (..., H) of the rows (..., N, H) of each.

    Sorting brings equal tokens together. Rare tokens take their second rows all at once, then their third, and so on;
    a frequent one takes all of its rows in one sum. (np.add.at and np.add.reduceat give the same, many times slower for
    wide rows.)
    """
    order = np.argsort(tokens, kind="stable")
    in_order = tokens[order]
    is_first = np.ones(len(order), bool)
    np.not_equal(in_order[1:], in_order[:-1], out=is_first[1:])
    starts = np.flatnonzero(is_first)
    counts = np.diff(starts, append=len(order))
    sums = rows[..., order[starts], :]
    for n in range(1, RARE):
        rare = np.flatnonzero((counts > n) & (counts <= RARE))
        sums[..., rare, :] += rows[..., order[starts[rare] + n], :]
    for i in np.flatnonzero(counts > RARE):
        places = order[starts[i] : starts[i] + counts[i]]
        np.add.reduce(rows[..., places, :], axis=-2, out=sums[..., i, :])
    return in_order[starts], sums
