from collections import Counter
from fractions import Fraction as F

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.baselines import kneser_ney_probabilities, ngram_probabilities

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

smoothings = pytest.mark.parametrize(
    "probabilities", [ngram_probabilities, kneser_ney_probabilities]
)
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


@smoothings
@given(small_texts, st.lists(st.integers(0, 4), min_size=1, max_size=4), st.integers(1, 4))
def test_the_probabilities_of_all_continuations_sum_to_one(probabilities, training, context, order):
    p = [probabilities(training, np.array([*context, token]), order, 5)[-1] for token in range(5)]
    assert sum(p) == pytest.approx(1, abs=1e-12)
    assert min(p) > 0


@given(small_texts, small_texts)
def test_order_one_is_the_unigram_model(training, ids):
    counts, kinds = np.bincount(training, minlength=5), len(set(training.tolist()))
    expected = (counts + kinds / 5) / (len(training) + kinds)
    np.testing.assert_allclose(
        ngram_probabilities(training, ids, 1, 5), expected[ids[1:]], rtol=1e-12
    )


@smoothings
@given(small_texts, small_texts, st.integers(1, 4))
def test_a_probability_depends_on_the_last_tokens_only(probabilities, training, ids, order):
    p = probabilities(training, ids, order, 5)
    assert p.shape == (len(ids) - 1,)
    for i in range(order, len(ids)):
        assert p[i - 1] == probabilities(training, ids[i - order : i + 1], order, 5)[-1]


@smoothings
def test_a_longer_context_predicts_a_regular_text_better(probabilities):
    text = np.tile([A, A, B, B], 50)
    losses = [-np.log(probabilities(text, text, order, 4)).mean() for order in (1, 2, 3)]
    assert losses[0] > losses[1] > losses[2]


@smoothings
def test_the_ids_are_left_alone(probabilities):
    training, ids = TRAINING.copy(), TRAINING[::-1].copy()
    probabilities(training, ids, 3, 4)
    assert np.array_equal(training, TRAINING) and np.array_equal(ids, TRAINING[::-1])


@smoothings
def test_an_order_whose_contexts_do_not_fit_an_integer_is_refused(probabilities):
    with pytest.raises(
        ValueError, match="70000 tokens to the power 4 do not fit an integer; use a lower order"
    ):
        probabilities(TRAINING, TRAINING, 4, 70000)
    with pytest.raises(ValueError, match="to the power 2 do not fit"):
        probabilities(TRAINING, TRAINING, 2, 2**31 + 1)
    assert np.all(probabilities(TRAINING, TRAINING, 2, 2**31) > 0)  # 2^62 is the most


@smoothings
@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize("wrong", [-1, 4, 9])
def test_ids_outside_the_vocabulary_are_refused(probabilities, order, wrong):
    with pytest.raises(ValueError, match="^training_ids go from .* the ids allowed are 0 to 3"):
        probabilities(np.append(TRAINING, wrong), TRAINING, order, 4)
    with pytest.raises(ValueError, match="^ids go from .* the ids allowed are 0 to 3"):
        probabilities(TRAINING, np.append(TRAINING, wrong), order, 4)


@smoothings
def test_what_are_no_ids_is_refused(probabilities):
    for no_ids, message in (
        ([], "are empty; give at least one id"),
        (TRAINING / 1.0, "must be integer ids, not float64"),
        (TRAINING[:, None], r"have shape \(6, 1\)"),
    ):
        with pytest.raises(ValueError, match=f"^training_ids .*{message}"):
            probabilities(no_ids, TRAINING, 2, 4)
        with pytest.raises(ValueError, match=f"^ids .*{message}"):
            probabilities(TRAINING, no_ids, 2, 4)


@smoothings
@pytest.mark.parametrize("order", [1, 2, 3])
def test_ids_may_be_of_any_integer_type_or_come_from_a_generator(probabilities, order):
    expected = probabilities(TRAINING, TRAINING[::-1], order, 4)
    for dtype in (np.uint8, np.int32, np.uint64):
        p = probabilities(TRAINING.astype(dtype), TRAINING[::-1].astype(dtype), order, 4)
        assert np.array_equal(p, expected)
    assert np.array_equal(
        probabilities(iter(TRAINING.tolist()), reversed(TRAINING.tolist()), order, 4), expected
    )


@smoothings
def test_a_vocabulary_size_may_be_an_integer_of_numpy(probabilities):
    with pytest.raises(ValueError, match="to the power 4 do not fit an integer"):
        probabilities(TRAINING, TRAINING, 4, np.int64(2**16))
    for V in (1, 5):
        ids = np.zeros(50, int)
        assert np.array_equal(
            probabilities(ids, ids, 3, np.int64(V)), probabilities(ids, ids, 3, V)
        )


@smoothings
@pytest.mark.parametrize("order", [1, 2, 5])
def test_where_the_only_token_comes_again_it_is_certain(probabilities, order):
    ids = np.zeros(50, int)
    assert np.allclose(probabilities(ids, ids, order, 1), 1, rtol=0, atol=1e-12)


def test_a_training_text_shorter_than_the_order_falls_back():
    short = np.array([A, B])
    ids = np.array([A, B, A, C])
    np.testing.assert_allclose(
        ngram_probabilities(short, ids, 3, 4), ngram_probabilities(short, ids, 2, 4)
    )


@smoothings
@pytest.mark.parametrize("order", [1, 2, 5])
def test_one_token_has_no_probability_and_little_training_is_enough(probabilities, order):
    assert probabilities(TRAINING, np.array([A]), order, 4).shape == (0,)
    for training in (np.array([A]), np.array([A, B])):
        assert np.all(probabilities(training, TRAINING, order, 4) > 0)


