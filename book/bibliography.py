"""The list of all works that the notebooks cite, and what each notebook takes from them, read from their last cells."""

import re

from course import course, link, name

VENUE = re.compile(
    r"\*.+?\*( \d+)?"
    r"|(ICML|ICLR|EMNLP|NIPS|NeurIPS|NAACL|E?ACL|AAAI|CoNLL|WN?MT|ICASSP|ICFHR|IJCNN|AISTATS)\b.*"
    r"|(IEEE|JMLR|Interspeech|SSST|Workshop|Harvard|Addison|Oliver|Baidu|Lecture)\b.*"
)


# What is taken from a work, where a title says it well enough for a lesson but not for a list of all works.
TAKEN = {
    "Attention is not explanation": "The question whether weights explain, answered no.",
    "Attention is all you need": "What comes without recurrence.",
    "Attention is not not explanation": "The answer to it: that depends on what is asked.",
    "A theoretically grounded application of dropout in recurrent neural networks": "One mask for all steps.",
    "A call for clarity in reporting BLEU scores": "The program that computes the score.",
    "A systematic comparison of various statistical alignment models": "Sure and possible links.",
    "BLEU: a method for automatic evaluation of machine translation": "The score.",
    "Backpropagation through time: what it does and how to do it": "The name, and the chain rule over time.",
    "Bidirectional recurrent neural networks": "Reading from both sides.",
    "Dropout improves recurrent neural networks for handwriting recognition": "Where dropout goes.",
    "Dropout: a simple way to prevent neural networks from overfitting": "Dropout, and how to scale.",
    "Human behavior and the principle of least effort": "Rank and frequency.",
    "Improved backing-off for m-gram language modeling": "After how many words does a word occur?",
    "LSTM recurrent networks learn simple context-free and context-sensitive languages": "Counting.",
    "LSTM: a search space odyssey": "What each part of the cell is worth.",
    "On the state of the art of evaluation in neural language models": "What tuning does to rankings.",
    "Recurrent continuous translation models": "An encoder and a decoder, before there was the name.",
    "Recurrent neural network regularization": "Where dropout goes.",
    "Spell once, summon anywhere: a two-level open-vocabulary language model": "Paying for spelling.",
    "Tying word vectors and word classifiers: a loss framework for language modeling": "Tied weights.",
    "Using the output embedding to improve language models": "Tied weights.",
    "Understanding the difficulty of training deep feedforward neural networks": "Xavier's start.",
}


def references():
    """Return {title: (authors and year, link or None, venue, {notebook: what is taken from it})} of all notebooks."""
    found = {}
    for notebook in course():
        text = notebook.cells[-1].source.partition("### References")[2]
        for entry in re.findall(r"^- (.+)$", text, flags=re.MULTILINE):
            who, title, link, rest = split_reference(entry)
            venue, note = split_venue(rest)
            known = found.setdefault(title, [who, link, venue, {}])
            known[2] = max(known[2], venue, key=len)
            if len(who) > len(known[0]):
                known[0] = who
            known[3][name(notebook)] = note
    for title, (_, _, _, notes) in found.items():
        if not any(notes.values()):
            notes[next(iter(notes))] = TAKEN.get(title, "")
    return {title: tuple(entry) for title, entry in found.items()}


def split_reference(entry):
    """Return authors and year, title, link or None, and the rest of a line of references."""
    linked = re.match(r"(.+?) \[(.+?)\]\((\S+?)\)\.?(.*)", entry)
    if linked:
        return linked[1], linked[2].rstrip("?."), linked[3], linked[4].strip()
    plain = re.match(r"(.+? \(\d{4}\)\.) (?:\*(.+?)\*|(.+?))\.(.*)", entry)
    return plain[1], plain[2] or plain[3], None, plain[4].strip()


def split_venue(rest):
    """Return where something appeared, if it is said, and what is taken from it."""
    first, _, others = rest.partition(". ")
    first = first.rstrip(".")
    return (first, others.strip()) if VENUE.fullmatch(first) else ("", rest)


def references_list():
    links = {name(notebook): link(notebook) for notebook in course()}
    lines = []
    for title, (who, where, venue, notes) in sorted(
        references().items(), key=lambda entry: entry[1][0].casefold()
    ):
        cited = f"[{title}]({where})" if where else f"*{title}*"
        lines.append(f"- {who} {cited}.{f' {venue}.' if venue else ''}")
        lines += [
            f"  - {links[n]}: {note}" if note else f"  - {links[n]}" for n, note in notes.items()
        ]
    return "\n".join(lines)
