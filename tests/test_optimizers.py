import math
import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from common.checkpoint import load_params
from common.optimizers import SGD, Adam, Momentum, NonFiniteGradient, RMSProp, clip_by_global_norm
from common.params import flatten
from common.sparse import SparseRows, sparse_rows_by_token
from tests.reference.generate import HERE, draw_lookups, sparse_adam_answers

any_grads = st.dictionaries(
    st.sampled_from(["Wx", "Wh", "b"]),
    arrays(np.float64, array_shapes(max_dims=2, max_side=3), elements=st.floats(-1e3, 1e3)),
    min_size=1,
)


def walk(optimizer, gradients):
    """Return where a parameter that starts at 1 is after each of these gradients."""
    params, places = {"layer": {"w": np.array([1.0])}}, []
    for g in gradients:
        optimizer.update(params, {"layer": {"w": np.array([g])}})
        places.append(params["layer"]["w"][0])
    return places


def test_sgd_by_hand():
    assert walk(SGD(0.1), [2.0, -1.0]) == pytest.approx([0.8, 0.9])


def test_momentum_by_hand():
    # v = 2, then 0.5 * 2 + 1 = 2, then 0.5 * 2 + 0 = 1
    assert walk(Momentum(0.1, momentum=0.5), [2.0, 1.0, 0.0]) == pytest.approx([0.8, 0.6, 0.5])


def test_rmsprop_by_hand():
    # s = 0.25 * 4 = 1, then 0.75 * 1 = 0.75, then 0.75 * 0.75 + 0.25 * 4 = 1.5625, whose root is 1.25
    places = walk(RMSProp(0.1, decay=0.75, eps=1.0), [2.0, 0.0, 2.0])
    assert places == pytest.approx([1 - 0.2 / 2, 0.9, 0.9 - 0.2 / 2.25])


def test_adam_by_hand_with_both_bias_corrections():
    # m = 1, 1, 2.5 over 1 - 0.5^t = 0.5, 0.75, 0.875; v = 1, 1, 4.75 over 1 - 0.75^t = 0.25, 0.4375, 0.578125
    first = 1 - 0.1 * 2 / (2 + 1)
    second = first - 0.1 * (1 / 0.75) / (math.sqrt(1 / 0.4375) + 1)
    third = second - 0.1 * (2.5 / 0.875) / (math.sqrt(4.75 / 0.578125) + 1)
    places = walk(Adam(0.1, beta1=0.5, beta2=0.75, eps=1.0), [2.0, 1.0, 4.0])
    assert places == pytest.approx([first, second, third], rel=1e-12)


def test_the_defaults_are_those_of_the_papers():
    assert walk(Momentum(0.1), [1.0, 1.0]) == pytest.approx([0.9, 0.9 - 0.1 * 1.9])
    assert walk(RMSProp(0.1), [1.0, 1.0]) == pytest.approx([0, -0.1 / math.sqrt(0.0199)], abs=1e-6)
    second = 0.9 - 0.1 * (0.09 / 0.19) / math.sqrt(0.000999 / 0.001999)
    assert walk(Adam(0.1), [1.0, 0.0]) == pytest.approx([0.9, second], abs=1e-8)


@pytest.mark.parametrize("gradient", [1e-3, 1.0, 1e3])
def test_the_first_step_of_adam_is_the_learning_rate_whatever_the_gradient(gradient):
    assert walk(Adam(0.1), [gradient]) == pytest.approx([0.9], abs=1e-5)


