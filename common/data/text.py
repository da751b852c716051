"""From a text file to the integer batches that a language model reads."""

import re
from collections import Counter
from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parents[2] / "data"

_MARK = (  # the second line: Greek, Arabic and Devanagari
    r"[!-/:-@\[-`{-~\u00a1-\u00bf\u2010-\u205e\u3001-\u303f\uff01-\uff0f\uff1a-\uff20"
    r"\u037e\u0387\u060c\u061b\u061f\u06d4\u0964\u0965]"
)
_LETTERS = (
    rf"(?:(?!{_MARK})\S)+"  # whatever is neither space nor mark, so that every script has words
)
_TOKEN = re.compile(rf"\n\s*|{_LETTERS}(?:['\u2019-]{_LETTERS})*|{_MARK}")
_OPENING = "([{\u201c\u00ab\u00bf\u00a1"
_CLOSING = (
    ".,;:!?)]}'\u2019\u201d\u00bb\u2026\u00b7\u037e\u0387\u060c\u061b\u061f\u06d4\u0964\u0965"
)


def load_corpus(source):
    """Return the text of a corpus: `source` is a name in data/ ("fables") or the path of any UTF-8 text file.

    A byte-order mark is dropped and every line ends with a single newline character, whatever system wrote it.
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
    text = text.replace("\r\n", "\n").replace("\r", "\n")
    if not text.strip():
        raise ValueError(f"{str(source)!r} is empty; a corpus needs some text")
    return text


def split_documents(text, separator="\n\n", every=10):
    """Return (training text, validation text): every tenth document, whole, is kept for validation.

    Documents are what `separator` separates. A text of fewer than `every` documents is cut once instead, so that
    its last tenth is kept for validation.
    """
    documents = [document for document in text.strip("\n").split(separator) if document.strip()]
    if len(documents) < every:
        cut = len(text) - len(text) // every
        return text[:cut], text[cut:]
    validation = documents[every - 1 :: every]
    training = [document for i, document in enumerate(documents) if i % every != every - 1]
    return separator.join(training) + separator, separator.join(validation) + separator


def split_words(text):
    """Return the words of a text in lower case, and its punctuation marks and line ends as tokens of their own.

    An apostrophe or a hyphen between letters belongs to the word: "don't", "half-acre".
    """
    return [
        token[:1] if token.startswith("\n") else token for token in _TOKEN.findall(text.lower())
    ]


def join_words(tokens):
    """Return a text to look at: spaces and capital letters where English has them, nothing for "<sos>" and "<eos>".

    split_words(join_words(tokens)) gives back the tokens of any text. Which letters were capitals, it cannot know.
    """
    text, glued, quoted, sentence_starts = "", True, False, True
    for token in tokens:
        if token in ("<sos>", "<eos>"):
            continue
        opens = token in _OPENING or (token == '"' and not quoted)
        closes = token in _CLOSING or (token == '"' and quoted)
        if not (glued or closes or token == "\n"):
            text += " "
        capital = token == "i" or token.startswith("i'") or (sentence_starts and token != "<unk>")
        reversible = token.capitalize().lower() == token  # not so for "ß", whose capital is "SS"
        text += token.capitalize() if capital and reversible else token
        glued = opens or token == "\n"
        if token == "\n":
            quoted, sentence_starts = False, True
        elif token == '"':
            quoted = not quoted
        elif token in (".", "!", "?"):
            sentence_starts = True
        elif token[0].isalnum() or token == "<unk>":
            sentence_starts = False
    return text


def word_stream(text, separator="\n\n"):
    """Return the words of all documents, one after the other, each between "<sos>" and "<eos>"."""
    documents = [document.strip() for document in text.split(separator) if document.strip()]
    return [token for document in documents for token in ("<sos>", *split_words(document), "<eos>")]


class Vocabulary:
    """The distinct tokens of a text, numbered from 0. A string is a sequence of characters.

    special        tokens that come first, in this order, whether or not they occur
    minimum_count  a token that occurs less often is left out, and read as "<unk>", which must then be special
    """

    def __init__(self, tokens, special=(), minimum_count=1):
        counts = Counter(tokens)
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

        Where the vocabulary has no "<unk>", raises ValueError naming every unknown token.
        """
        if "<unk>" not in self.ids and self.unknown(tokens):
            raise ValueError(
                f"not in the vocabulary: {', '.join(map(repr, self.unknown(tokens)))}; "
                f"the {len(self)} tokens allowed are {''.join(map(str, self.tokens))[:200]!r}"
            )
        unknown = self.ids.get("<unk>")
        return np.array([self.ids.get(token, unknown) for token in tokens], dtype=np.int64)

    def tokens_at(self, ids):
        """Return the list of tokens that ids stand for; raises ValueError for an id out of range."""
        outside = sorted({int(i) for i in ids if not 0 <= i < len(self)})
        if outside:
            raise ValueError(
                f"ids {outside} are not in the vocabulary: 0 to {len(self) - 1} are allowed"
            )
        return [self.tokens[i] for i in ids]

    def decode(self, ids):
        """Return the text that ids of characters spell; for words, see tokens_at and join_words."""
        return "".join(self.tokens_at(ids))


def language_model_batches(ids, batch_size, sequence_length):
    """Yield (inputs, targets), each (T, B), that walk once through a text; targets are the next tokens.

    The text is cut into `batch_size` parallel streams. Stream b of one batch goes on where stream b of the batch
    before stopped, so a recurrent state may be carried from batch to batch. The last batch may be shorter than
    `sequence_length`; up to batch_size - 1 tokens at the very end of the text are left over.

    Raises ValueError where a stream would be shorter than one sequence.
    """
    if batch_size < 1 or sequence_length < 1:
        raise ValueError(
            f"batch_size {batch_size} and sequence_length {sequence_length} must both be at least 1"
        )
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
    for start in range(0, stream_length, sequence_length):
        yield inputs[start : start + sequence_length], targets[start : start + sequence_length]
