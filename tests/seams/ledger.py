"""Keeps the books of who tried which door; a whole session that left one out fails at its end.

A test notes what it carried out as properties of its report, so the books are right however the
tests are spread over processes. A session counts as whole when it was asked for the whole folder.
"""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

HERE = Path(__file__).parent
PROPERTY = "door"
Tried = tuple[str, str]
# Notes that this door was tried by these callers.
Note = Callable[..., None]


def noted_by(record_property: Callable[[str, object], None]) -> Note:
    """Return how a test notes what it tried."""

    def note(door: str, *callers: str) -> None:
        for caller in callers:
            record_property(PROPERTY, f"{door}\n{caller}")

    return note


class Ledger:
    """A plugin; `expected` gives every pair of door and caller, and is asked at the end."""

    def __init__(self, config: pytest.Config, expected: Callable[[], frozenset[Tried]]) -> None:
        self._config = config
        self._expected = expected
        self._tried: set[Tried] = set()
        self._untried: frozenset[Tried] = frozenset()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Take up what a test that came to its end has noted."""
        if report.when == "call":
            self._tried |= set(_pairs_of(report.user_properties))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail the session for doors that nobody tried, though they were to be tried."""
        is_of_a_process_below = hasattr(self._config, "workerinput")
        if is_of_a_process_below or not self._is_whole() or session.shouldfail:
            return
        self._untried = self._expected() - self._tried
        if self._untried and session.exitstatus == pytest.ExitCode.OK:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: Any) -> None:
        """Name them."""
        for door, caller in sorted(self._untried):
            terminalreporter.write_line(f"never tried: {door} by {caller}", red=True)

    def _is_whole(self) -> bool:
        option = self._config.option
        is_narrowed = option.keyword or option.markexpr or option.deselect or option.collectonly
        asked = [self._config.invocation_params.dir / each for each in self._config.args]
        return not is_narrowed and any(
            HERE.is_relative_to(each.resolve()) for each in asked if "::" not in each.name
        )


def _pairs_of(properties: list[tuple[str, object]]) -> Iterator[Tried]:
    for name, noted in properties:
        if name == PROPERTY:
            door, _, caller = str(noted).partition("\n")
            yield door, caller


__all__ = ["Ledger", "Note", "noted_by"]
