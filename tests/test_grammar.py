from collections import Counter

import numpy as np
import pytest

from common.data.grammar import (
    AGREEING,
    COUNTED,
    LISTS,
    TAGS,
    agreement_sentence,
    ambiguous_sentence,
)


def draw(n=6000, kind=None):
    rng = np.random.default_rng(0)
    return [ambiguous_sentence(rng, kind) for _ in range(n)]


def best_guess(examples, seen):
    """Return the share of ambiguous words tagged right by who knows the grammar and sees only seen(words, place)."""
    counts = {}
    for words, tags, place, _ in examples:
        counts.setdefault(tuple(seen(words, place)), Counter())[tags[place]] += 1
    return sum(max(c.values()) for c in counts.values()) / len(examples)


def classes(words):
    """Return words by the list they are in: whoever sees classes is not misled by rare words."""
    tags = {}
    for sentence, gold, place, _ in EXAMPLES:
        tags |= {w: t for n, (w, t) in enumerate(zip(sentence, gold, strict=True)) if n != place}
    return [tags.get(word, "?") for word in words]


EXAMPLES = draw()


def test_every_sentence_has_one_ambiguous_word_and_gold_tags():
    for words, tags, place, kind in EXAMPLES:
        assert len(words) == len(tags) and set(tags) <= set(TAGS)
        assert words[place] in LISTS[kind] and tags[place] in ("NOUN", "VERB")
        everywhere = [word for some in LISTS.values() for word in some]
        assert sum(word in everywhere for word in words) == 1
        assert words[-1] == "." and words.count(".") == 1
    assert {tag for _, tags, *_ in EXAMPLES for tag in tags} == set(TAGS)


def test_all_other_words_have_one_tag():
    tags = {}
    for words, gold, place, _ in EXAMPLES:
        for t, (word, tag) in enumerate(zip(words, gold, strict=True)):
            assert t == place or tags.setdefault(word, tag) == tag


@pytest.mark.parametrize(
    "kind, left, right", [("before", 1, 0.5), ("after", 0.5, 1), ("both sides", 2 / 3, 2 / 3)]
)
def test_what_one_side_can_know_at_best(kind, left, right):
    examples = [(classes(words), *rest) for words, *rest in draw(3000, kind)]
    sides = (lambda w, t: w[:t], left), (lambda w, t: w[t + 1 :], right), (lambda w, t: w, 1)
    for seen, expected in sides:
        assert best_guess(examples, seen) == pytest.approx(expected, abs=0.03)


def test_on_both_sides_the_nearest_neighbours_are_not_enough():
    examples = [(classes(words), *rest) for words, *rest in draw(3000, "both sides")]
    assert best_guess(examples, lambda w, t: w[t - 1 : t + 2]) < 0.72


def test_kinds_are_equally_frequent_and_another_is_refused():
    counts = Counter(kind for *_, kind in EXAMPLES)
    assert counts.keys() == LISTS.keys() and min(counts.values()) > 1800
    with pytest.raises(ValueError, match="kind is 'left'; it must be one of before, after"):
        ambiguous_sentence(np.random.default_rng(0), "left")


NUMBER = {w: n for pair in (*COUNTED, *AGREEING) for n, w in enumerate(pair)}


@pytest.mark.parametrize("between, opposite, tail", [(0, 0, 0), (4, 1, 2), (4, 4, 0), (3, None, 1)])
def test_agreement(between, opposite, tail):
    rng, rights = np.random.default_rng(0), []
    for _ in range(400):
        words, right, place = agreement_sentence(rng, between, opposite, tail)
        nouns = [NUMBER[w] for w in words[:place] if w in NUMBER]
        assert len(nouns) == between + 1 and len(words) == 3 + 3 * (between + tail)
        assert right == (nouns[0] == NUMBER[words[place]])
        if opposite is not None:
            other = [number != nouns[0] for number in nouns[1:]]
            assert other == [False] * (between - opposite) + [True] * opposite
        rights.append(right)
    assert 0.4 < np.mean(rights) < 0.6


def test_too_many_opposite_nouns_are_refused():
    with pytest.raises(ValueError, match="opposite is 3; it must be from 0 to `between`, 2"):
        agreement_sentence(np.random.default_rng(0), 2, 3)
