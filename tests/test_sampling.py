import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from common.sampling import entropy, generate, greedy, sample, sampling_distribution

any_logits = arrays(np.float64, st.integers(1, 12), elements=st.floats(-20, 20))
any_settings = st.fixed_dictionaries(
    {
        "temperature": st.floats(0.1, 10),
        "top_k": st.none() | st.integers(1, 15),
        "top_p": st.none() | st.floats(0.01, 1),
    }
)
LOGITS = np.log([0.3, 0.5, 0.2])


@given(any_logits, any_settings)
def test_a_sampling_distribution_sums_to_one(logits, settings):
    p = sampling_distribution(logits, **settings)
    assert p.shape == logits.shape and np.all(p >= 0)
    assert p.sum() == pytest.approx(1, abs=1e-12)


@given(any_logits, any_settings)
def test_only_allowed_tokens_are_drawn(logits, settings):
    p = sampling_distribution(logits, **settings)
    rng = np.random.default_rng(0)
    for _ in range(20):
        assert p[sample(logits, rng, **settings)] > 0


@given(any_logits, st.integers(1, 15))
def test_top_k_keeps_exactly_the_k_likeliest(logits, k):
    kept = sampling_distribution(logits, top_k=k) > 0
    assert kept.sum() == min(k, len(logits))
    assert logits[kept].min() >= logits[~kept].max(initial=-np.inf)


@given(any_logits, st.floats(0.01, 0.999))
def test_top_p_keeps_the_smallest_set_of_likeliest_tokens_that_holds_p(logits, top_p):
    full = sampling_distribution(logits)
    kept = sampling_distribution(logits, top_p=top_p) > 0
    assert full[kept].min() >= full[~kept].max(initial=0)
    assert full[kept].sum() >= top_p - 1e-12
    assert full[kept].sum() - full[kept].min() < top_p + 1e-12


@given(any_logits, any_settings)
def test_what_is_kept_keeps_its_proportions(logits, settings):
    p = sampling_distribution(logits, **settings)
    full = sampling_distribution(logits, settings["temperature"])
    kept = p > 0
    np.testing.assert_allclose(p[kept], full[kept] / full[kept].sum(), rtol=1e-9)


@pytest.mark.parametrize(
    "settings, expected",
    [
        ({}, [0.3, 0.5, 0.2]),
        ({"temperature": 0.5}, [9 / 38, 25 / 38, 4 / 38]),
        (
            {"temperature": 2},
            [x / sum(map(math.sqrt, (3, 5, 2))) for x in map(math.sqrt, (3, 5, 2))],
        ),
        ({"temperature": 1e-3}, [0, 1, 0]),
        ({"temperature": 1e9}, [1 / 3, 1 / 3, 1 / 3]),
        ({"top_k": 1}, [0, 1, 0]),
        ({"top_k": 2}, [3 / 8, 5 / 8, 0]),
        ({"top_k": 3}, [0.3, 0.5, 0.2]),
        ({"top_k": 99}, [0.3, 0.5, 0.2]),
        ({"top_p": 0.4}, [0, 1, 0]),
        ({"top_p": 0.6}, [3 / 8, 5 / 8, 0]),
        ({"top_p": 1}, [0.3, 0.5, 0.2]),
        ({"top_k": 2, "top_p": 0.6}, [0, 1, 0]),
        ({"temperature": 0.5, "top_p": 0.6}, [0, 1, 0]),
    ],
)
def test_sampling_distribution_by_hand(settings, expected):
    np.testing.assert_allclose(sampling_distribution(LOGITS, **settings), expected, atol=1e-8)


def test_top_p_stops_as_soon_as_p_is_held():
    assert sampling_distribution(np.zeros(4), top_p=0.5).tolist() == [0.5, 0.5, 0, 0]


def test_ties_at_the_edge_of_top_k_go_to_the_lower_ids():
    kept = sampling_distribution(np.tile([0.0, 1.0], 200), top_k=300) > 0
    assert kept[1::2].all()
    assert kept[:200:2].all() and not kept[200::2].any()


def test_every_row_of_a_batch_is_its_own_distribution():
    batch = np.array([[LOGITS, LOGITS[::-1]], [LOGITS * 2, LOGITS * 0]])
    p = sampling_distribution(batch, 0.8, top_k=2, top_p=0.9)
    for index in np.ndindex(2, 2):
        np.testing.assert_allclose(p[index], sampling_distribution(batch[index], 0.8, 2, 0.9))


