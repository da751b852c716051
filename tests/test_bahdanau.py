import numpy as np
import pytest

from common import attention
from common.models import bahdanau
from common.models.bahdanau import init_bahdanau, with_late_question
from common.models.bidirectional import encode
from common.params import flatten
from common.recurrent import gru_forward
from tests import seq2seq
from tests.seq2seq import B, E, H, T, V, gradient_report, random_batch, random_params


@pytest.fixture
def params():
    return random_params(init_bahdanau)


def test_parameters_have_these_shapes(params):
    shapes = {name: array.shape for name, array in flatten(params).items()}
    own = {
        name: shape
        for name, shape in shapes.items()
        if name.startswith(("att", "dec", "read", "out"))
    }
    assert own == {
        "attention.Wq": (H, H),
        "attention.Wk": (H, H),
        "attention.v": (H,),
        "decoder.Wx": (E + H, 3 * H),
        "decoder.Wh": (H, 3 * H),
        "decoder.b": (3 * H,),
        "readout.W": (H + E + H, H),
        "readout.b": (H,),
        "output.W": (H, V + 1),
        "output.b": (V + 1,),
    }


def test_gradients(params):
    gradient_report(bahdanau, params, random_batch())


def test_gradients_without_masks(params):
    source, _, target_inputs, targets, _ = random_batch()
    gradient_report(bahdanau, params, (source, None, target_inputs, targets, None))


def test_gradients_with_the_other_gru(params):
    params["decoder"]["bn"] = np.random.default_rng(3).normal(0, 0.5, H)
    gradient_report(bahdanau, params, random_batch())


@pytest.fixture
def late(params):
    late = with_late_question(params)
    late["attention"]["Wq"][H:] = np.random.default_rng(4).normal(0, 0.5, (E, H))
    return late


def test_a_late_question_is_the_same_function_until_its_new_rows_are_trained(params):
    batch = random_batch()[:3]
    expected, _, _ = bahdanau.forward(params, *batch)
    untrained = with_late_question(params)
    np.testing.assert_allclose(bahdanau.forward(untrained, *batch)[0], expected, atol=1e-12)
    assert params["attention"]["Wq"].shape == (H, H)
    assert untrained["attention"]["Wq"].shape == (H + E, H)


def test_gradients_of_a_late_question(late):
    gradient_report(bahdanau, late, random_batch())


def test_a_late_question_whose_word_gets_no_gradient_is_noticed(late, monkeypatch):
    def broken(attend_backward):
        def without_word(dcontext, cache):
            dquestion, record = attend_backward(dcontext, cache)
            return np.where(np.arange(H + E) < H, dquestion, 0), record

        return without_word

    seq2seq.assert_wrong_gradients_are_noticed(
        bahdanau, late, monkeypatch, "attend_backward", broken, "target_embedding"
    )


@seq2seq.every_check
def test_what_holds_for_every_model_holds_for_a_late_question(check, late):
    check(bahdanau, late)


def test_a_query_without_gradient_is_noticed(params, monkeypatch):
    def broken(attend_backward):
        def without_query(dcontext, cache):
            dqueries, record = attend_backward(dcontext, cache)
            return np.zeros_like(dqueries), record

        return without_query

    seq2seq.assert_wrong_gradients_are_noticed(
        bahdanau, params, monkeypatch, "attend_backward", broken, "is .* but nudging"
    )


def test_a_softmax_taken_for_independent_weights_is_noticed(params, monkeypatch):
    monkeypatch.setattr(attention, "softmax_backward", lambda dweights, weights: weights * dweights)
    with pytest.raises(AssertionError, match="attention"):
        gradient_report(bahdanau, params, random_batch())


@seq2seq.every_check
def test_what_holds_for_every_model(check, params):
    check(bahdanau, params)


def test_it_learns_to_copy():
    seq2seq.assert_learns_to_copy(bahdanau, init_bahdanau)


def test_the_equations_one_sentence_and_step_at_a_time(params):
    source, source_mask, target_inputs, *_ = random_batch()
    logits, weights, _ = bahdanau.forward(params, source, source_mask, target_inputs)
    annotations, first_state, _ = encode(params, source, source_mask)
    Wq, Wk, v = (params["attention"][name] for name in ("Wq", "Wk", "v"))
    for b in range(B):
        real = annotations[source_mask[:, b] == 1, b]
        s = first_state[b]
        for t in range(T):
            e = np.array([v @ np.tanh(s @ Wq + h @ Wk) for h in real])
            w = np.exp(e) / np.exp(e).sum()
            y, c = params["target_embedding"]["W"][target_inputs[t, b]], w @ real
            x = np.concatenate([y, c])[None, None]
            s = gru_forward(params["decoder"], x, s[None])[1][0]
            r = np.concatenate([s, y, c]) @ params["readout"]["W"] + params["readout"]["b"]
            expected = np.tanh(r) @ params["output"]["W"] + params["output"]["b"]
            np.testing.assert_allclose(weights[t, b, : len(real)], w, rtol=0, atol=1e-12)
            np.testing.assert_allclose(logits[t, b], expected, rtol=0, atol=1e-12)