@pytest.mark.parametrize("kind", [SGD, Momentum, RMSProp, Adam])
def test_every_number_is_updated_by_its_own_history(kind):
    gradients = np.random.default_rng(0).normal(size=(3, 4))
    params = {"a": {"w": np.ones(2)}, "b": np.ones(2)}
    optimizer = kind(0.1)
    for g in gradients:
        optimizer.update(params, {"a": {"w": g[:2]}, "b": g[2:]})
    together = [*params["a"]["w"], *params["b"]]
    assert together == pytest.approx([walk(kind(0.1), g)[-1] for g in gradients.T])


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [SGD, Momentum, RMSProp, Adam])
def test_updates_are_in_place_keep_the_dtype_and_leave_the_gradient_alone(kind, dtype):
    params, grads = {"w": np.ones((2, 3), dtype)}, {"w": np.full((2, 3), 2, dtype)}
    reference, optimizer = params["w"], kind(0.1)
    for _ in range(2):
        optimizer.update(params, grads)
    assert params["w"] is reference and reference.dtype == dtype
    assert np.all(reference < 1) and np.all(grads["w"] == 2)


@pytest.mark.parametrize(
    "grads, message",
    [
        ({"a": np.ones(2)}, "same names; only one side has b"),
        ({"a": np.ones(2), "b": np.ones(3), "c": np.ones(1)}, "same names; only one side has c"),
        ({"a": np.ones(2), "B": np.ones(3)}, "same names; only one side has B, b"),
        ({"a": np.ones(2), "b": np.ones(1)}, r"b has shape \(3,\), its gradient \(1,\)"),
        ({"a": np.ones(2), "b": np.ones((3, 1))}, r"b has shape \(3,\), its gradient \(3, 1\)"),
        (
            {"a": np.ones(2), "b": SparseRows(np.array([0]), np.ones((1, 1)), (3, 1))},
            r"b has shape \(3,\), its gradient \(3, 1\)",
        ),
    ],
)
@pytest.mark.parametrize("kind", [SGD, Momentum, RMSProp, Adam])
def test_a_mismatched_gradient_is_refused_before_any_parameter_changes(kind, grads, message):
    params = {"a": np.ones(2), "b": np.ones(3)}
    with pytest.raises(ValueError, match=message):
        kind(0.1).update(params, grads)
    assert np.all(params["a"] == 1) and np.all(params["b"] == 1)


@pytest.mark.parametrize(
    "kind",
    [
        SGD,
        Momentum,
        RMSProp,
        Adam,
    ],
)
def test_a_refused_update_leaves_no_trace_in_the_optimizer(kind):
    optimizer = kind(0.1)
    with pytest.raises(ValueError, match="same names"):
        optimizer.update({"layer": {"w": np.ones(1)}}, {})
    assert walk(optimizer, [1.0, 0.5]) == walk(kind(0.1), [1.0, 0.5])


def test_clipping_by_hand():
    grads = {"a": {"w": np.array([[3.0], [0]])}, "b": np.array([0, -4.0])}
    assert clip_by_global_norm(grads, 1.0) == 5
    assert grads["a"]["w"].ravel() == pytest.approx([0.6, 0])
    assert grads["b"] == pytest.approx([0, -0.8])


@given(any_grads, st.floats(1e-2, 1e3))
def test_clipping_returns_the_norm_before_and_leaves_none_above_the_limit(grads, max_norm):
    before = np.concatenate([g.ravel() for g in grads.values()])
    norm = clip_by_global_norm(grads, max_norm)
    after = np.concatenate([g.ravel() for g in grads.values()])
    assert norm == pytest.approx(np.linalg.norm(before))
    assert np.linalg.norm(after) <= max_norm * (1 + 1e-12)
    np.testing.assert_allclose(after, before * min(1, max_norm / max(norm, 1e-300)), rtol=1e-9)


@given(any_grads)
def test_clipping_below_the_limit_changes_nothing(grads):
    before = {name: g.copy() for name, g in grads.items()}
    norm = clip_by_global_norm(grads, 1e5)
    assert norm < 1e5
    assert all(np.array_equal(grads[name], before[name]) for name in grads)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_clipping_is_in_place_and_keeps_the_dtype(dtype):
    array = np.full(4, 2, dtype)
    grads = {"w": array}
    norm = clip_by_global_norm(grads, 1.0)
    assert type(norm) is float and norm == 4
    assert grads["w"] is array and array.dtype == dtype and array == pytest.approx(0.5)


