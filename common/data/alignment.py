"""Which source word a target word translates: found by counting, read from a gold file, and scored.

An alignment has an entry for each target word: the tuple of the source positions, from 0, that it translates.
"""

import re

import numpy as np

from common.data.pairs import alignment_accuracy
from common.data.text import first_few, load_corpus


def ibm_model_1(pairs, rounds=10, pull=0.0):
    """Return {(source word, target word): probability that this source word is translated so}, learnt by EM.

    pairs   (source tokens, target tokens), anything after them is not read
    rounds  of expectation (who of the source explains each target word, as the table says?) and maximisation (the
            table is what has been counted so); it begins with all words alike
    pull    how much a target word prefers source words at its own height in the sentence: before the table is
            asked, place j of S has weight exp(-pull |t/T - j/S|) for place t of T. With 0 all places are alike.

    Model 1 of Brown et al. (1993), without its empty word: each target word translates some source word. The pull is
    that of Dyer, Chahuneau and Smith (2013). Raises ValueError for no pairs, an empty side, or rounds below 1.
    """
    pairs = _pairs(pairs)
    if rounds < 1:
        raise ValueError(f"rounds is {rounds}; at least one is needed to learn anything")
    links, explained, prior = [], [], []  # every source word with every target word of its pair
    for source, target in pairs:
        links += [(s, t) for t in target for s in source]
        explained += [len(source)] * len(target)
        prior.append(_prior(len(source), len(target), pull).ravel())
    kinds = {link: n for n, link in enumerate(dict.fromkeys(links))}
    kind = np.array([kinds[link] for link in links])
    sources = {s: n for n, s in enumerate(dict.fromkeys(s for s, _ in kinds))}
    source_of_kind = np.array([sources[s] for s, _ in kinds])
    target_word = np.repeat(np.arange(len(explained)), explained)
    prior, table = np.concatenate(prior), np.ones(len(kinds))
    for _ in range(rounds):
        share = prior * table[kind]
        share /= np.bincount(target_word, share)[target_word]
        counts = np.bincount(kind, share)
        table = counts / np.bincount(source_of_kind, counts)[source_of_kind]
    return dict(zip(kinds, table.tolist(), strict=True))


def ibm_weights(table, pairs, pull=0.0):
    """Return weights (T, B, S): which source word of its pair explains each target word, as ibm_model_1 sees it.

    In the form of attention's weights: those of a target word sum to 1; beyond the words of a pair they are 0. Words
    that the table has never seen together get equal parts. `pull` should be that of the training.
    """
    pairs = _pairs(pairs)
    T, S = (max(len(pair[side]) for pair in pairs) for side in (1, 0))
    weights = np.zeros((T, len(pairs), S))
    for b, (source, target) in enumerate(pairs):
        seen = np.array([[table.get((s, t), 0.0) for s in source] for t in target])
        seen[seen.sum(axis=1) == 0] = 1
        share = _prior(len(source), len(target), pull) * seen
        weights[: len(target), b, : len(source)] = share / share.sum(axis=1, keepdims=True)
    return weights


def links_of(weights, pairs):
    """Return the alignments that weights (T, B, S) stand for: each target word at its largest weight."""
    looked_at = np.asarray(weights).argmax(axis=-1)
    return [
        [(int(j),) for j in looked_at[: len(target), b]] for b, (_, target, *_) in enumerate(pairs)
    ]


def alignment_error_rate(found, sure, possible):
    """Return 1 - (|A & S| + |A & P|) / (|A| + |S|), A being all links found, S the sure ones, P sure and possible.

    Each of the three has an alignment for every sentence. What is possible need not be found, and is no mistake; only
    what is in neither is one. Och and Ney (2003), section 5.2; `possible` may leave out what is sure.
    """
    found, sure, possible = (_links(alignments) for alignments in (found, sure, possible))
    if not found or not sure:
        raise ValueError(
            f"{len(found)} links found, {len(sure)} sure ones; both must be at least 1"
        )
    return 1 - (len(found & sure) + len(found & (possible | sure))) / (len(found) + len(sure))


def alignment_scores(weights, sure, possible):
    """Return (strict, lenient, error rate) of weights (T, B, S) against gold.

    Strict is the share of target words whose largest weight is on a sure source word, lenient on a sure or a possible
    one. Target words without a sure source word are not scored in either, but count in the error rate.
    """
    either = [
        [(*s, *p) if s else () for s, p in zip(some, more, strict=True)]
        for some, more in zip(sure, possible, strict=True)
    ]
    pairs = [(None, alignment) for alignment in sure]
    rate = alignment_error_rate(links_of(weights, pairs), sure, possible)
    return alignment_accuracy(weights, sure), alignment_accuracy(weights, either), rate


def load_gold(path):
    """Return [(source tokens, target tokens, sure, possible), ...] of a UTF-8 file of aligned pairs.

    A line holds a source, a tab, a target, a tab, and links as "0-0 1-2?": source place, target place, both from 0, and
    a question mark where the link is possible only. Raises ValueError naming the first few lines that do not fit, or
    where the whole file has no sure link; and what load_corpus raises.
    """
    gold, faults = [], []
    for number, line in enumerate(load_corpus(path).split("\n"), start=1):
        if not line.strip():
            continue
        columns = line.split("\t")
        if len(columns) != 3:
            faults.append(f"line {number} has {len(columns)} columns")
            continue
        source, target, links = (column.split() for column in columns)
        read = [re.fullmatch(r"(\d+)-(\d+)(\??)", link) for link in links]
        wrong = [link for link, match in zip(links, read, strict=True) if not match]
        wrong += [
            match[0]
            for match in read
            if match and not (int(match[1]) < len(source) and int(match[2]) < len(target))
        ]
        if not source or not target or wrong:
            what = f"the link {wrong[0]}" if wrong else "an empty side"
            faults.append(f"line {number} has {what}")
            continue
        sure, possible = ([[] for _ in target] for _ in range(2))
        for match in read:
            (possible if match[3] else sure)[int(match[2])].append(int(match[1]))
        gold.append((source, target, *([tuple(js) for js in side] for side in (sure, possible))))
    if faults or not gold:
        raise ValueError(
            f"{str(path)!r} needs a source, a tab, a target, a tab, and links such as 0-0 1-2? on each line, places "
            f"from 0 and inside the sentence; {len(faults):,} do not fit: {first_few(faults, '; ')}"
        )
    if not any(links for _, _, sure, _ in gold for links in sure):
        raise ValueError(
            f"{str(path)!r} has no sure link, so no word of it can be scored; write at least one link without a "
            "question mark"
        )
    return gold


def _pairs(pairs):
    pairs = [(list(source), list(target)) for source, target, *_ in pairs]
    if not pairs or not all(source and target for source, target in pairs):
        raise ValueError(f"{len(pairs)} pairs; there must be some, and neither side may be empty")
    return pairs


def _prior(S, T, pull):
    heights = [(np.arange(n) + 0.5) / n for n in (T, S)]
    return np.exp(-pull * np.abs(np.subtract.outer(*heights)))


def _links(alignments):
    return {
        (b, t, j)
        for b, alignment in enumerate(alignments)
        for t, positions in enumerate(alignment)
        for j in positions
    }
