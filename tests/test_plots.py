import warnings

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt  # noqa: E402
import numpy as np  # noqa: E402
import pytest  # noqa: E402

from common.lesson import plots  # noqa: E402

AWKWARD = ["$$", "$x$", r"$\frac{", r"\$a$ b$", "_^{", "%", "&", "", "the"]


@pytest.fixture
def ax():
    plots.use_style()
    fig, ax = plt.subplots()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield ax
    plt.close(fig)


def drawn(ax):
    """Draw the figure and return the texts that are now in it, with whether matplotlib looks for formulas in them."""
    ax.figure.canvas.draw()
    texts = [*ax.texts, *ax.get_xticklabels(), *ax.get_yticklabels()]
    return [(text.get_text(), text.get_parse_math()) for text in texts]


def test_tokens_in_a_heatmap_are_drawn_as_they_stand(ax):
    T, S = 3, len(AWKWARD)
    plots.plot_weights(ax, np.full((T, S), 1 / S), AWKWARD, ["$$", "a$b$", " "], title="$$ $y$")
    expected = [(label, False) for label in [*AWKWARD, "$$", "a$b$", "␣"]]
    assert drawn(ax) == expected
    assert ax.get_title() == "$$ $y$" and not ax.title.get_parse_math()


def test_a_heatmap_has_a_row_for_each_target_token_and_outlines_gold(ax):
    weights = np.array([[0.9, 0.1, 0], [0, 0.2, 0.8]])
    plots.plot_weights(ax, weights, iter("ab\n"), iter("xy"), [(0,), (1, 2)])
    assert [label for label, _ in drawn(ax)] == ["a", "b", "↵", "x", "y"]
    assert ax.get_xticks().tolist() == [0, 1, 2] and ax.get_yticks().tolist() == [0, 1]
    assert np.array_equal(ax.images[0].get_array(), weights)
    assert ax.images[0].get_clim() == (0, 1)
    corners = [(box.get_x(), box.get_y()) for box in ax.patches]
    assert corners == [(-0.5, -0.5), (0.5, 0.5), (1.5, 0.5)]


def test_weights_of_another_shape_are_refused(ax):
    with pytest.raises(ValueError, match=r"shape \(2, 3\) do not fit 3 target and 2 source tokens"):
        plots.plot_weights(ax, np.ones((2, 3)), "ab", "xyz")


def test_training_is_drawn_in_bits_beside_the_baselines(ax):
    loss = np.log(2) * np.linspace(4, 2, 120)
    history = {
        "loss": loss,
        "evaluated_loss": np.log(2) * np.array([3, 2]),
        "evaluated_step": [60, 120],
    }
    plots.plot_training(ax, history, {"bigram": 2.5})
    training, validation, baseline = (line.get_xydata() for line in ax.lines)
    assert training[[0, -1], 0].tolist() == [2, 120]
    assert training[[0, -1], 1] == pytest.approx([4 - 1 / 119, 2 + 1 / 119])
    assert validation[:, 1] == pytest.approx([3, 2])
    assert baseline[:, 1].tolist() == [2.5, 2.5]
    assert ("bigram", True) in drawn(ax)
