import re
import unicodedata

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from common.data import text as text_module
from common.data.text import (
    DATA,
    SPECIAL,
    Vocabulary,
    first_few,
    join_words,
    language_model_batches,
    load_corpus,
    prompt_of,
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


@pytest.mark.parametrize("text", ["Ворона\n", "烏鴉と水差し\n", "الغراب\n", "κόραξ é\n", "🐦‍⬛\n"])
def test_every_script_is_read(write, text):
    assert load_corpus(write(text.encode())) == text


@pytest.mark.parametrize(
    "typed, composed",
    [
        ("e\u0301te\u0301\n", "\u00e9t\u00e9\n"),
        ("\u1112\u1161\u11ab", "\ud55c"),  # a Korean syllable of three letters
        ("\u2126 \u03a9", "\u03a9 \u03a9"),  # the sign for ohm is the letter omega
        ("m\u00b2 \u00b5g \ufb01", "m\u00b2 \u00b5g \ufb01"),  # likeness alone changes nothing
    ],
)
def test_letters_and_their_accents_are_composed(write, typed, composed):
    assert load_corpus(write(typed.encode())) == composed


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
        match="no corpus and no file 'aesop'; the corpora are .*fables, poem, program, thirsty_crow, and any",
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


@pytest.mark.parametrize("blank", ["", " ", "\t", " \t\u00a0", "\u202f", "\x0c", "\r"])
@pytest.mark.parametrize("separator", ["\n{}\n", "\n{0}\n{0}\n"])
def test_a_line_of_blanks_alone_separates_documents(blank, separator):
    documents = [f"Title {i}\n  A line." for i in range(1, 21)]
    text = f"{blank}\n" + separator.format(blank).join(documents) + f"\n{blank}\n"
    training, validation = split_documents(text)
    assert validation == f"{documents[9]}\n\n{documents[19]}\n\n"
    assert training == "".join(f"{document}\n\n" for document in documents[:9] + documents[10:19])
    assert word_stream(text) == word_stream("\n\n".join(documents))
    assert word_stream(text).count("<sos>") == 20


@pytest.mark.parametrize("length, kept", [(100, 10), (109, 10), (10, 1)])
def test_of_few_documents_the_last_tenth_is_kept(length, kept):
    text = "".join(chr(ord("a") + i % 26) for i in range(length))
    training, validation = split_documents(text)
    assert training + validation == text
    assert len(validation) == kept


@pytest.mark.parametrize(
    "text, kept",
    [
        ("one two three four five six seven", "seven"),
        ("one two three four five six sevens\n", "sevens\n"),
        ("a\n" * 40, "a\na\na\na\n"),
        ("a bc " * 20 + "incomprehensibilities", "incomprehensibilities"),
        ("a " + "b" * 30, "bbb"),  # the whole second half is one word
        ("a" * 16 + " " + "b" * 15, "b" * 15),
        ("a" * 12 + " " + "b" * 20, "bbb"),
        ("a" * 15 + " " + "b" * 16, "bbbbbbbbbbbbbbbb"),
        ("one two three four" + " " * 90, "four"),
        ("one two three four\n\n\n\n \n\n\n", "four\n"),
        ("Title\n\nmany words that are one document\n", "document\n"),
    ],
)
def test_a_text_of_few_documents_is_not_cut_within_a_word(text, kept):
    training, validation = split_documents(text)
    assert validation == kept
    assert (training + validation).split() == text.split()


@given(st.lists(st.text("abcde", min_size=1, max_size=9), min_size=12, max_size=60))
def test_no_word_is_cut_and_about_a_tenth_is_kept(words):
    text = " ".join(words)
    training, validation = split_documents(text, separator="\0")
    assert training + validation == text and training.strip() and validation.strip()
    assert training.split() + validation.split() == words
    assert abs(len(validation) - len(text) / 10) <= 6


@pytest.mark.parametrize("name", ["fables", "thirsty_crow", "dinosaurs", "poem", "program"])
def test_no_word_of_the_corpora_is_cut(name):
    text = load_corpus(name)
    training, validation = split_documents(text)
    assert sorted(training.split() + validation.split()) == sorted(text.split())


def test_what_is_too_short_to_be_split_is_refused():
    with pytest.raises(ValueError, match="a text of 9 characters cannot spare one in 10 for valid"):
        split_documents("aaaaaaaaa\n\n")
    with pytest.raises(ValueError, match="a text of 0 characters cannot spare"):
        split_documents(" \n\n")
    with pytest.raises(ValueError, match="every is 1; it must be at least 2"):
        split_documents("a\n\nb\n\nc", every=1)
    assert split_documents("a\n\nb", every=2) == ("a\n\n", "b\n\n")


@pytest.mark.parametrize("length", [1025, 1040, 1056, 1140, 1173, 2000])
@pytest.mark.parametrize("letters", ["a", "abcd", "abcde", "ab \n"])
def test_a_short_text_of_few_letters_is_split_and_batched_or_refused_in_one_sentence(
    length, letters
):
    text = (letters * length)[:length]
    training, validation = split_documents(text)
    assert 0.08 * length < len(validation) < 0.12 * length
    vocabulary = Vocabulary(text)
    ids = vocabulary.encode(training)
    assert vocabulary.decode(vocabulary.encode(validation)) == validation
    if len(ids) > 1024:
        assert [x.shape for x, _ in language_model_batches(ids, 32, 32)][0] == (32, 32)
    else:
        with pytest.raises(ValueError, match=f"a text of {len(ids)} tokens .* takes 1025 tokens"):
            language_model_batches(ids, 32, 32)


@pytest.mark.parametrize(
    "text, prompt",
    [
        ("Title\nA crow had flown since dawn.\n\nNext", "A crow had"),
        ("A paragraph.\n\nAnother one.\n", "A paragrap"),
        ("A paragraph.\n \t\nAnother one.\n", "A paragrap"),
        ("\n  \nBelow two blank lines\nand more", "Below two "),
        ("\n  Below one\nand more", "Below one"),
        ("one line only", "one line o"),
        ("short", "short"),
        ("Title\nshort", "short"),
        ("aaaaaaaaaaaaaaaa", "aaaaaaaaaa"),
    ],
)
def test_a_prompt_is_the_line_below_the_title_or_else_the_first_with_text(text, prompt):
    assert prompt_of(text, 10) == prompt


def test_the_prompt_of_the_fables_is_the_beginning_of_a_story():
    validation = split_documents(load_corpus("fables"))[1]
    assert prompt_of(validation) == validation.split("\n")[1][:30]
    assert len(prompt_of(validation)) == 30


@pytest.mark.parametrize("text", ["", " \n\n\t\n"])
def test_no_text_gives_no_prompt(text):
    with pytest.raises(ValueError, match="no line holds any text to go on from"):
        prompt_of(text)


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
        ("e\u0301te\u0301 \u00c9t\u00c9 E\u0301T\u00c9", ["\u00e9t\u00e9"] * 3),
        ("intel·ligència", ["intel·ligència"]),
        ("5 µg, 1ª, 2º, 3 m², ½", ["5", "µg", ",", "1ª", ",", "2º", ",", "3", "m²", ",", "½"]),
        ("co\u00adoperate", ["co\u00adoperate"]),
        ("co\u2010operate co\u2011operate", ["co\u2010operate", "co\u2011operate"]),
        ("hy\u2027phen \u2010 a\u2014b", ["hy\u2027phen", "\u2010", "a", "\u2014", "b"]),
        ("3.14, 10,000 at 12:30.", ["3.14", ",", "10,000", "at", "12:30", "."]),
        ("a.b 3.a a.3 .5", ["a", ".", "b", "3", ".", "a", "a", ".", "3", ".", "5"]),
        ("Qui\u202f? Toi\u00a0! a\u2028b", ["qui", "?", "toi", "!", "a", "b"]),
        ("人々。〇", ["人々", "。", "〇"]),
        ("«¿Qué?»", ["«", "¿", "qué", "?", "»"]),
        ("Ὁ κόραξ· τί;", ["ὁ", "κόραξ", "·", "τί", ";"]),
        ("नमस्ते दुनिया।", ["नमस्ते", "दुनिया", "।"]),
        ("الغراب، والجرة؟", ["الغراب", "،", "والجرة", "؟"]),
        ("烏鴉。", ["烏鴉", "。"]),
        ("<unk>", ["<unk>"]),
        (
            "A <UNK>, (<pad>)x<sos>y <eos>.",
            ["a", "<unk>", ",", "(", "<unk>", ")", "x", "<unk>", "y", "<unk>", "."],
        ),
        ("< unk> <unk <unks>", ["<", "unk", ">", "<", "unk", "<", "unks", ">"]),
        ("", []),
        (" ", []),
    ],
)
def test_words_marks_and_line_ends_are_tokens(text, words):
    assert split_words(text) == words
    assert split_words(join_words(words)) == words


