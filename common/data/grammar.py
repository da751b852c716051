"""Two small grammars whose right answers are known: words that are noun or verb, and verbs far from their subjects."""

# Both a noun and a verb. For the first list what stands before the word decides which, for the second what stands
# after it, for the third neither alone.
BEFORE = ("watch", "walk", "dance", "rest", "drink", "swim", "play", "talk")
AFTER = ("light", "water", "paint", "oil", "salt", "butter", "smoke", "steam")
BOTH_SIDES = ("guard", "guide", "cook", "nurse", "pilot", "judge", "coach", "host")
LISTS = {"before": BEFORE, "after": AFTER, "both sides": BOTH_SIDES}

PRONOUNS = ("they", "we", "you")
ADVERBS = ("often", "always", "never", "sometimes")
LIKE = ("like", "want", "need", "enjoy")
GIVE = ("gave", "showed", "sold", "brought")
COME = ("comes", "flows", "drips", "falls")
SLEEP = ("sleeps", "waits", "sings", "smiles")
OPENINGS = ("today", "now", "here", "tonight")
ADJECTIVES = ("old", "young", "poor", "brave", "wise", "quiet")
NOUNS = ("house", "garden", "bread", "boat", "door", "wall", "boy", "girl", "horse", "fire")
PREPOSITIONS = ("near", "behind", "beside", "from")
TAGS = ("ADJ", "ADV", "DET", "NOUN", "PREP", "PRON", "STOP", "VERB")


def ambiguous_sentence(rng, kind=None):
    """Return (words, gold tags, place, kind): a sentence with one word that could be noun or verb, at `place`.

    kind  "before"      they often WATCH near the door . / they like the WATCH near the door .
          "after"       today WATER the garden . / today WATER comes from the wall .
          "both sides"  the old GUARD the house . / the old GUARD sleeps . / they gave the old GUARD the house .
          None          one of the three, at random

    Seen from one side only, the tag of the word is as uncertain as can be: what stands on the other side has, for noun
    and verb, the same distribution. On both sides, each of the three forms is as likely; "the old" before the word
    and "the house" after it leave it open, each by itself. Raises ValueError for another kind.
    """
    if kind is None:
        kind = str(rng.choice(list(LISTS)))
    if kind not in LISTS:
        raise ValueError(f"kind is {kind!r}; it must be one of {', '.join(LISTS)}, or None")
    word = _one(rng, LISTS[kind])
    if kind == "before":
        form = ["PRON ADV =VERB PREP DET NOUN", "PRON like DET =NOUN PREP DET NOUN"]
    elif kind == "after":
        form = ["open =VERB DET NOUN PREP DET NOUN", "open =NOUN come PREP DET NOUN"]
    else:
        form = ["DET ADJ =VERB DET NOUN", "DET ADJ =NOUN sleep", "PRON give DET ADJ =NOUN DET NOUN"]
    slots = _one(rng, form).split()
    words, tags = zip(*(_fill(rng, slot, word) for slot in slots), strict=True)
    place = next(t for t, slot in enumerate(slots) if slot.startswith("="))
    return [*words, "."], [*tags, "STOP"], place, kind


def _fill(rng, slot, word):
    """Return (word, tag) for a slot of a form."""
    if slot.startswith("="):
        return word, slot[1:]
    words, tag = {
        "PRON": (PRONOUNS, "PRON"),
        "ADV": (ADVERBS, "ADV"),
        "ADJ": (ADJECTIVES, "ADJ"),
        "PREP": (PREPOSITIONS, "PREP"),
        "DET": (("the",), "DET"),
        "NOUN": (NOUNS, "NOUN"),
        "open": (OPENINGS, "ADV"),
        "like": (LIKE, "VERB"),
        "give": (GIVE, "VERB"),
        "come": (COME, "VERB"),
        "sleep": (SLEEP, "VERB"),
    }[slot]
    return _one(rng, words), tag


# singular, plural
COUNTED = [
    (f"{noun}", f"{noun}s")
    for noun in ("key", "door", "boat", "house", "dog", "tree", "king", "book", "car", "girl")
]
AGREEING = [("is", "are"), ("was", "were"), ("has", "have"), ("sleeps", "sleep"), ("falls", "fall")]


def agreement_sentence(rng, between, opposite=None, tail=0):
    """Return (words, right, place): is the verb, at `place`, right for its subject, the first noun?

    "the key near the doors is": `between` nouns stand between the two. With `opposite`, so many of them, the last
    ones, have the other number than the subject, and the rest its own; without, each has either at random. So a verb
    that is right for the nearest noun is often wrong (Linzen, Dupoux and Goldberg 2016). `tail` phrases of the same
    form follow the verb. The verb is right in one of two sentences. Raises ValueError for `opposite` > `between`.
    """
    if opposite is not None and not 0 <= opposite <= between:
        raise ValueError(f"opposite is {opposite}; it must be from 0 to `between`, {between}")
    plural, right = int(rng.integers(2)), bool(rng.integers(2))
    numbers = rng.integers(0, 2, between + tail)
    if opposite is not None:
        numbers[:between] = plural
        numbers[between - opposite : between] = 1 - plural
    phrases = [[_one(rng, PREPOSITIONS), "the", _one(rng, COUNTED)[n]] for n in numbers]
    verb = _one(rng, AGREEING)[plural if right else 1 - plural]
    words = ["the", _one(rng, COUNTED)[plural]]
    words += [word for phrase in phrases[:between] for word in phrase]
    place = len(words)
    return words + [verb] + [word for phrase in phrases[between:] for word in phrase], right, place


def _one(rng, choices):
    return choices[int(rng.integers(len(choices)))]
