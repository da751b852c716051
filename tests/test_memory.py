"""The measure of memory, on cells that remember exactly as much as they are built to."""

import numpy as np
import pytest

from common import recurrent
from common.lesson.memory import bits_lost, reach
from common.losses import log_softmax
from common.models import language_model as lm


def model_of(seed, init, hidden_size=8):
    return lm.init_language_model(np.random.default_rng(seed), init, 4, hidden_size)


def random_text(size=400):
    return np.random.default_rng(5).integers(0, 4, size)


def delay_line(delay, symbols=4):
    """An RNN that hands the symbol of `delay` steps ago, and no other, to the output."""
    H = symbols * (delay + 1)
    Wx, Wh = np.zeros((symbols, H)), np.zeros((H, H))
    Wx[:, :symbols] = 20 * np.eye(symbols)
    Wh[:-symbols, symbols:] = 20 * np.eye(H - symbols)
    W = np.zeros((H, symbols))
    W[-symbols:] = 10 * np.eye(symbols)
    return {
        "cell": {"Wx": Wx, "Wh": Wh, "b": np.zeros(H)},
        "output": {"W": W, "b": np.zeros(symbols)},
    }


@pytest.mark.parametrize("delay", [0, 3, 7])
def test_what_a_delay_line_loses_without_the_past(delay):
    """In a text of period delay + 1 the next symbol is the one of `delay` steps ago."""
    period = np.random.default_rng(0).permutation(np.arange(delay + 1) % 4)
    text = np.tile(period, 100)
    rng = np.random.default_rng(1)
    lost = bits_lost(recurrent.rnn_forward, delay_line(delay), text, rng, past=20, ahead=20)
    assert np.abs(lost[delay:]).max() < 1e-6
    assert (lost[:delay] > 1).all()
    assert reach(lost) == delay + 1


def test_against_a_loop_over_places_in_the_simplest_form():
    params, ids = model_of(0, recurrent.init_gru), random_text()
    lost = bits_lost(
        recurrent.gru_forward, params, ids, np.random.default_rng(2), past=5, ahead=3, places=4
    )
    starts = np.random.default_rng(2).integers(0, len(ids) - 8, 4)

    def bits(history, continuation):
        whole = np.concatenate([history, continuation])
        logits, _ = lm.logits_of(recurrent.gru_forward, params, whole[:-1, None])
        return -log_softmax(logits[-1, 0])[whole[-1]] / np.log(2)

    for k in (1, 2, 3):
        total = {"true": [], "false": [], "none": []}
        for place, start in enumerate(starts):
            past = {"true": start, "false": starts[place - 1]}
            ahead = ids[start + 5 : start + 5 + k + 1]
            for name, where in past.items():
                total[name].append(bits(ids[where : where + 5], ahead))
            total["none"].append(bits(ids[:0], ahead))
        mean = {name: np.mean(values) for name, values in total.items()}
        expected = max(mean["false"], mean["none"]) - mean["true"]
        assert lost[k - 1] == pytest.approx(expected, abs=1e-5)


@pytest.mark.parametrize(
    "init, forward",
    [
        (recurrent.init_rnn, recurrent.rnn_forward),
        (recurrent.init_lstm, recurrent.lstm_forward),
        (recurrent.init_gru, recurrent.gru_forward),
    ],
)
def test_every_cell_and_the_shortest_text(init, forward):
    params, ids = model_of(1, init), random_text(9)
    lost = bits_lost(forward, params, ids, np.random.default_rng(0), past=4, ahead=4, places=3)
    assert lost.shape == (4,) and np.isfinite(lost).all()
    with pytest.raises(ValueError, match="has 8 tokens; .* needs 9 or more"):
        bits_lost(forward, params, ids[:8], np.random.default_rng(0), past=4, ahead=4)


def test_reach_is_the_k_after_the_last_loss():
    assert reach([0.5, 0.1, 0.019, 0.0]) == 3
    assert reach([0.5, 0.0, 0.3, 0.0]) == 4
    assert reach([0.0, 0.0]) == 1
    assert reach([0.5, 0.5]) == 3
    assert reach([0.5, 0.1, 0.0], threshold=0.2) == 2