any_text = (
    st.text()
    | st.text("aBiß'-\"‘’“”«(.,!;।· \n\tΣσςǅİ\u0301_<>")
    | st.text("a3.,:·\u00ad\u2010\u2011\u2027\u2028\u202f„‚“‘»«›‹\u0338=<\u0345\u0307iI’")
    | st.lists(st.sampled_from([*SPECIAL, "<UNK>", "<", "unk", ">", " ", "a", "(", "\n", "."])).map(
        "".join
    )
)


@given(any_text)
@example("»Nein«, sagte er. „Nein“, ‚doch‘")
@example("«Non», dit-il. »Nein«")
def test_words_joined_are_split_into_the_same_words(text):
    words = split_words(text)
    assert split_words(join_words(words)) == words


@given(any_text)
def test_splitting_loses_nothing_but_capitals_and_the_kind_and_number_of_spaces(text):
    said = unicodedata.normalize("NFC", text.lower())
    said = re.sub("|".join(SPECIAL), "<unk>", said)
    assert "".join("".join(split_words(text)).split()) == "".join(said.split())
    assert not any(word != "\n" and word.split() != [word] for word in split_words(text))


@given(any_text | st.text("eE\u0301é\u0327ç\u0338=≠<>İ\u0307ᾼ\u0345ΑΣςÅ\u212b한 .·;\u0387\u037e"))
def test_one_word_is_the_same_in_every_form_of_unicode(text):
    words = split_words(text)
    assert words == split_words(unicodedata.normalize("NFC", text))
    assert words == split_words(unicodedata.normalize("NFD", text))
    assert all(unicodedata.is_normalized("NFC", word) for word in words)


