"""Many short sequences: names, one a line. Into padded batches, and how far a name is from others."""

import numpy as np

from common.data.pairs import pad_sequences
from common.data.text import load_corpus


def load_names(source):
    """Return the distinct lines of a corpus in lower case, in their order; blanks around them and blank lines dropped.

    The file is read as load_corpus reads a text; raises ValueError as it does.
    """
    lines = (line.strip().lower() for line in load_corpus(source).split("\n"))
    return list(dict.fromkeys(filter(None, lines)))


def name_batches(names, batch_size, rng=None, by_length=False, pad=0, sos=1, eos=2):
    """Return an iterator over batches that go once through `names`, sequences of ids.

    It yields inputs (T, B), targets (T, B) and mask (T, B): a model reads <sos> and the name and is to predict the name
    and <eos>; T is the longest name of the batch and 1. Columns stand by length, longest first, as packing needs them.

    rng        mixes the names; call again for each epoch. Without, their order stays
    by_length  names of similar length share a batch (bucketing), so that little is padding; with rng, equal lengths
               are mixed and the batches come in random order

    Raises ValueError for no names, a batch_size below 1, and ids that mean padding (pad_sequences).
    """
    names = [list(name) for name in names]
    if batch_size < 1 or not names:
        raise ValueError(f"{len(names)} names, batch_size {batch_size}: both must be at least 1")
    order = list(range(len(names))) if rng is None else rng.permutation(len(names)).tolist()
    if by_length:
        order.sort(key=lambda i: -len(names[i]))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if by_length and rng is not None:
        rng.shuffle(batches)

    def generate():
        for batch in batches:
            chosen = [names[i] for i in sorted(batch, key=lambda i: -len(names[i]))]
            inputs, mask = pad_sequences([[sos, *name] for name in chosen], pad)
            targets, _ = pad_sequences([[*name, eos] for name in chosen], pad)
            yield inputs, targets, mask

    return generate()


def edit_distances(name, others):
    """Return (N,) the fewest letters to insert, leave out or exchange to make each of `others` of `name`.

    Levenshtein's distance (1966), one row of its table (Wagner and Fischer 1974) for all others at once.
    Raises ValueError for no others.
    """
    others = [*map(str, others)]
    if not others:
        raise ValueError("there are no other names to measure a distance to")
    lengths = np.array([len(other) for other in others])
    codes = np.array(others).view(np.uint32).reshape(len(others), -1)  # a letter is its number
    letters = np.ascontiguousarray(codes.T)
    steps = np.arange(len(letters) + 1, dtype=np.int32)[:, None]
    row = np.repeat(steps, len(others), axis=1)  # from nothing: every letter is inserted
    for letter in name:
        best = row + 1  # the letter is left out
        best[1:] = np.minimum(best[1:], row[:-1] + (letters != ord(letter)))  # or exchanged
        row = (
            np.minimum.accumulate(best - steps, axis=0) + steps
        )  # or letters are inserted after it
    return row[lengths, np.arange(len(others))]
