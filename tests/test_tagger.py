import numpy as np
import pytest

from common.gradient_check import GradientMismatch, check_gradients
from common.models import tagger
from common.models.tagger import (
    POOLS,
    init_stack,
    init_tagger,
    loss_and_grads_with,
    pool_backward,
    pool_forward,
    stack_backward,
    stack_forward,
    tagger_forward,
)
from common.params import count_params, flatten
from common.recurrent import init_gru, init_lstm, init_rnn

T, B, D, H, V, CLASSES = 5, 3, 4, 3, 7, 4
LENGTHS = [5, 2, 4]
MASK = (np.arange(T)[:, None] < LENGTHS).astype(np.float32)
BOTH = ("forward", "backward")
every_pool = pytest.mark.parametrize("pool", [None, *POOLS])


def randomise(rng, params):
    for array in flatten(params).values():
        array[...] = rng.normal(0, 0.5, array.shape)
    return params


def random_tagger(seed=0, layers=2, init_cell=init_gru, ways=BOTH):
    rng = np.random.default_rng(seed)
    params = init_tagger(rng, V, CLASSES, D, H, layers, init_cell, ways, np.float64)
    tokens, targets = rng.integers(0, V, (T, B)), rng.integers(0, CLASSES, (T, B))
    return randomise(rng, params), tokens, targets


def targets_for(pool, targets):
    return targets if pool is None else targets[0]


@every_pool
@pytest.mark.parametrize("init_cell", [init_rnn, init_lstm, init_gru])
def test_gradients_of_every_cell_and_pool(init_cell, pool):
    params, tokens, targets = random_tagger(init_cell=init_cell)
    f = loss_and_grads_with(pool)
    given = tokens.copy(), targets.copy(), MASK.copy()
    check_gradients(lambda p: f(p, tokens, targets_for(pool, targets), MASK)[:2], params)
    assert all(map(np.array_equal, given, (tokens, targets, MASK)))


@every_pool
@pytest.mark.parametrize("ways, layers", [(("forward",), 1), (("backward",), 2), (BOTH, 3)])
def test_gradients_of_every_way_and_depth(ways, layers, pool):
    params, tokens, targets = random_tagger(seed=1, layers=layers, ways=ways)
    f = loss_and_grads_with(pool)
    check_gradients(lambda p: f(p, tokens, targets_for(pool, targets))[:2], params)


def test_gradients_with_dropout_of_the_input_and_without_of_the_output():
    params, x = random_tagger()[0]["layers"], np.random.default_rng(1).normal(size=(T, B, D))
    dh = np.random.default_rng(2).normal(size=(T, B, 2 * H))

    def f(p):
        h, cache = stack_forward(p["layers"], p["x"], MASK, 0.5, np.random.default_rng(3))
        dx, grads = stack_backward(dh, cache)
        return np.sum(h * dh), {"layers": grads, "x": dx}

    check_gradients(f, {"layers": params, "x": x})


def test_dropout_is_between_layers_only():
    x = np.random.default_rng(1).normal(size=(T, B, D))

    def outputs(layers):
        params = randomise(
            np.random.default_rng(0), init_stack(np.random.default_rng(0), D, H, layers)
        )
        plain, _ = stack_forward(params, x)
        dropped, cache = stack_forward(params, x, None, 0.5, np.random.default_rng(3))
        return plain, dropped, [scale for scale, _ in cache]

    plain, dropped, scales = outputs(1)
    assert np.array_equal(plain, dropped) and scales == [None]
    plain, dropped, scales = outputs(3)
    assert scales[0] is None and all(set(np.unique(s)) == {0, 2} for s in scales[1:])
    assert not np.allclose(plain, dropped) and dropped.all()


@every_pool
def test_a_sequence_in_a_batch_gets_what_it_gets_alone(pool):
    params, tokens, _ = random_tagger()
    logits, _ = tagger_forward(params, tokens, MASK, pool)
    for b, length in enumerate(LENGTHS):
        alone, _ = tagger_forward(params, tokens[:length, b : b + 1], None, pool)
        together = logits[:length, b] if pool is None else logits[b]
        np.testing.assert_allclose(
            together, alone[:, 0] if pool is None else alone[0], rtol=0, atol=1e-12
        )


@every_pool
def test_what_stands_at_padding_is_no_matter(pool):
    params, tokens, targets = random_tagger()
    f = loss_and_grads_with(pool)
    garbage = np.where(MASK == 1, tokens, 10**6)
    one, other = (f(params, t, targets_for(pool, targets), MASK) for t in (tokens, garbage))
    assert one[0] == other[0]
    for name, array in flatten(one[1]["layers"]).items():
        assert np.array_equal(array, flatten(other[1]["layers"])[name])
    assert np.array_equal(
        one[1]["embedding"]["W"].to_dense(), other[1]["embedding"]["W"].to_dense()
    )


@pytest.mark.parametrize("how", POOLS)
def test_pools_by_hand(how):
    h = np.array([[[1.0, -1, 5, 7]], [[3, -2, 6, 6]], [[3, -9, 4, 8]]])
    mask = np.array([[1], [1], [0]])
    h[2] = h[1] if how == "last" else np.nan  # a padded step copies the state through
    if how == "last":
        h[2, :, 2:] = 0  # backwards, padding comes first
    expected = {"last": [3, -2, 5, 7], "mean": [2, -1.5, 5.5, 6.5], "max": [3, -1, 6, 7]}
    pooled, cache = pool_forward(h, how, mask, BOTH)
    assert np.array_equal(pooled, [expected[how]])
    dh = pool_backward(np.array([[2.0, 4, 6, 8]]), cache)
    assert dh.shape == h.shape
    assert np.array_equal(dh.sum(axis=0), [[2, 4, 6, 8]])
    by_hand = {
        "last": [[0, 0, 6, 8], [0, 0, 0, 0], [2, 4, 0, 0]],
        "mean": [[1, 2, 3, 4], [1, 2, 3, 4], [0, 0, 0, 0]],
        "max": [[0, 4, 0, 8], [2, 0, 6, 0], [0, 0, 0, 0]],
    }
    assert np.array_equal(dh[:, 0], by_hand[how])


