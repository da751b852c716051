import math

import numpy as np
import pytest

from common.layers import init_linear, linear_backward, linear_forward
from common.losses import softmax_cross_entropy
from common.optimizers import SGD, Adam
from common.params import copy_params
from common.recurrent import init_rnn, rnn_backward, rnn_forward
from common.training import TrainingDiverged, train


def quadratic(params, inputs, targets, state):
    """The loss is the squared distance of w to the target; the state counts batches."""
    distance = params["w"] - targets
    return float(np.sum(distance**2)), {"w": 2 * distance}, (state or 0) + 1


def batches(targets=(0.0, 0.0, 0.0)):
    return lambda: iter([(None, target) for target in targets])


def scripted(losses, seen=None):
    """An evaluation that returns these losses one after another, and notes the parameters it was shown."""
    losses = iter(losses)

    def evaluate(params):
        if seen is not None:
            seen.append(copy_params(params))
        return next(losses)

    return evaluate


def failing_at(step, failure):
    """quadratic, until `failure(loss, grads)` takes over at the given call."""
    calls = 0

    def loss_and_grads(params, inputs, targets, state):
        nonlocal calls
        calls += 1
        loss, grads, state = quadratic(params, inputs, targets, state)
        return (*failure(loss, grads), state) if calls == step else (loss, grads, state)

    return loss_and_grads


def interrupt(loss, grads):
    raise KeyboardInterrupt


FAILURES = {
    "NaN loss": (lambda loss, grads: (math.nan, grads), "the loss is nan"),
    "infinite loss": (lambda loss, grads: (math.inf, grads), "the loss is inf"),
    "NaN gradient": (
        lambda loss, grads: (loss, {"w": grads["w"] * math.nan}),
        "the gradient of w is not finite",
    ),
    "infinite gradient": (
        lambda loss, grads: (loss, {"w": grads["w"] + math.inf}),
        "the gradient of w is not finite",
    ),
}


def test_training_walks_to_the_minimum_in_place():
    w = np.array([4.0, -2.0])
    history = train({"w": w}, quadratic, batches([1.0]), SGD(0.1), steps=60, max_norm=100)
    assert w == pytest.approx([1, 1], abs=1e-4)
    assert history["loss"][0] == 18 and history["loss"][-1] < 1e-6


def test_a_network_learns_a_cycle_of_four_letters():
    rng = np.random.default_rng(0)
    params = {"rnn": init_rnn(rng, 4, 8), "out": init_linear(rng, 8, 4)}
    ids = (np.arange(9)[:, None] + np.arange(4)) % 4

    def loss_and_grads(params, inputs, targets, state):
        h, state, rnn_cache = rnn_forward(params["rnn"], inputs, state)
        logits, out_cache = linear_forward(params["out"], h)
        loss, dlogits = softmax_cross_entropy(logits, targets)
        dh, out_grads = linear_backward(dlogits, out_cache)
        _, _, rnn_grads = rnn_backward(dh, rnn_cache)
        return loss, {"rnn": rnn_grads, "out": out_grads}, state

    halves = [(ids[:4], ids[1:5]), (ids[4:8], ids[5:9])]
    history = train(params, loss_and_grads, lambda: iter(halves), Adam(0.03), steps=100)
    assert history["loss"][0] > 1
    assert history["loss"][-1] < 0.05
    assert params["rnn"]["Wx"].dtype == np.float32


def test_history_has_every_step_and_every_evaluation():
    history = train(
        {"w": np.ones(1)},
        quadratic,
        batches(),
        SGD(0.1),
        5,
        evaluate=scripted([3.0, 2.0, 4.0]),
        evaluate_every=2,
    )
    assert set(history) == {"loss", "norm", "evaluated_step", "evaluated_loss", "best_step"}
    assert len(history["loss"]) == len(history["norm"]) == 5
    assert history["evaluated_step"] == [2, 4, 5]
    assert history["evaluated_loss"] == [3, 2, 4]
    assert history["best_step"] == 4


def test_a_last_step_that_is_due_is_evaluated_once():
    history = train({"w": np.ones(1)}, quadratic, batches(), SGD(0.1), 4, evaluate_every=2)
    assert history["evaluated_step"] == [2, 4]


