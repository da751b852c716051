import numpy as np
import pytest

from common.gradient_check import GradientMismatch, check_gradients, numerical_gradient
from common.recurrent import rnn_backward, rnn_forward
from common.sparse import SparseRows

T, B, D, H = 4, 2, 3, 3


def arrays():
    rng = np.random.default_rng(0)
    shapes = {"Wx": (D, H), "Wh": (H, H), "b": (H,)}
    rnn = {name: rng.normal(0, 0.5, shape) for name, shape in shapes.items()}
    return {"rnn": rnn, "x": rng.normal(0, 0.5, (T, B, D)), "h0": rng.normal(0, 0.5, (B, H))}


def rnn_loss(params, recurrence=True):
    """The loss reads every hidden state and the last; without `recurrence` backward forgets the path through Wh."""
    rng = np.random.default_rng(1)
    read_h, read_hT = rng.normal(size=(T, B, H)), rng.normal(size=(B, H))
    h, hT, (rnn, *rest) = rnn_forward(params["rnn"], params["x"], params["h0"])
    if not recurrence:
        rnn = rnn | {"Wh": np.zeros((H, H))}
    dx, dh0, grads = rnn_backward(read_h, (rnn, *rest), read_hT)
    return np.sum(h * read_h) + np.sum(hT * read_hT), {"rnn": grads, "x": dx, "h0": dh0}


def broken(change):
    """Return rnn_loss with `change` applied to its gradients."""

    def f(params):
        loss, grads = rnn_loss(params)
        change(grads)
        return loss, grads

    return f


def test_numerical_gradient_by_hand():
    array = np.array([[1.0, -2], [0.5, 3]])
    gradient = numerical_gradient(lambda: np.sum(array**3), array)
    np.testing.assert_allclose(gradient, [[3, 12], [0.75, 27]], rtol=1e-9)


def test_numerical_gradient_of_a_cubic_is_off_by_the_square_of_the_step():
    array = np.array([1.0])
    assert numerical_gradient(lambda: array[0] ** 3, array, step=0.1) == pytest.approx(3 + 0.1**2)


@pytest.mark.parametrize("shape", [(), (50,), (3, 1, 20)])
def test_numerical_gradient_has_the_shape_of_the_array_and_restores_it_exactly(shape):
    array = np.random.default_rng(0).normal(0, 1e-7, shape)
    before = array.copy()
    gradient = numerical_gradient(lambda: np.sum(np.sin(array)), array)
    assert gradient.shape == shape and gradient.dtype == np.float64
    assert np.array_equal(array, before)


