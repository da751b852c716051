from functools import partial
from itertools import product

import numpy as np
import pytest

from common import attention
from common.checkpoint import load_params, save_params
from common.models import luong
from common.models.bidirectional import encode
from common.models.luong import init_luong
from common.params import flatten
from common.recurrent import gru_forward
from tests import seq2seq
from tests.seq2seq import B, E, H, T, V, gradient_report, random_batch, random_params

VARIANTS = list(product(("dot", "general", "concat"), (True, False)))
every_variant = pytest.mark.parametrize("score, input_feeding", VARIANTS)


def params_of(score, input_feeding):
    return random_params(partial(init_luong, score=score, input_feeding=input_feeding))


@every_variant
def test_parameters_have_these_shapes(score, input_feeding):
    shapes = {name: array.shape for name, array in flatten(params_of(score, input_feeding)).items()}
    own = {
        name: shape
        for name, shape in shapes.items()
        if name.startswith(("att", "dec", "comb", "out"))
    }
    scores = {
        "dot": {},
        "general": {"attention.W": (H, H)},
        "concat": {"attention.Wq": (H, H), "attention.Wk": (H, H), "attention.v": (H,)},
    }
    assert own == {
        **scores[score],
        "decoder.Wx": (E + H if input_feeding else E, 3 * H),
        "decoder.Wh": (H, 3 * H),
        "decoder.b": (3 * H,),
        "combine.W": (H + H, H),
        "combine.b": (H,),
        "output.W": (H, V + 1),
        "output.b": (V + 1,),
    }


def test_general_with_input_feeding_unless_told():
    params = init_luong(np.random.default_rng(0), V, V, E, H)
    assert params["attention"].keys() == {"W"} and len(params["decoder"]["Wx"]) == E + H


@every_variant
def test_gradients(score, input_feeding):
    gradient_report(luong, params_of(score, input_feeding), random_batch())


@pytest.mark.parametrize("input_feeding", [True, False])
def test_gradients_without_masks(input_feeding):
    source, _, target_inputs, targets, _ = random_batch()
    params = params_of("general", input_feeding)
    gradient_report(luong, params, (source, None, target_inputs, targets, None))


@pytest.mark.parametrize("input_feeding", [True, False])
def test_a_query_without_gradient_is_noticed(input_feeding, monkeypatch):
    def broken(attend_backward):
        def without_query(dcontext, cache):
            dqueries, record = attend_backward(dcontext, cache)
            return np.zeros_like(dqueries), record

        return without_query

    seq2seq.assert_wrong_gradients_are_noticed(
        luong,
        params_of("general", input_feeding),
        monkeypatch,
        "attend_backward",
        broken,
        "is .* but nudging",
    )


@pytest.mark.parametrize("input_feeding", [True, False])
def test_a_softmax_taken_for_independent_weights_is_noticed(input_feeding, monkeypatch):
    monkeypatch.setattr(attention, "softmax_backward", lambda dweights, weights: weights * dweights)
    with pytest.raises(AssertionError, match="is .* but nudging"):
        gradient_report(luong, params_of("general", input_feeding), random_batch())


@seq2seq.every_check
@every_variant
def test_what_holds_for_every_model(check, score, input_feeding):
    check(luong, params_of(score, input_feeding))


@every_variant
def test_it_learns_to_copy(score, input_feeding):
    seq2seq.assert_learns_to_copy(
        luong, partial(init_luong, score=score, input_feeding=input_feeding)
    )


@every_variant
def test_the_equations_one_sentence_and_step_at_a_time(score, input_feeding):
    params = params_of(score, input_feeding)
    source, source_mask, target_inputs, *_ = random_batch()
    logits, weights, _ = luong.forward(params, source, source_mask, target_inputs)
    annotations, first_state, _ = encode(params, source, source_mask)
    att = params["attention"]
    score_of = {
        "dot": lambda s, h: s @ h,
        "general": lambda s, h: s @ att["W"] @ h,
        "concat": lambda s, h: att["v"] @ np.tanh(s @ att["Wq"] + h @ att["Wk"]),
    }[score]
    for b in range(B):
        real = annotations[source_mask[:, b] == 1, b]
        s, a = first_state[b], np.zeros(H)
        for t in range(T):
            x = params["target_embedding"]["W"][target_inputs[t, b]]
            x = np.concatenate([x, a]) if input_feeding else x
            s = gru_forward(params["decoder"], x[None, None], s[None])[1][0]
            e = np.array([score_of(s, h) for h in real])
            w = np.exp(e) / np.exp(e).sum()
            combined = np.concatenate([w @ real, s])
            a = np.tanh(combined @ params["combine"]["W"] + params["combine"]["b"])
            expected = a @ params["output"]["W"] + params["output"]["b"]
            np.testing.assert_allclose(weights[t, b, : len(real)], w, rtol=0, atol=1e-12)
            np.testing.assert_allclose(logits[t, b], expected, rtol=0, atol=1e-12)


def test_a_checkpoint_of_the_dot_score_which_has_no_parameters_still_decodes(tmp_path):
    params = params_of("dot", True)
    save_params(tmp_path / "dot.safetensors", params)
    seq2seq.assert_steps_follow_teacher_forcing(luong, load_params(tmp_path / "dot.safetensors"))


def test_another_score_is_refused():
    with pytest.raises(ValueError, match="the score is 'cosine'; it must be one of additive"):
        init_luong(np.random.default_rng(0), V, V, E, H, score="cosine")
