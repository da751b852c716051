import unicodedata

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.translation import translation

# Translated and aligned by hand: for each French word, the positions of the English words it translates
BY_HAND = """
she sings . | elle chante . | 0 1 2
I do not sleep . | je ne dors pas . | 0 2 3 2 4
do they dance ? | est-ce qu' ils dansent ? | 0 0 1 2 3
does he work ? | est-ce qu' il travaille ? | 0 0 1 2 3
am I happy ? | est-ce que je suis heureux ? | 0 0 1 0 2 3
we are not sad . | nous ne sommes pas tristes . | 0 2 1 2 3 4
she is old . | elle est vieille . | 0 1 2 3
they are beautiful . | ils sont beaux . | 0 1 2 3
are we old ? | est-ce que nous sommes vieux ? | 0 0 1 0 2 3
I often work . | je travaille souvent . | 0 2 1 3
he does not often dance . | il ne danse pas souvent . | 0 2 4 2 3 5
the egg is red . | l' œuf est rouge . | 0 1 2 3 4
this tree is big . | cet arbre est grand . | 0 1 2 3 4
is the church old ? | est-ce que l' église est vieille ? | 0 0 1 2 0 3 4
the mice are small . | les souris sont petites . | 0 1 2 3 4
the sad boy is not small . | le garçon triste n' est pas petit . | 0 2 1 4 3 4 5 6
my orange is small . | mon orange est petite . | 0 1 2 3 4
our horses are not black . | nos chevaux ne sont pas noirs . | 0 1 3 2 3 4 5
I love the oranges . | j' aime les oranges . | 0 1 2 3 4
she does not love our birds . | elle n' aime pas nos oiseaux . | 0 2 3 2 4 5 6
we look for the car . | nous cherchons la voiture . | 0 1,2 3 4 5
do they look for the man ? | est-ce qu' ils cherchent l' homme ? | 0 0 1 2,3 4 5 6
he looks for a nurse . | il cherche une infirmière . | 0 1,2 3 4 5
I do not have a cat . | je n' ai pas de chat . | 0 2 3 2 4 5 6
we do not eat any eggs . | nous ne mangeons pas d' œufs . | 0 2 3 2 4 5 6
he does not read a newspaper . | il ne lit pas de journal . | 0 2 3 2 4 5 6
they eat some cakes . | ils mangent des gâteaux . | 0 1 2 3 4
he has some small mice . | il a de petites souris . | 0 1 2 3 4 5
does she read the old newspaper ? | est-ce qu' elle lit le vieux journal ? | 0 0 1 2 3 4 5 6
I buy an old egg . | j' achète un vieil œuf . | 0 1 2 3 4 5
he buys an apple . | il achète une pomme . | 0 1 2 3 4
I buy a happy horse . | j' achète un cheval heureux . | 0 1 2 4 3 5
I buy a beautiful white horse . | j' achète un beau cheval blanc . | 0 1 2 3 5 4 6
they read some red books . | ils lisent des livres rouges . | 0 1 2 4 3 5
a man sings . | un homme chante . | 0 1 2 3
the happy boys sing . | les garçons heureux chantent . | 0 2 1 3 4
some old men work . | de vieux hommes travaillent . | 0 1 2 3 4
these beautiful friends sing . | ces beaux amis chantent . | 0 1 2 3 4
she dances in the church . | elle danse dans l' église . | 0 1 2 3 4 5
we dance with our horse . | nous dansons avec notre cheval . | 0 1 2 3 4 5
we see an old apple in the garden . | nous voyons une vieille pomme dans le jardin . | 0 1 2 3 4 5 6 7 8
"""


@pytest.fixture(scope="module")
def drawn():
    """Return {English: (French, alignment)} of many sentences, once it is sure that each English has one."""
    rng, sentences = np.random.default_rng(0), {}
    for _ in range(60_000):
        source, target, alignment = translation(rng)
        known = sentences.setdefault(tuple(source), (target, alignment))
        assert known == (target, alignment)
    return sentences


