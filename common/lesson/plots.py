"""The figures that several lessons draw, in one style."""

import matplotlib.pyplot as plt
import numpy as np

INK, BLUE, ORANGE, GREEN, RED, GREY = (
    "#222222",
    "#2b6cb0",
    "#dd7a1f",
    "#2f855a",
    "#c53030",
    "#9aa5b1",
)
# What a reader's text may hold is drawn as it stands: "$x$" is no formula.
AS_IT_STANDS = {"parse_math": False}


def use_style():
    """Set the look of every figure: 100 dpi, light grid, no box."""
    plt.rcParams.update(
        {
            "figure.dpi": 100,
            "figure.constrained_layout.use": True,
            "axes.prop_cycle": plt.cycler(color=[BLUE, ORANGE, GREEN, RED, "#6b46c1", GREY]),
            "axes.spines.top": False,
            "axes.spines.right": False,
            "axes.grid": True,
            "axes.axisbelow": True,
            "axes.titlesize": 11,
            "grid.color": "#e5e9ee",
            "font.size": 10,
            "legend.frameon": False,
        }
    )


def plot_training(ax, history, baselines, unit="bits per character"):
    """Draw training and validation loss in bits against the step, and a level line for each baseline.

    history    of common.training.train, losses in nats per token
    baselines  {label: bits per token}
    """
    loss = np.array(history["loss"]) / np.log(2)
    window = max(1, len(loss) // 60)
    smooth = np.convolve(loss, np.ones(window) / window, mode="valid")
    ax.plot(
        np.arange(window, len(loss) + 1),
        smooth,
        color=GREY,
        label=f"training (mean of {window} steps)",
    )
    validation = np.array(history["evaluated_loss"]) / np.log(2)
    ax.plot(history["evaluated_step"], validation, "o-", color=BLUE, label="validation")
    for label, bits in baselines.items():
        ax.axhline(bits, color=ORANGE, linewidth=1, linestyle="--")
        where = {"xycoords": ("axes fraction", "data"), "ha": "left", "va": "center"}
        ax.annotate(label, (1.01, bits), color=ORANGE, **where)
    ax.set(xlabel="training step", ylabel=unit)
    ax.legend(loc="upper center")


def plot_weights(ax, weights, source, target, gold=None, title=""):
    """Draw attention weights (T, S) from 0 to 1: a row for each target token, a column for each source token.

    source, target  S and T tokens, drawn as they stand; a line end and a space are made visible
    gold            for each target token the source positions that it translates, outlined

    Raises ValueError for weights of another shape.
    """
    source, target = visible(source), visible(target)
    if np.shape(weights) != (len(target), len(source)):
        raise ValueError(
            f"weights of shape {np.shape(weights)} do not fit {len(target)} target and {len(source)} source tokens"
        )
    ax.imshow(weights, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for i, positions in enumerate(gold or []):
        for j in positions:
            cell = {"fill": False, "edgecolor": ORANGE, "linewidth": 1.8}
            ax.add_patch(plt.Rectangle((j - 0.5, i - 0.5), 1, 1, **cell))
    turned = {"rotation": 60, "ha": "right", "rotation_mode": "anchor"}
    ax.set_xticks(range(len(source)), source, **turned, **AS_IT_STANDS)
    ax.set_yticks(range(len(target)), target, **AS_IT_STANDS)
    ax.set(xlabel="source", ylabel="target")
    ax.set_title(title, **AS_IT_STANDS)
    ax.grid(False)


def visible(tokens):
    """Return the list of tokens with a sign for a line end and for a space."""
    return [{"\n": "\u21b5", " ": "\u2423"}.get(token, token) for token in tokens]
