"""The books of who tried which door: a session that left one out does not pass."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from seams.ledger import HERE, Ledger, noted_by

EXPECTED = frozenset({("a door", "owner"), ("a door", "reader")})


def session_that_tried(*callers: str, asked: str = str(HERE), keyword: str = "") -> Any:
    option = SimpleNamespace(keyword=keyword, markexpr="", deselect=None, collectonly=False)
    config: Any = SimpleNamespace(
        option=option, args=[asked], invocation_params=SimpleNamespace(dir=Path("/"))
    )
    ledger = Ledger(config, lambda: EXPECTED)
    properties: list[tuple[str, object]] = []
    noted_by(lambda name, text: properties.append((name, text)))("a door", *callers)
    ledger.pytest_runtest_logreport(
        SimpleNamespace(when="call", user_properties=properties)  # type: ignore[arg-type] # a report's
    )
    session: Any = SimpleNamespace(exitstatus=pytest.ExitCode.OK, shouldfail=False)
    ledger.pytest_sessionfinish(session)
    return session.exitstatus


def test_a_whole_session_that_tried_every_pair_passes() -> None:
    assert session_that_tried("owner", "reader") == pytest.ExitCode.OK


def test_a_whole_session_that_left_out_a_caller_fails() -> None:
    assert session_that_tried("owner") == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize(
    "narrowed", [{"keyword": "sqlite"}, {"asked": f"{HERE}/test_access.py"}], ids=["word", "file"]
)
def test_a_narrowed_session_is_not_judged(narrowed: dict[str, str]) -> None:
    assert session_that_tried("owner", **narrowed) == pytest.ExitCode.OK
