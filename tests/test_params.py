import numpy as np
import pytest

from common.params import (
    all_own_memory,
    assign_params,
    check_apart,
    check_writable,
    copy_params,
    count_params,
    flatten,
)


def nested():
    return {"rnn": {"Wx": np.ones((2, 3)), "b": np.zeros(3, np.float32)}, "scale": np.array(2.0)}


def test_flatten_joins_the_names_with_dots_in_order():
    assert list(flatten(nested())) == ["rnn.Wx", "rnn.b", "scale"]
    assert list(flatten({"a": {"b": {"c": 1}}}, "model.")) == ["model.a.b.c"]
    assert flatten({}) == {}


def test_flatten_returns_the_same_arrays():
    params = nested()
    flat = flatten(params)
    assert flat["rnn.Wx"] is params["rnn"]["Wx"]
    assert flat["scale"] is params["scale"]


def test_copied_params_are_equal_and_independent():
    params = nested()
    copy = copy_params(params)
    assert flatten(copy).keys() == flatten(params).keys()
    for name, array in flatten(copy).items():
        original = flatten(params)[name]
        assert np.array_equal(array, original) and array.dtype == original.dtype
        assert not np.shares_memory(array, original)


def test_assign_params_writes_into_the_same_arrays():
    params, source = nested(), nested()
    source["rnn"]["Wx"] *= 5
    source["scale"] -= 9
    reference = params["rnn"]["Wx"]
    assign_params(params, source)
    assert params["rnn"]["Wx"] is reference
    assert np.all(reference == 5) and params["scale"] == -7
    source["rnn"]["Wx"] *= 0
    assert np.all(reference == 5)


def test_count_params_adds_up_all_sizes():
    assert count_params(nested()) == 6 + 3 + 1
    assert count_params({}) == 0


@pytest.mark.parametrize(
    "tree, name",
    [
        ({"a": {"b": 1}, "a.b": 2}, "a.b"),
        ({"a.b": 2, "a": {"b": 1}}, "a.b"),
        ({0: 1, "0": 2}, "0"),
        ({"x": {0: {"w": 1}, "0": {"w": 2}}}, "x.0.w"),
        ({"a": {"b.c": 1, "b": {"c": 2}}}, "a.b.c"),
    ],
)
def test_two_entries_of_one_name_are_refused(tree, name):
    with pytest.raises(ValueError, match=f"two entries are called '{name}' .*; rename one of them"):
        flatten(tree)


def test_keys_that_only_look_alike_are_not_refused():
    tree = {"a": {"b": 1, "bc": 2}, "a.bc.d": 3, 0: 4, "a.": {"": 5}}
    assert list(flatten(tree)) == ["a.b", "a.bc", "a.bc.d", "0", "a.."]


@pytest.mark.parametrize(
    "source, message",
    [
        ({"a": np.zeros(2)}, "same names .*only one side has b"),
        ({"a": np.zeros(2), "b": np.zeros(3), "c": np.zeros(1)}, "only one side has c"),
        ({"a": np.zeros(2), "b": np.zeros(1)}, r"b has shape \(3,\), what is assigned \(1,\)"),
    ],
)
def test_assigning_what_does_not_fit_is_refused_and_changes_nothing(source, message):
    target = {"a": np.ones(2), "b": np.ones(3)}
    with pytest.raises(ValueError, match=message):
        assign_params(target, source)
    assert np.all(target["a"] == 1) and np.all(target["b"] == 1)


def test_assigning_reads_all_before_it_writes():
    one, other = np.array([1.0, 2]), np.array([3.0, 4])
    assign_params({"a": one, "b": other}, {"a": other, "b": one})
    assert one.tolist() == [3, 4] and other.tolist() == [1, 2]
    line = np.arange(4.0)
    assign_params({"a": line[:2], "b": line[2:]}, {"a": line[1:3], "b": line[:2]})
    assert line.tolist() == [1, 2, 0, 1]


def test_assigning_to_an_array_under_two_names_is_refused_and_changes_nothing():
    array = np.ones(3)
    with pytest.raises(ValueError, match="a and b share memory"):
        assign_params({"a": array, "b": array[1:]}, {"a": np.zeros(3), "b": np.zeros(2)})
    assert np.all(array == 1)


@pytest.mark.parametrize("number", [2.0, 2, np.float64(2), np.float32(2), [2.0], None])
def test_a_number_that_is_no_array_cannot_be_assigned_to(number):
    target = {"a": np.ones(1), "b": number}
    with pytest.raises(ValueError, match="b is a .*cannot be changed in place; give an array"):
        assign_params(target, {"a": np.zeros(1), "b": np.array(3.0)})
    assert target["a"] == 1


def test_a_read_only_array_cannot_be_assigned_to():
    target = {"a": np.ones(2), "b": np.broadcast_to(1.0, 2)}
    with pytest.raises(ValueError, match="b is a read-only array; give a copy"):
        assign_params(target, {"a": np.zeros(2), "b": np.zeros(2)})
    assert np.all(target["a"] == 1)


def test_numbers_are_counted_be_they_arrays_or_not():
    assert count_params({"a": np.array(2.0), "b": 3.0, "c": np.float32(1)}) == 3


def test_only_floats_may_be_asked_for():
    with pytest.raises(ValueError, match="the b is an array of int64"):
        check_writable({"a": np.ones(1), "b": np.ones(1, np.int64)}, "the ", "f")
    check_writable({"b": np.ones(1, np.int64)})
    with pytest.raises(ValueError, match="b is an array of complex128"):
        check_writable({"b": np.ones(1, complex)})


def sharing():
    base, other = np.zeros((4, 6)), np.zeros((4, 6))
    return {
        "the same": (base, base, True),
        "a view": (base, base[:], True),
        "a transposed view": (base, base.T, True),
        "overlapping": (base[:3], base[2:], True),
        "overlapping in one number": (base[0], base[:, 5], True),
        "rows apart": (base[:2], base[2:], False),
        "columns apart": (base[:, ::2], base[:, 1::2], False),
        "two arrays": (base, other, False),
        "views of two arrays": (base.T, other[1:], False),
        "one buffer, read twice": (np.frombuffer(base), np.frombuffer(base), True),
        "a buffer and its owner": (np.frombuffer(base), base, True),
        "two buffers": (np.frombuffer(base), np.frombuffer(other), False),
        "nothing": (base[:0], base[:0], False),
        "0-d": (base[0, 0, ...], base[0, 0, ...], True),
    }


@pytest.mark.parametrize("what", sharing())
def test_arrays_that_share_memory_are_found(what):
    one, other, share = sharing()[what]
    assert not (share and all_own_memory([one, other]))
    for arrays, others in [({"a": one, "b": other}, {}), ({"a": one}, {"b": other})]:
        if share:
            with pytest.raises(ValueError, match="a and b share memory"):
                check_apart(arrays, others)
        else:
            check_apart(arrays, others)
    check_apart({"c": np.zeros(1)}, {"a": one, "b": other})


def test_a_glance_is_enough_for_arrays_of_their_own():
    base = np.zeros((4, 6))
    assert all_own_memory(
        [base, np.zeros(3), np.zeros((2, 3)).T, np.zeros(6).reshape(2, 3), np.array(1.0)]
    )
    assert not all_own_memory([base, np.zeros(3), base.T])
    assert all_own_memory([])
