import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.dates import human_date
from common.data.tasks import addition, counted_strings, distinct_splits, marked_recall, reversal
from common.data.translation import translation


def test_the_marked_symbol_is_the_answer_at_the_question():
    inputs, targets, mask = marked_recall(np.random.default_rng(0), 50, lag=7, symbols=4)
    assert inputs.shape == targets.shape == mask.shape == (13, 50)
    for b in range(50):
        (marked,) = np.flatnonzero(inputs[:, b] == 4)
        assert marked < 5 and np.flatnonzero(inputs[:, b] == 5).tolist() == [12]
        assert targets[-1, b] == inputs[marked + 1, b] < 4
        assert 7 <= 12 - (marked + 1) <= 11
    assert mask[-1].all() and not mask[:-1].any()


def test_counted_strings_are_determined_after_a_b():
    inputs, targets, count = counted_strings(np.random.default_rng(0), 20, 80, longest=6)
    assert inputs.shape == targets.shape == count.shape == (80, 20)
    assert np.array_equal(targets[:-1], inputs[1:])
    assert (inputs[0] == 2).all() and count.min() == 0 and count.max() == 6
    after_b = inputs == 1
    assert np.array_equal(targets[after_b], np.where(count[after_b] > 0, 1, 2))


@pytest.mark.parametrize(("task", "argument"), [(marked_recall, 4), (counted_strings, 10)])
def test_tasks_refuse_lengths_below_one(task, argument):
    with pytest.raises(ValueError, match="is 0"):
        if task is marked_recall:
            task(np.random.default_rng(0), argument, lag=0)
        else:
            task(np.random.default_rng(0), argument, 20, longest=0)


def test_every_symbol_and_every_place_of_the_mark_occurs():
    inputs, targets, _ = marked_recall(np.random.default_rng(0), 400, lag=1)
    assert set(inputs[inputs < 4]) == set(targets[-1]) == {0, 1, 2, 3}
    assert set(np.argmax(inputs == 4, axis=0)) == {0, 1, 2, 3, 4}


def test_every_length_from_one_to_the_longest_occurs():
    _, _, count = counted_strings(np.random.default_rng(0), 50, 60, longest=3)
    peaks = count[1:-1][(count[1:-1] > count[:-2]) & (count[1:-1] > count[2:])]
    assert set(peaks) == {1, 2, 3}
    inputs, _, _ = counted_strings(np.random.default_rng(0), 1, 6, longest=1)
    assert inputs[:, 0].tolist() == [2, 0, 1, 2, 0, 1]


def test_the_question_alone_is_masked_and_all_else_is_zero():
    _, targets, mask = marked_recall(np.random.default_rng(0), 5, lag=2)
    assert not targets[:-1].any() and mask[-1].tolist() == [1] * 5


@given(st.integers(0, 2**32), st.integers(1, 9), st.integers(1, 26))
def test_the_target_is_the_source_backwards(seed, longest, letters):
    source, target = reversal(np.random.default_rng(seed), longest, letters)
    assert "".join(target) == "".join(source)[::-1]
    assert 1 <= len(source) <= longest
    assert set(source) <= set("abcdefghijklmnopqrstuvwxyz"[:letters])
    assert (source, target) == reversal(np.random.default_rng(seed), longest, letters)


def test_every_length_and_every_letter_occurs():
    rng = np.random.default_rng(0)
    sources = [reversal(rng, longest=4, letters=3)[0] for _ in range(200)]
    assert {len(source) for source in sources} == {1, 2, 3, 4}
    assert {letter for source in sources for letter in source} == {"a", "b", "c"}
    assert len({letter for _ in range(100) for letter in reversal(rng, 4)[0]}) == 10


@given(st.integers(0, 2**32), st.integers(1, 18))
def test_sums_are_right_and_have_no_leading_zeros(seed, digits):
    source, target = addition(np.random.default_rng(seed), digits)
    numbers = "".join(source).split("+")
    assert int("".join(target)) == sum(map(int, numbers))
    assert all(str(int(number)) == number and len(number) <= digits for number in numbers)
    assert all(len(character) == 1 for character in source + target)


