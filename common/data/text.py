"""From a text file to the integer batches that a language model reads."""

import re
import unicodedata
from collections import Counter
from pathlib import Path

import numpy as np

from common.data.tokens import token_array

DATA = Path(__file__).resolve().parents[2] / "data"
SPECIAL = ("<pad>", "<sos>", "<eos>", "<unk>")  # what models need and no text may bring along

_MARK = (  # punctuation and symbols, without the letters and spaces that Unicode puts among them (ª, µ, ²)
    r"[!-/:-@\[-`{-~\u00a1-\u00a9\u00ab\u00ac\u00ae-\u00b1\u00b4\u00b6-\u00b8\u00bb\u00bf"
    r"\u2010-\u2027\u2030-\u205e"
    r"\u3001-\u3004\u3008-\u3020\u3030\u3036\u3037\u303d-\u303f\uff01-\uff0f\uff1a-\uff20"  # Chinese, Japanese
    r"\u060c\u061b\u061f\u06d4\u0964\u0965]"  # Arabic, Devanagari
)
_LETTERS = (
    rf"(?:(?!{_MARK})\S)+"  # whatever is neither space nor mark, so that every script has words
)
_JOINT = r"(?:['\u2019\u00b7\u2010\u2011\u2027-]|(?<=\d)[.,:](?=\d))"  # between parts of one word
_TOKEN = re.compile(rf"\n\s*|{'|'.join(SPECIAL)}|{_LETTERS}(?:{_JOINT}{_LETTERS})*|{_MARK}")

_OPENING = frozenset('"([{“‘„‚«‹¿¡')
_CLOSING = frozenset(".,;:!?)]}'’”»›…·،؛؟۔।॥")
_CLOSED_BY = {'"': '"', "„": "“", "‚": "‘"}  # by what would open a quotation elsewhere
_TURNED = str.maketrans("«»‹›", "»«›‹")


def load_corpus(source):
    """Return the text of a corpus: `source` is a name in data/ ("fables") or the path of any UTF-8 text file.

    A byte-order mark is dropped and every line ends with a single newline character, whatever system wrote it. Letters
    and their accents are composed (Unicode's form NFC): "é" is one character, even where the file has two.
    Raises ValueError for a name or path that does not exist, a file that is not UTF-8, and an empty one.
    """
    known = {path.stem: path for path in sorted(DATA.glob("*.txt"))}
    path = known.get(str(source), Path(source))
    try:
        is_file = path.is_file()
    except OSError:  # a name too long to be one
        is_file = False
    if not is_file:
        raise ValueError(
            f"there is no corpus and no file {str(source)[:200]!r}; "
            f"the corpora are {', '.join(known)}, and any path to a UTF-8 .txt file will do"
        )
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"{str(source)!r} is not UTF-8 text (byte {error.start} is {error.object[error.start]:#04x}); "
            "save it again with the encoding UTF-8"
        ) from None
    text = unicodedata.normalize("NFC", text.replace("\r\n", "\n").replace("\r", "\n"))
    if not text.strip():
        raise ValueError(f"{str(source)!r} is empty; a corpus needs some text")
    return text


def split_documents(text, separator="\n\n", every=10):
    """Return (training text, validation text): every tenth document, whole, is kept for validation.

    Documents are what `separator` separates; a line of blanks alone is an empty line. A text of fewer than `every`
    documents is cut once instead, so that its last tenth is kept for validation: between the two words that are nearest
    to there, and within a word only where the whole second half of the text is one.

    Raises ValueError for a text of fewer than `every` characters, and for `every` below 2.
    """
    if every < 2:
        raise ValueError(
            f"every is {every}; it must be at least 2, to leave something for training"
        )
    documents = _documents(text, separator)
    if len(documents) >= every:
        validation = documents[every - 1 :: every]
        training = [document for i, document in enumerate(documents) if i % every != every - 1]
        return separator.join(training) + separator, separator.join(validation) + separator
    whole = separator.join(documents).rstrip()
    if len(whole) < every:
        raise ValueError(
            f"a text of {len(whole)} characters cannot spare one in {every} for validation; give a longer text"
        )
    last = len(whole) - len(whole) // every
    edges = [edge.start() for edge in re.finditer(r"(?<!\S)|(?!\S)", whole)]
    edges = [edge for edge in edges if len(whole) / 2 <= edge < len(whole)]
    cut = min(edges, key=lambda edge: abs(edge - last), default=last)
    return whole[:cut], whole[cut:] + "\n" * text.endswith("\n")


