"""The modules that everything else rests on, and the tests that concern each of them."""

import tomllib
from collections.abc import Mapping
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[1]
PUSHES: Final = (
    "tests/operations/test_accept_snapshot.py",
    "tests/operations/test_agents_that_change_places.py",
    "tests/operations/test_checked_pushes.py",
)
MOVES: Final = (
    "tests/operations/test_other_pin_verbs.py",
    "tests/operations/test_pin_stories.py",
    "tests/operations/test_agents_that_change_places.py",
)
# The tests that concern a module most, quick ones: what all the others notice comes on top. By the
# beginning of a module's path below src/driftpin; the longest beginning counts.
TESTS: Final[Mapping[str, tuple[str, ...]]] = {
    "agent/push": (
        "tests/agent_runtime/test_push.py",
        "tests/agent_runtime/test_push_refusals.py",
    ),
    "agent/": ("tests/agent",),
    "wire/": ("tests/wire", "tests/fuzz"),
    "operations/": MOVES,
    "operations/accept_snapshot": (*PUSHES, "tests/operations/test_complete_pins.py"),
    "operations/push_checks": PUSHES,
    "operations/store_blobs": (*PUSHES, "tests/operations/test_other_pin_verbs.py"),
    "operations/hydrate_chats": (*MOVES, "tests/operations/test_histories.py"),
    "operations/refresh_context": ("tests/operations/test_refresh_context.py", *MOVES),
    "operations/settle_pin": (*MOVES, "tests/operations/test_complete_pins.py"),
    "operations/single_moves": ("tests/operations/test_refresh_context.py", *MOVES),
    "store/access": ("tests/store/test_access.py",),
    "store/reading/pins": (
        "tests/operations/test_histories.py",
        "tests/operations/test_refresh_context.py",
        "tests/operations/test_checked_pushes.py",
    ),
    "store/writing/heads": (*PUSHES, *MOVES),
    "store/writing/permits": ("tests/store/test_permits.py",),
    "store/writing/pins": (*MOVES, "tests/operations/test_refresh_context.py"),
    "credentials": ("tests/test_credentials.py",),
    "server/access": ("tests/server/test_authentication.py", "tests/server/test_gate.py"),
    "chat/": ("tests/chat",),
    "chat/skill_paths": ("tests/chat", "tests/fuzz"),
    "context/mcp_config": ("tests/context/test_mcp_config.py",),
    "settings": ("tests/settings",),
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
