import numpy as np
import pytest

from common.gradient_check import check_gradients
from common.layers import (
    dropout_forward,
    embedding_forward,
    init_linear,
    linear_backward,
    linear_forward,
)
from common.losses import softmax_cross_entropy
from common.models.language_model import (
    accuracy,
    init_language_model,
    logits_of,
    loss_and_grads_with,
    mean_loss,
    next_logits_with,
)
from common.optimizers import Adam, clip_by_global_norm
from common.params import copy_params, flatten
from common.recurrent import (
    gru_backward,
    gru_forward,
    init_gru,
    init_lstm,
    init_rnn,
    lstm_backward,
    lstm_forward,
    rnn_backward,
    rnn_forward,
)
from common.sparse import SparseRows

V, H, T, B = 5, 4, 6, 3
CELLS = {
    "rnn": (init_rnn, rnn_forward, rnn_backward),
    "lstm": (init_lstm, lstm_forward, lstm_backward),
    "gru": (init_gru, gru_forward, gru_backward),
}
KINDS = {
    "one-hot": {},
    "embedding": {"embedding_size": 3},
    "tied": {"embedding_size": H, "tied": True},
}


def draw(cell, kind):
    """Return float64 parameters about 0.5 large, biases included, tokens, targets and a state that is not zero."""
    rng = np.random.default_rng(2)
    params = init_language_model(rng, CELLS[cell][0], V, H, **KINDS[kind])
    params = {
        layer: {name: rng.normal(0, 0.5, array.shape) for name, array in arrays.items()}
        for layer, arrays in params.items()
    }
    state = rng.normal(0, 0.5, (B, H))
    inputs, targets = rng.integers(0, V - 1, (2, T, B))  # the last token never occurs
    state = (state, rng.normal(0, 0.5, (B, H))) if cell == "lstm" else state
    return params, inputs, targets, state


@pytest.fixture
def model():
    rng = np.random.default_rng(0)
    params = init_language_model(rng, init_lstm, V, H, dtype=np.float64, forget_bias=0.5)
    params["output"] = {name: array.astype(np.float64) for name, array in params["output"].items()}
    return params, rng.integers(0, V, (T, B)), rng.integers(0, V, (T, B))


def test_cell_options_reach_the_cell():
    assert (
        "bn" in init_language_model(np.random.default_rng(0), init_gru, V, H, reset="after")["cell"]
    )


def test_a_text_read_in_one_go_or_in_pieces_has_the_same_logits(model):
    params, inputs, _ = model
    whole, _ = logits_of(lstm_forward, params, inputs)
    first, state = logits_of(lstm_forward, params, inputs[:2])
    second, _ = logits_of(lstm_forward, params, inputs[2:], state)
    np.testing.assert_allclose(np.concatenate([first, second]), whole, atol=1e-12)
    ids = inputs[:, 0]
    logits, _ = next_logits_with(lstm_forward, params)(ids, None)
    np.testing.assert_allclose(logits, whole[-1, 0], atol=1e-12)


def test_mean_loss_and_accuracy_by_their_definitions(model):
    params, inputs, targets = model
    ids = inputs[:, 0]
    logits, _ = logits_of(lstm_forward, params, ids[:-1, None])
    assert mean_loss(lstm_forward, params, ids) == softmax_cross_entropy(logits, ids[1:, None])[0]
    logits, _ = logits_of(lstm_forward, params, inputs)
    mask = np.zeros((T, B), dtype=int)
    mask[-1] = 1
    expected = (logits[-1].argmax(axis=-1) == targets[-1]).mean()
    assert accuracy(lstm_forward, params, inputs, targets, mask) == expected


@pytest.mark.parametrize("dropout, lengths", [(0.0, None), (0.4, [6, 4, 5])])
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize("kind", KINDS)
def test_gradients_of_the_whole_model(kind, cell, dropout, lengths):
    params, inputs, targets, state = draw(cell, kind)
    mask = lengths and np.arange(T)[:, None] < np.array(lengths)

    def f(params):
        rng = np.random.default_rng(3)  # the same numbers are dropped at every call
        loss_and_grads = loss_and_grads_with(*CELLS[cell][1:], dropout, rng)
        return loss_and_grads(params, inputs, targets, mask, state)[:2]

    check_gradients(f, params)
    if kind == "embedding":
        dW = f(params)[1]["embedding"]["W"]
        assert isinstance(dW, SparseRows) and np.array_equal(dW.rows, np.unique(inputs))


