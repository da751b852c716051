"""The training loop: five lines that learn, and around them what a person wants to see and to keep."""

import math
import sys

import numpy as np
from tqdm import tqdm

from common.optimizers import NonFiniteGradient, clip_by_global_norm
from common.params import assign_params, copy_params


class TrainingDiverged(ValueError):
    """The loss or its gradient stopped being a finite number."""


def train(
    params,
    loss_and_grads,
    batches,
    optimizer,
    steps,
    max_norm=1.0,
    schedule=None,
    evaluate=None,
    evaluate_every=250,
    stop_below=None,
    progress=True,
):
    """Train `params` in place for at most `steps` updates, keep the best, and return the history.

    loss_and_grads(params, *batch, state=state) -> loss, grads, state
    batches()         a fresh iterable of batches such as (inputs, targets), once through the data; at its start the
                      state is None
    optimizer         has .update(params, grads)
    max_norm          of the gradients, all together, after clipping
    schedule(step)    the learning rate of update `step`, from 1 on; if not given, the optimizer's stays as it is
    evaluate(params)  the loss that says which parameters are best; if not given, the mean training loss since the
                      last evaluation. Taken every `evaluate_every` steps and after the last one
    stop_below        an evaluated loss below this ends the training early
    progress          whether to show a progress bar

    Returns a dictionary of lists: "loss" (nats per token) and "norm" (before clipping) of every step,
    "evaluated_step" and "evaluated_loss"; and "best_step".

    However training ends, by its last step, an interrupt or an error, `params` then hold the best values evaluated
    so far. Raises TrainingDiverged for a NaN or infinite loss or gradient, and says at which step; and ValueError for
    evaluate_every below 1.
    """
    if evaluate_every < 1:
        raise ValueError(f"evaluate_every is {evaluate_every}; it must be at least 1")
    history = {"loss": [], "norm": [], "evaluated_step": [], "evaluated_loss": [], "best_step": 0}
    best_loss, best_params = math.inf, copy_params(params)
    epoch, state = iter(()), None
    bar = tqdm(
        range(1, steps + 1), file=sys.stdout, mininterval=0.5, ncols=90, disable=not progress
    )
    try:
        for step in bar:
            batch = next(epoch, None)
            if batch is None:
                epoch, state = iter(batches()), None
                batch = next(epoch, None)
            if batch is None:
                raise ValueError("batches() gave an iterator without a single batch")

            loss, grads, state = loss_and_grads(params, *batch, state=state)
            if not math.isfinite(loss):
                raise TrainingDiverged(f"the loss is {loss}")
            norm = clip_by_global_norm(grads, max_norm)
            if schedule is not None:
                optimizer.learning_rate = schedule(step)
            optimizer.update(params, grads)

            history["loss"].append(loss)
            history["norm"].append(norm)
            if step % evaluate_every == 0 or step == steps:
                last_step = max(history["evaluated_step"], default=0)
                evaluated = evaluate(params) if evaluate else np.mean(history["loss"][last_step:])
                if not math.isfinite(evaluated):
                    raise TrainingDiverged(f"the evaluated loss is {evaluated}")
                history["evaluated_step"].append(step)
                history["evaluated_loss"].append(float(evaluated))
                if evaluated < best_loss:
                    best_loss, best_params, history["best_step"] = (
                        evaluated,
                        copy_params(params),
                        step,
                    )
                bar.set_description(
                    f"evaluated {evaluated:.3f}, best {best_loss:.3f}", refresh=False
                )
                if stop_below is not None and evaluated < stop_below:
                    break
            bar.set_postfix_str(f"loss {loss:.3f}", refresh=False)
    except (TrainingDiverged, NonFiniteGradient) as error:
        assign_params(params, best_params)
        raise TrainingDiverged(
            f"training stopped at step {step}: {error}. The parameters are back at those of step "
            f"{history['best_step']}, the best evaluated; a lower learning_rate or max_norm usually helps"
        ) from error
    finally:
        bar.close()
        if history["best_step"]:
            assign_params(params, best_params)
    return history
