import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from common.sparse import SparseRows, sparse_rows_by_token, sum_rows_by_token

V, E = 6, 3
# Sums of small whole numbers are exact, in whatever order they are added.
whole_numbers = st.integers(-1000, 1000).map(float)
lookups = st.lists(st.integers(0, V - 1), max_size=20).flatmap(
    lambda tokens: st.tuples(
        st.just(np.array(tokens, dtype=np.int64)),
        arrays(np.float64, (len(tokens), E), elements=whole_numbers),
    )
)


def test_dense_and_added_by_hand():
    sparse = SparseRows(np.array([0, 2]), np.array([[1.0, 2], [3, 4]]), (4, 2))
    assert sparse.to_dense().tolist() == [[1, 2], [0, 0], [3, 4], [0, 0]]
    array = np.full((4, 2), 10.0)
    assert sparse.add_to(array) is array
    assert array.tolist() == [[11, 12], [10, 10], [13, 14], [10, 10]]
    assert sparse.values.tolist() == [[1, 2], [3, 4]]


@given(lookups)
def test_rows_by_token_are_the_product_with_one_hot_rows(lookup):
    tokens, rows = lookup
    before = rows.copy()
    sparse = sparse_rows_by_token(tokens, rows, V)
    expected = np.eye(V)[tokens].T @ rows
    assert sparse.shape == (V, E)
    assert sparse.rows.tolist() == sorted(set(tokens.tolist()))
    assert np.array_equal(sparse.to_dense(), expected)
    assert np.array_equal(sum_rows_by_token(tokens, rows, V), expected)
    sparse.values *= 2  # as clipping does; what was given is not the gradient's to change
    assert np.array_equal(rows, before)


@pytest.mark.parametrize("small", [0, 10**9])  # by sorting, and by a product with one-hot rows
@pytest.mark.parametrize("count", [2, 40, 400])
def test_a_sum_for_each_stack_of_rows(count, small, monkeypatch):
    monkeypatch.setattr("common.sparse.SMALL", small)
    rng = np.random.default_rng(0)
    tokens = np.minimum(rng.geometric(0.3, count), V) - 1  # some are frequent, some rare
    rows = rng.integers(-9, 9, (2, 3, count, E)).astype(np.float64)
    assert np.array_equal(sum_rows_by_token(tokens, rows, V), np.eye(V)[tokens].T @ rows)


@pytest.mark.parametrize("count", [3, V, 50])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_sums_keep_the_dtype(count, dtype):
    tokens, rows = np.arange(count) % V, np.ones((count, E), dtype)
    sparse = sparse_rows_by_token(tokens, rows, V)
    assert sparse.values.dtype == sparse.to_dense().dtype == dtype
    assert sum_rows_by_token(tokens, rows, V).dtype == dtype


def test_the_memory_for_a_few_rows_does_not_depend_on_the_vocabulary():
    rng, peaks = np.random.default_rng(0), []
    tokens, rows = rng.integers(1000, size=100), rng.normal(size=(100, 8))
    sparse_rows_by_token(tokens, rows, 1000)  # whatever NumPy loads at the first call
    for vocabulary_size in (1000, 2**40):
        tracemalloc.start()
        try:
            sparse_rows_by_token(tokens, rows, vocabulary_size)
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()
    assert max(peaks) < 5 * rows.nbytes
