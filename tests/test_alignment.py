"""Alignments by counting, scored, and read from gold files."""

import numpy as np
import pytest

from common.data.alignment import (
    alignment_error_rate,
    alignment_scores,
    ibm_model_1,
    ibm_weights,
    links_of,
    load_gold,
)
from common.data.lexicon import kinds_of_french_words
from common.data.translation import possible_links, translation

TOY = [("the house", "la maison"), ("the flower", "la fleur")]
TOY = [(source.split(), target.split()) for source, target in TOY]


def test_one_round_by_hand():
    """All words alike: every target word is half of each source word; "the" has counted la twice, each noun once."""
    table = ibm_model_1(TOY, rounds=1)
    assert table["the", "la"] == pytest.approx(1 / 2)
    assert table["the", "maison"] == pytest.approx(1 / 4)
    assert table["house", "la"] == table["house", "maison"] == pytest.approx(1 / 2)


def test_two_rounds_by_hand():
    """Of la, the and house say 1/2 each, so half comes from each; of maison 1/4 and 1/2, so a third and two thirds."""
    table = ibm_model_1(TOY, rounds=2)
    assert table["the", "la"] == pytest.approx((1 / 2 + 1 / 2) / (1 + 2 / 3))
    assert table["house", "maison"] == pytest.approx((2 / 3) / (1 / 2 + 2 / 3))


def test_in_the_end_each_word_has_its_translation():
    table = ibm_model_1(TOY, rounds=200)
    assert table["the", "la"] > 0.9 and table["house", "maison"] > 0.9
    assert links_of(ibm_weights(table, TOY), TOY) == [[(0,), (1,)]] * 2


def test_the_table_holds_probabilities_whatever_the_pull():
    rng = np.random.default_rng(0)
    pairs = [translation(rng) for _ in range(50)]
    for pull in (0.0, 3.0):
        table = ibm_model_1(iter(pairs), 3, pull)
        sums = {}
        for (source, _), p in table.items():
            sums[source] = sums.get(source, 0) + p
        assert np.allclose(list(sums.values()), 1)
        weights = ibm_weights(table, pairs, pull)
        for b, (source, target, _) in enumerate(pairs):
            assert np.allclose(weights[: len(target), b].sum(axis=1), 1)
            assert not weights[len(target) :, b].any() and not weights[:, b, len(source) :].any()


def test_a_pull_prefers_words_at_the_same_height():
    pairs = [(list("ab"), list("xy"))]
    assert links_of(ibm_weights({}, pairs, 1.0), pairs) == [[(0,), (1,)]]
    expected = np.exp(-0.5) / (1 + np.exp(-0.5))
    assert ibm_weights({}, pairs, 1.0)[0, 0, 1] == pytest.approx(expected)


def test_it_finds_what_the_grammar_knows():
    """In 1,500 sentences counting finds over three quarters of the words, and over nine tenths with a pull."""
    rng = np.random.default_rng(1)
    training, test = ([translation(rng) for _ in range(n)] for n in (1500, 200))
    gold = [example[2] for example in test]
    possible = [possible_links(*example) for example in test]
    for pull, least in ((0.0, 0.75), (3.0, 0.9)):
        weights = ibm_weights(ibm_model_1(training, 10, pull), test, pull)
        strict, lenient, rate = alignment_scores(weights, gold, possible)
        assert least < strict <= lenient and rate < 1 - strict + 0.05


def test_error_rate_by_hand():
    """Three links found: one sure, one possible, one in neither; two are sure."""
    found, sure, possible = [[(0,), (1,), (2,)]], [[(0,), (), (0,)]], [[(), (1,), ()]]
    assert alignment_error_rate(found, sure, possible) == pytest.approx(1 - (1 + 2) / (3 + 2))
    assert alignment_error_rate(sure, sure, possible) == 0
    assert alignment_error_rate(sure, sure, sure) == 0


def test_scores_by_hand():
    weights = np.eye(3)[:, None]  # word t looks at source word t
    sure, possible = [[(0,), (0,), ()]], [[(), (1,), (2,)]]
    strict, lenient, rate = alignment_scores(weights, sure, possible)
    assert (strict, lenient) == (1 / 2, 1)
    assert rate == pytest.approx(1 - (1 + 3) / (3 + 2))


def test_possible_links_by_hand():
    source = ["does", "the", "nurse", "not", "look", "for", "a", "red", "apple", "?"]
    target = [
        "est-ce",
        "que",
        "l'",
        "infirmière",
        "ne",
        "cherche",
        "pas",
        "de",
        "pomme",
        "rouge",
        "?",
    ]
    sure = [(0,), (0,), (1,), (2,), (3,), (4, 5), (3,), (6,), (8,), (7,), (9,)]
    expected = [(9,), (9,), (2,), (), (2, 4, 5), (), (2, 4, 5), (8,), (), (), ()]
    assert possible_links(source, target, sure) == expected
    source, target = (
        ["they", "are", "not", "sad", "."],
        ["ils", "ne", "sont", "pas", "tristes", "."],
    )
    sure = [(0,), (2,), (1,), (2,), (3,), (4,)]
    assert possible_links(source, target, sure) == [(), (1,), (), (1,), (), ()]


def test_every_french_word_has_a_kind_and_possible_links_are_not_sure_ones():
    rng, kinds = np.random.default_rng(2), kinds_of_french_words()
    for _ in range(500):
        source, target, sure = translation(rng)
        assert all(word in kinds for word in target)
        for links, more in zip(sure, possible_links(source, target, sure), strict=True):
            assert not set(links) & set(more)
            assert all(0 <= j < len(source) for j in more)


def test_a_gold_file_is_read(tmp_path):
    path = tmp_path / "gold.txt"
    path.write_text("the cat\tle chat\t0-0 1-1 1-0?\n\na b\tx\t\n", encoding="utf-8")
    (source, target, sure, possible), (*_, nothing, _) = load_gold(path)
    assert (source, target) == (["the", "cat"], ["le", "chat"])
    assert sure == [(0,), (1,)] and possible == [(1,), ()]
    assert nothing == [()]


def test_faults_of_a_gold_file_are_named_by_line(tmp_path):
    path = tmp_path / "gold.txt"
    path.write_text("a\tb\t0-0\na b\tc\na\tb\t1-0\na\tb\t0:0\na\t\t0-0\n", encoding="utf-8")
    with pytest.raises(ValueError) as problem:
        load_gold(path)
    for fault in (
        "4 do not fit",
        "line 2 has 2 columns",
        "line 3 has the link 1-0",
        "line 4 has the link 0:0",
    ):
        assert fault in str(problem.value)


@pytest.mark.parametrize("links", ["", "0-0? 1-1?"])
def test_a_gold_file_without_a_sure_link_is_refused(tmp_path, links):
    """No word could be scored: every share would be a division by zero."""
    path = tmp_path / "gold.txt"
    path.write_text(f"the cat\tle chat\t{links}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no sure link"):
        load_gold(path)


@pytest.mark.parametrize(
    "call",
    [
        lambda: ibm_model_1([]),
        lambda: ibm_model_1([(["a"], [])]),
        lambda: ibm_model_1(TOY, rounds=0),
        lambda: alignment_error_rate([[()]], [[(0,)]], [[()]]),
    ],
)
def test_bad_input_is_refused(call):
    with pytest.raises(ValueError):
        call()