def test_clipping_zeros_is_harmless():
    grads = {"w": np.zeros(3)}
    assert clip_by_global_norm(grads, 1.0) == 0
    assert not grads["w"].any()


@pytest.mark.parametrize("max_norm", [0, -1.0, math.nan])
def test_clipping_refuses_a_limit_that_is_not_positive(max_norm):
    with pytest.raises(ValueError, match=f"max_norm is {max_norm}; it must be positive"):
        clip_by_global_norm({"w": np.ones(1)}, max_norm)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_clipping_names_exactly_the_gradients_that_are_not_finite(value):
    grads = {"rnn": {"Wx": np.ones(2), "Wh": np.array([1, value])}, "b": np.array([value])}
    with pytest.raises(NonFiniteGradient, match=r"the gradient of rnn\.Wh, b is not finite"):
        clip_by_global_norm(grads, 1.0)
    assert np.all(grads["rnn"]["Wx"] == 1)


def touch(rng, rows, shape, dtype=np.float64):
    """Return a gradient of these rows, and the same as a whole array."""
    sparse = SparseRows(np.array(rows), rng.normal(size=(len(rows), shape[1])).astype(dtype), shape)
    return sparse, sparse.to_dense()


def memories(optimizer):
    """Return the arrays (V, E) that an optimizer remembers about the parameter w."""
    return [memory["w"] for memory in vars(optimizer).values() if isinstance(memory, dict)]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("kind", [SGD, Momentum, RMSProp, Adam])
def test_a_sparse_update_is_the_dense_one_for_rows_touched_at_every_step(kind, dtype):
    rng, always = np.random.default_rng(0), [1, 4]
    lazy = {"w": rng.normal(size=(6, 3)).astype(dtype)}
    whole, reference = {"w": lazy["w"].copy()}, lazy["w"]
    sparse_optimizer, dense_optimizer = kind(0.1), kind(0.1)
    for step in range(5):
        sparse, dense = touch(rng, sorted({*always, step}), (6, 3), dtype)
        values = sparse.values.copy()
        sparse_optimizer.update(lazy, {"w": sparse})
        dense_optimizer.update(whole, {"w": dense})
        assert np.array_equal(sparse.values, values)
    rows = slice(None) if kind is SGD else always  # only SGD leaves rows without a gradient alone
    assert np.array_equal(lazy["w"][rows], whole["w"][rows])
    assert lazy["w"] is reference and reference.dtype == dtype


@pytest.mark.parametrize("kind", [SGD, Momentum, RMSProp, Adam])
def test_rows_that_are_not_touched_stand_still_and_so_does_their_memory(kind):
    rng, optimizer = np.random.default_rng(0), kind(0.1)
    params = {"w": rng.normal(size=(6, 3))}
    optimizer.update(params, {"w": rng.normal(size=(6, 3))})  # all rows have a history
    before = [array.copy() for array in (params["w"], *memories(optimizer))]
    optimizer.update(params, {"w": touch(rng, [0, 3], (6, 3))[0]})
    assert len(before) == {SGD: 1, Adam: 3}.get(kind, 2)
    for array, old in zip((params["w"], *memories(optimizer)), before, strict=True):
        changed = np.flatnonzero((array != old).all(axis=1))
        assert changed.tolist() == [0, 3]
        assert np.array_equal(np.delete(array, changed, axis=0), np.delete(old, changed, axis=0))


@pytest.mark.parametrize("kind", [SGD, Momentum, RMSProp, Adam])
def test_sparse_and_dense_gradients_live_in_one_dictionary(kind):
    rng, optimizer, apart = np.random.default_rng(0), kind(0.1), (kind(0.1), kind(0.1))
    params = {"embedding": {"w": rng.normal(size=(4, 2))}, "b": rng.normal(size=3)}
    one, other = {"w": params["embedding"]["w"].copy()}, {"b": params["b"].copy()}
    for rows in ([0, 2], [2, 3], [1]):
        grads = {"embedding": {"w": touch(rng, rows, (4, 2))[0]}, "b": rng.normal(size=3)}
        optimizer.update(params, grads)
        apart[0].update(one, grads["embedding"])
        apart[1].update(other, {"b": grads["b"]})
    assert np.array_equal(params["embedding"]["w"], one["w"])
    assert np.array_equal(params["b"], other["b"])


