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
