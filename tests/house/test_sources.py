"""What every source file keeps to: length, exports, and words that must not stand in it."""

import ast
import importlib
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = sorted((ROOT / "src" / "driftpin").rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))
FILE_LINES_MAX = 400
FUNCTION_LINES_MAX = 70

# Files that are longer today; entries may only shrink and go.
LONGER_FILES: dict[str, int] = {}


def name_of(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def functions_in(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def length_of(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    return (function.end_lineno or function.lineno) - function.lineno + 1


def test_no_source_file_is_longer_than_its_limit() -> None:
    lengths = {
        name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES
    }
    too_long = {
        name: lines
        for name, lines in lengths.items()
        if lines > LONGER_FILES.get(name, FILE_LINES_MAX)
    }
    assert too_long == {}


def test_the_list_of_longer_files_only_shrinks() -> None:
    lengths = {
        name_of(path): len(path.read_text(encoding="utf-8").splitlines()) for path in SOURCES
    }
    stale = {name for name, lines in LONGER_FILES.items() if lengths.get(name, 0) < lines}
    assert stale == set()


def test_no_function_is_longer_than_its_limit() -> None:
    too_long = {
        f"{name_of(path)}:{function.name}": length_of(function)
        for path in SOURCES
        for function in functions_in(path)
        if length_of(function) > FUNCTION_LINES_MAX
    }
    assert too_long == {}


def test_most_functions_are_short() -> None:
    lengths = sorted(length_of(function) for path in SOURCES for function in functions_in(path))
    assert lengths[len(lengths) // 2] <= 10
    assert lengths[len(lengths) * 9 // 10] <= 36


@pytest.mark.parametrize("path", SOURCES, ids=name_of)
def test_exports_exist(path: Path) -> None:
    module_name = ".".join(path.relative_to(ROOT / "src").with_suffix("").parts)
    # Every name in limits is meant for everybody.
    if (
        path.name in {"__main__.py", "limits.py", "review_limits.py", "env.py"}
        or "migrations" in path.parts
    ):
        return
    module = importlib.import_module(module_name.removesuffix(".__init__"))
    exported = getattr(module, "__all__", None)
    if exported is None:
        assert path.name == "__init__.py", f"{name_of(path)} has no __all__"
        return
    assert [name for name in exported if not hasattr(module, name)] == []


@pytest.mark.parametrize("path", TESTS, ids=name_of)
def test_tests_never_sleep_and_never_skip(path: Path) -> None:
    calls = [
        ast.unparse(node.func)
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
    ]
    forbidden = re.compile(r"(time|asyncio|anyio)\.sleep|pytest\.(skip|xfail|mark\.(skip|xfail).*)")
    assert [call for call in calls if forbidden.fullmatch(call)] == []


def test_no_module_is_a_junk_drawer() -> None:
    forbidden = {"utils", "util", "helpers", "helper", "common", "misc", "base", "manager"}
    assert [name_of(path) for path in SOURCES if path.stem in forbidden] == []


def test_no_module_postpones_annotations() -> None:
    found = [
        name_of(path)
        for path in SOURCES
        if "from __future__ import annotations" in path.read_text(encoding="utf-8")
    ]
    assert found == []