def assert_equals_sparse_adam(lookups, tables):
    """SparseAdam adds eps before it corrects for the start at zero, we after (Kingma and Ba 2015, algorithm 1, and
    torch.optim.Adam); so eps is too small here for either to matter."""
    params, optimizer = {"w": np.array(lookups["table"])}, Adam(0.05, eps=1e-16)
    for tokens, dx, table in zip(lookups["tokens"], lookups["dx"], tables, strict=True):
        optimizer.update(params, {"w": sparse_rows_by_token(tokens, dx, len(table))})
        np.testing.assert_allclose(params["w"], table, rtol=1e-12, atol=1e-12)


def test_adam_gives_the_committed_tables_of_sparse_adam():
    lookups = load_params(HERE / "sparse_adam.safetensors")
    tables, tokens = lookups["tables"], lookups["tokens"]
    assert_equals_sparse_adam(lookups, tables)
    # what makes them a proof: tokens that repeat, rows that pause, and rows first touched late
    assert any(len(set(step.tolist())) < len(step) for step in tokens)
    still = (np.diff(tables, axis=0) == 0).all(axis=2)
    assert still.any(axis=0).all() and not still.all(axis=0).any()
    assert (tables[:2] == lookups["table"]).all(axis=(0, 2)).any()


@pytest.mark.parametrize("seed", range(3))
def test_adam_is_sparse_adam_where_that_is_installed(seed):
    pytest.importorskip("torch")
    lookups = draw_lookups(np.random.default_rng(seed), steps=200, N=8, V=40, E=5)
    assert_equals_sparse_adam(lookups, sparse_adam_answers(lookups))


def test_sparse_adam_gives_the_committed_tables_again():
    pytest.importorskip("torch")
    lookups = load_params(HERE / "sparse_adam.safetensors")
    np.testing.assert_allclose(sparse_adam_answers(lookups), lookups["tables"], rtol=1e-12)


