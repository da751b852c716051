"""Pairs of sequences, a source and its target: from a file, into padded batches, and how to score predictions."""

import numpy as np

from common.data.text import first_few, load_corpus
from common.data.tokens import token_array


def load_pairs(path, tokenise=str.split):
    """Return the pairs of a UTF-8 file with one "source<TAB>target" a line: [(source tokens, target tokens), ...].

    `tokenise` makes a list of tokens of a string: str.split for words between blanks, list for characters. Blanks
    around a side are dropped, blank lines skipped; the file is read as load_corpus reads a text.

    Raises ValueError naming the first few lines that have no tab, more than one, an empty side, or a token <pad>, <sos>
    or <eos>, which pair_batches puts in; and what load_corpus raises.
    """
    pairs, faults, columns = [], [], 2
    for number, line in enumerate(load_corpus(path).split("\n"), start=1):
        if not line.strip():
            continue
        sides = [list(tokenise(side.strip())) for side in line.split("\t")]
        columns = max(columns, len(sides))
        reserved = {"<pad>", "<sos>", "<eos>"} & {token for side in sides for token in side}
        if len(sides) != 2:
            faults.append(f"line {number} has {len(sides) - 1 or 'no'} tab{'s' * (len(sides) > 2)}")
        elif not all(sides):
            faults.append(f"line {number} has an empty {'target' if sides[0] else 'source'}")
        elif reserved:
            faults.append(f"line {number} has the token {min(reserved)}")
        else:
            pairs.append(tuple(sides))
    if faults:
        raise ValueError(
            f"{str(path)!r} needs a source, one tab and a target on each line; {len(faults):,} "
            f"line{'s do' if len(faults) > 1 else ' does'} not fit: {first_few(faults, '; ')}"
            + ("; drop the third column and any after it" if columns > 2 else "")
        )
    return pairs


def pad_sequences(sequences, pad=0):
    """Return B sequences of ids as columns: ids (T, B), T the longest length, and mask (T, B).

    The mask is 1 for a real token and 0 for padding, which is at the end; it is float32, so that multiplying with it
    changes neither float32 nor float64. Raises ValueError for no sequences, for an empty one, for ids that are no
    integers, and for a sequence that contains `pad` itself, as it does where a vocabulary without special tokens
    encoded it.
    """
    sequences = [_with_length(sequence) for sequence in sequences]
    lengths = np.array([len(sequence) for sequence in sequences], dtype=np.int64)
    if lengths.size == 0 or lengths.min() == 0:
        what = f"sequence {lengths.argmin()} is empty" if lengths.size else "there are no sequences"
        raise ValueError(f"{what}; give at least one sequence, each of at least one token")
    mask = np.arange(lengths.max())[:, None] < lengths
    ids = np.full(mask.shape[::-1], pad, dtype=np.int64)
    ids[mask.T] = token_array(np.concatenate(sequences))
    ids = np.ascontiguousarray(ids.T)
    if (ids[mask] == pad).any():
        sequence = int(np.argmax(((ids == pad) & mask).any(axis=0)))
        raise ValueError(
            f"sequence {sequence} contains id {pad}, which means padding; encode with a vocabulary whose special "
            "tokens come first, so that no other token has this id"
        )
    return ids, mask.astype(np.float32)