def prompt_of(text, length=30):
    """Return the first `length` characters of a line of text, for a model to go on from.

    It is the second line, below the title; where that is blank or missing, the first line that holds text.
    Raises ValueError where none does.
    """
    lines = [line.strip() for line in text.split("\n")]
    prompt = next(filter(None, [*lines[1:2], *lines]), "")[:length]
    if not prompt:
        raise ValueError("no line holds any text to go on from")
    return prompt


def split_words(text):
    """Return the words of a text in lower case, and its punctuation marks and line ends as tokens of their own.

    An apostrophe, a hyphen or a middle dot between letters belongs to the word: "don't", "half-acre", "intel·ligència".
    So do a full stop, a comma and a colon between digits: "3.14". Letters and their accents are composed (Unicode's
    form NFC). Where the text itself says "<unk>", or another of SPECIAL, that is one token, "<unk>".
    """
    tokens = _TOKEN.findall(unicodedata.normalize("NFC", text.lower()))
    return [
        "\n" if token[0] == "\n" else "<unk>" if token in SPECIAL else token for token in tokens
    ]


def join_words(tokens):
    """Return a text to look at: spaces and capital letters where English has them, nothing for "<sos>" and "<eos>".

    split_words(join_words(tokens)) gives back the tokens of any text. Which letters were capitals, it cannot know.
    """
    tokens = [token for token in tokens if token not in ("<sos>", "<eos>")]
    turned = next((token for token in tokens if token in ("«", "»")), "«") == "»"
    text, glued, awaited, sentence_starts = "", True, set(), True
    for token in tokens:
        mark = token.translate(_TURNED) if turned else token  # »so«, as German has it
        closes = mark in _CLOSING or mark in awaited
        opens = mark in _OPENING and not closes
        if not (glued or closes or token == "\n"):
            text += " "
        capital = token == "i" or token.startswith(("i'", "i’"))
        capital = capital or (sentence_starts and token != "<unk>")
        reversible = token.capitalize().lower() == token  # not so for "ß", whose capital is "SS"
        text += token.capitalize() if capital and reversible else token
        glued = opens or token == "\n"
        if token == "\n":
            awaited, sentence_starts = set(), True
        elif closes:
            awaited.discard({"”": "“"}.get(mark, mark))  # what „ opens, either may close
        elif opens:
            awaited.add(_CLOSED_BY.get(mark))
        if token in (".", "!", "?"):
            sentence_starts = True
        elif token[:1].isalnum() or token == "<unk>":
            sentence_starts = False
    return text


def word_stream(text, separator="\n\n"):
    """Return the words of all documents, one after the other, each between "<sos>" and "<eos>".

    Documents are those of split_documents.
    """
    documents = _documents(text, separator)
    return [
        token
        for document in documents
        for token in ("<sos>", *split_words(document.strip()), "<eos>")
    ]


def _documents(text, separator):
    """Return the documents of a text, but for those without text; a line of blanks alone counts as an empty line."""
    text = re.sub(r"^[^\S\n]+$", "", text, flags=re.MULTILINE)
    return [document.strip("\n") for document in text.split(separator) if document.strip()]