@pytest.mark.parametrize("line", BY_HAND.strip().split("\n"))
def test_a_translation_by_hand(drawn, line):
    english, french, alignment = (side.split() for side in line.split("|"))
    gold = [tuple(map(int, positions.split(","))) for positions in alignment]
    assert drawn[tuple(english)] == (french, gold)


@given(st.integers(0, 2**32), st.integers(3, 12))
def test_every_french_word_is_aligned_within_the_english(seed, longest):
    source, target, alignment = translation(np.random.default_rng(seed), longest)
    assert 3 <= len(source) <= longest
    assert len(target) == len(alignment)
    assert all(gold and set(gold) <= set(range(len(source))) for gold in alignment)
    assert (source, target, alignment) == translation(np.random.default_rng(seed), longest)


def test_only_the_do_of_a_negation_translates_nothing(drawn):
    for source, (_, alignment) in drawn.items():
        left_over = set(range(len(source))) - {i for gold in alignment for i in gold}
        assert [source[i] for i in left_over] in ([], ["do"], ["does"])
        assert not left_over or source[left_over.pop() + 1] == "not"


def test_words_are_elided_before_vowels_and_nowhere_else(drawn):
    before_vowels = {"l'", "j'", "n'", "qu'", "d'", "cet", "bel", "vieil"}
    before_consonants = {"le", "la", "je", "ne", "que", "de", "ce", "ma", "beau"}
    for target, _ in drawn.values():
        for word, following in zip(target, target[1:], strict=False):
            vowel = unicodedata.normalize("NFD", following)[0] in "aeiouhœ"
            assert not (word in before_vowels and not vowel), target
            assert not (word in before_consonants and vowel), target
            if word == "vieux" and vowel:
                assert following[-1] in "sx", target


def test_a_or_an(drawn):
    for source in drawn:
        for word, following in zip(source, source[1:], strict=False):
            assert word not in ("a", "an") or (word == "an") == (following[0] in "aeiou"), source


def test_negations_and_questions_have_all_their_parts(drawn):
    for source, (target, _) in drawn.items():
        negations = [target.count(word) for word in ("ne", "n'", "pas")]
        assert negations in ([[1, 0, 1], [0, 1, 1]] if "not" in source else [[0, 0, 0]])
        assert (target[0] == "est-ce") == (target[-1] == "?") == (source[-1] == "?")
        assert source[-1] in ".?" and target[-1] == source[-1]
        assert "any" not in source or "not" in source


def test_pronouns_agree_with_their_verbs(drawn):
    endings = {
        "je": ("e", "s", "ai"),
        "j'": ("e", "ai"),
        "il": ("e", "t", "a"),
        "elle": ("e", "t", "a"),
        "nous": ("ons", "sommes"),
        "ils": ("ent", "ont"),
    }
    for target, _ in drawn.values():
        words = [word for word in target if word not in ("est-ce", "que", "qu'", "ne", "n'")]
        if words[0] in endings:
            assert words[1].endswith(endings[words[0]]), target


def test_what_moves_is_frequent(drawn):
    moving = {"red", "black", "white", "sad", "happy"}
    moved = [
        any(a in moving and b not in ".?" for a, b in zip(s, s[1:], strict=False)) for s in drawn
    ]
    assert 0.3 < np.mean(moved) < 0.7
    assert 0.28 < np.mean(["not" in source for source in drawn]) < 0.38
    assert 0.28 < np.mean([source[-1] == "?" for source in drawn]) < 0.38
    assert len(drawn) > 30_000


def test_french_tells_all_but_how_many_mice_there_are_not(drawn):
    english_of = {}
    for source, (target, _) in drawn.items():
        english_of.setdefault(tuple(target), []).append(source)
    for french, several in english_of.items():
        if len(several) > 1:
            assert any(word in ("de", "pas") for word in french) and "souris" in french
            assert {word for source in several for word in source} >= {"any", "mice", "a", "mouse"}


def test_vocabularies_are_small(drawn):
    assert len({word for source in drawn for word in source}) == 103
    assert len({word for target, _ in drawn.values() for word in target}) == 153


def test_sentences_below_three_tokens_are_refused():
    with pytest.raises(ValueError, match="longest is 2; the shortest sentences have 3 tokens"):
        translation(np.random.default_rng(0), longest=2)
