from functools import partial
from itertools import product
from types import SimpleNamespace

import numpy as np
import pytest

from common.decoding import beam_search, greedy_decode, select
from common.losses import log_softmax
from common.models import bahdanau, encoder_decoder, luong
from common.params import flatten

V, LONGEST = 4, 3
MODELS = {
    "encoder-decoder": (encoder_decoder, encoder_decoder.init_encoder_decoder),
    "bahdanau": (bahdanau, bahdanau.init_bahdanau),
    "luong": (luong, luong.init_luong),
    "luong without feeding": (luong, partial(luong.init_luong, input_feeding=False)),
}
every_model = pytest.mark.parametrize("name", MODELS)


def random_model(name, seed=12):
    """Return the module and parameters large enough for choices that differ from sentence to sentence."""
    model, init = MODELS[name]
    rng = np.random.default_rng(seed)
    params = init(rng, 6, V, 3, 8, np.float64)
    for array in flatten(params).values():
        array[...] = rng.normal(0, 2, array.shape)
    params["output"]["b"][...] = 0
    return model, params


def sources(seed=0, batch_size=8):
    rng = np.random.default_rng(seed)
    mask = np.arange(5)[:, None] < rng.integers(2, 6, batch_size)
    return rng.integers(3, 6, mask.shape) * mask, mask


def scripted_model(table, weights=None):
    """A model whose logits at step t are table[t], (B, V) or (V,), whatever it reads; `read` says what it was given."""
    read = []

    def start(params, source, source_mask):
        return {"t": np.zeros((source.shape[1], 1), int)}

    def step(params, tokens, state):
        read.append(tokens.tolist())
        t = state["t"][0, 0]
        logits = np.broadcast_to(np.asarray(table[t], float), (len(tokens), V))
        looked = None if weights is None else np.full((len(tokens), 2), weights[t])
        return logits, {"t": state["t"] + 1}, looked

    return SimpleNamespace(start=start, step=step, read=read)


def log_p_of(model, params, source, ids):
    """Return the log-probability of a target by teacher forcing."""
    target_inputs = np.array([1, *ids[:-1]])[:, None]
    logits, _, _ = model.forward(params, source[:, None], None, target_inputs)
    return log_softmax(logits)[np.arange(len(ids)), 0, ids].sum()


@every_model
def test_greedy_takes_the_likeliest_token_of_what_teacher_forcing_predicts(name):
    model, params = random_model(name)
    source, mask = sources()
    ids, weights = greedy_decode(model, params, source, mask, max_length=6)
    assert len(set(map(tuple, ids))) > 1, "all outputs are the same: the test would show little"
    assert {len(one) for one in ids} != {6}
    for b, one in enumerate(ids):
        assert all(type(i) is int for i in one)
        assert 2 not in one[:-1] and (one[-1] == 2 or len(one) == 6)
        real = source[mask[:, b], b]
        inputs = np.array([1, *one[:-1]])[:, None]
        logits, looked, _ = model.forward(params, real[:, None], None, inputs)
        assert logits[:, 0].argmax(axis=-1).tolist() == one
        if looked is not None:
            assert weights[b].shape == (len(one), len(source))
            np.testing.assert_allclose(weights[b][:, : len(real)], looked[:, 0], atol=1e-12)
            assert not weights[b][:, len(real) :].any()
    assert (weights is None) == (name == "encoder-decoder")


def test_greedy_ends_a_list_with_eos_and_stops_when_all_have_ended():
    a, b, end = np.eye(V)[[0, 3, 2]]
    model = scripted_model([[a, b], [end, b], [b, end], [b, b]], weights=[1, 2, 3, 4])
    ids, weights = greedy_decode(model, None, np.zeros((2, 2), int), None, max_length=9)
    assert ids == [[0, 2], [3, 3, 2]]
    assert [w[:, 0].tolist() for w in weights] == [[1, 2], [1, 2, 3]]
    assert model.read == [[1, 1], [0, 3], [2, 3]]


