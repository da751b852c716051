import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.text import (
    DATA,
    Vocabulary,
    join_words,
    language_model_batches,
    load_corpus,
    split_documents,
    split_words,
    word_stream,
)

shapes = st.tuples(st.integers(1, 5), st.integers(1, 7))


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file and return its path."""

    def write(content):
        path = tmp_path / "corpus.txt"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize("path", sorted(DATA.glob("*.txt")), ids=lambda path: path.stem)
def test_a_corpus_is_loaded_by_its_name_or_its_path(path):
    text = load_corpus(path.stem)
    assert text == load_corpus(path) == load_corpus(str(path)) == path.read_text(encoding="utf-8")


def test_a_corpus_is_found_from_any_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert load_corpus("thirsty_crow").startswith("A crow")


@pytest.mark.parametrize(
    "content, text",
    [
        (b"one\ntwo\n", "one\ntwo\n"),
        (b"one\r\ntwo\r\n", "one\ntwo\n"),
        (b"one\rtwo\r", "one\ntwo\n"),
        (b"one\r\n\rtwo\n\r\n", "one\n\ntwo\n\n"),
        (b"\xef\xbb\xbfone\n", "one\n"),
        (b"\xef\xbb\xbfone \xef\xbb\xbftwo", "one \ufefftwo"),
        (b"  one\n\n", "  one\n\n"),
    ],
)
def test_line_ends_become_newlines_and_a_leading_byte_order_mark_is_dropped(write, content, text):
    assert load_corpus(write(content)) == text


@pytest.mark.parametrize(
    "text", ["Ворона\n", "烏鴉と水差し\n", "الغراب\n", "κόραξ e\u0301\n", "🐦‍⬛\n"]
)
def test_every_script_is_read(write, text):
    assert load_corpus(write(text.encode())) == text


@pytest.mark.parametrize("content", [b"", b"\xef\xbb\xbf", b" \n\r\n\t"])
def test_an_empty_file_is_refused(write, content):
    path = write(content)
    with pytest.raises(ValueError) as error:
        load_corpus(path)
    assert str(error.value) == f"{str(path)!r} is empty; a corpus needs some text"


@pytest.mark.parametrize(
    "content, where",
    [(b"caf\xe9 noir", "byte 3 is 0xe9"), ("hé".encode("utf-16"), "byte 0 is 0xff")],
)
def test_a_file_that_is_not_utf8_is_refused_with_the_byte_and_what_to_do(write, content, where):
    with pytest.raises(
        ValueError, match=rf"corpus\.txt' is not UTF-8 text \({where}\); save it again"
    ):
        load_corpus(write(content))


def test_an_unknown_name_is_refused_with_the_names_there_are():
    with pytest.raises(
        ValueError,
        match="no corpus and no file 'aesop'; the corpora are .*fables, thirsty_crow, and any",
    ):
        load_corpus("aesop")


def test_a_directory_is_refused(tmp_path):
    with pytest.raises(ValueError, match="no corpus and no file"):
        load_corpus(tmp_path)
    with pytest.raises(ValueError, match="no corpus and no file ''"):
        load_corpus("")


def test_a_text_given_in_place_of_a_name_is_refused():
    with pytest.raises(ValueError, match="no corpus and no file"):
        load_corpus("A crow had flown since dawn. " * 200)


def test_every_tenth_document_is_kept_for_validation():
    documents = [f"document {i}\nline" for i in range(1, 26)]
    training, validation = split_documents("\n\n".join(documents) + "\n")
    assert validation == "document 10\nline\n\ndocument 20\nline\n\n"
    kept = [document for i, document in enumerate(documents, 1) if i not in (10, 20)]
    assert training == "\n\n".join(kept) + "\n\n"


def test_documents_may_be_lines_and_any_share_may_be_kept():
    training, validation = split_documents("a\nb\n\nc\nd\n", separator="\n", every=2)
    assert (training, validation) == ("a\nc\n", "b\nd\n")


def test_as_many_documents_as_every_are_enough():
    assert split_documents("a\nb\nc", "\n", every=3) == ("a\nb\n", "c\n")


@pytest.mark.parametrize("length, kept", [(100, 10), (109, 10), (10, 1)])
def test_of_few_documents_the_last_tenth_is_kept(length, kept):
    text = "".join(chr(ord("a") + i % 26) for i in range(length))
    training, validation = split_documents(text)
    assert training + validation == text
    assert len(validation) == kept


@pytest.mark.parametrize(
    "text, words",
    [
        ('"I don\'t," he said.', ['"', "i", "don't", ",", '"', "he", "said", "."]),
        ("a half-acre -- well", ["a", "half-acre", "-", "-", "well"]),
        ("the dogs' 'tis", ["the", "dogs", "'", "'", "tis"]),
        ("rock'n'roll in 1815", ["rock'n'roll", "in", "1815"]),
        ("The Crow\nA crow\n\n \nsat\n", ["the", "crow", "\n", "a", "crow", "\n", "sat", "\n"]),
        ("x\t\u00a0 y", ["x", "y"]),
        ("L'été, aujourd’hui…", ["l'été", ",", "aujourd’hui", "…"]),
        ("e\u0301te\u0301", ["e\u0301te\u0301"]),
        ("«¿Qué?»", ["«", "¿", "qué", "?", "»"]),
        ("Ὁ κόραξ· τί;", ["ὁ", "κόραξ", "·", "τί", ";"]),
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया", "।"]),
        ("الغراب، والجرة؟", ["الغراب", "،", "والجرة", "؟"]),
        ("烏鴉。", ["烏鴉", "。"]),
        ("<unk>", ["<", "unk", ">"]),
        ("", []),
        (" ", []),
    ],
)
def test_words_marks_and_line_ends_are_tokens(text, words):
    assert split_words(text) == words
    assert split_words(join_words(words)) == words


any_text = st.text() | st.text("aBiß'-\"‘’“”«(.,!;।· \n\tΣσςǅİ\u0301_<>")


@given(any_text)
def test_words_joined_are_split_into_the_same_words(text):
    words = split_words(text)
    assert split_words(join_words(words)) == words


@given(any_text)
def test_splitting_loses_nothing_but_capitals_and_the_kind_and_number_of_spaces(text):
    assert "".join("".join(split_words(text)).split()) == "".join(text.lower().split())
    assert not any(word != "\n" and word.split() != [word] for word in split_words(text))


@pytest.mark.parametrize(
    "words, text",
    [
        (["<sos>", "a", "crow", ",", "thirsty", ".", "<eos>"], "A crow, thirsty."),
        (['"', "no", "!", '"', "he", "said", ".", '"', "no", '"'], '"No!" He said. "No"'),
        (["(", "a", ")", "[", "b", "]", "«", "c", "»", "“", "d", "”"], "(A) [b] «c» “d”"),
        (['"', "a", "\n", '"', "b"], '"A\n"B'),
        (["then", "i", "and", "i'm", "and", "in", "?", "yes"], "Then I and I'm and in? Yes"),
        (["<unk>", "cried", ".", "<unk>", "ran", ";", "so"], "<unk> cried. <unk> ran; so"),
        (["-", "a", "b"], "- A b"),
        (["été", "\n", "ßa", "c"], "Été\nßa c"),
        (["ab", "<eos>", "<sos>", "c"], "Ab c"),
        ([], ""),
    ],
)
def test_words_are_joined_as_english_writes_them(words, text):
    assert join_words(words) == text


def without_blank_lines(text):
    return "\n".join(line for line in text.split("\n") if line)


@pytest.mark.parametrize("name, different", [("fables", 1), ("thirsty_crow", 0), ("dinosaurs", 0)])
def test_the_corpora_come_back_but_for_blank_lines_and_one_opening_single_quote(name, different):
    text = load_corpus(name)
    words = split_words(text)
    joined = join_words(words)
    assert split_words(joined) == words
    lines, again = (without_blank_lines(t).split("\n") for t in (text.lower(), joined.lower()))
    pairs = [(line, other) for line, other in zip(lines, again, strict=True) if line != other]
    assert len(pairs) == different
    assert all(line.replace(", '", ",' ") == other for line, other in pairs)


def test_a_stream_of_words_has_every_document_between_sos_and_eos():
    text = "\n\nTitle\nA crow.\n\n\nTwo\n\n \n\n"
    assert word_stream(text) == [
        *("<sos>", "title", "\n", "a", "crow", ".", "<eos>"),
        *("<sos>", "two", "<eos>"),
    ]
    assert word_stream("a b\n\nc", separator="\n") == [
        *("<sos>", "a", "b", "<eos>"),
        *("<sos>", "c", "<eos>"),
    ]
    assert word_stream("\n\n \n") == []


@given(any_text)
def test_a_stream_of_one_document_is_its_words(text):
    text = text.replace("\0", "")
    stream = word_stream(text, separator="\0")
    assert stream == (["<sos>", *split_words(text.strip()), "<eos>"] if text.strip() else [])


def test_a_vocabulary_is_the_sorted_distinct_tokens():
    vocabulary = Vocabulary("banana")
    assert vocabulary.tokens == ["a", "b", "n"]
    assert vocabulary.ids == {"a": 0, "b": 1, "n": 2}
    assert len(vocabulary) == 3


def test_tokens_may_be_words():
    vocabulary = Vocabulary(["the", "crow", "the", "pitcher"])
    assert vocabulary.tokens == ["crow", "pitcher", "the"]
    assert vocabulary.encode(["the", "crow"]).tolist() == [2, 0]


def test_special_tokens_come_first_in_their_order_whether_or_not_they_occur():
    vocabulary = Vocabulary(["b", "<sos>", "a", "<eos>"], special=("<pad>", "<sos>", "<eos>"))
    assert vocabulary.tokens == ["<pad>", "<sos>", "<eos>", "a", "b"]
    assert [vocabulary.ids[token] for token in vocabulary.tokens] == list(range(5))


def test_rare_tokens_are_left_out_and_read_as_unk():
    words = ["a", "b", "a", "c", "b", "a", "<sos>"]
    vocabulary = Vocabulary(words, special=("<sos>", "<unk>"), minimum_count=2)
    assert vocabulary.tokens == ["<sos>", "<unk>", "a", "b"]
    assert vocabulary.unknown([*words, "new"]) == ["c", "new"]
    ids = vocabulary.encode(["new", *words])
    assert ids.tolist() == [1, 2, 3, 2, 1, 3, 2, 0] and ids.dtype == np.int64
    assert vocabulary.tokens_at(ids[:3]) == ["<unk>", "a", "b"]


@given(st.lists(st.sampled_from("abcde"), min_size=1), st.integers(0, 4))
def test_a_word_is_known_from_its_minimum_count_on(words, minimum_count):
    vocabulary = Vocabulary(words, special=("<unk>",), minimum_count=minimum_count)
    known = {word for word in words if words.count(word) >= minimum_count}
    assert vocabulary.tokens == ["<unk>", *sorted(known)]
    read = vocabulary.tokens_at(vocabulary.encode(words))
    assert read == [word if word in known else "<unk>" for word in words]


def test_a_minimum_count_without_unk_is_refused():
    with pytest.raises(ValueError, match='minimum_count 2 leaves tokens out; they need "<unk>"'):
        Vocabulary("banana", special=("<eos>",), minimum_count=2)
    assert Vocabulary("banana", minimum_count=1).tokens == ["a", "b", "n"]


def test_unk_stands_for_unknown_tokens_even_where_none_was_left_out():
    assert Vocabulary("ab", special=("<unk>",)).encode("axb").tolist() == [1, 0, 2]
    assert Vocabulary(["a", "<unk>"]).encode("xa").tolist() == [0, 1]


@pytest.mark.parametrize("tokens", ["", []])
def test_special_tokens_alone_are_no_vocabulary(tokens):
    with pytest.raises(ValueError, match="needs at least one token; the text is empty"):
        Vocabulary(tokens, special=("<unk>",), minimum_count=2)


@given(st.text(min_size=1))
def test_decode_gives_back_what_was_encoded(text):
    vocabulary = Vocabulary(text)
    ids = vocabulary.encode(text)
    assert ids.shape == (len(text),) and ids.dtype == np.int64
    assert ids.min() == 0 and ids.max() == len(vocabulary) - 1
    assert vocabulary.decode(ids) == text


def test_nothing_encodes_to_no_ids_and_back():
    vocabulary = Vocabulary("ab")
    assert vocabulary.encode("").shape == (0,) and vocabulary.encode("").dtype == np.int64
    assert vocabulary.decode([]) == ""


@pytest.mark.parametrize("tokens", ["", []])
def test_a_vocabulary_of_nothing_is_refused(tokens):
    with pytest.raises(ValueError, match="needs at least one token; the text is empty"):
        Vocabulary(tokens)


def test_every_unknown_token_is_named_and_the_known_ones_are_listed():
    with pytest.raises(
        ValueError, match=r"not in the vocabulary: 'x', 'é'; the 3 tokens allowed are 'abn'"
    ):
        Vocabulary("banana").encode("baéxéx")


@given(shapes, st.data())
def test_batches_walk_once_through_the_text_in_contiguous_streams(shape, data):
    batch_size, sequence_length = shape
    length = data.draw(st.integers(batch_size * sequence_length + 1, 120))
    batches = list(language_model_batches(np.arange(length), batch_size, sequence_length))
    inputs = np.concatenate([x for x, _ in batches])
    targets = np.concatenate([y for _, y in batches])

    assert np.array_equal(targets, inputs + 1)
    assert np.array_equal(inputs.T.ravel(), np.arange(inputs.size))
    assert 0 <= length - 1 - inputs.size < batch_size
    assert all(x.shape == y.shape == shape[::-1] for x, y in batches[:-1])
    assert 1 <= len(batches[-1][0]) <= sequence_length


@given(st.lists(st.integers(0, 9), min_size=7, max_size=40))
def test_targets_are_the_next_tokens(ids):
    ids = np.array(ids)
    for stream in range(3):
        batches = list(language_model_batches(ids, 3, 2))
        inputs = np.concatenate([x[:, stream] for x, _ in batches])
        targets = np.concatenate([y[:, stream] for _, y in batches])
        start = stream * len(inputs)
        assert np.array_equal(inputs, ids[start : start + len(inputs)])
        assert np.array_equal(targets, ids[start + 1 : start + len(inputs) + 1])


def test_batches_keep_the_dtype():
    inputs, targets = next(language_model_batches(np.arange(20, dtype=np.int32), 2, 3))
    assert inputs.dtype == targets.dtype == np.int32


def test_the_shortest_text_that_fits_is_one_batch():
    ((inputs, targets),) = language_model_batches(np.arange(13), 3, 4)
    assert inputs.tolist() == [[0, 4, 8], [1, 5, 9], [2, 6, 10], [3, 7, 11]]
    assert targets.tolist() == [[1, 5, 9], [2, 6, 10], [3, 7, 11], [4, 8, 12]]


@pytest.mark.parametrize(
    "length, batch_size, sequence_length, message",
    [
        (
            12,
            3,
            4,
            "a text of 12 tokens in 3 streams is shorter than one sequence of 4; it takes 13 tokens",
        ),
        (
            1,
            1,
            1,
            "a text of 1 tokens in 1 streams is shorter than one sequence of 1; it takes 2 tokens",
        ),
        (
            0,
            2,
            3,
            "a text of 0 tokens in 2 streams is shorter than one sequence of 3; it takes 7 tokens",
        ),
        (9, 0, 4, "batch_size 0 and sequence_length 4 must both be at least 1"),
        (9, 2, 0, "batch_size 2 and sequence_length 0 must both be at least 1"),
    ],
)
def test_language_model_batches_refuse(length, batch_size, sequence_length, message):
    with pytest.raises(ValueError, match=message):
        list(language_model_batches(np.arange(length), batch_size, sequence_length))


@pytest.mark.parametrize("ids", [[-1], [3], [0, 7]])
def test_decode_refuses_ids_outside_the_vocabulary(ids):
    outside = [i for i in ids if i != 0]
    for read in (Vocabulary("abc").decode, Vocabulary("abc").tokens_at):
        with pytest.raises(ValueError, match=rf"ids \[{outside[0]}\] are .* 0 to 2 are allowed"):
            read(np.array(ids))