def test_the_distribution_is_float64_and_the_logits_are_left_alone():
    logits = LOGITS.astype(np.float32)
    assert sampling_distribution(logits, 0.5, 2, 0.5).dtype == np.float64
    assert np.array_equal(logits, LOGITS.astype(np.float32))


@pytest.mark.parametrize(
    "settings, message",
    [
        ({"temperature": 0}, "temperature is 0; it must be positive .*greedy"),
        ({"temperature": -1}, "temperature is -1; it must be positive"),
        ({"temperature": math.nan}, "temperature is nan; it must be positive"),
        ({"top_k": 0}, "top_k is 0; it must be at least 1"),
        ({"top_p": 0}, "top_p is 0; it must be above 0 and at most 1"),
        ({"top_p": 1.5}, "top_p is 1.5; it must be above 0 and at most 1"),
        ({"top_p": math.nan}, "top_p is nan; it must be above 0 and at most 1"),
    ],
)
def test_settings_out_of_range_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        sampling_distribution(LOGITS, **settings)
    with pytest.raises(ValueError, match=message):
        sample(LOGITS, np.random.default_rng(0), **settings)


def test_samples_come_as_often_as_the_distribution_says():
    rng = np.random.default_rng(0)
    counts = np.bincount([sample(LOGITS, rng, temperature=2) for _ in range(4000)], minlength=3)
    np.testing.assert_allclose(counts / 4000, sampling_distribution(LOGITS, 2), atol=0.025)


def test_a_sample_is_an_int_and_repeats_with_the_seed():
    first, again = (
        [sample(LOGITS, rng) for _ in range(20)] for rng in map(np.random.default_rng, (5, 5))
    )
    assert first == again and type(first[0]) is int


def test_greedy_takes_the_likeliest_and_of_equals_the_first():
    assert greedy(LOGITS) == 1 and type(greedy(LOGITS)) is int
    assert greedy(np.array([0, 2, 2])) == 1


@pytest.mark.parametrize(
    "p, bits",
    [([1.0, 0, 0], 0), ([0.25] * 4, 2), ([0.5, 0.25, 0.25], 1.5), ([[0.5, 0.5], [0, 1]], [1, 0])],
)
def test_entropy_is_in_bits(p, bits):
    np.testing.assert_allclose(entropy(np.array(p)), bits)


def counting_model(calls):
    """A model of five tokens that expects the next number; its state is how many ids it has read."""

    def next_logits(ids, state):
        calls.append((ids.tolist(), state))
        return np.eye(5)[(ids[-1] + 1) % 5], (state or 0) + len(ids)

    return next_logits


@pytest.mark.parametrize("prompt", [[0, 1], (0, 1), np.array([0, 1])])
def test_generate_reads_the_prompt_once_and_then_each_choice_with_the_state_carried(prompt):
    calls = []
    assert generate(counting_model(calls), prompt, 5, greedy) == [2, 3, 4, 0, 1]
    assert calls[:5] == [([0, 1], None), ([2], 2), ([3], 3), ([4], 4), ([0], 5)]


def test_generate_continues_from_what_choose_returned():
    calls, choices = [], iter([4, 1, 3])
    assert generate(counting_model(calls), [0], 3, lambda logits: next(choices)) == [4, 1, 3]
    assert [ids for ids, _ in calls[:3]] == [[0], [4], [1]]


def test_generate_may_write_nothing():
    assert generate(counting_model([]), [0], 0, greedy) == []


@pytest.mark.parametrize(
    "stop, written", [(3, [2, 3]), (2, [2]), (0, [2, 3, 4, 0]), (9, [2, 3, 4, 0, 1])]
)
def test_generate_ends_after_the_stop_token_and_keeps_it(stop, written):
    calls = []
    assert generate(counting_model(calls), [1], 5, greedy, stop=stop) == written
    assert len(calls) == len(written)


def test_a_stop_token_in_the_prompt_does_not_end_the_text():
    assert generate(counting_model([]), [3, 1], 3, greedy, stop=3) == [2, 3]


@pytest.mark.parametrize("prompt", [[], np.array([], int)])
def test_generate_refuses_an_empty_prompt(prompt):
    with pytest.raises(ValueError, match="the prompt is empty; give at least one token"):
        generate(counting_model([]), prompt, 3, greedy)


