"""A small English and a small French, built side by side, so that every word's translation is known.

Each sentence comes with its gold alignment: which English words each French word translates.

- Nouns, adjectives, verbs, pronouns, prepositions and punctuation marks align to their counterparts; a French verb
  to both words of "look for".
- An article aligns to the determiner in its place: un, une, des, de and d' to "a", "some" or "any".
- "ne" and "pas" both align to "not". The do or does of "does not sleep" translates nothing.
- "est-ce que" aligns to the verb that English puts in front to ask: do, does, am, is or are. The last three are
  translated once more by suis, est, sommes or sont.

English determines French: they is ils, and I, we and they are masculine. French does not quite determine English:
"pas de souris" is "not a mouse" and "not any mice".
"""

from common.data.lexicon import (
    ADJECTIVES,
    ANYTHING,
    BE,
    BEFORE_THE_NOUN,
    COLOURS,
    DETERMINERS,
    FITTING,
    NOUNS,
    POSSESSIVES,
    PREPOSITIONS,
    PRONOUNS,
    VERBS,
    kinds_of_french_words,
)

PLACES = ("in", "under", "behind")
VOWELS = "aâeéèêhiîoôœu"  # every h of this lexicon is mute
BEFORE_A_VOWEL = {
    "le": "l'",
    "la": "l'",
    "je": "j'",
    "ne": "n'",
    "que": "qu'",
    "de": "d'",
    "ce": "cet",
    "ma": "mon",
}


def translation(rng, longest=12):
    """Return (English tokens, French tokens, alignment): one sentence, its translation, and which word is whose.

    The alignment has an entry for each French token: the tuple of positions, from 0, of the English tokens that it
    translates. A third of the sentences are negated, a third are questions. Words are in lower case but for "I";
    punctuation marks, and l', j', n', d' and qu', are tokens of their own. No sentence has more than `longest`
    English tokens.

    Raises ValueError for `longest` below 3, as the shortest sentences are of the kind "she sings ."
    """
    if longest < 3:
        raise ValueError(f"longest is {longest}; the shortest sentences have 3 tokens")
    english, french = _sentence(rng)
    while len(english) > longest:
        english, french = _sentence(rng)
    position = {key: i for i, (key, _) in enumerate(english)}
    source, target = [word for _, word in english], [word for word, _ in french]
    for i, following in enumerate(source[1:]):
        if source[i] == "a" and following[0] in "aeio":
            source[i] = "an"
    for i, following in enumerate(target[1:]):
        if following[0] in VOWELS:
            target[i] = BEFORE_A_VOWEL.get(target[i], target[i])
    return source, target, [tuple(position[key] for key in keys) for _, keys in french]


def possible_links(source, target, alignment):
    """Return, for each French token of a sentence of `translation`, the positions that one might align it with as well.

    For a determiner the noun that it belongs to, whose number and gender it shows; for "ne" and "pas" the verb and the
    English auxiliary, between and before which they stand; for "est-ce que" the question mark. For all others nothing.
    These are the possible links of Och and Ney (2003), beside the sure ones of `alignment`.
    """
    kind_of = kinds_of_french_words()
    kinds = [kind_of[word] for word in target]
    possible = []
    for t, kind in enumerate(kinds):
        positions = ()
        if kind == "determiner":
            positions = alignment[kinds.index("noun", t)]
        elif kind == "ne ... pas":
            verb = next(u for u, other in enumerate(kinds) if other in ("verb", "être"))
            positions = {*alignment[verb], source.index("not") - 1}
        elif kind == "est-ce que":
            positions = (len(source) - 1,)
        possible.append(tuple(sorted(set(positions) - set(alignment[t]))))
    return possible


# Below, an English phrase is a list of (key, word), a key being a name for the word's place in this sentence; a French
# phrase is a list of (word, keys of the English words that it translates).


def _sentence(rng):
    """Return an English sentence and its French one, before a becomes an, and le becomes l'."""
    form = _choose(rng, ["statement", "negation", "question"])
    transitive = [verb for verb in VERBS if VERBS[verb][-1]]
    intransitive = [verb for verb in VERBS if not VERBS[verb][-1]]
    verb = _choose(rng, _choose(rng, [["be"], transitive, transitive, intransitive]))
    subject_english, subject_french, person, agreement, noun = _subject(rng, verb, form)
    if verb == "be":
        be, french_form = BE[person]
        auxiliary, infinitive, keys = [("verb", be)], [], ("verb",)
        finite = auxiliary
        fitting = FITTING[NOUNS[noun][-1] if noun else "adult"]
        if len(subject_english) == 3:  # "the sad cat is old", never "the sad cat is happy"
            fitting = [adjective for adjective in fitting if adjective in BEFORE_THE_NOUN]
        adjective = _choose(rng, fitting)
        rest_english, rest_french = _adjective("predicate", adjective, agreement)
    else:
        third, *french_forms, _, _ = VERBS[verb]
        french_form = french_forms[person]
        auxiliary = [("do", "does" if person == 1 else "do")]
        keys = ("verb", "particle")[: len(verb.split())]
        infinitive = list(zip(keys, verb.split(), strict=True))
        finite = list(zip(keys, third.split(), strict=True)) if person == 1 else infinitive
        if verb in transitive:
            rest_english, rest_french = _object(rng, verb, noun, form == "negation")
        else:
            rest_english, rest_french = _circumstance(
                rng, PLACES if verb == "sleep" else list(PREPOSITIONS), noun, 0.6
            )
            if rng.random() < 0.3:
                often = [("often", "often")]
                infinitive, finite = often + infinitive, often + finite
                rest_french = [("souvent", ("often",)), *rest_french]

    verb_french = [(french_form, keys)]
    if form == "statement":
        english, french = subject_english + finite, subject_french + verb_french
    elif form == "negation":
        english = subject_english + auxiliary + [("not", "not")] + infinitive
        french = subject_french + [("ne", ("not",))] + verb_french + [("pas", ("not",))]
    else:
        in_front = (auxiliary[0][0],)
        english = auxiliary + subject_english + infinitive
        french = [("est-ce", in_front), ("que", in_front)] + subject_french + verb_french
    mark = "?" if form == "question" else "."
    return english + rest_english + [("mark", mark)], french + rest_french + [(mark, ("mark",))]


