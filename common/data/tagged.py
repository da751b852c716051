"""Sentences with a tag for each word: from a file; and how often a word is tagged right by who only counts."""

from collections import Counter, defaultdict

from common.data.text import first_few, load_corpus


def load_tagged(path):
    """Return the sentences of a UTF-8 file, one "word<TAB>tag" a line, a blank line between sentences: [(words, tags)].

    That is the form of the shared tasks of CoNLL, cut down to two columns. Blanks around word and tag are dropped; the
    file is read as load_corpus reads a text.

    Raises ValueError naming the first few lines that have no tab, more than one, no word, no tag, or the word <pad> or
    <unk>, which models put in; and what load_corpus raises.
    """
    sentences, faults, columns = [([], [])], [], 2
    for number, line in enumerate(load_corpus(path).split("\n"), start=1):
        if not line.strip():
            sentences.append(([], []))
            continue
        parts = [part.strip() for part in line.split("\t")]
        columns = max(columns, len(parts))
        if len(parts) != 2:
            faults.append(f"line {number} has {len(parts) - 1 or 'no'} tab{'s' * (len(parts) > 2)}")
        elif not all(parts):
            faults.append(f"line {number} has no {'tag' if parts[0] else 'word'}")
        elif parts[0] in ("<pad>", "<unk>"):
            faults.append(f"line {number} has the word {parts[0]}")
        else:
            for column, part in zip(sentences[-1], parts, strict=True):
                column.append(part)
    if faults:
        raise ValueError(
            f"{str(path)!r} needs a word, one tab and a tag on each line, and a blank line between sentences; "
            f"{len(faults):,} line{'s do' if len(faults) > 1 else ' does'} not fit: {first_few(faults, '; ')}"
            + ("; keep two columns, word and tag" if columns > 2 else "")
        )
    return [(words, tags) for words, tags in sentences if words]


def most_frequent_tags(examples):
    """Return {word: the tag that it has most often}, of (words, tags, ...); for equally many, the first met."""
    counts = defaultdict(Counter)
    for words, tags, *_ in examples:
        for word, tag in zip(words, tags, strict=True):
            counts[word][tag] += 1
    return {word: tags.most_common(1)[0][0] for word, tags in counts.items()}