@pytest.mark.parametrize("search", ["greedy", "beam"])
def test_other_marks_and_a_short_limit(search):
    model = scripted_model([np.eye(V)[1], np.eye(V)[2], np.eye(V)[0], np.eye(V)[3]])
    options = {"max_length": 4, "sos": 3, "eos": 0}

    def ids_with(**options):
        if search == "greedy":
            return greedy_decode(model, None, np.zeros((2, 1), int), None, **options)[0][0]
        return beam_search(model, None, np.zeros(2, int), 1, **options)[0][0]

    assert ids_with(**options) == [1, 2, 0]
    assert model.read[0] == [3]
    assert ids_with(**(options | {"max_length": 2})) == [1, 2]
    assert ids_with(max_length=1) == [1]


@every_model
def test_a_beam_of_width_1_is_greedy_search(name):
    model, params = random_model(name)
    source, mask = sources()
    ids, _ = greedy_decode(model, params, source, mask, max_length=6)
    for b, one in enumerate(ids):
        real = source[mask[:, b], b]
        ((found, log_p),) = beam_search(model, params, real, width=1, max_length=6, alpha=0.7)
        assert found == one
        assert log_p == pytest.approx(log_p_of(model, params, real, one), abs=1e-10)


def all_outputs():
    """Every sequence that ends with <eos>, id 2, within LONGEST tokens, or is LONGEST tokens without it."""
    words = [i for i in range(V) if i != 2]
    ended = [[*w, 2] for n in range(LONGEST) for w in product(words, repeat=n)]
    return ended + [list(w) for w in product(words, repeat=LONGEST)]


@every_model
@pytest.mark.parametrize("alpha", [0.0, 0.6, 1.0])
def test_a_beam_that_is_wide_enough_finds_what_enumeration_finds(name, alpha):
    model, params = random_model(name)
    source = np.array([3, 5, 4])
    found = beam_search(model, params, source, V**LONGEST, LONGEST, alpha)
    scored = [(ids, log_p_of(model, params, source, ids)) for ids in all_outputs()]
    expected = sorted(scored, key=lambda h: -h[1] / len(h[0]) ** alpha)
    assert [ids for ids, _ in found] == [ids for ids, _ in expected]
    np.testing.assert_allclose([p for _, p in found], [p for _, p in expected], atol=1e-10)
    assert sum(np.exp(p) for _, p in found) == pytest.approx(1)
    assert all(type(p) is float and all(type(i) is int for i in ids) for ids, p in found)


@every_model
@pytest.mark.parametrize("width", [2, 3, 5])
def test_a_narrow_beam_returns_as_many_different_hypotheses_with_their_true_probabilities(
    name, width
):
    model, params = random_model(name)
    source = np.array([4, 3, 5, 3])
    found = beam_search(model, params, source, width, max_length=5)
    assert len({tuple(ids) for ids, _ in found}) == len(found) == width
    for ids, log_p in found:
        assert ids[-1] == 2 or len(ids) == 5
        assert log_p == pytest.approx(log_p_of(model, params, source, ids), abs=1e-10)
    scores = [log_p for _, log_p in found]
    assert scores == sorted(scores, reverse=True)


def garden_path():
    """After the likeliest first token, 0, the second is a toss-up; after token 3, it is almost certain."""
    first = np.log([0.5, 0.05, 0.05, 0.4])
    after = {0: np.log([0.3, 0.3, 0.3, 0.1]), 3: np.log([0.01, 0.01, 0.97, 0.01])}
    rest = np.log([0.05, 0.05, 0.85, 0.05])

    def step(params, tokens, state):
        logits = [first if token == 1 else after.get(token, rest) for token in tokens.tolist()]
        return np.array(logits), state, None

    return SimpleNamespace(start=lambda *_: {"nothing": np.zeros((1, 1))}, step=step)


