"""Claims about the outcome of a training hold for a lesson's own parameters and step aside for a reader's."""

import numpy as np


def outcome_checker(defaults, current):
    """Return check_outcome(holds, claim).

    defaults  {name: value} of the parameters the claims were made for
    current   a dictionary, such as globals(), in which those names have their present values

    With every parameter at its default, check_outcome raises AssertionError where a claim does not hold, under
    python -O as well. As soon as one differs, it only says whether the claim happens to hold, and which parameters
    were changed. Raises ValueError where `holds` is not True or False: of a generator, it would always hold.
    """
    changed = [name for name, value in defaults.items() if current[name] != value]

    def check_outcome(holds, claim):
        if not isinstance(holds, bool | np.bool_):
            raise ValueError(f"a claim holds or does not: give True or False, not {holds!r}")
        if changed:
            verdict = "holds" if holds else "does not hold"
            print(f"{verdict} (not required, since you changed {', '.join(changed)}): {claim}")
        elif not holds:
            raise AssertionError(
                f"this should hold for the parameters as given, and does not: {claim}"
            )
        else:
            print(f"holds: {claim}")

    return check_outcome
