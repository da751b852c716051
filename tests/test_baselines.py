from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.baselines import ngram_probabilities

A, B, C, UNSEEN = range(4)
TRAINING = np.array([A, A, A, B, A, C])
# Unigrams: a 4, b 1, c 1 of 6 tokens, 3 distinct, mixed with 1/4: (count + 3/4) / 9.
UNIGRAM = {A: F(19, 36), B: F(7, 36), C: F(7, 36), UNSEEN: F(3, 36)}
# After a: a twice, b, c, so 4 tokens, 3 distinct: (count + 3 p_1) / 7.
AFTER_A = {A: F(129, 252), B: F(57, 252), C: F(57, 252), UNSEEN: F(9, 252)}
# After b: a once: (count + p_1) / 2. After c nothing was ever seen.
AFTER_B = {A: F(55, 72), B: F(7, 72), C: F(7, 72), UNSEEN: F(3, 72)}
# After a a: a and b once each, so 2 tokens, 2 distinct: (count + 2 p_2) / 4.
AFTER_AA = {A: F(510, 1008), B: F(366, 1008), C: F(114, 1008), UNSEEN: F(18, 1008)}
AFTER_AB = {A: F(127, 144), B: F(7, 144), C: F(7, 144), UNSEEN: F(3, 144)}

small_texts = st.lists(st.integers(0, 4), min_size=4, max_size=30).map(np.array)


def last_probability(context, token, order):
    return ngram_probabilities(TRAINING, np.array([*context, token]), order, 4)[-1]


@pytest.mark.parametrize(
    "context, order, expected",
    [
        ([A], 1, UNIGRAM),
        ([A], 2, AFTER_A),
        ([B], 2, AFTER_B),
        ([A, A], 3, AFTER_AA),
        ([A, B], 3, AFTER_AB),
        ([B, B], 3, AFTER_B),
        ([C, A], 3, AFTER_A),
        ([C], 2, UNIGRAM),
        ([UNSEEN], 2, UNIGRAM),
        ([UNSEEN, UNSEEN], 3, UNIGRAM),
        ([A, A], 2, AFTER_A),
        ([A], 3, AFTER_A),
    ],
)
def test_witten_bell_worked_out_in_fractions(context, order, expected):
    assert sum(expected.values()) == 1
    for token, probability in expected.items():
        assert last_probability(context, token, order) == pytest.approx(
            float(probability), rel=1e-12
        )


def test_every_token_but_the_first_is_judged_by_the_context_it_has():
    p = ngram_probabilities(TRAINING, np.array([A, A, B, A, UNSEEN]), 3, 4)
    expected = [AFTER_A[A], AFTER_AA[B], AFTER_AB[A], AFTER_A[UNSEEN] / 2]
    assert p == pytest.approx([float(x) for x in expected], rel=1e-12)


@given(small_texts, st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(1, 4))
def test_the_probabilities_of_all_continuations_sum_to_one(training, context, order):
    p = [
        ngram_probabilities(training, np.array([*context, token]), order, 5)[-1]
        for token in range(5)
    ]
    assert sum(p) == pytest.approx(1, abs=1e-12)
    assert min(p) > 0


@given(small_texts, small_texts)
def test_order_one_is_the_unigram_model(training, ids):
    counts, kinds = np.bincount(training, minlength=5), len(set(training.tolist()))
    expected = (counts + kinds / 5) / (len(training) + kinds)
    np.testing.assert_allclose(
        ngram_probabilities(training, ids, 1, 5), expected[ids[1:]], rtol=1e-12
    )


@given(small_texts, small_texts, st.integers(1, 4))
def test_a_probability_depends_on_the_last_tokens_only(training, ids, order):
    p = ngram_probabilities(training, ids, order, 5)
    assert p.shape == (len(ids) - 1,)
    for i in range(order, len(ids)):
        assert p[i - 1] == ngram_probabilities(training, ids[i - order : i + 1], order, 5)[-1]


def test_a_longer_context_predicts_a_regular_text_better():
    text = np.tile([A, A, B, B], 50)
    losses = [-np.log(ngram_probabilities(text, text, order, 4)).mean() for order in (1, 2, 3)]
    assert losses[0] > losses[1] > losses[2]


def test_the_ids_are_left_alone():
    training, ids = TRAINING.copy(), TRAINING[::-1].copy()
    ngram_probabilities(training, ids, 3, 4)
    assert np.array_equal(training, TRAINING) and np.array_equal(ids, TRAINING[::-1])


def test_an_order_whose_contexts_do_not_fit_an_integer_is_refused():
    with pytest.raises(
        ValueError, match="70000 tokens to the power 4 do not fit an integer; use a lower order"
    ):
        ngram_probabilities(TRAINING, TRAINING, 4, 70000)


def test_a_training_text_shorter_than_the_order_falls_back():
    short = np.array([A, B])
    ids = np.array([A, B, A, C])
    np.testing.assert_allclose(
        ngram_probabilities(short, ids, 3, 4), ngram_probabilities(short, ids, 2, 4)
    )