def test_numerical_gradient_restores_the_array_when_the_loss_fails():
    array = np.ones(2)
    with pytest.raises(ZeroDivisionError):
        numerical_gradient(lambda: 1 // 0, array)
    assert np.all(array == 1)


@pytest.mark.parametrize("dtype", [np.float32, np.int64])
def test_anything_but_float64_is_refused(dtype):
    array = np.ones(2, dtype)
    with pytest.raises(ValueError, match=f"needs float64, not {np.dtype(dtype)}"):
        numerical_gradient(lambda: array.sum(), array)
    with pytest.raises(ValueError, match=f"needs float64, not {np.dtype(dtype)}"):
        check_gradients(lambda params: (array.sum(), {"w": np.ones(2)}), {"w": array})


def test_a_correct_gradient_passes_and_the_report_lists_every_array():
    params = arrays()
    report = check_gradients(rnn_loss, params)
    assert [row[0] for row in report.rows] == ["rnn.Wx", "rnn.Wh", "rnn.b", "x", "h0"]
    assert 0 < report.worst == max(row[2] for row in report.rows) <= 1e-8
    lines = str(report).splitlines()
    assert lines[0].split() == ["parameter", "shape", "relative", "error"]
    assert len(lines) == 6 and all(line.endswith("ok") for line in lines[1:])
    assert lines[1].startswith("rnn.Wx") and "(3, 3)" in lines[1]


def test_the_check_restores_every_array_exactly():
    params, before = arrays(), arrays()
    check_gradients(rnn_loss, params)
    assert all(np.array_equal(params["rnn"][name], before["rnn"][name]) for name in before["rnn"])
    assert np.array_equal(params["x"], before["x"]) and np.array_equal(params["h0"], before["h0"])


@pytest.mark.parametrize("name", ["Wx", "Wh", "b"])
def test_a_flipped_sign_is_caught(name):
    def flip(grads):
        grads["rnn"][name] *= -1

    with pytest.raises(
        GradientMismatch, match=rf"drnn\.{name}\[.*relative error 2\.0e\+00, allowed 1e-07"
    ):
        check_gradients(broken(flip), arrays())


@pytest.mark.parametrize("index", list(np.ndindex(H, H)))
def test_one_element_off_by_one_part_in_ten_thousand_is_caught_and_named(index):
    def scale(grads):
        grads["rnn"]["Wh"][index] *= 1 + 1e-4

    i, j = index
    with pytest.raises(
        GradientMismatch, match=rf"drnn\.Wh\[{i}, {j}\] is .* but nudging rnn\.Wh\[{i}, {j}\] says"
    ):
        check_gradients(broken(scale), arrays())


def test_the_message_states_both_numbers_and_shows_the_table():
    def f(params):
        return 3 * params["w"][1] + params["w"].sum(), {"w": np.array([1.0, 2.0])}

    with pytest.raises(GradientMismatch) as failure:
        check_gradients(f, {"w": np.ones(2)})
    assert str(failure.value).startswith(
        "dw[1] is 2, but nudging w[1] says 4 (relative error 5.0e-01, allowed 1e-07)"
    )
    assert "WRONG" in str(failure.value)


def test_the_worst_array_is_the_one_named():
    def scale(grads):
        grads["x"] *= 1.01
        grads["h0"] *= 1.1

    with pytest.raises(GradientMismatch, match=r"dh0\["):
        check_gradients(broken(scale), arrays())


def test_a_dropped_recurrent_path_is_caught():
    with pytest.raises(GradientMismatch, match=r"d(rnn\.Wx|rnn\.Wh|rnn\.b|h0)\["):
        check_gradients(lambda params: rnn_loss(params, recurrence=False), arrays())


@pytest.mark.filterwarnings("ignore:invalid value")
@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_gradient_that_is_not_finite_is_caught(value):
    def spoil(grads):
        grads["rnn"]["b"][1] = value

    with pytest.raises(GradientMismatch, match=rf"drnn\.b\[1\] is {value}"):
        check_gradients(broken(spoil), arrays())


def test_a_loss_that_is_not_finite_is_caught():
    with pytest.raises(GradientMismatch, match=r"nudging w\[0\] says nan"):
        check_gradients(lambda params: (np.nan, {"w": np.ones(1)}), {"w": np.ones(1)})


def test_a_missing_and_a_surplus_gradient_are_caught():
    with pytest.raises(GradientMismatch, match="only one side has h0$"):
        check_gradients(broken(lambda grads: grads.pop("h0")), arrays())
    with pytest.raises(GradientMismatch, match="only one side has c0$"):
        check_gradients(broken(lambda grads: grads.update(c0=np.ones(1))), arrays())


@pytest.mark.parametrize("shape", [(1, H), (1,), (), (H, 1)])
def test_a_wrong_shape_is_caught_even_where_it_would_broadcast(shape):
    def reshape(grads):
        grads["rnn"]["b"] = np.ones(shape)

    with pytest.raises(GradientMismatch, match=r"drnn\.b has shape \(.*\), rnn\.b has \(3,\)"):
        check_gradients(broken(reshape), arrays())


def test_a_loss_that_ignores_an_array_proves_nothing():
    def f(params):
        return np.sum(params["w"]), {"w": np.ones(2), "unused": np.zeros(3)}

    with pytest.raises(GradientMismatch, match="the loss does not depend on unused"):
        check_gradients(f, {"w": np.ones(2), "unused": np.ones(3)})


def test_a_gradient_claimed_for_an_ignored_array_is_caught():
    with pytest.raises(GradientMismatch, match=r"dw\[0\] is 1, but nudging w\[0\] says 0"):
        check_gradients(lambda params: (1.0, {"w": np.ones(1)}), {"w": np.ones(1)})


def test_without_raising_the_report_says_which_array_is_wrong():
    def flip(grads):
        grads["x"] *= -1

    report = check_gradients(broken(flip), arrays(), raise_on_mismatch=False)
    verdicts = {line.split()[0]: line.split()[-1] for line in str(report).splitlines()[1:]}
    assert verdicts == {"rnn.Wx": "ok", "rnn.Wh": "ok", "rnn.b": "ok", "x": "WRONG", "h0": "ok"}
    assert report.worst == pytest.approx(2)


def test_the_tolerance_and_the_step_are_the_callers():
    def scale(grads):
        grads["x"] *= 1 + 1e-4

    check_gradients(broken(scale), arrays(), tolerance=1e-3)
    with pytest.raises(GradientMismatch):
        check_gradients(rnn_loss, arrays(), step=0.1)


def test_an_error_is_relative_to_the_largest_gradient_of_its_array():
    def f(params):
        w = params["w"]
        return 100 * w[0] + w[1], {"w": np.array([100.0, 1.5])}

    report = check_gradients(f, {"w": np.ones(2)}, raise_on_mismatch=False)
    assert report.worst == pytest.approx(0.005)
    assert report.rows[0][3] == (1,)


@pytest.mark.parametrize("rows, wrong", [([0, 2], None), ([0], (2, 0)), ([0, 1], (2, 0))])
def test_the_rows_of_a_sparse_gradient_are_checked_and_so_are_those_it_does_not_have(rows, wrong):
    def f(params):
        values = np.array([[1.0, 2], [3, 4], [30, 4]])
        read = values * [[1], [0], [1]]
        return np.sum(params["w"] * read), {"w": SparseRows(np.array(rows), read[rows], (3, 2))}

    report = check_gradients(f, {"w": np.ones((3, 2))}, raise_on_mismatch=False)
    assert (report.worst > 0.5) == (wrong is not None)
    assert wrong is None or report.rows[0][3] == wrong


def test_a_sparse_gradient_of_another_shape_is_caught():
    def f(params):
        return params["w"].sum(), {"w": SparseRows(np.arange(3), np.ones((3, 2)), (4, 2))}

    with pytest.raises(GradientMismatch, match=r"dw has shape \(4, 2\), w has \(3, 2\)"):
        check_gradients(f, {"w": np.ones((3, 2))})


def test_a_parameter_that_is_a_single_number_is_checked():
    def f(params):
        return params["w"] ** 3 + params["v"][0], {"w": 3 * params["w"] ** 2, "v": np.ones(1)}

    report = check_gradients(f, {"w": np.array(2.0), "v": np.ones(1)})
    assert report.rows[0][:2] == ("w", ()) and report.worst < 1e-8
    with pytest.raises(GradientMismatch, match=r"dw\[\] is 8, but nudging w\[\] says 12"):
        check_gradients(
            lambda p: (f(p)[0], {"w": 4 * p["w"], "v": np.ones(1)}),
            {"w": np.array(2.0), "v": np.ones(1)},
        )


@pytest.mark.filterwarnings("ignore:invalid value")
def test_a_single_gradient_that_is_not_finite_is_caught():
    with pytest.raises(GradientMismatch, match=r"dw\[\] is nan"):
        check_gradients(lambda p: (p["w"] * 2, {"w": np.nan}), {"w": np.array(2.0)})


@pytest.mark.parametrize(
    "number, message",
    [
        (2.0, "w is a float, which cannot be changed in place"),
        (np.float64(2), "w is a float64, which cannot be changed in place"),
        ([2.0], "w is a list"),
        (np.broadcast_to(2.0, 2), "w is a read-only array"),
    ],
)
def test_what_cannot_be_nudged_is_refused(number, message):
    with pytest.raises(ValueError, match=message):
        check_gradients(lambda params: (1.0, {"w": np.array(1.0)}), {"w": number})
    with pytest.raises(ValueError, match=message.replace("w is", "what is nudged is")):
        numerical_gradient(lambda: 1.0, number)


def test_two_parameters_that_share_memory_prove_nothing():
    def f(params):
        return params["a"].sum() + 2 * params["b"].sum(), {"a": np.ones(3), "b": np.full(2, 2.0)}

    w = np.ones(3)
    with pytest.raises(ValueError, match="a and b share memory"):
        check_gradients(f, {"a": w, "b": w[1:]})
    check_gradients(f, {"a": w, "b": np.ones(2)})


def test_a_check_of_nothing_is_refused():
    with pytest.raises(ValueError, match="there are no parameters to check"):
        check_gradients(lambda params: (1.0, {}), {})
    with pytest.raises(GradientMismatch, match="the loss does not depend on w"):
        check_gradients(lambda params: (1.0, {"w": np.zeros(0)}), {"w": np.zeros(0)})
