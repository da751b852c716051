import numpy as np
import pytest

from common.tasks import counted_strings, marked_recall


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
