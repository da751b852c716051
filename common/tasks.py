"""Synthetic tasks whose right answer is known, so that a claim about a network can be measured."""

import numpy as np


def marked_recall(rng, batch_size, lag, symbols=4):
    """Return inputs, targets and mask, each (T, B): keep one marked symbol in mind, name it at the end.

    All tokens are random symbols, ids 0 to symbols - 1, but for two: within the first five steps a mark, id
    `symbols`, says that the symbol after it is the one to keep; and the last token, id symbols + 1, asks for it.
    The symbol comes between `lag` and lag + 4 steps before the question, and T = lag + 6. The mask is 1 at the question
    only, where the target is the symbol. Guessing is right once in `symbols` times. (A relative of the tasks of
    Hochreiter and Schmidhuber 1997, section 5.)

    Raises ValueError for a lag below 1.
    """
    if lag < 1:
        raise ValueError(f"lag is {lag}; the question comes at least 1 step after the symbol")
    inputs = rng.integers(0, symbols, (lag + 6, batch_size))
    marked, streams = rng.integers(0, 5, batch_size), np.arange(batch_size)
    inputs[marked, streams] = symbols
    inputs[-1] = symbols + 1
    targets, mask = np.zeros_like(inputs), np.zeros_like(inputs)
    targets[-1], mask[-1] = inputs[marked + 1, streams], 1
    return inputs, targets, mask


def counted_strings(rng, batch_size, length, longest):
    """Return inputs, targets and count, each (T, B) with T = length: strings a^n b^n, one after the other.

    Ids: 0 = "a", 1 = "b", 2 = "$", which begins each string; n is drawn from 1 to `longest` for every string. Targets
    are the next tokens. `count` is the number of a's minus the number of b's in the string so far. After a "b" the
    next token is certain, but only to who has counted: "b" while the count is above 0, then "$". (Gers and Schmidhuber
    2001, "LSTM recurrent networks learn simple context free and context sensitive languages".)

    Raises ValueError for `longest` below 1.
    """
    if longest < 1:
        raise ValueError(f"longest is {longest}; strings have at least one a and one b")
    streams = np.empty((length + 1, batch_size), dtype=np.int64)
    for b in range(batch_size):
        stream = []
        while len(stream) <= length:
            n = int(rng.integers(1, longest + 1))
            stream += [2] + [0] * n + [1] * n
        streams[:, b] = stream[: length + 1]
    inputs, targets = streams[:-1], streams[1:]
    change = np.select([inputs == 0, inputs == 1], [1, -1], 0)
    return inputs, targets, np.cumsum(change, axis=0)