class Vocabulary:
    """The distinct tokens of a text, numbered from 0. A string is a sequence of characters.

    special        tokens that come first, in this order, whether or not they occur
    minimum_count  a token that occurs less often is left out, and read as "<unk>", which must then be special
    """

    def __init__(self, tokens, special=(), minimum_count=1):
        counts, special = Counter(tokens), list(special)
        if minimum_count > 1 and "<unk>" not in special:
            raise ValueError(
                f'minimum_count {minimum_count} leaves tokens out; they need "<unk>" among `special`'
            )
        enough = {token for token, count in counts.items() if count >= minimum_count}
        self.tokens = [*special, *sorted(enough - set(special))]
        if not counts:
            raise ValueError("a vocabulary needs at least one token; the text is empty")
        self.ids = {token: i for i, token in enumerate(self.tokens)}

    def __len__(self):
        return len(self.tokens)

    def unknown(self, tokens):
        """Return the distinct tokens that are not in the vocabulary, sorted."""
        return sorted(set(tokens) - self.ids.keys())

    def encode(self, tokens):
        """Return the ids (N,) of a sequence of tokens; an unknown one gets that of "<unk>".

        Where the vocabulary has no "<unk>", raises ValueError naming the unknown tokens, the first few of many.
        """
        tokens = list(tokens)
        unknown = [] if "<unk>" in self.ids else self.unknown(tokens)
        if unknown:
            raise ValueError(
                f"not in the vocabulary: {first_few(map(repr, unknown))}; "
                f"the {len(self)} tokens allowed are {''.join(map(str, self.tokens))[:200]!r}"
            )
        id_of_unknown = self.ids.get("<unk>")
        return np.array([self.ids.get(token, id_of_unknown) for token in tokens], dtype=np.int64)

    def tokens_at(self, ids):
        """Return the list of tokens that ids (N,) stand for; raises ValueError for an id out of range."""
        ids = token_array(ids).tolist()
        outside = sorted({i for i in ids if not 0 <= i < len(self)})
        if outside:
            raise ValueError(
                f"ids [{first_few(map(str, outside))}] are not in the vocabulary: 0 to {len(self) - 1} are allowed"
            )
        return [self.tokens[i] for i in ids]

    def decode(self, ids):
        """Return the text that ids of characters spell; for words, see tokens_at and join_words."""
        return "".join(self.tokens_at(ids))


def language_model_batches(ids, batch_size, sequence_length):
    """Return an iterator over (inputs, targets), each (T, B), that walks once through the ids (N,) of a text.

    Targets are the next tokens.

    The text is cut into `batch_size` parallel streams. Stream b of one batch goes on where stream b of the batch
    before stopped, so a recurrent state may be carried from batch to batch. The last batch may be shorter than
    `sequence_length`; up to batch_size - 1 tokens at the very end of the text are left over.

    Raises ValueError where a stream would be shorter than one sequence.
    """
    if batch_size < 1 or sequence_length < 1:
        raise ValueError(
            f"batch_size {batch_size} and sequence_length {sequence_length} must both be at least 1"
        )
    ids = token_array(ids)
    stream_length = (len(ids) - 1) // batch_size
    if stream_length < sequence_length:
        raise ValueError(
            f"a text of {len(ids)} tokens in {batch_size} streams is shorter than one sequence of {sequence_length}; "
            f"it takes {batch_size * sequence_length + 1} tokens: give a longer text, a smaller batch_size or a "
            "smaller sequence_length"
        )
    used = stream_length * batch_size
    inputs = ids[:used].reshape(batch_size, stream_length).T
    targets = ids[1 : used + 1].reshape(batch_size, stream_length).T
    starts = range(0, stream_length, sequence_length)
    return ((inputs[t : t + sequence_length], targets[t : t + sequence_length]) for t in starts)


def first_few(descriptions, separator=", ", most=5, longest=60):
    """Return what an error message says of many things: the first `most`, each of `longest` characters at most, and
    how many more there are."""
    descriptions = list(descriptions)
    said = [d if len(d) <= longest else d[: longest - 3] + "..." for d in descriptions[:most]]
    more = len(descriptions) - len(said)
    return separator.join(said) + (f"{separator}and {more:,} more" if more else "")
