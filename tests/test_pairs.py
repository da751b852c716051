import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from common.data.pairs import (
    alignment_accuracy,
    exact_match,
    load_pairs,
    pad_sequences,
    pair_batches,
    token_accuracy,
)
from common.losses import softmax_cross_entropy

sequences = st.lists(st.integers(3, 9), min_size=1, max_size=6)
pairs_of_ids = st.lists(st.tuples(sequences, sequences), min_size=1, max_size=12)


@pytest.fixture
def write(tmp_path):
    """Write bytes to a file and return its path."""

    def write(content):
        path = tmp_path / "pairs.tsv"
        path.write_bytes(content)
        return path

    return write


@pytest.mark.parametrize(
    "content",
    [
        "the cat\tle chat\nan egg\tun œuf\n",
        "the cat\tle chat\nan egg\tun œuf",
        "\ufeffthe cat\tle chat\r\nan egg\tun œuf\r\n",
        "\n the cat \t le  chat \n\n \t \nan egg\tun œuf\n\n",
    ],
)
def test_pairs_are_loaded_from_lines_with_a_tab(write, content):
    pairs = load_pairs(write(content.encode()))
    assert pairs == [(["the", "cat"], ["le", "chat"]), (["an", "egg"], ["un", "œuf"])]


def test_tokens_may_be_characters_and_the_path_a_string(write):
    assert load_pairs(str(write(b" 1 2\tab ")), list) == [(["1", " ", "2"], ["a", "b"])]


def test_unusual_line_separators_do_not_cut_a_line(write):
    assert load_pairs(write("a\u2028b\tc\x0cd\n".encode()), list) == [
        (list("a\u2028b"), list("c\x0cd"))
    ]


def test_malformed_lines_are_named(write):
    path = write(b"a\tb\nno tab\n\na\tb\tc\n\tonly target\nonly source\t \n1\t2\t3\t4\n")
    with pytest.raises(ValueError) as error:
        load_pairs(path)
    assert str(error.value) == (
        f"{str(path)!r} needs a source, one tab and a target on each line; 5 lines do not fit: line 2 has no tab; "
        "line 4 has 2 tabs; line 5 has an empty source; line 6 has an empty target; line 7 has 3 tabs; "
        "drop the third column and any after it"
    )
    with pytest.raises(ValueError, match="2 lines do not fit: line 1 has no tab; line 2 has no"):
        load_pairs(write(b"no tab\nno tab"))
    with pytest.raises(ValueError, match="1 line does not fit: line 2 has no tab$"):
        load_pairs(write(b"a\tb\nno tab"))


def test_of_many_malformed_lines_the_first_are_named_with_their_number_and_what_to_do(write):
    with pytest.raises(ValueError) as error:
        load_pairs(write(b"go .\tva .\tCC-BY 2.0 (France)\n" * 20_000))
    assert "20,000 lines do not fit: line 1 has 2 tabs; line 2 has 2 tabs;" in str(error.value)
    assert str(error.value).endswith(
        "line 5 has 2 tabs; and 19,995 more; drop the third column and any after it"
    )
    assert len(str(error.value)) < 500


@pytest.mark.parametrize("token", ["<pad>", "<sos>", "<eos>"])
@pytest.mark.parametrize("line", ["a {}\tb", "a\tb {}"])
def test_tokens_that_batches_put_in_must_not_be_in_the_file(write, token, line):
    with pytest.raises(ValueError, match=f"1 line does not fit: line 2 has the token {token}$"):
        load_pairs(write(b"a\tb\n" + line.format(token).encode()))
    assert len(load_pairs(write(line.format(token).encode()), list)) == 1
    assert load_pairs(write(b"a <unk>\tb")) == [(["a", "<unk>"], ["b"])]


def test_letters_and_their_accents_are_composed(write):
    ((source, target),) = load_pairs(write("e\u0301te\u0301\t\u00e9t\u00e9".encode()))
    assert source == target == ["\u00e9t\u00e9"]