# Kneser-Ney, with numbers that are small enough to count. The pairs are ab 3, bc 2, ba, bb, ca 1.
KNESER_NEY_TRAINING = np.array([A, B, A, B, C, A, B, B, C])
# As the highest order, unigrams count as often as they occur: a 3, b 4, c 2 of 9. None once, so D = 1/2, and
# what is taken is 3/2 of 9: (count - 1/2 + 3/2 * 1/4) / 9.
KN_COUNTED = {A: F(23, 72), B: F(31, 72), C: F(15, 72), UNSEEN: F(3, 72)}
# Below it, as often as they end a distinct pair: a 2 (ba, ca), b 2 (ab, bb), c 1 (bc) of 5. One once, two twice, so
# D = 1 / (1 + 4): (count - 1/5 + 3/5 * 1/4) / 5.
KN_UNIGRAM = {A: F(39, 100), B: F(39, 100), C: F(19, 100), UNSEEN: F(3, 100)}
# Pairs as the highest order: three once, one twice, D = 3/5.
# After a: b three times: ((3 - 3/5 for b) + 3/5 p_1) / 3.
KN_AFTER_A = {A: F(39, 500), B: F(439, 500), C: F(19, 500), UNSEEN: F(3, 500)}
# After b: c twice, a and b once: ((2 - 3/5, 1 - 3/5) + 3 * 3/5 p_1) / 4.
KN_AFTER_B = {A: F(551, 2000), B: F(551, 2000), C: F(871, 2000), UNSEEN: F(27, 2000)}
# All triples occur once, so D = 1/2 for them: aba, bab, abc, bca, cab, abb, bbc. They make the pairs of the order below
# count ab 2 (after b, c), bc 2 (after a, b), ba, ca, bb 1; three once, two twice, D = 3/7.
# After b of these: c 2, a and b 1: ((2 - 3/7, 1 - 3/7) + 3 * 3/7 p_1) / 4. After a: b 2: (2 - 3/7 + 3/7 p_1) / 2.
KN_BELOW_B = {
    A: F(1, 7) + F(9, 28) * KN_UNIGRAM[A],
    B: F(1, 7) + F(9, 28) * KN_UNIGRAM[B],
    C: F(11, 28) + F(9, 28) * KN_UNIGRAM[C],
    UNSEEN: F(9, 28) * KN_UNIGRAM[UNSEEN],
}
KN_BELOW_A = {w: F(11, 14) * (w == B) + F(3, 14) * p for w, p in KN_UNIGRAM.items()}
# After a b: a, b, c once each: (1 - 1/2 + 3/2 p_2) / 3. After b a: b once: 1/2 + 1/2 p_2.
KN_AFTER_AB = {w: F(1, 6) * (w != UNSEEN) + F(1, 2) * p for w, p in KN_BELOW_B.items()}
KN_AFTER_BA = {w: F(1, 2) * (w == B) + F(1, 2) * p for w, p in KN_BELOW_A.items()}


@pytest.mark.parametrize(
    "context, order, expected",
    [
        ([A], 1, KN_COUNTED),
        ([A], 2, KN_AFTER_A),
        ([B], 2, KN_AFTER_B),
        ([UNSEEN], 2, KN_UNIGRAM),
        ([A, B], 3, KN_AFTER_AB),
        ([B, A], 3, KN_AFTER_BA),
        ([A, A], 3, KN_BELOW_A),
        ([UNSEEN, B], 3, KN_BELOW_B),
        ([B], 3, KN_BELOW_B),
        ([B, UNSEEN], 3, KN_UNIGRAM),
    ],
)
def test_kneser_ney_worked_out_in_fractions(context, order, expected):
    assert sum(expected.values()) == 1
    for token, probability in expected.items():
        p = kneser_ney_probabilities(KNESER_NEY_TRAINING, np.array([*context, token]), order, 4)
        assert p[-1] == pytest.approx(float(probability), rel=1e-12)


def kneser_ney_of(training, order, vocabulary_size):
    """Return p(token, context) of the textbook, by dictionaries and recursion."""

    def ngrams(n):
        return [tuple(training[i : i + n]) for i in range(len(training) - n + 1)]

    counts = {n: Counter(gram[1:] for gram in set(ngrams(n + 1))) for n in range(1, order)}
    counts[order] = Counter(ngrams(order))

    def p(token, context):
        n = len(context) + 1
        below = p(token, context[1:]) if context else 1 / vocabulary_size
        successors = {gram[-1]: count for gram, count in counts[n].items() if gram[:-1] == context}
        if not successors:
            return below
        n1, n2 = (sum(count == k for count in counts[n].values()) for k in (1, 2))
        D = n1 / (n1 + 2 * n2) if n1 and n2 else 1 / 2
        taken = D * len(successors)
        kept = max(successors.get(token, 0) - D, 0)
        return (kept + taken * below) / sum(successors.values())

    return p


@given(small_texts, small_texts, st.integers(1, 4))
def test_kneser_ney_is_the_formula_of_the_textbook(training, ids, order):
    p = kneser_ney_of(training.tolist(), order, 5)
    expected = [
        p(token, tuple(ids[max(i - order + 1, 0) : i].tolist()))
        for i, token in enumerate(ids.tolist())
    ]
    np.testing.assert_allclose(
        kneser_ney_probabilities(training, ids, order, 5), expected[1:], rtol=1e-12
    )