def test_numbers_of_every_count_of_digits_are_as_frequent():
    rng = np.random.default_rng(0)
    numbers = [n for _ in range(600) for n in "".join(addition(rng)[0]).split("+")]
    shares = [np.mean([len(number) == n for number in numbers]) for n in (1, 2, 3)]
    assert np.allclose(shares, 1 / 3, atol=0.05)
    one_digit = {"".join(addition(rng, 1)[0]) for _ in range(2000)}
    assert len(one_digit) == 100


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda rng: reversal(rng, 0), "longest is 0"),
        (lambda rng: reversal(rng, 3, letters=0), "letters is 0"),
        (lambda rng: reversal(rng, 3, letters=27), "letters is 27"),
        (lambda rng: addition(rng, 0), "digits is 0"),
        (lambda rng: addition(rng, 19), "digits is 19"),
    ],
)
def test_sizes_out_of_range_are_refused(draw, message):
    with pytest.raises(ValueError, match=message):
        draw(np.random.default_rng(0))


@pytest.mark.parametrize("draw", [lambda rng: reversal(rng, 6), addition, human_date, translation])
def test_splits_are_distinct_disjoint_and_reproducible(draw):
    splits = distinct_splits(draw, np.random.default_rng(1), (300, 20, 50))
    assert [len(split) for split in splits] == [300, 20, 50]
    sources = [tuple(example[0]) for split in splits for example in split]
    assert len(set(sources)) == 370
    assert splits == distinct_splits(draw, np.random.default_rng(1), (300, 20, 50))
    assert splits != distinct_splits(draw, np.random.default_rng(2), (300, 20, 50))


def test_a_task_can_be_used_up_but_not_more():
    def draw(rng):
        return reversal(rng, longest=2, letters=3)

    splits = distinct_splits(draw, np.random.default_rng(0), (8, 4))
    assert len({"".join(source) for split in splits for source, _ in split}) == 12
    with pytest.raises(ValueError, match=r"13 distinct .*, 9 \+ 4, .* the 12 that there are"):
        distinct_splits(draw, np.random.default_rng(0), (9, 4))


def test_rare_examples_are_as_frequent_in_every_split():
    def draw(rng):
        return reversal(rng, longest=3, letters=10)

    for seed in range(3):
        splits = distinct_splits(draw, np.random.default_rng(seed), (400, 400))
        lengths = [np.mean([len(source) for source, _ in split]) for split in splits]
        assert abs(lengths[0] - lengths[1]) < 0.1


@pytest.mark.parametrize("sizes", [(), (5, -1)])
def test_sizes_below_zero_are_refused(sizes):
    with pytest.raises(ValueError, match="one or more whole numbers, none below 0"):
        distinct_splits(addition, np.random.default_rng(0), sizes)


def test_a_split_may_be_empty():
    assert list(map(len, distinct_splits(addition, np.random.default_rng(0), (3, 0)))) == [3, 0]


def test_a_rare_example_is_waited_for_but_not_for_ever():
    def draw_rarely(every):
        draws = iter(range(1, 1000))
        return lambda rng: (["rare" if next(draws) % every == 0 else "common"], [])

    (split,) = distinct_splits(draw_rarely(every=122), np.random.default_rng(0), (2,))
    assert sorted(source for source, _ in split) == [["common"], ["rare"]]
    with pytest.raises(ValueError, match="the last 121 draws only repeated the 1 that there are"):
        distinct_splits(draw_rarely(every=123), np.random.default_rng(0), (2,))


def test_sizes_may_come_from_a_generator_and_messages_stay_short():
    draw = lambda rng: reversal(rng, longest=4)  # noqa: E731
    expected = distinct_splits(draw, np.random.default_rng(0), (3, 2))
    assert distinct_splits(draw, np.random.default_rng(0), iter([3, 2])) == expected
    with pytest.raises(ValueError, match="sizes are 1, -1; give one or more"):
        distinct_splits(draw, np.random.default_rng(0), iter([1, -1]))
    with pytest.raises(ValueError) as error:
        distinct_splits(draw, np.random.default_rng(0), [-1] * 10_000)
    assert "sizes are -1, -1, -1, -1, -1, and 9,995 more; give" in str(error.value)
    coin = lambda rng: ([int(rng.integers(2))], [])  # noqa: E731
    with pytest.raises(ValueError) as error:
        distinct_splits(coin, np.random.default_rng(0), [1] * 10_000)
    assert "10000 distinct examples are wanted, 1 + 1 + 1 + 1 + 1 + and 9,995 more, but" in str(
        error.value
    )