def test_a_tokeniser_may_be_a_generator(write):
    pairs = load_pairs(write(b"a b\tc"), lambda text: (word for word in text.split()))
    assert pairs == [(["a", "b"], ["c"])]
    with pytest.raises(ValueError, match="line 1 has an empty target"):
        load_pairs(write(b"a\t "), lambda text: (word for word in text.split()))


def test_sequences_and_pairs_may_come_from_generators():
    ids, mask = pad_sequences((i for i in range(n, 6)) for n in (3, 5))
    assert ids.tolist() == [[3, 5], [4, 0], [5, 0]] and mask.tolist() == [[1, 1], [1, 0], [1, 0]]
    pairs = [([3, 4], [5]), ([3], [4, 5])]
    from_lists = list(pair_batches(pairs, 2))
    generated = list(pair_batches(((iter(s), iter(t), "more") for s, t in pairs), 2))
    for batch, again in zip(from_lists, generated, strict=True):
        assert [a.tolist() for a in batch] == [a.tolist() for a in again]
    with pytest.raises(ValueError, match="0 pairs, batch_size 2"):
        pair_batches(iter([]), 2)


def test_predictions_and_alignments_may_come_from_generators():
    for measure, expected in ((exact_match, 1 / 2), (token_accuracy, 3 / 4)):
        assert measure((iter(p) for p in ("ab", "ax")), (iter(p) for p in ("ab", "ab"))) == expected
        with pytest.raises(ValueError, match="1 predictions and 0 targets"):
            measure(iter(["a"]), iter([]))
    weights = np.eye(3)
    assert alignment_accuracy(weights.tolist(), (iter([j]) for j in (0, 0, 2))) == 2 / 3
    assert alignment_accuracy(weights[:, None], iter([iter([(0,), (0,), (2,)])])) == 2 / 3


@pytest.mark.parametrize("sequences", [[[1.5, 2.0]], ["ab"], [[[3, 4]]]])
def test_sequences_of_what_are_no_ids_are_refused(sequences):
    with pytest.raises(ValueError, match="ids must be integer ids, not|ids have shape"):
        pad_sequences(sequences)


def test_what_is_no_text_file_is_refused(write, tmp_path):
    with pytest.raises(ValueError, match="no corpus and no file"):
        load_pairs(tmp_path / "missing.tsv")
    with pytest.raises(ValueError, match="not UTF-8"):
        load_pairs(write(b"caf\xe9\tcoffee"))
    with pytest.raises(ValueError, match="is empty"):
        load_pairs(write(b"\n"))


@given(st.lists(sequences, min_size=1))
def test_padding_is_at_the_end_and_masked(ids):
    padded, mask = pad_sequences(ids)
    assert padded.shape == mask.shape == (max(map(len, ids)), len(ids))
    assert padded.dtype == np.int64 and mask.dtype == np.float32
    assert padded.flags.c_contiguous and set(np.unique(mask)) <= {0, 1}
    for b, sequence in enumerate(ids):
        assert padded[: len(sequence), b].tolist() == sequence
        assert mask[: len(sequence), b].all()
        assert not padded[len(sequence) :, b].any() and not mask[len(sequence) :, b].any()


def test_another_padding_id():
    assert pad_sequences([[0, 0], [5]], pad=7)[0].tolist() == [[0, 5], [0, 7]]


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], "there are no sequences; give at least one"),
        ([[3], []], "sequence 1 is empty; give at least one"),
        ([[3, 4, 5], [4, 5, 0]], "sequence 1 contains id 0, which means padding; encode with"),
    ],
)
def test_sequences_that_cannot_be_padded_are_refused(ids, message):
    with pytest.raises(ValueError, match=message):
        pad_sequences(ids)


