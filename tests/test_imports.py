"""Tests of who imports whom: no circle, and arrows between rooms that run one way; imports in functions count too."""

import ast
from functools import cache

import pytest

from tests.helpers.sources import modules, parsed
from tinygrad_lm import cli, models, nn, replay, text
from tinygrad_lm.models.registry import FAMILIES

ROOMS = {
    "autograd": "threads",
    "checks": "",
    "defaults": "",
    "interrupts": "",
    "lazy": "",
    "progress": "",
    "random": "checks",
    "text": "checks lazy",
    "nn": "autograd random checks lazy",
    "models": "nn text autograd random checks lazy",
    "loans": "",
    "schedules": "checks",
    "optim": "autograd loans schedules",
    "threads": "checks",
    "memory": "",
    "replay": "autograd nn optim random checks lazy loans",
    "sampling": "models nn text autograd random defaults checks threads memory",
    "training": "models optim replay nn text autograd random checks defaults interrupts progress threads",
    "locking": "models",
    "runs": "training optim models locking",
    "comparing": "sampling models random defaults",
    "testing": "autograd user_file",
    "user_file": "",
    "visualize": "autograd replay",
    "cli": "autograd checks runs comparing training sampling models text random defaults interrupts progress replay "
    "testing user_file visualize",
    "__main__": "cli interrupts",
}
"""Which others a room may import from. A room that is new is given its arrows here."""

KNOWN = {
    ("testing", "nn"),  # the checker asks whether it was given a module, and calls it with other parameters
}
"""Arrows that are not to be: each is to go, and none to come."""


def statements(tree):
    """The statements of a tree, those within others too, but for what only type checkers look at."""
    left = [tree]
    while left:
        node = left.pop()
        if isinstance(node, ast.If) and ast.unparse(node.test) in ("TYPE_CHECKING", "typing.TYPE_CHECKING"):
            left.extend(reversed(node.orelse))
            continue
        yield node
        left.extend(reversed([child for child in ast.iter_child_nodes(node) if not isinstance(child, ast.expr)]))


def imported(tree, package):
    """The names of modules (or what is taken from one) that a file imports, wherever it does."""
    for node in statements(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            home = ".".join([*above, *([node.module] if node.module else [])])
            yield from (f"{home}.{alias.name}" for alias in node.names)


@cache
def graph():
    """What each module imports of the two packages."""
    files, found = modules(), {}
    for name, path in files.items():
        package = name if path.name == "__init__.py" else name.rpartition(".")[0]
        asked = imported(parsed(path), package)
        own = {each if each in files else each.rpartition(".")[0] for each in asked}
        found[name] = {each for each in own if each in files and each != name}
    # The commands and the families are imported by their names, each of which stands in one table.
    found["tinygrad_lm.cli.program"] |= {f"tinygrad_lm.cli.{command}" for command in cli.COMMANDS}
    found["tinygrad_lm.models.loading"] |= {family.where.partition(":")[0] for family in FAMILIES.values()}
    for room in (models, nn, replay, text):  # which import what is asked of them
        found[room.__name__] |= {f"{room.__name__}.{file}" for file in room._HOMES.values()}
    return found


def circle(edges):
    """Modules that import one another in a circle, if there are such."""
    done = set()

    def search(name, path):
        if name in path:
            return [*path[path.index(name) :], name]
        if name not in done:
            for other in sorted(edges[name]):
                if found := search(other, [*path, name]):
                    return found
            done.add(name)
        return None

    return next((found for name in sorted(edges) if (found := search(name, []))), None)


def room(name):
    """A package or file right below ``tinygrad_lm``, or ``visualize``."""
    package, _, rest = name.partition(".")
    return package if package == "visualize" else rest.partition(".")[0]


def wrong(edges):
    """The arrows between rooms that are not allowed, and which modules make them."""
    found = {}
    for name, others in edges.items():
        for other in others:
            one, another = room(name), room(other)
            if another not in (one, "", *ROOMS[one].split()):
                found.setdefault((one, another), set()).add(name)
    return found


def test_every_module_is_looked_at():
    edges = graph()
    assert len(edges) > 90 and sum(map(len, edges.values())) > 200
    assert {room(name) for name in edges} - {""} == set(ROOMS)
    assert "tinygrad_lm.models" in edges["tinygrad_lm.cli.program"]  # within a function
    assert "tinygrad_lm.cli.train" in edges["tinygrad_lm.cli.program"]  # by its name in a table
    assert "tinygrad_lm.models.mlp" in edges["tinygrad_lm.models.loading"]  # the same
    assert "tinygrad_lm.text" not in edges["tinygrad_lm.cli.family"]  # only for type checkers


def test_no_module_imports_itself_by_way_of_others():
    assert circle(graph()) is None


def test_arrows_between_rooms_run_one_way():
    assert circle({name: others.split() for name, others in ROOMS.items()}) is None
    found = wrong(graph())
    assert set(found) == KNOWN, found


def test_of_the_package_itself_only_the_version_is_imported():
    """Its other names are looked up when they are asked for, in rooms that no arrow here would show."""
    files, found = modules(), set()
    for name, path in files.items():
        for each in imported(parsed(path), name):
            if each.rpartition(".")[0] == "tinygrad_lm" and each not in files:
                found.add(each)
    assert found == {"tinygrad_lm.__version__"}


@pytest.mark.parametrize(
    ("source", "found"),
    [
        ("import a.b, c", ["a.b", "c"]),
        ("from a import b as c, d", ["a.b", "a.d"]),
        ("def f():\n    with g():\n        from a import b", ["a.b"]),
        ("if TYPE_CHECKING:\n    from a import b\nelse:\n    import c", ["c"]),
        ("if typing.TYPE_CHECKING:\n    import a", []),
        ("from . import a\nfrom .b import c\nfrom ..d import e", ["p.q.a", "p.q.b.c", "p.d.e"]),
    ],
)
def test_what_counts_as_an_import(source, found):
    assert list(imported(ast.parse(source), "p.q")) == found


def test_a_circle_and_an_arrow_that_runs_back_are_seen():
    edges = {"tinygrad_lm.nn.a": {"tinygrad_lm.cli.b"}, "tinygrad_lm.cli.b": {"tinygrad_lm.nn.a"}}
    assert circle(edges) == ["tinygrad_lm.cli.b", "tinygrad_lm.nn.a", "tinygrad_lm.cli.b"]
    assert wrong(edges) == {("nn", "cli"): {"tinygrad_lm.nn.a"}, ("cli", "nn"): {"tinygrad_lm.cli.b"}}
    assert circle({"a": {"b", "c"}, "b": {"d"}, "c": {"d"}, "d": set()}) is None
