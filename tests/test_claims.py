import pytest

from common.lesson.claims import outcome_checker


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
