import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from common.gradient_check import check_gradients
from common.losses import log_softmax, logsumexp, softmax, softmax_cross_entropy

any_logits = arrays(
    np.float64, st.tuples(st.integers(1, 3), st.integers(1, 9)), elements=st.floats(-1e4, 1e4)
)


@given(any_logits)
def test_log_softmax_is_finite_and_its_probabilities_sum_to_one(logits):
    log_probabilities = log_softmax(logits)
    assert log_probabilities.shape == logits.shape
    assert np.all(np.isfinite(log_probabilities))
    assert np.all(log_probabilities <= 1e-11)
    np.testing.assert_allclose(np.exp(log_probabilities).sum(axis=-1), 1, rtol=1e-11)


@given(any_logits, st.floats(-1e4, 1e4))
def test_log_softmax_does_not_change_when_all_logits_shift(logits, shift):
    np.testing.assert_allclose(log_softmax(logits + shift), log_softmax(logits), rtol=0, atol=1e-10)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("value", [-1e4, 0, 1e4])
def test_equal_logits_give_the_uniform_distribution(value, dtype):
    logits = np.full((2, 5), value, dtype)
    np.testing.assert_allclose(
        log_softmax(logits), -math.log(5), rtol=1e-3 if dtype == np.float32 else 1e-11
    )
    np.testing.assert_allclose(logsumexp(logits), value + math.log(5), rtol=1e-6)


def test_logits_twenty_thousand_apart_stay_exact():
    assert log_softmax(np.array([1e4, -1e4])).tolist() == [0, -2e4]
    assert softmax(np.array([1e4, -1e4])).tolist() == [1, 0]


def test_an_impossible_token_has_probability_zero():
    np.testing.assert_allclose(softmax(np.array([-np.inf, 0, 0])), [0, 0.5, 0.5])


@pytest.mark.filterwarnings("ignore:divide by zero")
def test_logsumexp_of_nothing_possible_is_minus_infinity():
    assert logsumexp(np.full((1, 3), -np.inf)).tolist() == [[-np.inf]]


def test_logsumexp_keeps_the_last_axis_with_length_one():
    result = logsumexp(np.log(np.array([[[1.0, 2, 3], [4, 5, 6]]])))
    assert result.shape == (1, 2, 1)
    np.testing.assert_allclose(result[0, :, 0], np.log([6, 15]))


def test_softmax_by_hand():
    np.testing.assert_allclose(
        softmax(np.log(np.array([[1.0, 3], [2, 2]]))), [[0.25, 0.75], [0.5, 0.5]]
    )


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("function", [logsumexp, log_softmax, softmax])
def test_the_softmax_family_keeps_the_dtype_and_its_input(function, dtype):
    logits = np.arange(6, dtype=dtype).reshape(2, 3)
    assert function(logits).dtype == dtype
    assert np.array_equal(logits, np.arange(6).reshape(2, 3))


def test_cross_entropy_by_hand():
    logits = np.log(np.array([[1.0, 3], [2, 2]]))
    loss, dlogits = softmax_cross_entropy(logits, np.array([0, 1]))
    assert loss == pytest.approx((math.log(4) + math.log(2)) / 2)
    np.testing.assert_allclose(dlogits, [[-0.75 / 2, 0.75 / 2], [0.5 / 2, -0.5 / 2]])


def test_cross_entropy_of_equal_logits_is_the_log_of_the_vocabulary_size():
    loss, _ = softmax_cross_entropy(np.zeros((4, 2, 7)), np.zeros((4, 2), int))
    assert loss == pytest.approx(math.log(7))


def test_cross_entropy_of_a_confident_mistake_is_finite():
    loss, dlogits = softmax_cross_entropy(np.array([[1e4, -1e4]], np.float32), np.array([1]))
    assert loss == 2e4
    assert dlogits.tolist() == [[1, -1]]


