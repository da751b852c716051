"""The book's ratios to PyTorch, measured anew. A busy machine may halve a ratio; a slow loop would do worse."""

import re

import pytest

from tests import benchmark
from tests.execute import ROOT

PROOFS = (ROOT / "book" / "proofs.md").read_text(encoding="utf-8")
STATED = re.findall(
    r"^\| ([\w-]+) " + r"\| (\d+) " * 5 + r"\| ([\d.]+) \| [\d.]+ \|$", PROOFS, re.M
)


def test_the_book_states_every_row_of_the_benchmark():
    assert [(model, *map(int, sizes)) for model, *sizes, _ in STATED] == benchmark.ROWS


@pytest.mark.parametrize("model, V, E, H, B, T, ratio", STATED)
def test_a_step_keeps_up_with_pytorch_as_the_book_says(monkeypatch, model, V, E, H, B, T, ratio):
    pytest.importorskip("torch")
    monkeypatch.setattr(benchmark, "SECONDS_PER_ROW", 2)
    _, _, measured, floor = benchmark.compare(model, *map(int, (V, E, H, B, T)))
    assert measured > float(ratio) / 2
    assert 0 < floor < 1.2  # a floor is less than the whole, or almost all of it