@given(pairs_of_ids, st.integers(1, 5), st.booleans())
def test_batches_hold_every_pair_once(pairs, batch_size, shuffled):
    seen, sizes = [], []
    for batch in pair_batches(pairs, batch_size, np.random.default_rng(0) if shuffled else None):
        source, source_mask, target_inputs, targets, target_mask = batch
        sizes.append(source.shape[1])
        assert source.shape == source_mask.shape
        assert target_inputs.shape == targets.shape == target_mask.shape
        for b in range(sizes[-1]):
            target = targets[target_mask[:, b] == 1, b].tolist()
            assert target_inputs[target_mask[:, b] == 1, b].tolist() == [1, *target[:-1]]
            assert target[-1] == 2
            assert not targets[target_mask[:, b] == 0, b].any()
            seen.append((source[source_mask[:, b] == 1, b].tolist(), target[:-1]))
    assert sorted(seen) == sorted(pairs)
    assert sum(size != batch_size for size in sizes) <= 1 and max(sizes) <= batch_size


def test_the_ids_of_the_special_tokens_may_be_others():
    ((source, _, target_inputs, targets, mask),) = pair_batches(
        [([0], [1, 2]), ([1, 2], [3])], 2, pad=7, sos=8, eos=9
    )
    assert source.tolist() == [[0, 1], [7, 2]]
    assert target_inputs.tolist() == [[8, 8], [1, 3], [2, 7]]
    assert targets.tolist() == [[1, 3], [2, 9], [9, 7]]
    assert mask.tolist() == [[1, 1], [1, 1], [1, 0]]


def make_pairs(rng, n=200):
    return [
        (rng.integers(3, 50, rng.integers(1, 8)), rng.integers(3, 50, rng.integers(1, 8)))
        for _ in range(n)
    ]


def test_batches_are_of_similar_lengths():
    batches = list(pair_batches(make_pairs(np.random.default_rng(0)), 10))
    assert np.mean(np.concatenate([batch[1].ravel() for batch in batches])) > 0.95
    assert np.mean(np.concatenate([batch[4].ravel() for batch in batches])) > 0.7
    lengths = [batch[0].shape[0] for batch in batches]
    assert lengths == sorted(lengths)


def test_each_epoch_has_an_order_of_its_own_that_the_seed_decides():
    pairs = make_pairs(np.random.default_rng(0))

    def epochs(seed):
        rng = np.random.default_rng(seed)
        return [[batch[0].tolist() for batch in pair_batches(pairs, 10, rng)] for _ in range(2)]

    first, second = epochs(0)
    assert [first, second] == epochs(0) and [first, second] != epochs(1)
    assert [len(batch) for batch in first] != [len(batch) for batch in second]
    assert sorted(map(str, first)) != sorted(map(str, second))  # pairs of equal lengths are mixed
    in_order = [[batch[0].tolist() for batch in pair_batches(pairs, 10)] for _ in range(2)]
    assert in_order[0] == in_order[1]


def test_pairs_are_not_changed():
    pairs = [([4, 5, 6], [3]), ([3], [4, 5])]
    list(pair_batches(pairs, 1, np.random.default_rng(0)))
    assert pairs == [([4, 5, 6], [3]), ([3], [4, 5])]


def test_a_target_may_be_empty():
    ((*_, target_inputs, targets, mask),) = pair_batches([([3], [])], 1)
    assert (target_inputs.tolist(), targets.tolist(), mask.tolist()) == ([[1]], [[2]], [[1]])


@pytest.mark.parametrize(
    ("pairs", "batch_size", "message"),
    [
        ([], 2, "0 pairs, batch_size 2: both must be at least 1"),
        ([([3], [3])], 0, "1 pairs, batch_size 0: both must be at least 1"),
    ],
)
def test_no_pairs_and_no_batch_size_are_refused_at_once(pairs, batch_size, message):
    with pytest.raises(ValueError, match=message):
        pair_batches(pairs, batch_size)


