import pytest

from common.data.tagged import load_tagged, most_frequent_tags


def written(tmp_path, text, **how):
    path = tmp_path / "own.tsv"
    path.write_bytes(text.encode(**how) if how else text.encode())
    return path


def test_sentences_are_read(tmp_path):
    text = "the\tDET\ndog\tNOUN\n\n\n \nNew York\tNOUN\n"
    expected = [(["the", "dog"], ["DET", "NOUN"]), (["New York"], ["NOUN"])]
    assert load_tagged(written(tmp_path, text)) == expected


def test_byte_order_mark_line_ends_blanks_and_other_scripts(tmp_path):
    text = "\ufeff 犬 \t 名詞 \r\n\r\nил\tNOUN\r\n"
    assert load_tagged(written(tmp_path, text)) == [(["犬"], ["名詞"]), (["ил"], ["NOUN"])]


@pytest.mark.parametrize(
    "text, message",
    [
        ("a\tX\nb\n", "1 line does not fit: line 2 has no tab$"),
        ("a X\n\nb Y\n", "2 lines do not fit: line 1 has no tab; line 3 has no tab$"),
        ("a\tX\t1\n", "line 1 has 2 tabs; keep two columns, word and tag"),
        ("a\t\n\tX\n", "line 1 has no tag; line 2 has no word"),
        ("<pad>\tX\n<unk>\tX\n", "line 1 has the word <pad>; line 2 has the word <unk>"),
        ("a\n" * 9, "9 lines do not fit: line 1 .*line 5 has no tab.*4 more"),
        (" \n", "is empty"),
    ],
)
def test_faults_are_reported_by_line(tmp_path, text, message):
    with pytest.raises(ValueError, match=message):
        load_tagged(written(tmp_path, text))


def test_the_tag_that_a_word_has_most_often():
    examples = [(["a", "b"], ["X", "Y"]), (["a", "a", "b"], ["Z", "Z", "X"], "more")]
    assert most_frequent_tags(examples) == {"a": "Z", "b": "Y"}
