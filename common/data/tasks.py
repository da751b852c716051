"""Synthetic tasks whose right answer is known, so that a claim about a network can be measured."""

from string import ascii_lowercase

import numpy as np

from common.data.text import first_few


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


def reversal(rng, longest, letters=10):
    """Return (source, target): a list of 1 to `longest` random letters, and the same letters backwards.

    The alphabet is the first `letters` letters of "abc...z". (Sutskever et al. 2014, section 3.3, found that the
    order of the source matters to an encoder: backwards is the easy one, as what is read last is wanted first.)

    Raises ValueError for `longest` below 1 and for less than 1 or more than 26 letters.
    """
    if longest < 1:
        raise ValueError(f"longest is {longest}; strings have at least one letter")
    if not 1 <= letters <= 26:
        raise ValueError(f"letters is {letters}; the alphabet has 1 to 26 letters")
    length = int(rng.integers(1, longest + 1))
    source = [ascii_lowercase[i] for i in rng.integers(0, letters, length)]
    return source, source[::-1]


def addition(rng, digits=3):
    """Return (source, target), the characters of a sum and of its value: "47+38" and "85".

    Each number has 1 to `digits` digits, every count as often as the others, and no leading zeros.

    Raises ValueError for `digits` outside 1 to 18.
    """
    if not 1 <= digits <= 18:
        raise ValueError(f"digits is {digits}; numbers have 1 to 18 digits")
    counts = rng.integers(1, digits + 1, 2)
    a, b = (int(rng.integers(10 ** (n - 1) if n > 1 else 0, 10**n)) for n in counts.tolist())
    return list(f"{a}+{b}"), list(str(a + b))


def distinct_splits(draw, rng, sizes):
    """Return one list of examples for each of `sizes`; no source occurs twice, in one list or in two.

    `draw(rng)` returns an example, a tuple whose first member is the source, a list of tokens: draw=human_date, or
    draw=lambda rng: reversal(rng, longest=8). The examples are shuffled before they are dealt out, so that the lists
    are alike: rare and common examples are as frequent in the last as in the first. The same generator state and the
    same total size give the same examples.

    Raises ValueError where the task does not have that many distinct examples, that is, where draws bring nothing new
    any more.
    """
    sizes = list(sizes)
    if min(sizes, default=-1) < 0:
        raise ValueError(
            f"sizes are {first_few(map(str, sizes)) or 'none'}; give one or more whole numbers, none below 0"
        )
    wanted, examples, repeated = sum(sizes), {}, 0
    while len(examples) < wanted:
        example = draw(rng)
        source = tuple(example[0])
        repeated = repeated + 1 if source in examples else 0
        examples.setdefault(source, example)
        if repeated > 100 + 20 * len(examples):
            raise ValueError(
                f"{wanted} distinct examples are wanted, {first_few(map(str, sizes), ' + ')}, but the last {repeated} "
                f"draws only repeated the {len(examples)} that there are; ask for fewer, or make the task larger"
            )
    examples = list(examples.values())
    shuffled = iter([examples[i] for i in rng.permutation(wanted)])
    return [[next(shuffled) for _ in range(size)] for size in sizes]