def _subject(rng, verb, form):
    """Return English, French, person, agreement, and the noun or None."""
    if rng.random() < 0.35:
        pronoun = _choose(rng, list(PRONOUNS))
        french, person, agreement = PRONOUNS[pronoun]
        return [("subject", pronoun)], [(french, ("subject",))], person, agreement, None
    noun = _choose(rng, _nouns(ANYTHING if verb == "be" else VERBS[verb][-2]))
    fitting = FITTING[NOUNS[noun][-1]]
    if verb == "be":
        fitting = [adjective for adjective in fitting if adjective not in BEFORE_THE_NOUN]
    adjectives = _choose_adjectives(rng, fitting)
    indefinite = verb != "be" and form == "statement"  # "does a cat sleep" is a strange question
    english, french, agreement = _noun_phrase(rng, "subject", noun, adjectives, indefinite)
    return english, french, 3 if agreement >= 2 else 1, agreement, noun


def _object(rng, verb, subject, negated):
    """Return an object that is not the subject once more, sometimes with a place."""
    noun = _choose(rng, [noun for noun in _nouns(VERBS[verb][-1]) if noun != subject])
    indefinite = verb != "love"  # loving is of the known: "n'aime pas de chat" is not French
    adjectives = _choose_adjectives(rng, FITTING[NOUNS[noun][-1]])
    english, french, _ = _noun_phrase(rng, "object", noun, adjectives, indefinite, negated)
    if verb in ("eat", "see", "look for", "read") and NOUNS[noun][-1] not in ("thing", "place"):
        place = _circumstance(rng, PLACES, noun, 0.25)
        english, french = english + place[0], french + place[1]
    return english, french


def _circumstance(rng, prepositions, other_noun, probability):
    """Return, with this probability, a preposition and a noun that is not `other_noun`; else nothing."""
    if rng.random() >= probability:
        return [], []
    preposition = _choose(rng, prepositions)
    french_preposition, nouns = PREPOSITIONS[preposition]
    noun = _choose(rng, [noun for noun in nouns if noun != other_noun])
    adjectives = _choose_adjectives(rng, FITTING[NOUNS[noun][-1]])
    english, french, _ = _noun_phrase(rng, "place", noun, adjectives, indefinite=False)
    return (
        [("preposition", preposition), *english],
        [(french_preposition, ("preposition",)), *french],
    )


def _noun_phrase(rng, role, noun, adjectives, indefinite, negated=False):
    """Return English, French and agreement of determiner, adjectives and noun; `negated` objects take de."""
    plural_noun, french_singular, french_plural, gender, kind = NOUNS[noun]
    plural, feminine = rng.random() < 0.4, gender == "f"
    agreement = 2 * plural + feminine
    french_noun = french_plural if plural else french_singular
    before_vowel = not plural and not feminine and french_noun[0] in VOWELS
    before, after, adjectives_english = [], [], []
    for adjective in adjectives:
        english, french = _adjective(f"{role} {adjective}", adjective, agreement, before_vowel)
        adjectives_english += english
        if adjective in BEFORE_THE_NOUN:
            before += french
        else:
            after += french

    determiners = ["the", "the", "the", "this"]
    determiners += ["a", "a", "a"] if indefinite else []
    determiners += POSSESSIVES if kind not in ("child", "adult") else []
    determiner = _choose(rng, determiners)
    english_plural, masculine, feminine_form, french_determiner = DETERMINERS[determiner]
    if not plural:
        french_determiner = feminine_form if feminine else masculine
    if determiner == "a" and (negated or (plural and before)):
        french_determiner = "de"  # pas de chat; de petits chats
    if determiner == "a" and negated:
        english_plural = "any"
    key = f"{role} determiner"
    english = [
        (key, english_plural if plural else determiner),
        *adjectives_english,
        (role, plural_noun if plural else noun),
    ]
    french = [(french_determiner, (key,)), *before, (french_noun, (role,)), *after]
    return english, french, agreement


def _choose_adjectives(rng, fitting):
    """Return no adjective, one, or one that goes before the French noun and a colour, which goes after it."""
    if rng.random() < 0.45:
        return []
    first = [adjective for adjective in fitting if adjective in BEFORE_THE_NOUN]
    second = [adjective for adjective in fitting if adjective not in BEFORE_THE_NOUN]
    colours = [adjective for adjective in second if adjective in COLOURS]
    if first and colours and rng.random() < 0.25:
        return [_choose(rng, first), _choose(rng, colours)]
    groups = [group for group in (first, second, second) if group]
    return [_choose(rng, _choose(rng, groups))] if groups else []


def _adjective(key, adjective, agreement, before_vowel=False):
    """Return English and French of an adjective: un vieil ami, une vieille amie, de vieux amis."""
    forms = ADJECTIVES[adjective]
    french = forms[4] if before_vowel and adjective in BEFORE_THE_NOUN else forms[agreement]
    return [(key, adjective)], [(french, (key,))]


def _nouns(kinds):
    return [noun for noun, forms in NOUNS.items() if forms[-1] in kinds]


def _choose(rng, options):
    return options[rng.integers(len(options))]
