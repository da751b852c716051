import numpy as np

from common.params import assign_params, copy_params, count_params, flatten


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
