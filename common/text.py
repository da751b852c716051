"""From a text file to the integer batches that a language model reads."""

from pathlib import Path

import numpy as np

DATA = Path(__file__).resolve().parent.parent / "data"


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


class Vocabulary:
    """The distinct tokens of a text, sorted, numbered from 0. A string is a sequence of characters."""

    def __init__(self, tokens):
        self.tokens = sorted(set(tokens))
        if not self.tokens:
            raise ValueError("a vocabulary needs at least one token; the text is empty")
        self.ids = {token: i for i, token in enumerate(self.tokens)}

    def __len__(self):
        return len(self.tokens)

    def encode(self, tokens):
        """Return the ids (N,) of a sequence of tokens; raises ValueError naming every unknown one."""
        unknown = sorted(set(tokens) - self.ids.keys())
        if unknown:
            raise ValueError(
                f"not in the vocabulary: {', '.join(map(repr, unknown))}; "
                f"the {len(self)} tokens allowed are {''.join(map(str, self.tokens))!r}"
            )
        return np.array([self.ids[token] for token in tokens], dtype=np.int64)

    def decode(self, ids):
        """Return the text that a sequence of ids spells; raises ValueError for an id out of range."""
        outside = sorted({int(i) for i in ids if not 0 <= i < len(self)})
        if outside:
            raise ValueError(
                f"ids {outside} are not in the vocabulary: 0 to {len(self) - 1} are allowed"
            )
        return "".join(self.tokens[i] for i in ids)


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