@pytest.mark.parametrize("pair", [([0, 3], [3]), ([3], [3, 0]), ([], [3])])
def test_ids_that_mean_padding_and_empty_sources_are_refused(pair):
    with pytest.raises(ValueError, match="padding|empty"):
        list(pair_batches([pair], 1))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_the_mask_serves_the_loss_of_both_precisions(dtype):
    ((_, _, _, targets, mask),) = pair_batches([([3], [3, 4]), ([3, 4], [4])], 2)
    loss, dlogits = softmax_cross_entropy(np.zeros((*targets.shape, 5), dtype), targets, mask)
    assert np.isclose(loss, np.log(5)) and dlogits.dtype == dtype
    assert not dlogits[mask == 0].any()


def test_exact_match_counts_whole_sequences():
    assert exact_match([["a", "b"], ["a"], []], [["a", "b"], ["a", "b"], ["a"]]) == 1 / 3
    assert exact_match([("a", "b")], [["a", "b"]]) == 1


def test_token_accuracy_counts_positions():
    expected = [list("abcd")]
    assert token_accuracy([list("abcd")], expected) == 1
    assert token_accuracy([list("abce")], expected) == 0.75
    assert token_accuracy([list("ab")], expected) == 0.5
    assert token_accuracy([list("bcd")], expected) == 0
    assert token_accuracy([list("abcdxxxx")], expected) == 0.5
    assert token_accuracy([[]], expected) == 0
    assert token_accuracy([["a"], list("bbb")], [["a"], list("ccc")]) == 0.25
    assert token_accuracy([[]], [[]]) == 1


@pytest.mark.parametrize("measure", [exact_match, token_accuracy])
@pytest.mark.parametrize(("predicted", "expected"), [([], []), ([["a"]], []), ([], [["a"]])])
def test_measures_want_as_many_predictions_as_targets(measure, predicted, expected):
    with pytest.raises(ValueError, match="both must be equally many, at least 1"):
        measure(predicted, expected)


def test_alignment_accuracy_of_one_sentence():
    weights = np.array([[0.7, 0.2, 0.1], [0.1, 0.3, 0.6], [0.4, 0.3, 0.3], [0, 1, 0]])
    assert alignment_accuracy(weights, [(0,), (1, 2), (1,)]) == 2 / 3
    assert alignment_accuracy(weights, [(0,), (), (1,)]) == 1 / 2
    assert alignment_accuracy(weights, [(0,), (2,), (0, 1), (1,)]) == 1


def test_alignment_accuracy_of_many_sentences_counts_words_alike():
    weights = np.zeros((3, 2, 4))
    weights[:, 0, 1] = weights[:, 1, 3] = 1
    alignments = [[(1,), (1,), (0,)], [(3,)]]
    assert alignment_accuracy(weights, alignments) == 3 / 4
    assert alignment_accuracy(weights[..., ::-1], [[(2,)] * 3, [(0,)]]) == 1
    assert alignment_accuracy(np.full((1, 2), 0.5), [(0,)]) == 1


@pytest.mark.parametrize(
    ("shape", "alignments", "message"),
    [
        ((2, 3), [(0,), (0,), (0,)], "at most 2 target tokens, alignments for 1 of at most 3"),
        ((2, 2, 3), [[(0,)]], "weights for 2 sentences .* alignments for 1"),
        ((2, 3), [(), ()], "nothing to score"),
        ((2, 0, 3), [], "nothing to score"),
        ((2, 3), [(0,), (1, 3)], "a gold position is 3, but weights cover 3"),
        ((2, 3), [(-1, 0), (1,)], "a gold position is -1, but weights cover 3"),
    ],
)
def test_alignments_that_do_not_fit_are_refused(shape, alignments, message):
    weights = np.ones(shape)
    with pytest.raises(ValueError, match=message):
        alignment_accuracy(weights, alignments)