def test_a_beam_finds_the_likelier_output_that_greedy_search_misses():
    model, source = garden_path(), np.zeros(1, int)
    (greedy, *_), _ = greedy_decode(model, None, source[:, None], None, max_length=2)
    (best, log_p), (second, _) = beam_search(model, None, source, width=2, max_length=2)
    assert greedy[0] == 0
    assert best == [3, 2] and log_p == pytest.approx(np.log(0.4 * 0.97))
    assert second == [0, 0]


def test_length_normalisation_takes_the_advantage_from_short_outputs():
    model = scripted_model([np.log([0.45, 0.02, 0.5, 0.03]), np.log([0.03, 0.02, 0.9, 0.05])])
    first = [beam_search(model, None, np.zeros(1, int), 2, 2, alpha)[0][0] for alpha in (0.0, 1.0)]
    assert first == [[2], [0, 2]]


def test_select_copies_states_by_the_last_axis_but_one():
    rng = np.random.default_rng(0)
    state = {"s": rng.random((3, 2)), "memory": {"keys": rng.random((5, 3, 2))}}
    chosen = select(state, [2, 2, 0, 1])
    assert np.array_equal(chosen["s"], state["s"][[2, 2, 0, 1]])
    assert np.array_equal(chosen["memory"]["keys"], state["memory"]["keys"][:, [2, 2, 0, 1]])


@pytest.mark.parametrize("width, max_length", [(0, 3), (3, 0)])
def test_there_must_be_room_for_one_hypothesis_of_one_token(width, max_length):
    what = "width" if width == 0 else "max_length"
    with pytest.raises(ValueError, match=f"{what} is 0; it must be at least 1"):
        beam_search(garden_path(), None, np.zeros(1, int), width, max_length)
    if max_length == 0:
        with pytest.raises(ValueError, match="max_length is 0; it must be at least 1"):
            greedy_decode(garden_path(), None, np.zeros((1, 1), int), None, max_length)


@every_model
def test_a_source_for_the_beam_may_be_a_list_or_a_generator(name):
    model, params = random_model(name)
    source = np.array([4, 3, 5, 3])
    found = beam_search(model, params, source, 2, 5)
    assert beam_search(model, params, source.tolist(), 2, 5) == found
    assert beam_search(model, params, (int(i) for i in source), 2, 5) == found


@pytest.mark.parametrize("step", [0, 1])
def test_logits_that_are_nan_are_refused(step):
    table = [np.eye(V)[0], np.eye(V)[1]]
    table[step] = np.array([0, np.nan, 0, 0])
    with pytest.raises(ValueError, match="the model's logits are NaN"):
        greedy_decode(scripted_model(table), None, np.zeros((2, 1), int), None, max_length=2)
    with pytest.raises(ValueError, match="the model's logits are NaN"):
        beam_search(scripted_model(table), None, np.zeros(2, int), 2, max_length=2)


def test_what_an_ended_sentence_goes_on_to_say_changes_nothing():
    b, end, nan = np.eye(V)[3], np.eye(V)[2], np.full(V, np.nan)
    model = scripted_model([[end, b], [nan, b], [nan, end]])
    ids, _ = greedy_decode(model, None, np.zeros((2, 2), int), None, max_length=9)
    assert ids == [[2], [3, 3, 2]]


@pytest.mark.filterwarnings("error")
def test_what_has_probability_zero_is_no_hypothesis():
    model = scripted_model(
        [np.array([0, -np.inf, -np.inf, 0]), np.array([-np.inf, -np.inf, 0, -np.inf])]
    )
    found = beam_search(model, None, np.zeros(1, int), width=5, max_length=2)
    assert [ids for ids, _ in found] == [[0, 2], [3, 2]]
    assert [p for _, p in found] == pytest.approx([np.log(0.5)] * 2)


def test_outputs_may_be_longer_than_any_constant():
    model = scripted_model([np.eye(V)[0]] * 2000)
    ids, _ = greedy_decode(model, None, np.zeros((2, 1), int), None, max_length=2000)
    assert len(ids[0]) == 2000
    assert len(beam_search(model, None, np.zeros(2, int), 1, max_length=2000)[0][0]) == 2000