def test_marks_are_the_punctuation_and_symbols_of_their_blocks():
    """Of the blocks that marks are taken from: no letter, digit or space, and every punctuation mark and symbol."""
    blocks = [(0x21, 0xBF), (0x2010, 0x205E), (0x3001, 0x303F), (0xFF01, 0xFF20)]
    for character in (chr(i) for first, last in blocks for i in range(first, last + 1)):
        is_mark = re.fullmatch(text_module._MARK, character) is not None
        assert is_mark == (unicodedata.category(character)[0] in "PS"), hex(ord(character))


def test_a_literal_unk_has_the_id_of_unk():
    words = word_stream("The <unk> sat . <eos>\n\nIt <pad> sat . <unk>")
    assert words.count("<eos>") == words.count("<sos>") == 2
    vocabulary = Vocabulary(words, ("<pad>", "<unk>", "<sos>", "<eos>"))
    assert vocabulary.encode(words).tolist().count(1) == 4
    assert not {"<", "unk", ">"} & set(vocabulary.tokens)
    assert 0 not in vocabulary.encode(words)


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
        (["„", "nein", "“", ",", "sagte", "er", ".", "„", "ja", "“"], "„Nein“, sagte er. „Ja“"),
        (
            ["er", ":", "„", "so", "‚", "was", "‘", "aber", "“", "und", "“", "so", "”"],
            "Er: „so ‚was‘ aber“ und “so”",
        ),
        (["“", "a", "”", "‘", "b", "’", "„", "c", "”", "“", "d"], "“A” ‘b’ „c” “d"),
        (["„", "a", "\n", "“", "b", "”"], "„A\n“B”"),
        (["»", "nein", "«", ",", "sagte", "›", "er", "‹", "."], "»Nein«, sagte ›er‹."),
        (["«", "non", "»", ",", "dit", "‹", "il", "›", ".", "»", "a"], "«Non», dit ‹il›.» A"),
        (["and", "i’m", "in", "3.14"], "And I’m in 3.14"),
        (["i'm", "in"], "I'm in"),
        (iter(["a", "."]), "A."),
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