@pytest.mark.parametrize("rng", [None, np.random.default_rng(0)])
def test_without_embedding_and_dropout_the_model_is_a_cell_and_a_linear_layer(rng):
    params, inputs, targets, state = draw("gru", "one-hot")
    h, last, cell_cache = gru_forward(params["cell"], inputs, state)
    logits, output_cache = linear_forward(params["output"], h)
    loss, dlogits = softmax_cross_entropy(logits, targets)
    dh, output_grads = linear_backward(dlogits, output_cache)
    expected = {"cell": gru_backward(dh, cell_cache)[2], "output": output_grads}

    loss_and_grads = loss_and_grads_with(gru_forward, gru_backward, 0.0, rng)
    again, grads, state = loss_and_grads(params, inputs, targets, state=state)
    assert again == loss and np.array_equal(state, last)
    ours, theirs = flatten(grads), flatten(expected)
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_without_embedding_the_parameters_are_those_of_the_two_layers():
    rng, again = np.random.default_rng(0), np.random.default_rng(0)
    ours = flatten(init_language_model(rng, init_gru, V, H))
    theirs = flatten({"cell": init_gru(again, V, H), "output": init_linear(again, H, V)})
    assert ours.keys() == theirs.keys()
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_parameters_of_a_model_with_an_embedding():
    shapes = {
        kind: {
            name: array.shape
            for name, array in flatten(
                init_language_model(np.random.default_rng(0), init_rnn, V, H, **options)
            ).items()
        }
        for kind, options in KINDS.items()
    }
    assert shapes["embedding"] == {
        **{"cell.Wx": (3, H), "cell.Wh": (H, H), "cell.b": (H,)},
        **{"output.W": (H, V), "output.b": (V,), "embedding.W": (V, 3)},
    }
    assert shapes["tied"] == {
        **{"cell.Wx": (H, H), "cell.Wh": (H, H), "cell.b": (H,)},
        **{"output.b": (V,), "embedding.W": (V, H)},
    }


@pytest.mark.parametrize("embedding_size", [None, 3, 5])
def test_tied_weights_need_equal_sizes(embedding_size):
    with pytest.raises(
        ValueError,
        match=f"embedding_size equal to hidden_size; they are {embedding_size} and {H}",
    ):
        init_language_model(np.random.default_rng(0), init_gru, V, H, embedding_size, tied=True)


@pytest.mark.parametrize("kind", KINDS)
def test_every_array_has_the_dtype_asked_for(kind):
    params = init_language_model(
        np.random.default_rng(0), init_lstm, V, H, dtype=np.float64, **KINDS[kind]
    )
    assert {array.dtype for array in flatten(params).values()} == {np.dtype(np.float64)}


def test_dropout_without_a_generator_is_refused_at_once():
    with pytest.raises(ValueError, match="give an rng"):
        loss_and_grads_with(rnn_forward, rnn_backward, dropout=0.5)


@pytest.mark.parametrize("kind", ["embedding", "tied"])
def test_an_embedding_is_a_factor_of_the_cells_input_weights(kind):
    params, inputs, _, state = draw("lstm", kind)
    W = params["embedding"]["W"]
    one_hot = {
        "cell": params["cell"] | {"Wx": W @ params["cell"]["Wx"]},
        "output": {"W": W.T, **params["output"]},  # its own W, where it has one
    }
    logits, last = logits_of(lstm_forward, params, inputs, state)
    expected, expected_last = logits_of(lstm_forward, one_hot, inputs, state)
    np.testing.assert_allclose(logits, expected, atol=1e-12)
    np.testing.assert_allclose(last, expected_last, atol=1e-12)


