"""The modules that everything else rests on, and the tests that concern each of them."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
# By the beginning of a module's path below src/driftpin; the longest beginning counts.
TESTS: Final[Mapping[str, tuple[str, ...]]] = {
    "agent/push": ("tests/agent_runtime/test_push.py", "tests/agent_runtime/test_over_http.py"),
    "agent/": ("tests/agent", "tests/fuzz"),
    "wire/": ("tests/wire", "tests/fuzz", "tests/server/test_push.py"),
    "operations/": ("tests/operations", "tests/seams/test_access.py"),
    "operations/store_blobs": ("tests/server", "tests/operations"),
    "store/": ("tests/operations", "tests/seams/test_access.py"),
    "credentials": ("tests/test_credentials.py", "tests/fuzz"),
    "server/access": ("tests/server/test_authentication.py", "tests/seams/test_access_routes.py"),
    "chat/": ("tests/chat", "tests/fuzz"),
    "context/mcp_config": ("tests/context/test_mcp_config.py", "tests/fuzz"),
    "settings": ("tests/settings", "tests/cli/test_config.py", "tests/fuzz"),
}


def modules() -> tuple[Path, ...]:
    """Return the modules, from the one list of them."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        listed = tomllib.load(file)["tool"]["coverage"]["run"]["include"]
    return tuple(ROOT / each for each in listed)


def tests_of(module: Path) -> tuple[str, ...]:
    """Return the tests that concern a module."""
    name = module.relative_to(ROOT / "src" / "driftpin").as_posix()
    return TESTS[max((begin for begin in TESTS if name.startswith(begin)), key=len)]


def all_tests() -> tuple[str, ...]:
    """Return every test that concerns one of them, once, without what is inside another."""
    named = sorted({test for module in modules() for test in tests_of(module)})
    return tuple(each for each in named if not any(each.startswith(f"{other}/") for other in named))


__all__ = ["ROOT", "all_tests", "modules", "tests_of"]