def test_sample_draws_at_temperature_one_unless_told_otherwise():
    logits = np.random.default_rng(0).normal(scale=3, size=50)
    default, one = (
        [sample(logits, rng, **settings) for _ in range(50)]
        for rng, settings in [
            (np.random.default_rng(1), {}),
            (np.random.default_rng(1), {"temperature": 1.0}),
        ]
    )
    assert default == one


@pytest.mark.parametrize("V", [*range(2, 60), 1000, 50_257])
def test_top_p_of_equal_tokens_keeps_exactly_its_share(V):
    for k in {1, 2, V // 3, V // 2, V - 1} - {0}:
        assert np.count_nonzero(sampling_distribution(np.full(V, 0.1), top_p=k / V)) == k


def test_a_top_p_of_1_keeps_all():
    assert np.all(sampling_distribution([0.0, -40, -50], top_p=1.0) > 0)
    assert np.all(sampling_distribution([0.0, -40, -50], top_p=1) > 0)
    assert sampling_distribution([0.0, -3, -4], top_k=2, top_p=1.0)[2] == 0


def test_a_tiny_top_p_keeps_the_likeliest():
    assert sampling_distribution(LOGITS, top_p=5e-324).tolist() == [0, 1, 0]


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("temperature", [1e-3, 1e-300, 1e-320, 5e-324])
@pytest.mark.parametrize(
    "logits, expected",
    [
        ([1.0, 3, 2], [0, 1, 0]),
        ([3.0, 3, 2], [0.5, 0.5, 0]),
        ([-3e300, -4e300, 0], [0, 0, 1]),
        ([1e300, 1.7e308, -1.7e308], [0, 1, 0]),
        ([-np.inf, 1, -np.inf], [0, 1, 0]),
        ([np.inf, 1, -np.inf], [1, 0, 0]),
        ([np.inf, np.inf, 1], [0.5, 0.5, 0]),
    ],
)
def test_a_tiny_temperature_is_greedy(logits, expected, temperature):
    logits = np.array(logits)
    assert sampling_distribution(logits, temperature).tolist() == expected
    assert sampling_distribution(np.array([logits, logits]), temperature).tolist() == [expected] * 2
    assert expected[sample(logits, np.random.default_rng(0), temperature)] > 0


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize("temperature", [1.0, 1e300])
@pytest.mark.parametrize(
    "logits, expected",
    [
        ([-np.inf, 0, 0], [0, 0.5, 0.5]),
        ([np.inf, 0, 0], [1, 0, 0]),
        ([np.inf, -np.inf, np.inf], [0.5, 0, 0.5]),
    ],
)
def test_infinite_logits_are_certain_or_impossible(logits, expected, temperature):
    assert sampling_distribution(np.array(logits), temperature).tolist() == expected
    assert (
        sampling_distribution(np.array(logits), temperature, top_k=3, top_p=1.0).tolist()
        == expected
    )


@pytest.mark.parametrize(
    "logits", [[0, np.nan], [np.nan, np.nan], [-np.inf, -np.inf], [np.inf, np.nan]]
)
def test_logits_from_which_nothing_can_be_drawn_are_refused(logits):
    for batch in (np.array(logits), np.array([[0.0, 1], logits])):
        with pytest.raises(ValueError, match="NaN or all -inf: nothing can be drawn"):
            sampling_distribution(batch)


def test_an_infinite_temperature_is_refused():
    with pytest.raises(ValueError, match="temperature is inf; it must be positive and finite"):
        sampling_distribution(LOGITS, math.inf)


def test_greedy_refuses_nan_wherever_it_stands():
    for logits in ([np.nan, 1, 2], [3, 1, np.nan], [np.inf, np.nan, 0]):
        with pytest.raises(
            ValueError, match=f"the logit of token {np.flatnonzero(np.isnan(logits))[0]} is NaN"
        ):
            greedy(np.array(logits))
    assert greedy(np.array([0, np.inf, -np.inf])) == 1


def test_a_prompt_may_be_a_generator():
    calls = []
    assert generate(counting_model(calls), (i for i in [3, 0, 1]), 2, greedy) == [2, 3]
    assert calls[0] == ([3, 0, 1], None)
    assert generate(counting_model(calls), map(int, "01"), 1, greedy) == [2]
    with pytest.raises(ValueError, match="the prompt is empty"):
        generate(counting_model([]), iter(()), 3, greedy)


def test_a_text_may_be_longer_than_any_constant():
    assert len(generate(counting_model([]), [0], 12_345, greedy)) == 12_345
