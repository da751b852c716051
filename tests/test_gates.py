import numpy as np
import pytest

from common.gates import gates_first, input_gradients, project, side_by_side, stacked_gradient

T, B, D, H = 4, 3, 5, 2
ORDER = (2, 0, 1)


def columns_of(gate):
    return slice(gate * H, (gate + 1) * H)


def test_gates_come_first_in_the_order_asked_for_and_go_back():
    W = np.arange(D * 3 * H).reshape(D, 3 * H)
    blocks = gates_first(W, ORDER)
    assert blocks.shape == (3, D, H) and blocks.flags.c_contiguous
    for block, gate in zip(blocks, ORDER, strict=True):
        assert np.array_equal(block, W[:, columns_of(gate)])
    assert np.array_equal(side_by_side(blocks, ORDER), W)
    assert not np.shares_memory(blocks, W)


@pytest.mark.parametrize("batch_size", [1, B])
@pytest.mark.parametrize("vocabulary_size", [None, 5, 50])  # None: vectors, not tokens
def test_the_input_product_and_its_gradients_are_those_of_all_columns(batch_size, vocabulary_size):
    rng = np.random.default_rng(0)
    D_or_V = vocabulary_size or D
    params = {"Wx": rng.normal(size=(D_or_V, 3 * H)), "b": rng.normal(size=3 * H)}
    x = rng.normal(size=(T, batch_size, D))
    if vocabulary_size:
        x = rng.integers(vocabulary_size, size=(T, batch_size))
    vectors = np.eye(vocabulary_size)[x] if vocabulary_size else x
    a = project(params, x, ORDER)
    expected = vectors @ params["Wx"] + params["b"]
    da = rng.normal(size=expected.shape)
    da_first = np.stack([da[..., columns_of(gate)] for gate in ORDER])
    dx, grads = input_gradients(params, x, da_first, ORDER)
    rows, drows = vectors.reshape(-1, D_or_V), da.reshape(-1, 3 * H)
    for n, gate in enumerate(ORDER):
        np.testing.assert_allclose(a[n], expected[..., columns_of(gate)], atol=1e-14)
    np.testing.assert_allclose(grads["Wx"], rows.T @ drows, atol=1e-14)
    np.testing.assert_allclose(grads["b"], drows.sum(axis=0), atol=1e-14)
    np.testing.assert_allclose(
        stacked_gradient(vectors, da_first, ORDER), rows.T @ drows, atol=1e-14
    )
    if vocabulary_size:
        assert dx is None
    else:
        np.testing.assert_allclose(dx, da @ params["Wx"].T, atol=1e-14)


def test_the_gates_of_one_step_of_one_sequence_are_one_piece():
    params = {"Wx": np.ones((D, 3 * H)), "b": np.zeros(3 * H)}
    for B_, of_one_step in ((1, True), (2, False)):
        a = project(params, np.ones((T, B_, D)), ORDER)
        assert a[:, 1].flags.c_contiguous == of_one_step
        assert (
            a[1].reshape(T * B_, H).base is not None
        )  # a view: every gate is one piece for products
