"""The server acts as itself in few places, each named with what it does there."""

import ast
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

import driftpin
from seams.access_table_worker import ELEVATED

SOURCE = Path(driftpin.__file__).parent


def test_the_server_acts_as_itself_only_where_the_table_says() -> None:
    found: dict[str, set[str]] = defaultdict(set)
    for path in sorted(SOURCE.rglob("*.py")):
        for call in _elevated_calls(path):
            found[path.relative_to(SOURCE).as_posix()].add(call)
    assert found == {module: set(calls) for module, (calls, _) in ELEVATED.items()}


def test_nothing_keeps_a_worker_under_another_name() -> None:
    """Outside calls, the name stands in imports, and where it is made and told from others."""
    found = {
        path.relative_to(SOURCE).as_posix()
        for path in sorted(SOURCE.rglob("*.py"))
        if _uses(path) > len(list(_elevated_calls(path)))
    }
    assert found == {"identity.py"}


def _elevated_calls(path: Path) -> Iterator[str]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            given = [*node.args, *(keyword.value for keyword in node.keywords)]
            if any(isinstance(each, ast.Name) and each.id == "WORKER" for each in given):
                yield node.func.attr if isinstance(node.func, ast.Attribute) else _name(node.func)


def _name(function: ast.expr) -> str:
    assert isinstance(function, ast.Name)
    return function.id


def _uses(path: Path) -> int:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return sum(isinstance(node, ast.Name) and node.id == "WORKER" for node in ast.walk(tree))
