"""The words of common.data.translation: about a hundred English ones, and the French ones that translate them.

The tables say which nouns a verb, an adjective or a preposition goes with, so that the sentences stay sensible.
"""

# English singular and plural; French singular, plural, gender; kind
NOUNS = {
    "boy": ("boys", "garçon", "garçons", "m", "child"),
    "girl": ("girls", "fille", "filles", "f", "child"),
    "man": ("men", "homme", "hommes", "m", "adult"),
    "woman": ("women", "femme", "femmes", "f", "adult"),
    "nurse": ("nurses", "infirmière", "infirmières", "f", "adult"),
    "friend": ("friends", "ami", "amis", "m", "friend"),
    "dog": ("dogs", "chien", "chiens", "m", "animal"),
    "cat": ("cats", "chat", "chats", "m", "animal"),
    "bird": ("birds", "oiseau", "oiseaux", "m", "animal"),
    "horse": ("horses", "cheval", "chevaux", "m", "animal"),
    "mouse": ("mice", "souris", "souris", "f", "animal"),
    "apple": ("apples", "pomme", "pommes", "f", "food"),
    "orange": ("oranges", "orange", "oranges", "f", "food"),
    "egg": ("eggs", "œuf", "œufs", "m", "food"),
    "cake": ("cakes", "gâteau", "gâteaux", "m", "food"),
    "book": ("books", "livre", "livres", "m", "reading"),
    "newspaper": ("newspapers", "journal", "journaux", "m", "reading"),
    "house": ("houses", "maison", "maisons", "f", "thing"),
    "car": ("cars", "voiture", "voitures", "f", "thing"),
    "tree": ("trees", "arbre", "arbres", "m", "place"),
    "garden": ("gardens", "jardin", "jardins", "m", "place"),
    "church": ("churches", "église", "églises", "f", "place"),
}
# French masculine and feminine singular, masculine and feminine plural; the form before a masculine noun that begins
# with a vowel
ADJECTIVES = {
    "small": ("petit", "petite", "petits", "petites", "petit"),
    "big": ("grand", "grande", "grands", "grandes", "grand"),
    "beautiful": ("beau", "belle", "beaux", "belles", "bel"),
    "old": ("vieux", "vieille", "vieux", "vieilles", "vieil"),
    "red": ("rouge", "rouge", "rouges", "rouges"),
    "black": ("noir", "noire", "noirs", "noires"),
    "white": ("blanc", "blanche", "blancs", "blanches"),
    "sad": ("triste", "triste", "tristes", "tristes"),
    "happy": ("heureux", "heureuse", "heureux", "heureuses"),
}
COLOURS = ("red", "black", "white")
BEFORE_THE_NOUN = ("small", "big", "beautiful", "old")
# Which adjectives go with which nouns; un petit ami, une vieille fille and un grand homme mean something else
FITTING = {
    "child": ("small", "beautiful", "sad", "happy"),
    "adult": ("small", "beautiful", "old", "sad", "happy"),
    "friend": ("beautiful", "old", "sad", "happy"),
    "animal": ("small", "big", "beautiful", "old", "black", "white", "sad", "happy"),
    "food": ("small", "big", "beautiful", "old", "red"),
    "reading": ("small", "big", "beautiful", "old", "red"),
    "thing": ("small", "big", "beautiful", "old", "red", "black", "white"),
    "place": ("small", "big", "beautiful", "old"),
}
# English singular and plural; French masculine, feminine, plural
DETERMINERS = {
    "the": ("the", "le", "la", "les"),
    "a": ("some", "un", "une", "des"),
    "this": ("these", "ce", "cette", "ces"),
    "my": ("my", "mon", "ma", "mes"),
    "our": ("our", "notre", "notre", "nos"),
}
POSSESSIVES = (
    "my",
    "our",
)  # not with a child or an adult: "ma fille" is my daughter, "mon homme" my husband
# French; person: 0 I, 1 he or she, 2 we, 3 they; agreement: the index of the adjective's form
PRONOUNS = {
    "I": ("je", 0, 0),
    "he": ("il", 1, 0),
    "she": ("elle", 1, 1),
    "we": ("nous", 2, 2),
    "they": ("ils", 3, 2),
}
BE = (("am", "suis"), ("is", "est"), ("are", "sommes"), ("are", "sont"))
PEOPLE = ("child", "adult", "friend")
ANYONE = (*PEOPLE, "animal")
ANYTHING = tuple(FITTING)
# The -s form; French for I, for he or she, for we, for they; kinds of subjects and of objects
VERBS = {
    "eat": ("eats", "mange", "mange", "mangeons", "mangent", ANYONE, ("food",)),
    "see": ("sees", "vois", "voit", "voyons", "voient", ANYONE, ANYTHING),
    "love": ("loves", "aime", "aime", "aimons", "aiment", ANYONE, ANYTHING),
    "look for": ("looks for", "cherche", "cherche", "cherchons", "cherchent", ANYONE, ANYTHING),
    "read": ("reads", "lis", "lit", "lisons", "lisent", PEOPLE, ("reading",)),
    "buy": ("buys", "achète", "achète", "achetons", "achètent", PEOPLE,
            ("animal", "food", "reading", "thing")),
    "have": ("has", "ai", "a", "avons", "ont", PEOPLE, ("animal", "food", "reading", "thing")),
    "sleep": ("sleeps", "dors", "dort", "dormons", "dorment", ANYONE, ()),
    "sing": ("sings", "chante", "chante", "chantons", "chantent", ANYONE, ()),
    "dance": ("dances", "danse", "danse", "dansons", "dansent", ANYONE, ()),
    "work": ("works", "travaille", "travaille", "travaillons", "travaillent", PEOPLE, ()),
}  # fmt: skip
PREPOSITIONS = {
    "in": ("dans", ("house", "car", "garden", "church")),
    "under": ("sous", ("tree", "car")),
    "behind": ("derrière", ("house", "car", "tree", "church")),
    "with": ("avec", tuple(noun for noun, forms in NOUNS.items() if forms[-1] in ANYONE)),
}


def kinds_of_french_words():
    """Return {French word: kind}, where a kind is such as noun, verb, determiner, est-ce que, ne ... pas or mark."""
    kinds = {
        "mark": (".", "?"),
        "est-ce que": ("est-ce", "que", "qu'"),
        "ne ... pas": ("ne", "n'", "pas"),
        "noun": [form for forms in NOUNS.values() for form in forms[1:3]],
        "adjective": [form for forms in ADJECTIVES.values() for form in forms],
        "verb": [form for forms in VERBS.values() for form in forms[1:5]],
        "être": [form for _, form in BE],
        "pronoun": ["j'", *(form for form, *_ in PRONOUNS.values())],
        "preposition": [form for form, _ in PREPOSITIONS.values()],
        "adverb": ["souvent"],
        "determiner": ["de", "d'", "l'", "cet", *(d for f in DETERMINERS.values() for d in f[1:])],
    }
    return {word: kind for kind, words in kinds.items() for word in words}