@pytest.mark.parametrize("mask_dtype", [bool, np.int64, np.float64])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_cross_entropy_keeps_the_dtype_and_returns_a_float(dtype, mask_dtype):
    logits = np.ones((3, 2, 4), dtype)
    for mask in (None, np.eye(3, 2).astype(mask_dtype)):
        loss, dlogits = softmax_cross_entropy(logits, np.zeros((3, 2), int), mask)
        assert type(loss) is float
        assert dlogits.dtype == dtype and dlogits.shape == logits.shape
    assert np.all(logits == 1)


def test_masked_tokens_do_not_count_in_the_loss_or_the_mean():
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(4, 3, 5)), rng.integers(5, size=(4, 3))
    mask = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 1], [0, 0, 1]])
    loss, dlogits = softmax_cross_entropy(logits, targets, mask)
    real_loss, real_dlogits = softmax_cross_entropy(logits[mask == 1], targets[mask == 1])
    assert loss == pytest.approx(real_loss, rel=1e-13)
    np.testing.assert_allclose(dlogits[mask == 1], real_dlogits, rtol=1e-13)
    assert np.all(dlogits[mask == 0] == 0)


def test_a_mask_of_ones_changes_nothing():
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(4, 3, 5)), rng.integers(5, size=(4, 3))
    loss, dlogits = softmax_cross_entropy(logits, targets)
    masked_loss, masked_dlogits = softmax_cross_entropy(logits, targets, np.ones((4, 3)))
    assert masked_loss == pytest.approx(loss, rel=1e-13)
    np.testing.assert_allclose(masked_dlogits, dlogits, rtol=1e-13)


def test_a_mask_of_float32_costs_float64_no_precision():
    logits, targets = np.random.default_rng(0).normal(size=(7, 4)), np.arange(7) % 4
    mask = np.array([1, 1, 1, 1, 1, 1, 0], np.float32)
    loss, dlogits = softmax_cross_entropy(logits, targets, mask)
    exact_loss, exact_dlogits = softmax_cross_entropy(logits[:6], targets[:6])
    assert loss == pytest.approx(exact_loss, rel=1e-13)
    np.testing.assert_allclose(dlogits[:6], exact_dlogits, rtol=1e-13)


@pytest.mark.parametrize("mask", [None, np.array([[1, 1], [1, 1], [1, 0], [0, 0]])])
def test_the_gradient_of_cross_entropy_is_proven(mask):
    rng = np.random.default_rng(1)
    targets = rng.integers(5, size=(4, 2))

    def f(params):
        loss, dlogits = softmax_cross_entropy(params["logits"], targets, mask)
        return loss, {"logits": dlogits}

    check_gradients(f, {"logits": rng.normal(0, 0.5, (4, 2, 5))})


@pytest.mark.parametrize(
    "targets, mask, message",
    [
        (np.zeros((3, 2), int), None, r"need targets of shape \(2, 3\), not \(3, 2\)"),
        (np.zeros((2, 3, 4), int), None, r"need targets of shape \(2, 3\), not \(2, 3, 4\)"),
        (np.full((2, 3), 4), None, "targets go from 4 to 4; .* allowed are 0 to 3"),
        (np.full((2, 3), -1), None, "targets go from -1 to -1; .* allowed are 0 to 3"),
        (np.zeros((2, 3)), None, "targets must be integer ids, not float64"),
        (
            np.zeros((2, 3), int),
            np.ones((3, 2)),
            r"the mask has shape \(3, 2\), the targets have \(2, 3\)",
        ),
        (np.zeros((2, 3), int), np.zeros((2, 3)), "the mask has no 1"),
    ],
)
def test_cross_entropy_refuses(targets, mask, message):
    with pytest.raises(ValueError, match=message):
        softmax_cross_entropy(np.zeros((2, 3, 4)), targets, mask)


