import numpy as np
import pytest

from common import recurrent
from common.embedded_input import embed_input, embed_input_backward
from common.layers import embedding_backward, embedding_forward

V, E, H, T, B = 9, 4, 3, 5, 2
CELLS = {
    "rnn": (recurrent.init_rnn, recurrent.rnn_forward, recurrent.rnn_backward, {}),
    "lstm": (recurrent.init_lstm, recurrent.lstm_forward, recurrent.lstm_backward, {}),
    "gru": (recurrent.init_gru, recurrent.gru_forward, recurrent.gru_backward, {"reset": "after"}),
}
TOKENS = np.array([[8, 2], [2, 2], [0, 8], [2, 5], [5, 0]])  # 1, 3, 4, 6 and 7 do not occur
MASK = np.array([[1, 1], [1, 1], [1, 0], [1, 0], [0, 0]])


def problem(cell, dtype=np.float64):
    init, forward, backward, options = CELLS[cell]
    rng = np.random.default_rng(0)
    params = init(rng, E, H, dtype=dtype, **options)
    for array in params.values():
        array[...] = rng.normal(0, 0.5, array.shape)
    embedding = {"W": rng.normal(0, 0.5, (V, E)).astype(dtype)}
    return embedding, params, forward, backward, rng.normal(size=(T, B, H)).astype(dtype)


@pytest.mark.parametrize("mask", [None, MASK])
@pytest.mark.parametrize("cell", CELLS)
def test_outputs_and_all_gradients_are_those_of_the_vectors(cell, mask):
    embedding, params, forward, backward, dh = problem(cell)
    x, embedding_cache = embedding_forward(embedding, TOKENS)
    expected_h, _, cache = forward(params, x, mask=mask)
    dx, _, expected = backward(dh, cache)
    expected_dW = embedding_backward(dx, embedding_cache)["W"].to_dense()

    table_cell, places, read_cache = embed_input(embedding, params, TOKENS, mask)
    h, _, cache = forward(table_cell, places, mask=mask)
    dembedding, grads = embed_input_backward(backward(dh, cache)[2], read_cache)
    np.testing.assert_allclose(h, expected_h, rtol=0, atol=1e-14)
    np.testing.assert_allclose(dembedding["W"].to_dense(), expected_dW, rtol=0, atol=1e-14)
    assert grads.keys() == expected.keys()
    for name in grads:
        np.testing.assert_allclose(grads[name], expected[name], rtol=0, atol=1e-14)


def test_only_words_that_are_read_have_a_gradient():
    embedding, params, forward, backward, dh = problem("rnn")
    for mask, words in ((None, [0, 2, 5, 8]), (MASK, [0, 2, 8]), (MASK[::-1], [0, 2, 5])):
        *_, cache = embed_input(embedding, params, TOKENS, mask)
        assert cache[2].tolist() == words
    first = np.array([[1, 0]] + [[0, 0]] * 4)
    for there in (3, -1, V):
        given = np.where(first == 0, there, TOKENS)
        table_cell, places, cache = embed_input(embedding, params, given, first)
        assert cache[2].tolist() == [8] and not places.any()


def test_each_distinct_word_is_multiplied_once_and_nothing_given_is_written_to():
    embedding, params, *_ = problem("lstm")
    before = [embedding["W"].copy(), params["Wx"].copy(), TOKENS.copy()]
    table_cell, places, _ = embed_input(embedding, params, TOKENS)
    assert table_cell["Wx"].shape == (4, 4 * H) and places.shape == (T, B)
    given = embedding["W"], params["Wx"], TOKENS
    assert all(np.array_equal(a, b) for a, b in zip(before, given, strict=True))


@pytest.mark.parametrize("cell", CELLS)
def test_the_dtype_is_kept(cell):
    embedding, params, forward, backward, dh = problem(cell, np.float32)
    table_cell, places, cache = embed_input(embedding, params, TOKENS)
    h, _, cell_cache = forward(table_cell, places)
    dembedding, grads = embed_input_backward(backward(dh, cell_cache)[2], cache)
    arrays = [h, dembedding["W"].values, *grads.values()]
    assert all(array.dtype == np.float32 for array in arrays)


@pytest.mark.parametrize(
    "tokens, mask, message",
    [
        (
            np.array([[0, V]]),
            None,
            "go from 0 to 9; with a vocabulary of 9 the ids allowed are 0 to 8",
        ),
        (np.array([[-1, 0]]), None, "go from -1 to 0"),
        (np.array([[0.0, 1.0]]), None, "integer ids"),
        (np.array([[0, 1]]), np.array([[0, 0]]), "empty"),
    ],
)
def test_bad_tokens_are_refused(tokens, mask, message):
    embedding, params, *_ = problem("rnn")
    with pytest.raises(ValueError, match=message):
        embed_input(embedding, params, tokens, mask)
