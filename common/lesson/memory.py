"""How far back a trained language model remembers, measured by what it loses without the past."""

import numpy as np

from common.losses import log_softmax
from common.models.language_model import logits_of


def bits_lost(forward, params, ids, rng, past=48, ahead=48, places=800):
    """Return (ahead,) bits per token: the price of knowing only the last k = 1, 2, ... `ahead` tokens.

    At `places` random places of `ids` (N,), the model reads `past` tokens and then goes on. Two copies of it go on from
    other states: one from a false past, that of the place drawn before, one from no past, a zero state. After k further
    tokens, all three have read the same last k. The result is how many more bits the copies pay for the next token than
    the model with the true past does, for each k the one that pays more.

    forward  of the cell in common.recurrent whose parameters, with an output layer, `params` are
    Raises ValueError for a text of less than past + ahead + 1 tokens.
    """
    if len(ids) < past + ahead + 1:
        raise ValueError(
            f"the text has {len(ids)} tokens; reading {past} and then {ahead} more needs {past + ahead + 1} "
            "or more: give a longer text, or lower past or ahead"
        )
    starts = rng.integers(0, len(ids) - past - ahead, places)
    read = np.stack([ids[start : start + past + ahead + 1] for start in starts], axis=1)

    def bits(state):
        logits, _ = logits_of(forward, params, read[past:-1], state)
        log_p = np.take_along_axis(log_softmax(logits), read[past + 1 :, :, None], axis=-1)
        return -log_p[..., 0].mean(axis=1) / np.log(2)

    _, true = logits_of(forward, params, read[:past])
    _, false = logits_of(forward, params, np.roll(read[:past], 1, axis=1))
    return np.maximum(bits(false), bits(None)) - bits(true)


def reach(lost, threshold=0.02):
    """Return the smallest k from which on less than `threshold` bits are lost; len(lost) + 1 if there is none."""
    return int(np.flatnonzero(np.asarray(lost) >= threshold).max(initial=-1)) + 2