NEVER_MIND = {
    "NaN": np.nan,
    "infinite": np.inf,
    "impossible": -np.inf,
    "mixed": np.array([np.inf, -np.inf, np.nan, 0, 1]),
    "huge": np.array([1e300, -1e300, 0, 0, 0]),
}


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mask_dtype", [bool, np.float16, np.float32, np.int64])
@pytest.mark.parametrize("what", NEVER_MIND)
def test_what_stands_at_a_masked_place_changes_nothing(what, mask_dtype, dtype):
    rng = np.random.default_rng(0)
    logits, targets = rng.normal(size=(4, 3, 5)).astype(dtype), rng.integers(5, size=(4, 3))
    mask = np.array([[1, 1, 1], [1, 0, 1], [0, 0, 1], [0, 0, 1]]).astype(mask_dtype)
    loss, dlogits = softmax_cross_entropy(logits, targets, mask)
    with np.errstate(over="ignore"):
        logits[mask == 0] = np.asarray(NEVER_MIND[what]).astype(dtype)
    targets[mask == 0] = -100
    before = logits.copy(), targets.copy()
    spoilt_loss, spoilt_dlogits = softmax_cross_entropy(logits, targets, mask)
    assert spoilt_loss == loss
    assert np.array_equal(spoilt_dlogits, dlogits)
    assert np.all(spoilt_dlogits[mask == 0] == 0)
    assert np.array_equal(logits, before[0], equal_nan=True) and np.array_equal(targets, before[1])


def test_what_is_not_finite_at_a_real_place_is_seen():
    for value in (np.nan, np.inf):
        logits = np.zeros((2, 2, 3))
        logits[0, 0] = value
        with np.errstate(invalid="ignore"):
            loss, _ = softmax_cross_entropy(logits, np.zeros((2, 2), int), np.eye(2))
        assert not math.isfinite(loss)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("mask_dtype", [np.float16, np.int8, np.uint8])
def test_a_mask_whose_sum_its_dtype_cannot_hold_gives_the_right_loss(mask_dtype):
    logits, targets = np.random.default_rng(0).normal(size=(70_000, 3)), np.zeros(70_000, int)
    mask = np.ones(70_000, mask_dtype)
    mask[-1] = 0
    loss, dlogits = softmax_cross_entropy(logits, targets, mask)
    exact, exact_dlogits = softmax_cross_entropy(logits[:-1], targets[:-1])
    assert loss == pytest.approx(exact, rel=1e-12)
    np.testing.assert_allclose(dlogits[:-1], exact_dlogits, rtol=1e-12)


@pytest.mark.filterwarnings("error")
def test_logits_of_float16_are_summed_in_float32():
    logits = np.zeros((3, 70_000), np.float16)
    loss, dlogits = softmax_cross_entropy(logits, np.zeros(3, int))
    assert loss == pytest.approx(math.log(70_000), rel=1e-6)
    assert dlogits.dtype == np.float16 and dlogits[0, 0] == pytest.approx(-1 / 3, rel=1e-3)


def test_a_large_vocabulary_costs_float32_no_precision():
    logits = np.random.default_rng(0).normal(size=(4, 100_000))
    exact, exact_dlogits = softmax_cross_entropy(logits, np.arange(4))
    loss, dlogits = softmax_cross_entropy(logits.astype(np.float32), np.arange(4))
    assert loss == pytest.approx(exact, rel=1e-6)
    np.testing.assert_allclose(dlogits, exact_dlogits, rtol=1e-5, atol=1e-12)


@pytest.mark.parametrize("number", [0.5, 2, -1, np.nan])
def test_a_mask_of_other_numbers_is_refused(number):
    mask = np.array([1, 0, number])
    with pytest.raises(ValueError, match=r"other numbers than 1 \(real token\) and 0 \(padding\)"):
        softmax_cross_entropy(np.zeros((3, 4)), np.zeros(3, int), mask)


@pytest.mark.parametrize("dtype", [int, bool, complex])
def test_logits_that_are_no_floats_are_refused(dtype):
    with pytest.raises(ValueError, match="logits must be floats, not "):
        softmax_cross_entropy(np.zeros((3, 4), dtype), np.zeros(3, int))
