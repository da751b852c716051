import numpy as np
import pytest

from common.models import encoder_decoder
from common.models.encoder_decoder import init_encoder_decoder
from common.params import flatten
from tests import seq2seq
from tests.seq2seq import E, H, V, gradient_report, random_batch, random_params


@pytest.fixture
def params():
    return random_params(init_encoder_decoder)


def test_parameters_have_these_shapes():
    shapes = {
        name: array.shape for name, array in flatten(random_params(init_encoder_decoder)).items()
    }
    assert shapes == {
        "source_embedding.W": (V, E),
        "encoder.Wx": (E, 3 * H),
        "encoder.Wh": (H, 3 * H),
        "encoder.b": (3 * H,),
        "bridge.W": (H, H),
        "bridge.b": (H,),
        "target_embedding.W": (V + 1, E),
        "decoder.Wx": (E, 3 * H),
        "decoder.Wh": (H, 3 * H),
        "decoder.b": (3 * H,),
        "output.W": (H, V + 1),
        "output.b": (V + 1,),
    }


def test_gradients(params):
    gradient_report(encoder_decoder, params, random_batch())


def test_gradients_without_masks(params):
    source, _, target_inputs, targets, _ = random_batch()
    gradient_report(encoder_decoder, params, (source, None, target_inputs, targets, None))


def no_gradient_to_the_first_state(gru_backward):
    def broken(dh, cache, dstate=None):
        dx, dh0, grads = gru_backward(dh, cache, dstate)
        return dx, np.zeros_like(dh0), grads

    return broken


def test_a_decoder_that_tells_the_encoder_nothing_is_noticed(params, monkeypatch):
    seq2seq.assert_wrong_gradients_are_noticed(
        encoder_decoder,
        params,
        monkeypatch,
        "gru_backward",
        no_gradient_to_the_first_state,
        "bridge|encoder",
    )


def test_a_bridge_without_the_slope_of_tanh_is_noticed(params, monkeypatch):
    def broken(encode_backward):
        return lambda d, cache: encode_backward(d, (*cache[:3], np.zeros_like(cache[3]), cache[4]))

    seq2seq.assert_wrong_gradients_are_noticed(
        encoder_decoder, params, monkeypatch, "encode_backward", broken, "bridge|encoder"
    )


@seq2seq.every_check
def test_what_holds_for_every_model(check, params):
    check(encoder_decoder, params)


def test_it_learns_to_copy():
    seq2seq.assert_learns_to_copy(encoder_decoder, init_encoder_decoder)


def test_the_loss_is_the_mean_over_real_target_tokens(params):
    source, source_mask, target_inputs, targets, target_mask = random_batch()
    logits, _, _ = encoder_decoder.forward(params, source, source_mask, target_inputs)
    log_p = logits - np.log(np.exp(logits).sum(axis=-1, keepdims=True))
    real = target_mask == 1
    expected = -np.take_along_axis(log_p, targets[..., None], axis=-1)[..., 0][real].mean()
    loss, _, state = encoder_decoder.loss_and_grads(
        params, source, source_mask, target_inputs, targets, target_mask, state=None
    )
    assert loss == pytest.approx(expected, abs=1e-12) and state is None


def test_batches_of_different_sizes_are_refused(params):
    source, source_mask, target_inputs, *_ = random_batch()
    with pytest.raises(ValueError, match=r"h0 has shape \(3, 4\); it must be \(B, H\) = \(2, 4\)"):
        encoder_decoder.forward(params, source, source_mask, target_inputs[:, :2])
