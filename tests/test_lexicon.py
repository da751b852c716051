import unicodedata

from common.data.lexicon import (
    ADJECTIVES,
    BE,
    BEFORE_THE_NOUN,
    DETERMINERS,
    FITTING,
    NOUNS,
    PREPOSITIONS,
    PRONOUNS,
    VERBS,
)


def test_french_plurals_end_in_s_or_x():
    for _, singular, plural, gender, _ in NOUNS.values():
        assert plural[-1] in "sx" and gender in ("m", "f")
        ending = {"au": "x", "al": "aux"}.get(singular[-2:], "s")
        regular = singular[:-2] + ending if singular.endswith("al") else singular + ending
        assert plural == (singular if singular[-1] == "s" else regular)


def test_genders():
    feminine = {forms[1] for forms in NOUNS.values() if forms[3] == "f"}
    assert feminine == set(
        ["fille", "femme", "infirmière", "souris", "pomme", "orange", "maison", "voiture", "église"]
    )


def test_french_adjectives_agree():
    for masculine, feminine, masculine_plural, feminine_plural, *_ in ADJECTIVES.values():
        assert feminine.endswith("e") and feminine_plural == feminine + "s"
        ending = {"u": "x", "x": ""}.get(masculine[-1], "s")
        assert masculine_plural == masculine + ending
    before_vowels = {adjective: forms[4] for adjective, forms in ADJECTIVES.items() if forms[4:]}
    assert before_vowels == {"small": "petit", "big": "grand", "beautiful": "bel", "old": "vieil"}
    assert set(before_vowels) == set(BEFORE_THE_NOUN)


def test_french_verbs_have_the_endings_of_their_persons():
    for _, je, il, nous, ils, *_ in VERBS.values():
        assert nous.endswith("ons") and ils.endswith(("ent", "ont"))
        assert (je == il and il[-1] == "e") or (je[-1] in "si" and il[-1] in "ta")
        assert nous.startswith(il[0])
    assert [être for _, être in BE] == ["suis", "est", "sommes", "sont"]


def test_english_forms():
    singular = [noun for noun, forms in NOUNS.items() if forms[0] != f"{noun}s"]
    assert singular == ["man", "woman", "mouse", "church"]
    third = {verb: forms[0] for verb, forms in VERBS.items() if forms[0] != f"{verb}s"}
    assert third == {"look for": "looks for", "have": "has"}


def test_what_goes_together_is_in_the_lexicon():
    for adjectives in FITTING.values():
        assert set(adjectives) <= set(ADJECTIVES) and set(adjectives) & set(BEFORE_THE_NOUN)
    assert {forms[4] for forms in NOUNS.values()} == set(FITTING)
    for *_, subjects, objects in VERBS.values():
        assert set(subjects) | set(objects) <= set(FITTING)
    for _, nouns in PREPOSITIONS.values():
        assert set(nouns) <= set(NOUNS) and len(nouns) > 1
    assert {person for _, person, _ in PRONOUNS.values()} == {0, 1, 2, 3}


def test_accents_are_single_characters():
    words = [form for table in (NOUNS, ADJECTIVES, DETERMINERS, PRONOUNS, VERBS) for forms in table.values()
             for form in forms if isinstance(form, str)]  # fmt: skip
    assert all(unicodedata.normalize("NFC", word) == word for word in words)