def test_gradients_are_clipped_before_the_update_and_the_norm_noted_is_the_one_before():
    w = np.array([3.0, -4.0])
    history = train({"w": w}, quadratic, batches(), SGD(1.0), steps=1, max_norm=0.5)
    assert history["norm"] == [10]
    assert w == pytest.approx([2.7, -3.6])


def test_a_schedule_sets_the_learning_rate_of_each_update():
    params = {"w": np.array([1.0])}
    train(
        params,
        quadratic,
        batches(),
        SGD(9.9),
        3,
        schedule=lambda step: step / 10,
        max_norm=100,
        progress=False,
    )
    assert params["w"] == pytest.approx([0.8 * 0.6 * 0.4])  # w <- w - rate * 2 w


def test_without_evaluate_the_mean_training_loss_since_the_last_evaluation_counts():
    history = train({"w": np.ones(1)}, quadratic, batches(), SGD(0.1), steps=4, evaluate_every=2)
    loss = history["loss"]
    assert history["evaluated_loss"] == pytest.approx(
        [(loss[0] + loss[1]) / 2, (loss[2] + loss[3]) / 2]
    )


def test_the_last_mean_does_not_reach_back_before_the_evaluation_before():
    history = train({"w": np.ones(1)}, quadratic, batches(), SGD(0.1), steps=5, evaluate_every=3)
    assert history["evaluated_step"] == [3, 5]
    assert history["evaluated_loss"][1] == pytest.approx(np.mean(history["loss"][3:5]))


def test_the_best_parameters_are_kept_not_the_last():
    params, seen = {"layer": {"w": np.ones(2)}}, []
    array = params["layer"]["w"]

    def loss_and_grads(params, inputs, targets, state):
        loss, grads, state = quadratic(params["layer"], inputs, targets, state)
        return loss, {"layer": grads}, state

    evaluate = scripted([3.0, 1.0, 2.0, 1.0], seen)
    history = train(
        params, loss_and_grads, batches(), SGD(0.1), 8, evaluate=evaluate, evaluate_every=2
    )
    assert history["best_step"] == 4
    assert params["layer"]["w"] is array
    assert np.array_equal(array, seen[1]["layer"]["w"])
    assert not np.array_equal(array, seen[3]["layer"]["w"])


def test_evaluation_sees_the_parameters_after_the_update():
    seen = []
    train(
        {"w": np.ones(1)},
        quadratic,
        batches(),
        SGD(0.25),
        1,
        max_norm=9,
        evaluate=scripted([1.0], seen),
    )
    assert seen[0]["w"] == pytest.approx([0.5])


@pytest.mark.parametrize("stop_below, steps_taken", [(2.5, 4), (2.0, 6), (0.1, 8), (None, 8)])
def test_training_stops_after_the_first_evaluation_below_the_limit(stop_below, steps_taken):
    evaluate = scripted([3.0, 2.0, 1.0, 0.5])
    history = train(
        {"w": np.ones(1)},
        quadratic,
        batches(),
        SGD(0.1),
        8,
        evaluate=evaluate,
        evaluate_every=2,
        stop_below=stop_below,
    )
    assert len(history["loss"]) == steps_taken == history["best_step"]


@pytest.mark.parametrize("failure, reason", FAILURES.values(), ids=FAILURES)
def test_divergence_before_any_evaluation_goes_back_to_the_start(failure, reason):
    params = {"w": np.array([4.0])}
    with pytest.raises(
        TrainingDiverged, match=f"stopped at step 3: {reason}.*those of step 0, the best evaluated"
    ):
        train(params, failing_at(3, failure), batches(), SGD(0.1), 5)
    assert params["w"] == [4]


@pytest.mark.parametrize("failure, reason", FAILURES.values(), ids=FAILURES)
def test_divergence_goes_back_to_the_best_evaluated(failure, reason):
    params, seen = {"w": np.array([4.0])}, []
    with pytest.raises(
        TrainingDiverged, match=f"stopped at step 4: {reason}.*those of step 2, the best evaluated"
    ):
        train(
            params,
            failing_at(4, failure),
            batches(),
            SGD(0.1),
            9,
            evaluate=scripted([3.0, 1.0, 2.0], seen),
            evaluate_every=1,
        )
    assert params["w"] == seen[1]["w"] != seen[2]["w"]


