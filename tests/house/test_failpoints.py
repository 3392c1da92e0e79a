"""Every failpoint is a place in the code: a name that nothing reaches would promise too much."""

import ast
import re
from pathlib import Path

from driftpin.failpoints import Failpoint

SOURCES = Path(__file__).parents[2] / "src" / "driftpin"
REACHES = re.compile(r"(\w+\.)*_?reach")


def reached_names() -> set[str]:
    """The members of Failpoint that stand as the argument of a call of some `reach`."""
    return {
        argument.attr
        for path in SOURCES.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and REACHES.fullmatch(ast.unparse(node.func))
        for argument in node.args
        if isinstance(argument, ast.Attribute) and ast.unparse(argument.value) == "Failpoint"
    }


def test_every_failpoint_is_reached_somewhere() -> None:
    assert set(Failpoint.__members__) - reached_names() == set()
