"""Plants bugs in a running session of pytest: one process for each, forked after the collection.

Whatever was imported and collected is there already, so a bug costs its tests and nothing else. A
planted bug changes the inside of a function, so it is enough to give that function other code; who
imported it from where does not matter.
"""

import ast
import gc
import os
import signal
import time
from collections.abc import Iterator
from types import CodeType, FunctionType
from typing import Final, Protocol

import pytest
from mutants import Mutant
from proved_modules import ROOT, tests_of

# A mutant that hangs is noticed too.
ONE_MUTANT_S: Final = 300
POLL_S: Final = 0.02
# How a process ends that could not even begin.
BROKEN: Final = 70


class Told(Protocol):
    """Learns of each mutant whether it was noticed."""

    def __call__(self, mutant: Mutant, *, is_noticed: bool) -> bool:
        """Return whether to go on."""


class Planting:
    """A plugin that, in place of the tests, tries every mutant on the tests of its module."""

    def __init__(self, mutants: list[Mutant], told: Told) -> None:
        self._mutants = mutants
        self._told = told
        self._sound: set[tuple[str, ...]] = set()

    @pytest.hookimpl(tryfirst=True)
    def pytest_runtestloop(self, session: pytest.Session) -> bool:
        """Take the place of the loop over all tests."""
        for mutant in self._mutants:
            tests = tests_of(mutant.module)
            items = [item for item in session.items if _concerns(item, tests)]
            if tests not in self._sound:
                # Tests that fail anyway would notice everything.
                assert _pass(session, items, None), f"{tests} fail without a planted bug"
                self._sound.add(tests)
            if not self._told(mutant, is_noticed=not _pass(session, items, mutant)):
                break
        return True


def _concerns(item: pytest.Item, tests: tuple[str, ...]) -> bool:
    path = item.path.relative_to(ROOT).as_posix()
    return any(path == test or path.startswith(f"{test}/") for test in tests)


def _pass(session: pytest.Session, items: list[pytest.Item], mutant: Mutant | None) -> bool:
    """Whether the tests pass in a process of their own; those that hang do not."""
    child = os.fork()
    if child == 0:
        code = BROKEN
        try:
            if mutant is not None:
                plant(mutant)
            code = 1
            code = _run(session, items)
        finally:
            os._exit(code)
    deadline_s = time.monotonic() + ONE_MUTANT_S
    while True:
        ended, status = os.waitpid(child, os.WNOHANG)
        if ended:
            code = os.waitstatus_to_exitcode(status)
            assert code != BROKEN, f"could not plant {mutant}"
            return code == 0
        if time.monotonic() > deadline_s:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
            return False
        time.sleep(POLL_S)


def _run(session: pytest.Session, items: list[pytest.Item]) -> int:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    for item, following in zip(items, [*items[1:], None], strict=True):
        session.config.hook.pytest_runtest_protocol(item=item, nextitem=following)
        if session.testsfailed:
            return 1
    return 0


def plant(mutant: Mutant) -> None:
    """Give the function that the mutant changes its code; for this process, for good."""
    path = str(mutant.module)
    whole = ast.unparse(ast.parse(mutant.module.read_text(encoding="utf-8")))
    before, after = (dict(_codes(compile(text, path, "exec"))) for text in (whole, mutant.source))
    changed = {name: code for name, code in after.items() if code != before[name]}
    found = [
        each
        for each in gc.get_objects()
        if isinstance(each, FunctionType)
        and each.__code__.co_filename == path
        and each.__code__.co_qualname in changed
    ]
    assert found, f"none of the tests imports what is changed in {path}"
    for function in found:
        function.__code__ = changed[function.__code__.co_qualname]


def _codes(code: CodeType) -> Iterator[tuple[str, CodeType]]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant.co_qualname, constant
            yield from _codes(constant)


__all__ = ["Planting", "Told", "plant"]