def test_a_cell_with_parameters_of_its_own_reads_vectors():
    """A lesson's own cell, one matrix for each gate, say, is trained like one of common.recurrent."""
    params, inputs, targets, _ = draw("lstm", "embedding")
    own = {**params, "cell": {"mine": params["cell"]}}
    forward, backward = CELLS["lstm"][1:3]

    def own_forward(cell, x, state):
        assert x.ndim == 3
        return forward(cell["mine"], x, state)

    def own_backward(dh, cache):
        dx, dstate, grads = backward(dh, cache)
        return dx, dstate, {"mine": grads}

    loss, grads, _ = loss_and_grads_with(forward, backward)(params, inputs, targets)
    own_loss, own_grads, _ = loss_and_grads_with(own_forward, own_backward)(own, inputs, targets)
    assert own_loss == pytest.approx(loss, abs=1e-14)
    for name, g in flatten({**grads, "cell": {"mine": grads["cell"]}}).items():
        g, other = (
            a.to_dense() if isinstance(a, SparseRows) else a for a in (g, flatten(own_grads)[name])
        )
        np.testing.assert_allclose(g, other, rtol=0, atol=1e-14)


@pytest.mark.parametrize("kind", KINDS)
def test_dropout_acts_below_and_above_the_cell_and_not_on_its_state(kind):
    params, inputs, targets, state = draw("gru", kind)
    loss_and_grads = loss_and_grads_with(
        gru_forward, gru_backward, dropout=0.4, rng=np.random.default_rng(5)
    )
    losses, rng = [], np.random.default_rng(5)
    for _ in range(2):  # other numbers are dropped in every call
        x = inputs
        if kind != "one-hot":
            x, _ = dropout_forward(rng, embedding_forward(params["embedding"], inputs)[0], 0.4)
        h, last, _ = gru_forward(params["cell"], x, state)
        W = params["output"].get("W", params["embedding"]["W"].T if kind == "tied" else None)
        h, _ = dropout_forward(rng, h, 0.4)
        expected, _ = softmax_cross_entropy(h @ W + params["output"]["b"], targets)
        loss, _, last_state = loss_and_grads(params, inputs, targets, state=state)
        assert loss == pytest.approx(expected, rel=1e-12)
        assert np.array_equal(last_state, last)
        losses.append(loss)
    assert losses[0] != losses[1]


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_drops_nothing(kind):
    params, inputs, targets, _ = draw("gru", kind)
    before = copy_params(params)
    loss_and_grads_with(gru_forward, gru_backward, 0.4, np.random.default_rng(0))(
        params, inputs, targets
    )
    whole = loss_and_grads_with(gru_forward, gru_backward)
    ids = inputs[:, 0]
    expected = whole(params, ids[:-1, None], ids[1:, None])[0]
    assert mean_loss(gru_forward, params, ids) == pytest.approx(expected, rel=1e-12)
    logits, _ = logits_of(gru_forward, params, inputs)
    assert softmax_cross_entropy(logits, targets)[0] == pytest.approx(
        whole(params, inputs, targets)[0], rel=1e-12
    )
    best = logits.argmax(axis=-1)
    assert accuracy(gru_forward, params, inputs, best, np.ones((T, B))) == 1
    next_logits, _ = next_logits_with(gru_forward, params)(ids, None)
    np.testing.assert_allclose(next_logits, logits[-1, 0], atol=1e-12)
    ours, theirs = flatten(params), flatten(before)
    assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


@pytest.mark.parametrize("kind", KINDS)
def test_one_batch_is_learnt_by_heart_in_float32(kind):
    rng = np.random.default_rng(0)
    options = KINDS[kind] and KINDS[kind] | {"embedding_size": 16}
    params = init_language_model(rng, init_gru, V, 16, **options)
    inputs, targets = rng.integers(0, V, (2, T, B))
    inputs[0] = range(B)  # so that every sequence can be told apart from its first token on
    loss_and_grads, optimizer = loss_and_grads_with(gru_forward, gru_backward), Adam(0.05)
    for _ in range(60):
        loss, grads, _ = loss_and_grads(params, inputs, targets)
        clip_by_global_norm(grads, 5.0)
        optimizer.update(params, grads)
    assert loss < 0.05
    assert all(array.dtype == np.float32 for array in flatten(params).values())