def pair_batches(pairs, batch_size, rng=None, pad=0, sos=1, eos=2):
    """Return an iterator over batches of (source ids, target ids) pairs, similar lengths together.

    It yields source (S, B), source_mask (S, B), target_inputs (T, B), targets (T, B), target_mask (T, B). The decoder
    reads target_inputs, <sos> and the target, and is to predict targets, the target and <eos>; T is the longest
    target and 1. Sources stay as they are: whoever wants <eos> there, or a reversed source, puts it into the pairs.

    Pairs are sorted by source length, then target length, and cut, so that little is padding; the last batch may be
    smaller. With `rng`, pairs of equal lengths are mixed and the batches come in random order; call again for each
    epoch. Without, the order is always the same.

    Raises ValueError for no pairs, a batch_size below 1, an empty source, and ids that mean padding (pad_sequences).
    """
    pairs = [(_with_length(source), _with_length(target)) for source, target, *_ in pairs]
    if batch_size < 1 or not pairs:
        raise ValueError(f"{len(pairs)} pairs, batch_size {batch_size}: both must be at least 1")
    order = np.arange(len(pairs)) if rng is None else rng.permutation(len(pairs))
    order = sorted(order.tolist(), key=lambda i: (len(pairs[i][0]), len(pairs[i][1])))
    batches = [order[start : start + batch_size] for start in range(0, len(order), batch_size)]
    if rng is not None:
        rng.shuffle(batches)

    def generate():
        for batch in batches:
            source, source_mask = pad_sequences([pairs[i][0] for i in batch], pad)
            target_inputs, target_mask = pad_sequences([[sos, *pairs[i][1]] for i in batch], pad)
            targets, _ = pad_sequences([[*pairs[i][1], eos] for i in batch], pad)
            yield source, source_mask, target_inputs, targets, target_mask

    return generate()


def exact_match(predicted, expected):
    """Return the share of sequences that are predicted without a mistake, of two equally long lists of token lists."""
    predicted, expected = _same_number(predicted, expected)
    return float(np.mean([p == e for p, e in zip(predicted, expected, strict=True)]))


def token_accuracy(predicted, expected):
    """Return the share of positions, over all sequences, where the predicted token is the expected one.

    A sequence has as many positions as the longer of its prediction and its target: tokens that are missing at the
    end count as mistakes, and so do tokens too many. Position counts: after one token left out, all are shifted.
    """
    predicted, expected = _same_number(predicted, expected)
    right = positions = 0
    for p, e in zip(predicted, expected, strict=True):
        right += sum(a == b for a, b in zip(p, e, strict=False))
        positions += max(len(p), len(e))
    return right / positions if positions else 1.0


def alignment_accuracy(weights, alignments):
    """Return the share of target words for which the largest attention weight is on a gold source word.

    weights (T, B, S): weights[t, b] are those with which target token t of sentence b is predicted, the decoder
    reading the true target. alignments: for each of B sentences, for each target token, the tuple of the source
    positions that it translates; weights (T, S) go with the alignment of a single sentence. A token with an empty
    tuple is not scored, nor are the steps after the last token: <eos> and padding. All scored words of all sentences
    count alike; of equal weights the first is the largest.

    Where the network read the source backwards, turn the weights round first: weights[..., ::-1] (no padding then).

    Raises ValueError where alignments do not fit in weights or no word is scored.
    """
    weights = np.asarray(weights)
    if weights.ndim == 2:
        weights, alignments = weights[:, None], [alignments]
    alignments = [[tuple(gold) for gold in alignment] for alignment in alignments]
    T, B, S = weights.shape
    if len(alignments) != B or max(map(len, alignments), default=0) > T:
        raise ValueError(
            f"weights for {B} sentences of at most {T} target tokens, alignments for {len(alignments)} of at most "
            f"{max(map(len, alignments), default=0)}; give the alignments of these sentences"
        )
    attended = weights.argmax(axis=-1)
    hits = [
        attended[t, b] in gold
        for b, alignment in enumerate(alignments)
        for t, gold in enumerate(alignment)
        if gold
    ]
    if not hits:
        raise ValueError("no target word has a gold source position; there is nothing to score")
    positions = {j for alignment in alignments for gold in alignment for j in gold}
    for j in (min(positions), max(positions)):
        if not 0 <= j < S:
            raise ValueError(f"a gold position is {j}, but weights cover {S} source positions")
    return float(np.mean(hits))


def _same_number(predicted, expected):
    """Return both as lists of lists of tokens; raises ValueError where they are not equally many."""
    predicted, expected = (
        [list(tokens) for tokens in sequences] for sequences in (predicted, expected)
    )
    if len(predicted) != len(expected) or not expected:
        raise ValueError(
            f"{len(predicted)} predictions and {len(expected)} targets; both must be equally many, at least 1"
        )
    return predicted, expected


def _with_length(sequence):
    """Return a sequence that has a length: an array as it is, anything else as a list."""
    return sequence if isinstance(sequence, np.ndarray) else list(sequence)
