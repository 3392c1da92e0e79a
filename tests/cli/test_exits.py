"""One translation of what went wrong: exit codes 0, 1, 2, 3, 4, and never a user's traceback."""

import inspect

import pytest

from driftpin import errors
from driftpin.cli.app import run
from driftpin.cli.exits import ExitCode, Finished, exit_code_of, run_guarded

DENIED = {"Unauthenticated", "Forbidden", "Gone", "PushOutdated"}
UNREACHABLE = {"Unreachable", "Unavailable", "StorageTrouble", "RateLimited"}
FINDINGS = {"PreconditionFailed", "HeadMoved"}
FAMILIES = [
    family
    for _name, family in inspect.getmembers(errors, inspect.isclass)
    if issubclass(family, errors.DriftpinError)
]


@pytest.mark.parametrize("family", FAMILIES)
def test_every_error_has_its_exit_code(family: type[errors.DriftpinError]) -> None:
    expected = ExitCode.USAGE
    if family.__name__ in DENIED:
        expected = ExitCode.DENIED
    elif family.__name__ in UNREACHABLE:
        expected = ExitCode.UNREACHABLE
    elif family.__name__ in FINDINGS:
        expected = ExitCode.FINDINGS
    assert exit_code_of(family()) is expected


def test_codes_are_the_promised_ones() -> None:
    promised = [ExitCode.CLEAN, ExitCode.FINDINGS, ExitCode.USAGE, ExitCode.UNREACHABLE]
    assert [*promised, ExitCode.DENIED] == [0, 1, 2, 3, 4]


def test_refusal_is_a_sentence_with_advice_and_no_traceback(
    capsys: pytest.CaptureFixture[str],
) -> None:
    def command() -> None:
        raise errors.Unauthenticated("No.")

    assert run_guarded(command) == 4
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err == ("error: No.\n  Sign in with `driftpin login URL`, or set DRIFTPIN_TOKEN.\n")


def test_b5_escapes_in_a_message_are_drawn(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise errors.NotFound("\x1b]0;owned\x07 \u202e")

    run_guarded(command)
    assert "\\u{001B}" in capsys.readouterr().err


def test_interrupted_command_ends_quietly(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise KeyboardInterrupt

    assert run_guarded(command) == 130
    assert capsys.readouterr().err == "Interrupted.\n"


def test_missing_permission_is_named_not_traced(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise PermissionError(13, "Permission denied", "/secret")

    assert run_guarded(command) == 2
    assert capsys.readouterr().err == "error: Permission denied: '/secret'\n"


def test_fault_of_our_own_is_shown_whole(capsys: pytest.CaptureFixture[str]) -> None:
    def command() -> None:
        raise ZeroDivisionError

    assert run_guarded(command) == 70
    assert "Traceback" in capsys.readouterr().err


def test_finished_command_gives_its_code() -> None:
    def command() -> None:
        raise Finished(ExitCode.FINDINGS)

    assert run_guarded(command) == 1


@pytest.mark.parametrize("arguments", [["nope"], ["refresh", "--nope"], ["scan", "a", "b"]])
def test_wrong_usage_is_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert run(arguments) == 2
    told = capsys.readouterr()
    assert told.out == ""
    assert "Traceback" not in told.err
