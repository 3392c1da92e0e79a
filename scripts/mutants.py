"""Small planted bugs: one place of a module changed, so that a test should notice."""

import ast
import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

COMPARISONS: Final[dict[type[ast.cmpop], type[ast.cmpop]]] = {
    ast.Eq: ast.NotEq,
    ast.NotEq: ast.Eq,
    ast.Lt: ast.LtE,
    ast.LtE: ast.Lt,
    ast.Gt: ast.GtE,
    ast.GtE: ast.Gt,
    ast.Is: ast.IsNot,
    ast.IsNot: ast.Is,
    ast.In: ast.NotIn,
    ast.NotIn: ast.In,
}
# Calls whose arguments may stand in any order: swapped, they are no bug.
ORDERLESS: Final = frozenset({"and_", "or_", "where", "min", "max", "select", "print", "union"})
# Calls that change nothing of what the product does: failpoints (tests/faults proves that each is
# reached), what is noted in the log, and what only types come to.
WITHOUT_EFFECT: Final = frozenset(
    {"reach", "_reach", "assert_never", "debug", "info", "warning", "error", "exception"}
)


@dataclass(frozen=True, slots=True)
class Mutant:
    """One changed place: `source` is the whole module with it."""

    module: Path
    line: int
    operator: str
    source: str


def mutants_of(module: Path) -> tuple[Mutant, ...]:
    """Return every mutant of a module, in a fixed order."""
    tree = ast.parse(module.read_text(encoding="utf-8"))
    count = sum(1 for _ in _changes(tree))
    return tuple(_mutant(module, tree, number) for number in range(count))


def _mutant(module: Path, tree: ast.Module, number: int) -> Mutant:
    changed = copy.deepcopy(tree)
    for place, (operator, line) in enumerate(_changes(changed, number)):
        if place == number:
            return Mutant(module, line, operator, ast.unparse(ast.fix_missing_locations(changed)))
    raise AssertionError("there are as many changes as were counted")


def _changes(tree: ast.Module, chosen: int = -1) -> Iterator[tuple[str, int]]:
    """Give each place that can be changed, in order, and make the chosen change when it comes."""
    number = -1
    for owner in list(_inside_functions(tree)):
        for operator, apply in _ways(owner):
            number += 1
            if number == chosen:
                apply()
            yield operator, owner.lineno


def _inside_functions(tree: ast.Module) -> Iterator[ast.stmt | ast.expr]:
    """Give the statements and expressions in functions, without what is only said of them."""
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for statement in function.body:
                yield from _below(statement)


def _below(node: ast.AST) -> Iterator[ast.stmt | ast.expr]:
    if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Assert | ast.Raise):
        # Inner functions come by themselves; an assertion or a message is not behaviour.
        return
    if isinstance(node, ast.stmt | ast.expr):
        yield node
    for name, value in ast.iter_fields(node):
        if name in {"annotation", "returns", "type_params"}:
            continue
        for inner in value if isinstance(value, list) else [value]:
            if isinstance(inner, ast.AST):
                yield from _below(inner)


def _ways(node: ast.stmt | ast.expr) -> Iterator[tuple[str, Callable[[], None]]]:
    match node:
        case ast.Compare(ops=[operator]) if type(operator) in COMPARISONS:
            yield "comparison", lambda: node.ops.__setitem__(0, COMPARISONS[type(operator)]())
        case ast.BoolOp(op=ast.And()):
            yield "boolean", lambda: setattr(node, "op", ast.Or())
        case ast.BoolOp(op=ast.Or()):
            yield "boolean", lambda: setattr(node, "op", ast.And())
        case ast.If(test=test) | ast.IfExp(test=test) | ast.While(test=test):
            negated = ast.UnaryOp(ast.Not(), test)
            yield "negated condition", lambda: setattr(node, "test", negated)
        case ast.Constant(value=bool() as value):
            yield "constant", lambda: setattr(node, "value", not value)
        case ast.Constant(value=int() as value):
            yield "constant", lambda: setattr(node, "value", value + 1)
        case ast.Call(func=function, args=[first, second, *_]) if not (
            _name(function) in ORDERLESS or ast.dump(first) == ast.dump(second)
        ):
            swapped = [second, first, *node.args[2:]]
            yield "swapped arguments", lambda: setattr(node, "args", swapped)
        case ast.Expr(value=ast.Call(func=function) | ast.Await(value=ast.Call(func=function))) if (
            _name(function) in WITHOUT_EFFECT
        ):
            return
        case ast.Expr(value=ast.Call() | ast.Await()):
            yield "dropped statement", lambda: setattr(node, "value", ast.Constant(None))
        case ast.AugAssign():
            yield "dropped statement", lambda: setattr(node, "value", ast.Constant(0))


def _name(function: ast.expr) -> str:
    match function:
        case ast.Attribute(attr=name) | ast.Name(id=name):
            return name
        case _:
            return ""


__all__ = ["Mutant", "mutants_of"]
