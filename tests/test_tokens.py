import numpy as np
import pytest

from common.data.tokens import check_tokens


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
