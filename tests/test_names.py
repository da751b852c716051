import functools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.names import edit_distances, load_names, name_batches

NAMES = [[3, 4, 5], [6], [7, 8], [9, 9, 9, 9], [3]]
words = st.text(st.sampled_from("abc"), max_size=6)


def columns(batches):
    """Return what stands at real places: [(inputs, targets) of each column] of each batch."""
    return [
        [
            (inputs[: int(n), b].tolist(), targets[: int(n), b].tolist())
            for b, n in enumerate(mask.sum(axis=0))
        ]
        for inputs, targets, mask in batches
    ]


def test_names_are_the_distinct_lines_in_lower_case(tmp_path):
    path = tmp_path / "names.txt"
    path.write_bytes("\ufeffZoë\r\n\r\n ada \r\nADA\r\n王芳\r\nana maria".encode())
    assert load_names(path) == ["zoë", "ada", "王芳", "ana maria"]


def test_a_model_reads_sos_and_the_name_and_is_to_predict_the_name_and_eos():
    (inputs, targets, mask), _ = name_batches(NAMES, 4)
    assert inputs.T.tolist() == [
        [1, 9, 9, 9, 9],
        [1, 3, 4, 5, 0],
        [1, 7, 8, 0, 0],
        [1, 6, 0, 0, 0],
    ]
    assert targets.T.tolist() == [
        [9, 9, 9, 9, 2],
        [3, 4, 5, 2, 0],
        [7, 8, 2, 0, 0],
        [6, 2, 0, 0, 0],
    ]
    np.testing.assert_array_equal(mask, (targets > 0))


def test_the_ids_of_pad_sos_and_eos_may_be_others():
    ((inputs, targets, _),) = name_batches([[0, 1], [1]], 2, pad=7, sos=8, eos=9)
    assert inputs.T.tolist() == [[8, 0, 1], [8, 1, 7]]
    assert targets.T.tolist() == [[0, 1, 9], [1, 9, 7]]


@pytest.mark.parametrize("by_length", [False, True])
@pytest.mark.parametrize("mixed", [False, True])
def test_every_name_comes_once_an_epoch(by_length, mixed):
    rng = np.random.default_rng(0) if mixed else None
    batches = columns(name_batches(iter(NAMES), 2, rng, by_length))
    assert sorted(map(len, batches)) == [1, 2, 2]
    assert sorted(targets[:-1] for batch in batches for _, targets in batch) == sorted(NAMES)


def test_by_length_neighbours_in_length_share_a_batch():
    batches = columns(name_batches(NAMES, 2, by_length=True))
    assert [[len(t) - 1 for _, t in batch] for batch in batches] == [[4, 3], [2, 1], [1]]


@pytest.mark.parametrize("by_length", [False, True])
def test_an_rng_mixes_anew_each_time_and_none_never(by_length):
    names = [[3 + i] * (1 + i % 3) for i in range(12)]
    rng = np.random.default_rng(0)
    one, other = (columns(name_batches(names, 3, rng, by_length)) for _ in range(2))
    assert one != other
    lengths = [len(t) for batch in one for _, t in batch]
    assert lengths != sorted(lengths, reverse=True)  # the batches come in random order
    assert columns(name_batches(names, 3)) == columns(name_batches(names, 3))


def test_impossible_batches_are_refused():
    for names, size in ([], 1), (NAMES, 0):
        with pytest.raises(ValueError, match="both must be at least 1"):
            name_batches(names, size)
    with pytest.raises(ValueError, match="means padding"):
        list(name_batches([[0]], 1))


def by_definition(a, b):
    @functools.cache
    def distance(i, j):
        if i == 0 or j == 0:
            return i + j
        exchanged = distance(i - 1, j - 1) + (a[i - 1] != b[j - 1])
        return min(distance(i - 1, j) + 1, distance(i, j - 1) + 1, exchanged)

    return distance(len(a), len(b))


@given(words, st.lists(words, min_size=1, max_size=5))
def test_edit_distances_are_those_of_the_definition(name, others):
    assert edit_distances(name, others).tolist() == [by_definition(name, o) for o in others]


def test_edit_distances_of_any_script():
    assert edit_distances("王芳", iter(["王芳", "王方", "芳", "𝔸王芳"])).tolist() == [0, 1, 1, 1]
    with pytest.raises(ValueError, match="no other names"):
        edit_distances("ada", [])
