"""The settings of a lesson, as a reader or a command line gave them, made sure of before anything is trained."""

import math
from pathlib import Path

from common.data.text import load_corpus
from common.lesson.claims import outcome_checker

RULES = {
    "a whole number, at least 1": lambda value: value >= 1,
    "a whole number, at least 0": lambda value: value >= 0,
    "an even number, at least 2": lambda value: value >= 2 and value % 2 == 0,
    "a number above 0": lambda value: value > 0,
    "a number from 0 up to, but not including, 1": lambda value: 0 <= value < 1,
    "a number": lambda value: True,
    "a text in quotes (on papermill's command line: -r in place of -p)": lambda value: True,
}
USUAL = {
    int: "a whole number, at least 1",
    float: "a number above 0",
    str: "a text in quotes (on papermill's command line: -r in place of -p)",
}
A_FILE = "the path of a file"
SHORTEST_TEXT = (
    500  # characters: with fewer, the experiments of the lessons find nothing to measure
)


def check_parameters(current, defaults, allowed=None):
    """Make every parameter what the lesson needs it to be, in place; return check_outcome (claims.outcome_checker).

    current   globals(), in which the parameters have the values that somebody gave
    defaults  {name: value} that the lesson's claims were made for; a value's type is the parameter's. The seed, for
              which no claim is made, is checked as well
    allowed   {name: rule} where the rule is not the usual one of that type: a key of RULES, or a list of choices;
              the choice A_FILE stands for the path of any file that exists

    papermill guesses types: it makes 1e2 the number 100.0, and so the corpus 1984. What can mean only one thing is
    taken for it: 100.0 is 100, "8" is 8, 1984 is the name "1984", adam is Adam. Raises ValueError that names the
    first parameter that is not as it should be, what was given, and what is allowed; for a `corpus`, what
    load_corpus raises, and for one of less than 500 characters.
    """
    rules = {"seed": "a whole number, at least 0", **(allowed or {})}
    for name, default in {**defaults, "seed": 0}.items():
        kind, given = type(default), current.get(name)
        rule = rules.get(name, USUAL[kind])
        value = as_text(given) if kind is str else as_number(given, kind)
        if isinstance(rule, list):
            value, rule = one_of(rule, value), f"{', '.join(rule[:-1])} or {rule[-1]}"
        elif value is not None and not RULES[rule](value):
            value = None
        if value is None:
            raise ValueError(f"{name} is {given!r}; it must be {rule}")
        current[name] = value
    if "corpus" in defaults:
        characters = len(load_corpus(current["corpus"]))
        if characters < SHORTEST_TEXT:
            raise ValueError(
                f"corpus {current['corpus']!r} has {characters} characters; it must have at least "
                f"{SHORTEST_TEXT}, better some thousands"
            )
    return outcome_checker(defaults, current)


def as_number(given, kind):
    """Return `given` as a finite number of this kind, int or float; None where it is none."""
    if isinstance(given, bool):
        return None
    try:
        if kind is int and isinstance(given, int):
            return given
        number = float(given)
    except (TypeError, ValueError, OverflowError):
        return None
    possible = number.is_integer() if kind is int else math.isfinite(number)
    return kind(number) if possible else None


def as_text(given):
    """Return `given` as a string, or None: of a number that is not whole, nobody knows how it was written."""
    if isinstance(given, int) and not isinstance(given, bool):
        return str(given)
    return given if isinstance(given, str) else None


def one_of(choices, value):
    """Return the choice that `value` names, in whatever case it is written, or the path of a file; else None."""
    if value is None:
        return None
    for choice in choices:
        if choice != A_FILE and choice.lower() == value.lower():
            return choice
    return value if A_FILE in choices and Path(value).is_file() else None
