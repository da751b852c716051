import numpy as np
import pytest

from common.data.tokens import check_tokens, token_array


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.int64])
def test_check_tokens_accepts_every_id_of_the_vocabulary(dtype):
    check_tokens(np.array([[0, 6], [3, 1]], dtype), 7)


@pytest.mark.parametrize(
    "tokens, message",
    [
        (np.array([0.0, 1.0]), "words must be integer ids, not float64"),
        (np.array([True]), "words must be integer ids, not bool"),
        (np.zeros((0, 3), int), r"words of shape \(0, 3\) are empty"),
        (
            np.array([2, 7]),
            "words go from 2 to 7; with a vocabulary of 7 the ids allowed are 0 to 6",
        ),
        (
            np.array([-1, 2]),
            "words go from -1 to 2; with a vocabulary of 7 the ids allowed are 0 to 6",
        ),
    ],
)
def test_check_tokens_refuses(tokens, message):
    with pytest.raises(ValueError, match=message):
        check_tokens(tokens, 7, "words")


@pytest.mark.parametrize("ids", [[2, 0], (2, 0), iter([2, 0]), {2: "a", 0: "b"}.keys()])
def test_token_array_reads_any_iterable(ids):
    array = token_array(ids)
    assert array.tolist() == [2, 0] and array.dtype == np.int64


def test_an_array_of_ids_stays_what_it_is():
    ids = np.array([1, 0], np.uint8)
    assert token_array(ids) is ids
    for nothing in ([], iter([]), np.zeros(0)):
        assert token_array(nothing).shape == (0,) and token_array(nothing).dtype == np.int64


@pytest.mark.parametrize(
    "ids, message",
    [
        ([0.0], "words must be integer ids, not float64"),
        ([False], "words must be integer ids, not bool"),
        (np.zeros((2, 3), int), r"words have shape \(2, 3\); give one sequence of ids, \(N,\)"),
        (np.array(3), r"words have shape \(\); give one"),
    ],
)
def test_token_array_refuses(ids, message):
    with pytest.raises(ValueError, match=message):
        token_array(ids, "words")
