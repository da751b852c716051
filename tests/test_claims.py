import ast
import subprocess
import sys

import numpy as np
import pytest

from common.lesson.claims import outcome_checker
from tests.execute import ROOT


def test_a_claim_must_hold_for_the_default_parameters(capsys):
    check_outcome = outcome_checker({"steps": 10}, {"steps": 10, "seed": 3})
    check_outcome(True, "it learns")
    assert capsys.readouterr().out == "holds: it learns\n"
    with pytest.raises(AssertionError, match="it learns"):
        check_outcome(False, "it learns")


def test_a_claim_steps_aside_visibly_for_other_parameters(capsys):
    check_outcome = outcome_checker({"steps": 10, "rate": 1.0}, {"steps": 20, "rate": 1.0})
    check_outcome(False, "it learns")
    assert (
        capsys.readouterr().out
        == "does not hold (not required, since you changed steps): it learns\n"
    )


def test_a_false_claim_is_an_error_without_assertions_too():
    code = (
        "from common.lesson.claims import outcome_checker\n"
        "outcome_checker({}, {})(False, 'it learns')\n"
    )
    ended = subprocess.run(
        [sys.executable, "-O", "-c", code], cwd=ROOT, capture_output=True, text=True
    )
    assert (
        ended.returncode == 1 and "AssertionError" in ended.stderr and "it learns" in ended.stderr
    )
    assert "holds" not in ended.stdout


def test_no_check_in_common_is_an_assertion():
    for path in (ROOT / "common").rglob("*.py"):
        kept = [
            node.lineno
            for node in ast.walk(ast.parse(path.read_text()))
            if isinstance(node, ast.Assert)
        ]
        assert not kept, f"{path.name}, lines {kept}: python -O would leave these checks out"


@pytest.mark.parametrize("changed", [False, True])
@pytest.mark.parametrize(
    "holds", [[], [False], (x > 1 for x in [0]), np.array([True, True]), 1, None, "no"]
)
def test_a_claim_is_true_or_false(holds, changed):
    with pytest.raises(ValueError, match="a claim holds or does not: give True or False"):
        outcome_checker({"steps": 1}, {"steps": 2 if changed else 1})(holds, "it learns")


def test_a_claim_may_be_numpy_s(capsys):
    check_outcome = outcome_checker({}, {})
    check_outcome(np.float64(2) > 1, "it learns")
    assert capsys.readouterr().out == "holds: it learns\n"
    with pytest.raises(AssertionError, match="it learns"):
        check_outcome(np.float64(2) > 3, "it learns")
