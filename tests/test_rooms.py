"""Which way the arrows point: each room of common imports only from itself and from those below it."""

import ast

import pytest

from tests.execute import ROOT

ROOMS = ["data", "mathematics", "models", "lesson"]  # from the lowest up
FILES = sorted((ROOT / "common").rglob("*.py"))


def room_of(parts):
    """Return the room of a module of common, given as the parts of its path or dotted name below common."""
    return parts[0] if parts[0] in ROOMS else "mathematics"


def imported_rooms(source):
    """Return the rooms of common that a piece of Python imports from, as a set."""
    names = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        if isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports name the whole path, from common on"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {room_of(name.split(".")[1:]) for name in names if name.startswith("common.")}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_arrows_go_down_and_nothing_but_a_notebook_imports_lesson(path):
    own = room_of(path.relative_to(ROOT / "common").parts)
    allowed = set(ROOMS[: ROOMS.index(own) + 1])
    assert imported_rooms(path.read_text(encoding="utf-8")) <= allowed


@pytest.mark.parametrize(
    "source, rooms",
    [
        ("from common.data.text import load_corpus", {"data"}),
        ("from common.data import text", {"data"}),
        ("from common import recurrent", {"mathematics"}),
        ("import common.models.luong", {"models"}),
        ("def f():\n    from common.lesson import plots", {"lesson"}),
        ("import commonplace.models", set()),
    ],
)
def test_what_is_imported_is_recognised(source, rooms):
    assert imported_rooms(source) == rooms