@pytest.mark.parametrize("kind", [SGD, Momentum, RMSProp, Adam])
def test_an_update_needs_memory_for_the_rows_it_touches_not_for_the_table(kind):
    V, E, optimizer = 2**18, 4, kind(0.1)
    params, rng = {"w": np.ones((V, E), np.float32)}, np.random.default_rng(0)
    grads = {"w": touch(rng, range(0, V, V // 10), (V, E), np.float32)[0]}
    optimizer.update(params, grads)  # the first one makes the memories
    tracemalloc.start()
    try:
        clip_by_global_norm(grads, 1e-3)
        optimizer.update(params, grads)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < params["w"].nbytes / 100


@given(any_grads, st.floats(1e-2, 1e3), st.sets(st.integers(0, 9), min_size=1), st.data())
def test_clipping_sparse_and_dense_together_is_clipping_all_as_dense(grads, max_norm, rows, data):
    values = data.draw(arrays(np.float64, (len(rows), 2), elements=st.floats(-1e3, 1e3)))
    sparse = SparseRows(np.array(sorted(rows)), values, (10, 2))
    mixed = {"embedding": {"w": sparse}, "rest": grads}
    dense = {
        "embedding": {"w": sparse.to_dense()},
        "rest": {s: g.copy() for s, g in grads.items()},
    }
    norm = clip_by_global_norm(mixed, max_norm)
    assert norm == pytest.approx(clip_by_global_norm(dense, max_norm), rel=1e-12)
    assert mixed["embedding"]["w"] is sparse and sparse.values is values
    np.testing.assert_allclose(sparse.to_dense(), dense["embedding"]["w"], rtol=1e-12)
    for name, g in grads.items():
        np.testing.assert_allclose(g, dense["rest"][name], rtol=1e-12)


def test_clipping_names_a_sparse_gradient_that_is_not_finite():
    grads = {"embedding": {"w": SparseRows(np.array([3]), np.array([[np.nan]]), (5, 1))}}
    with pytest.raises(NonFiniteGradient, match=r"the gradient of embedding\.w is not finite"):
        clip_by_global_norm(grads, 1.0)


def joint_norm(grads):
    return math.sqrt(sum(np.sum(np.square(g, dtype=np.float64)) for g in flatten(grads).values()))


def shared_gradients():
    base = np.array([3.0, 4, 12, 84])
    sparse = SparseRows(np.array([1]), base.reshape(1, 4), (3, 4))
    return {
        "the same": {"a": base, "b": base},
        "a view": {"a": base, "b": base.reshape(2, 2).T},
        "overlapping": {"a": base[:3], "b": {"c": base[1:]}},
        "of three": {"a": base, "b": base[::2], "c": base[1::2]},
        "one buffer": {"a": np.frombuffer(base), "b": base},
        "rows": {"a": sparse, "b": sparse},
    }


@pytest.mark.parametrize("what", shared_gradients())
def test_gradients_that_share_memory_are_scaled_once(what):
    grads = shared_gradients()[what]
    arrays = [g.values if isinstance(g, SparseRows) else g for g in flatten(grads).values()]
    before = [array.copy() for array in arrays]
    expected = math.sqrt(sum(np.sum(array**2) for array in before))
    assert clip_by_global_norm(grads, 1.0) == pytest.approx(expected)
    for array, old in zip(arrays, before, strict=True):
        np.testing.assert_allclose(array, old / expected, rtol=1e-14)


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(
    "numbers, dtype, max_norm",
    [
        ([1e200, -2e200, 2e200], np.float64, 1.0),
        ([1e300, 0, 1e-300], np.float64, 1e-5),
        ([1.7e308, 1.7e308, 1.7e308, 1.7e308], np.float64, 1.0),
        ([3e38, -3e38, 1.0], np.float32, 1e-3),
        ([1e20] * 4, np.float32, 1.0),
        ([5e18, 5e18], np.float32, 1e-25),
        ([3e-25, 4e-25], np.float32, 1e-26),
        ([3e-200, 4e-200], np.float64, 1e-201),
        ([1e-45, 1e-45], np.float32, 1e-45),
        ([300.0] * 9, np.float16, 1.0),
        ([1e-3] * 50, np.float16, 1e-3),
    ],
)
@pytest.mark.parametrize("names", [1, 2])
def test_the_norm_is_right_however_large_or_small_the_gradient(numbers, dtype, max_norm, names):
    given = np.array(numbers, dtype)
    grads = {f"w{i}": given.copy() for i in range(names)}
    largest = np.abs(given).max().astype(np.float64)
    in_units = math.sqrt(names) * float(np.linalg.norm(given.astype(np.float64) / largest))
    norm = clip_by_global_norm(grads, max_norm)
    assert norm == pytest.approx(float(largest) * in_units, rel=1e-6, abs=0)
    expected = given.astype(np.float64) / largest * (max_norm / in_units)
    rtol = 1e-3 if dtype == np.float16 else 1e-6
    for g in grads.values():  # to one unit in the last place where that is all a number has
        np.testing.assert_allclose(g, expected, rtol, np.finfo(dtype).smallest_subnormal)
    if max_norm > 1e-30:
        assert joint_norm(grads) == pytest.approx(max_norm, rel=rtol)


@pytest.mark.filterwarnings("error")
def test_gradients_of_all_sizes_and_dtypes_have_one_norm():
    grads = {"a": np.array([3e30], np.float32), "b": np.array([4e30]), "c": np.zeros(2, np.float32)}
    assert clip_by_global_norm(grads, 1.0) == pytest.approx(5e30)
    assert grads["a"] == pytest.approx(0.6) and grads["b"] == pytest.approx(0.8)
    grads = {"a": np.array([1.0], np.float32), "b": np.array([1e300])}
    assert clip_by_global_norm(grads, 1e299) == pytest.approx(1e300)
    assert grads["a"] == pytest.approx(0.1) and grads["b"] == pytest.approx(1e299)
    grads = {"a": np.array([1e-23], np.float32), "b": np.array([1e-320]), "c": np.zeros((0, 3))}
    assert clip_by_global_norm(grads, 1.0) == pytest.approx(1e-23, rel=1e-6, abs=0)


def test_many_tiny_numbers_beside_a_larger_one_count():
    grads = {"a": np.full(10**6, 1e-23, np.float32), "b": np.array([1e-20], np.float32)}
    assert clip_by_global_norm(grads, 1.0) == pytest.approx(math.sqrt(2) * 1e-20, rel=1e-6, abs=0)


def test_an_infinite_limit_never_clips():
    grads = {"w": np.array([3e200, 4e200])}
    assert clip_by_global_norm(grads, math.inf) == pytest.approx(5e200)
    assert grads["w"].tolist() == [3e200, 4e200]


def test_clipping_nothing_is_harmless():
    assert clip_by_global_norm({}, 1.0) == 0
    assert clip_by_global_norm({"w": np.zeros((0, 2))}, 1.0) == 0


@pytest.mark.parametrize(
    "gradient, message",
    [
        (3.0, "the gradient of b.w is a float, which cannot be changed in place"),
        (np.float64(3), "the gradient of b.w is a float64, which cannot be changed in place"),
        ([3.0], "the gradient of b.w is a list"),
        (np.array([3]), "the gradient of b.w is an array of int64"),
        (np.broadcast_to(3.0, 2), "the gradient of b.w is a read-only array"),
    ],
)
def test_clipping_refuses_what_it_cannot_scale_and_changes_nothing(gradient, message):
    grads = {"a": np.array([4.0]), "b": {"w": gradient}}
    with pytest.raises(ValueError, match=message):
        clip_by_global_norm(grads, 1.0)
    assert grads["a"] == 4


ALL = pytest.mark.parametrize("kind", [SGD, Momentum, RMSProp, Adam])


@ALL
@pytest.mark.parametrize("gradient_as", [np.array, np.float64])
def test_a_parameter_may_be_a_single_number_in_an_array(kind, gradient_as):
    params, optimizer, numbers = {"w": np.array(1.0)}, kind(0.1), [2.0, -1.0, 0.5]
    array, places = params["w"], []
    for number in numbers:
        optimizer.update(params, {"w": gradient_as(number)})
        places.append(float(array))
    assert params["w"] is array and places == pytest.approx(walk(kind(0.1), numbers), rel=1e-12)
    grads = {"w": np.array(-3.0)}
    assert clip_by_global_norm(grads, 1.0) == 3 and grads["w"] == -1


@ALL
@pytest.mark.parametrize(
    "number, message",
    [
        (1.0, "b is a float, which cannot be changed in place; give an array"),
        (np.float64(1), "b is a float64, which cannot be changed in place"),
        (np.float32(1), "b is a float32, which cannot be changed in place"),
        ([1.0], "b is a list, which cannot be changed in place"),
        (np.array(1), "b is an array of int64; it must be one of floats"),
        (np.broadcast_to(1.0, ()), "b is a read-only array"),
    ],
)
def test_a_parameter_that_cannot_be_updated_in_place_is_refused(kind, number, message):
    params, optimizer = {"a": np.ones(1), "b": number}, kind(0.1)
    with pytest.raises(ValueError, match=message):
        optimizer.update(params, {"a": np.ones(1), "b": np.array(2.0)})
    assert params["a"] == 1 and not any(memories_of(optimizer))


def memories_of(optimizer):
    return [memory for memory in vars(optimizer).values() if isinstance(memory, dict)]


@ALL
@pytest.mark.parametrize("gradient", [2.0, [2.0], np.array([2]), None])
def test_a_gradient_that_is_no_array_of_floats_is_refused(kind, gradient):
    params = {"a": np.ones(1), "b": np.ones(1)}
    with pytest.raises(ValueError, match="the gradient of b must be an array of floats; it is a"):
        kind(0.1).update(params, {"a": np.ones(1), "b": gradient})
    assert params["a"] == 1


def tied_parameters():
    base = np.ones((3, 3))
    return {
        "the same": {"a": base, "b": base},
        "transposed": {"a": base, "b": base.T},
        "overlapping rows": {"a": base[:2], "b": base[1:]},
        "a buffer": {"a": base.ravel(), "b": np.frombuffer(base)},
    }


@ALL
@pytest.mark.parametrize("what", tied_parameters())
def test_a_parameter_under_two_names_is_refused_by_both(kind, what):
    tied, optimizer = tied_parameters()[what], kind(0.1)
    params = {"c": np.ones(2), "layer": tied}
    grads = {"c": np.ones(2), "layer": {name: np.ones(p.shape) for name, p in tied.items()}}
    with pytest.raises(ValueError, match=r"layer\.a and layer\.b share memory.*sum of both"):
        optimizer.update(params, grads)
    assert np.all(params["c"] == 1) and np.all(tied["a"] == 1) and not any(memories_of(optimizer))


@ALL
@pytest.mark.parametrize("sparse", [False, True])
def test_a_gradient_that_shares_memory_with_a_parameter_is_refused(kind, sparse):
    params = {"a": np.ones((2, 2)), "b": np.ones((2, 2))}
    spoilt = SparseRows(np.array([0]), params["b"][:1], (2, 2)) if sparse else params["b"].T
    with pytest.raises(ValueError, match="b and the gradient of a share memory"):
        kind(0.1).update(params, {"a": spoilt, "b": np.ones((2, 2))})
    assert np.all(params["a"] == 1) and np.all(params["b"] == 1)


@ALL
def test_parts_of_one_array_and_one_gradient_for_two_parameters_are_as_good_as_arrays_of_their_own(
    kind,
):
    rng = np.random.default_rng(0)
    base, g = rng.normal(size=(4, 6)), rng.normal(size=(4, 3))
    params = {"a": base[:, ::2], "b": base[:, 1::2]}
    apart, optimizers = {s: p.copy() for s, p in params.items()}, (kind(0.1), kind(0.1))
    for _ in range(2):
        optimizers[0].update(params, {"a": g, "b": g})
        optimizers[1].update(apart, {"a": g.copy(), "b": g.copy()})
    assert np.array_equal(params["a"], apart["a"]) and np.array_equal(params["b"], apart["b"])


@ALL
def test_an_update_does_not_depend_on_the_layout_of_the_arrays(kind):
    rng = np.random.default_rng(0)
    p, gradients = rng.normal(size=(4, 6)), rng.normal(size=(3, 4, 6))
    params, turned, optimizers = (
        {"w": p.copy()},
        {"w": np.asfortranarray(p)},
        (kind(0.1), kind(0.1)),
    )
    for g in gradients:
        optimizers[0].update(params, {"w": g})
        optimizers[1].update(turned, {"w": np.asfortranarray(g)})
    assert np.array_equal(params["w"], turned["w"])


def test_adam_is_the_paper_s_algorithm_written_out():
    rng = np.random.default_rng(0)
    w, params, optimizer = np.ones(5), {"w": np.ones(5)}, Adam(0.01, 0.8, 0.95, 1e-3)
    m = v = np.zeros(5)
    for t in range(1, 40):
        g = rng.normal(size=5)
        optimizer.update(params, {"w": g})
        m = 0.8 * m + (1 - 0.8) * g
        v = 0.95 * v + (1 - 0.95) * g**2
        w = w - 0.01 * (m / (1 - 0.8**t)) / (np.sqrt(v / (1 - 0.95**t)) + 1e-3)
        np.testing.assert_allclose(params["w"], w, rtol=1e-12)
