"""The parameters of a lesson, as a command line gives them: what is clear is taken, the rest refused at once."""

import ast
import re

import nbformat
import numpy as np
import pytest

from common.lesson.parameters import A_FILE, check_parameters
from tests.execute import LESSONS

DEFAULTS = {"steps": 3000, "learning_rate": 0.003, "corpus": "fables", "optimizer": "Adam"}
DEFAULTS |= {"dropout": 0.2, "task": "dates", "hidden_size": 64, "forget_bias": 1.0}
ALLOWED = {
    "optimizer": ["SGD", "Momentum", "RMSProp", "Adam"],
    "task": ["dates", "translation", A_FILE],
    "dropout": "a number from 0 up to, but not including, 1",
    "hidden_size": "an even number, at least 2",
    "forget_bias": "a number",
}


@pytest.fixture(autouse=True)
def some_texts(tmp_path, monkeypatch):
    for name, length in {"1984": 500, "short.txt": 499, "my file.txt": 5000}.items():
        (tmp_path / name).write_text(("It was a bright cold day. " * 200)[:length])
    monkeypatch.chdir(tmp_path)


def settled(**given):
    current = {**DEFAULTS, "seed": 0, **given}
    check_parameters(current, DEFAULTS, ALLOWED)
    return current


@pytest.mark.parametrize(
    "name, given, taken",
    [
        ("steps", 1e2, 100),
        ("steps", "1e2", 100),
        ("steps", "8", 8),
        ("steps", 1, 1),
        ("hidden_size", 2, 2),
        ("steps", np.int64(8), 8),
        ("learning_rate", 1, 1.0),
        ("learning_rate", "1e-3", 0.001),
        ("corpus", 1984, "1984"),
        ("corpus", "my file.txt", "my file.txt"),
        ("optimizer", "adam", "Adam"),
        ("optimizer", "SGD", "SGD"),
        ("task", "Translation", "translation"),
        ("task", __file__, __file__),
        ("dropout", 0, 0.0),
        ("forget_bias", -3, -3.0),
        ("seed", 0, 0),
        ("seed", 7.0, 7),
    ],
)
def test_what_can_mean_only_one_thing_is_taken_for_it(name, given, taken):
    value = settled(**{name: given})[name]
    assert value == taken and type(value) is type(taken)


@pytest.mark.parametrize(
    "name, given, said",
    [
        ("steps", 0, "steps is 0; it must be a whole number, at least 1"),
        ("steps", -5.0, "steps is -5.0; it must be a whole number, at least 1"),
        ("steps", 2.5, "steps is 2.5; it must be a whole number, at least 1"),
        ("steps", "many", "steps is 'many'; it must be a whole number, at least 1"),
        ("steps", float("inf"), "steps is inf; it must be a whole number, at least 1"),
        ("steps", True, "steps is True; it must be a whole number, at least 1"),
        ("steps", None, "steps is None; it must be a whole number, at least 1"),
        ("steps", [3], "steps is [3]; it must be a whole number, at least 1"),
        ("learning_rate", 0, "learning_rate is 0; it must be a number above 0"),
        ("learning_rate", float("nan"), "learning_rate is nan; it must be a number above 0"),
        ("learning_rate", "1e400", "learning_rate is '1e400'; it must be a number above 0"),
        ("corpus", 1.5, "corpus is 1.5; it must be a text in quotes"),
        ("corpus", None, "corpus is None; it must be a text in quotes"),
        ("corpus", "short.txt", "corpus 'short.txt' has 499 characters; it must have at least 500"),
        ("corpus", "nowhere.txt", "there is no corpus and no file 'nowhere.txt'"),
        ("optimizer", "adamw", "'adamw'; it must be SGD, Momentum, RMSProp or Adam"),
        ("optimizer", 3, "optimizer is 3; it must be SGD, Momentum, RMSProp or Adam"),
        ("task", "nowhere.tsv", "must be dates, translation or the path of a file"),
        ("task", A_FILE, "must be dates, translation or the path of a file"),
        ("dropout", 1, "dropout is 1; it must be a number from 0 up to, but not including, 1"),
        ("hidden_size", 33, "hidden_size is 33; it must be an even number, at least 2"),
        ("seed", -1, "seed is -1; it must be a whole number, at least 0"),
        ("seed", 0.5, "seed is 0.5; it must be a whole number, at least 0"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(name, given, said):
    with pytest.raises(ValueError, match=re.escape(said)):
        settled(**{name: given})


def test_a_parameter_that_somebody_deleted_is_named():
    with pytest.raises(ValueError, match="^steps is None"):
        check_parameters({"seed": 0}, {"steps": 1})


def test_claims_are_required_for_the_defaults_however_they_were_written(capsys):
    for steps, required in [("3e3", True), (2999.0, False)]:
        current = {**DEFAULTS, "steps": steps, "seed": 5}
        check_outcome = check_parameters(current, DEFAULTS, ALLOWED)
        check_outcome(True, "it learns")
        assert ("since you changed steps" not in capsys.readouterr().out) == required


@pytest.fixture(params=LESSONS, ids=[path.stem for path in LESSONS])
def cells(request):
    """The sources of a lesson's parameters cell and of the cell that checks them."""
    notebook = nbformat.read(request.param, as_version=4)
    (parameters,) = [c for c in notebook.cells if "parameters" in c.metadata.get("tags", [])]
    (check,) = [c for c in notebook.cells if "check_parameters(\n" in c.source]
    return parameters.source, check.source


def run(cells, given):
    """Run the two cells, and between them what papermill would put there; return the namespace."""
    namespace = {"check_parameters": check_parameters}
    exec(cells[0], namespace)
    namespace.update(given)
    exec(cells[1], namespace)
    return namespace


def defaults_of(cells):
    nodes = ast.parse(cells[0]).body
    return {node.targets[0].id: ast.literal_eval(node.value) for node in nodes}


def test_every_lesson_takes_its_parameters_in_the_types_of_a_command_line(cells):
    for name, default in defaults_of(cells).items():
        written = [default, str(default)]
        written += [float(default)] if isinstance(default, int) else []
        written += [1984] if name in ("corpus", "prompt") else []
        written += [default.upper()] if name in ("optimizer", "task", "tokens") else []
        for given in written:
            value = run(cells, {name: given})[name]
            assert value == ("1984" if given == 1984 else default) and type(value) is type(default)


def test_every_lesson_refuses_every_bad_parameter_in_one_sentence(cells):
    for name, default in defaults_of(cells).items():
        bad = [None, True, [default], float("nan"), 0.5 if isinstance(default, int) else None]
        if name != "seed" and isinstance(default, int):
            bad += [0, 0.0, "0"]
        if isinstance(default, (int, float)):
            bad += ["many", float("inf")]
            bad += [-1, "-1"] if name != "forget_bias" else []
        if name in ("temperature", "learning_rate", "max_norm"):
            bad += [0, 0.0]
        if name.startswith("dropout") or name.endswith("share"):
            bad += [1, 1.5]
        if name in ("optimizer", "task", "tokens"):
            bad += ["adamw", 7, ""]
        for given in bad:
            with pytest.raises(ValueError) as raised:
                run(cells, {name: given})
            assert re.fullmatch(
                rf"{name} is {re.escape(repr(given))}; it must be [^\n]+", str(raised.value)
            )