def test_of_equal_maxima_the_first_gets_the_gradient():
    pooled, cache = pool_forward(np.ones((3, 1, 2)), "max")
    assert np.array_equal(pool_backward(np.ones((1, 2)), cache)[:, 0], [[1, 1], [0, 0], [0, 0]])


@pytest.mark.parametrize("init_cell, gates", [(init_rnn, 1), (init_gru, 3), (init_lstm, 4)])
def test_shapes_and_dtype(init_cell, gates):
    params = init_tagger(np.random.default_rng(0), V, CLASSES, D, H, 2, init_cell)
    cell = (gates * H) * (1 + H)
    assert count_params(params["layers"]["0"]) == 2 * (cell + D * gates * H)
    assert count_params(params["layers"]["1"]) == 2 * (cell + 2 * H * gates * H)
    assert params["output"]["W"].shape == (2 * H, CLASSES)
    assert params["embedding"]["W"].shape == (V, D)
    assert all(array.dtype == np.float32 for array in flatten(params).values())
    logits, _ = tagger_forward(params, np.zeros((T, B), int))
    assert logits.shape == (T, B, CLASSES) and logits.dtype == np.float32


def test_without_more_said_it_is_one_layer_that_reads_both_ways():
    rng = np.random.default_rng(0)
    layers = init_tagger(rng, V, CLASSES, D, H)["layers"]
    assert set(layers) == set(init_stack(rng, D, H)) == {"0"}
    assert set(layers["0"]) == set(BOTH)


@pytest.mark.parametrize("pool", POOLS)
def test_float32_stays_float32(pool):
    params = init_tagger(np.random.default_rng(0), V, CLASSES, D, H)
    loss, grads, _ = loss_and_grads_with(pool)(
        params, np.zeros((T, B), int), np.zeros(B, int), MASK
    )
    assert all(array.dtype == np.float32 for array in flatten(grads["layers"]).values())


def test_one_way_is_half_of_both_ways():
    params, tokens, _ = random_tagger(layers=1)
    x = params["embedding"]["W"][tokens]
    both, _ = stack_forward(params["layers"], x, MASK)
    for way, half in zip(BOTH, np.split(both, 2, axis=-1), strict=True):
        one, _ = stack_forward({"0": {way: params["layers"]["0"][way]}}, x, MASK)
        assert np.array_equal(one, half)


def test_the_order_in_which_a_file_names_the_ways_is_no_matter():
    params, tokens, _ = random_tagger()
    turned = params | {
        "layers": {n: dict(reversed(layer.items())) for n, layer in params["layers"].items()}
    }
    for pool in (None, *POOLS):
        one, other = (tagger_forward(p, tokens, MASK, pool)[0] for p in (params, turned))
        assert np.array_equal(one, other)


def broken(monkeypatch, name, wrong, pool=None):
    params, tokens, targets = random_tagger()
    monkeypatch.setattr(tagger, name, wrong)
    f = loss_and_grads_with(pool)
    with pytest.raises(GradientMismatch):
        check_gradients(lambda p: f(p, tokens, targets_for(pool, targets), MASK)[:2], params)


def test_a_wrong_backward_is_noticed(monkeypatch):
    original = tagger.bidirectional_backward

    def half_forgotten(dh, cache):
        dx, grads = original(dh, cache)
        return dx / 2, grads

    broken(monkeypatch, "bidirectional_backward", half_forgotten)


@pytest.mark.parametrize("how", POOLS)
def test_a_wrong_backward_of_a_pool_is_noticed(monkeypatch, how):
    def spread(dpooled, cache):
        shape = (T, *dpooled.shape)
        return np.broadcast_to(dpooled / T, shape).copy()

    broken(monkeypatch, "pool_backward", spread, how)


@pytest.mark.parametrize(
    "call, message",
    [
        (lambda rng: init_stack(rng, D, H, 0), "layers is 0; it must be at least 1"),
        (lambda rng: init_stack(rng, D, H, ways=("left",)), r"ways are \('left',\); give"),
        (lambda rng: init_stack(rng, D, H, ways=()), r"ways are \(\); give"),
        (lambda rng: init_stack(rng, D, H, ways="forward"), "ways are 'forward'; give"),
        (lambda rng: pool_forward(np.ones((T, B, H)), "sum"), "pool is 'sum'; it must be last"),
        (lambda rng: pool_forward(np.ones((T, B, H)), "mean", MASK * [1, 0, 1]), "0 real tokens"),
        (lambda rng: pool_forward(np.ones((T, B, H)), "max", MASK.T), r"shape \(3, 5\)"),
        (lambda rng: stack_forward(random_tagger()[0]["layers"], None, None, 0.1), "give an rng"),
        (lambda rng: tagger_forward(random_tagger()[0], np.full((T, B), V)), "go from 7 to 7"),
    ],
)
def test_bad_input_is_refused(call, message):
    with pytest.raises(ValueError, match=message):
        call(np.random.default_rng(0))