def test_tokens_and_ids_may_come_from_generators():
    assert Vocabulary(c for c in "hello").tokens == ["e", "h", "l", "o"]
    words = Vocabulary((c for c in "aab"), (t for t in ("<sos>", "<unk>")), 2)
    assert words.tokens == ["<sos>", "<unk>", "a"]
    vocabulary = Vocabulary("hello")
    assert vocabulary.encode(c for c in "hell").tolist() == [1, 0, 2, 2]
    assert vocabulary.unknown(c for c in "yell") == ["y"]
    with pytest.raises(ValueError, match="not in the vocabulary: 'x', 'y'; the 4 tokens"):
        vocabulary.encode(c for c in "xhy")
    assert vocabulary.decode(map(int, np.array([1, 0, 2, 2]))) == "hell"
    assert vocabulary.tokens_at(i for i in (3, 0)) == ["o", "e"]
    with pytest.raises(ValueError, match=r"ids \[4\] are not"):
        vocabulary.decode(iter([0, 4]))
    batches = list(language_model_batches(iter(range(7)), 2, 3))
    assert [(x.T.tolist(), y.T.tolist()) for x, y in batches] == [
        ([[0, 1, 2], [3, 4, 5]], [[1, 2, 3], [4, 5, 6]])
    ]


@pytest.mark.parametrize("ids", [[0.0, 1.0], "ab", [True, False], [[0, 1], [1, 0]], [2**70]])
def test_what_are_no_ids_is_refused(ids):
    for read in (Vocabulary("ab").decode, lambda ids: language_model_batches(ids, 1, 1)):
        with pytest.raises(ValueError, match="ids must be integer ids, not|ids have shape"):
            read(ids)


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


def test_messages_about_many_things_stay_short():
    vocabulary = Vocabulary("ab")
    with pytest.raises(ValueError) as error:
        vocabulary.encode([*map(str, range(10, 50_010)), "x" * 100_000])
    assert "'10', '100', '1000', '10000', '10001', and 49,996 more; the 2 tokens" in str(
        error.value
    )
    assert len(str(error.value)) < 150
    with pytest.raises(ValueError) as error:
        vocabulary.encode(["x" * 100_000])
    assert len(str(error.value)) < 150
    with pytest.raises(ValueError, match=r"ids \[2, 3, 4, 5, 6, and 994 more\] are not") as error:
        vocabulary.decode(range(1001))
    assert len(str(error.value)) < 150


@pytest.mark.parametrize(
    "descriptions, said",
    [
        ([], ""),
        ("a", "a"),
        ("abc", "a; b; c"),
        ("abcd", "a; b; c; and 1 more"),
        (["x" * 10, "y" * 11], "x" * 10 + "; " + "y" * 7 + "..."),
        (map(str, range(2003)), "0; 1; 2; and 2,000 more"),
    ],
)
def test_the_first_few_of_many(descriptions, said):
    assert first_few(["x" * 60, "x" * 61]) == "x" * 60 + ", " + "x" * 57 + "..."
    assert first_few(descriptions, "; ", most=3, longest=10) == said


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
        language_model_batches(np.arange(length), batch_size, sequence_length)


@pytest.mark.parametrize("ids", [[-1], [3], [0, 7]])
def test_decode_refuses_ids_outside_the_vocabulary(ids):
    outside = [i for i in ids if i != 0]
    for read in (Vocabulary("abc").decode, Vocabulary("abc").tokens_at):
        with pytest.raises(ValueError, match=rf"ids \[{outside[0]}\] are .* 0 to 2 are allowed"):
            read(np.array(ids))