def test_an_interrupt_keeps_the_best_and_goes_through():
    params, seen = {"w": np.array([4.0])}, []
    evaluate = scripted([3.0, 1.0, 2.0], seen)
    with pytest.raises(KeyboardInterrupt):
        train(
            params,
            failing_at(4, interrupt),
            batches(),
            SGD(0.1),
            9,
            evaluate=evaluate,
            evaluate_every=1,
        )
    assert params["w"] == seen[1]["w"] != seen[2]["w"]


def test_state_is_none_when_an_epoch_starts_and_carried_within_it():
    given, targets_seen = [], []

    def loss_and_grads(params, inputs, targets, state):
        given.append(state)
        targets_seen.append(targets)
        return quadratic(params, inputs, targets, state)

    train({"w": np.ones(1)}, loss_and_grads, batches([0.0, 1.0, 2.0]), SGD(0.1), steps=7)
    assert given == [None, 1, 2, None, 1, 2, None]
    assert targets_seen == [0, 1, 2, 0, 1, 2, 0]


def test_inputs_and_targets_arrive_as_the_batch_has_them():
    received = []

    def loss_and_grads(params, inputs, targets, state):
        received.append((inputs, targets))
        return 1.0, {"w": np.ones(1)}, None

    train({"w": np.ones(1)}, loss_and_grads, lambda: iter([("in", "out")]), SGD(0.1), steps=1)
    assert received == [("in", "out")]


def test_no_steps_change_nothing():
    params = {"w": np.ones(1)}
    history = train(params, quadratic, batches(), SGD(0.1), steps=0)
    assert history == {
        "loss": [],
        "norm": [],
        "evaluated_step": [],
        "evaluated_loss": [],
        "best_step": 0,
    }
    assert params["w"] == 1


def test_an_iterator_without_batches_is_refused():
    with pytest.raises(ValueError, match="without a single batch"):
        train({"w": np.ones(1)}, quadratic, lambda: iter(()), SGD(0.1), steps=2)


def test_a_nan_evaluation_stops_training():
    with pytest.raises(TrainingDiverged, match="step 1: the evaluated loss is nan"):
        train(
            {"w": np.ones(1)},
            quadratic,
            batches(),
            SGD(0.1),
            steps=2,
            evaluate=lambda _: np.nan,
            evaluate_every=1,
        )


@pytest.mark.parametrize("progress", [True, False])
def test_the_progress_bar_can_be_left_out(progress, capsys):
    train({"w": np.ones(1)}, quadratic, batches(), SGD(0.1), steps=2, progress=progress)
    assert ("2/2" in capsys.readouterr().out) == progress


def test_batches_may_be_a_list_or_a_generator():
    def generator():
        yield from [(None, 0.0), (None, 1.0)]

    losses = [
        train({"w": np.ones(1)}, quadratic, batches, SGD(0.1), steps=5)["loss"]
        for batches in (lambda: [(None, 0.0), (None, 1.0)], generator)
    ]
    assert losses[0] == losses[1]


@pytest.mark.parametrize("every", [0, -1])
def test_evaluating_never_is_refused(every):
    with pytest.raises(ValueError, match=f"evaluate_every is {every}; it must be at least 1"):
        train({"w": np.ones(1)}, quadratic, batches(), SGD(0.1), steps=2, evaluate_every=every)


def test_a_parameter_that_is_a_single_number_is_trained():
    params = {"w": np.array(4.0)}

    def loss_and_grads(params, inputs, targets, state):
        return float(params["w"] ** 2), {"w": np.asarray(2 * params["w"])}, None

    train(params, loss_and_grads, batches(), SGD(0.1), steps=60, max_norm=100)
    assert params["w"] == pytest.approx(0, abs=1e-4)


def test_a_parameter_under_two_names_is_not_trained():
    w = np.array([4.0])

    def loss_and_grads(params, inputs, targets, state):
        return 1.0, {"a": np.ones(1), "b": np.ones(1)}, None

    with pytest.raises(ValueError, match="a and b share memory"):
        train({"a": w, "b": w}, loss_and_grads, batches(), SGD(0.1), steps=3)
    assert w == 4
