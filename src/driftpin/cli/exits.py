"""The one translation of what went wrong into an exit code and a text on the standard error."""

import os
import sys
import traceback
from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Final

from driftpin import limits
from driftpin.agent.exhaustion import is_exhaustion
from driftpin.context.hidden_text import visible
from driftpin.errors import (
    DriftpinError,
    Forbidden,
    Gone,
    PreconditionFailed,
    PushOutdated,
    RateLimited,
    Unauthenticated,
    Unavailable,
    Unreachable,
)


class ExitCode(IntEnum):
    """What a program may read from the end of a command."""

    CLEAN = 0
    FINDINGS = 1
    USAGE = 2
    UNREACHABLE = 3
    DENIED = 4
    FAULT = 70
    OUT_OF_RESOURCES = 71
    BUSY = 75
    INTERRUPTED = 130
    BROKEN_PIPE = 141


class Finished(Exception):
    """The command has said everything; end with this code."""

    def __init__(self, code: int) -> None:
        self.code = code
        super().__init__(code)


# The first family that fits decides; whatever is in none of them was used wrongly.
_CODES: Final = (
    (Unauthenticated, ExitCode.DENIED),
    (Forbidden, ExitCode.DENIED),
    (Gone, ExitCode.DENIED),
    (PushOutdated, ExitCode.DENIED),
    (Unreachable, ExitCode.UNREACHABLE),
    (Unavailable, ExitCode.UNREACHABLE),
    (RateLimited, ExitCode.UNREACHABLE),
    (PreconditionFailed, ExitCode.FINDINGS),
)
_ADVICE: Final = {
    "unauthenticated": "Sign in with `driftpin login URL`, or set DRIFTPIN_TOKEN.",
    "agent_gone": "Start `driftpin up` again: it enrols a new agent.",
    "fenced": "Another agent took over this workspace; stop it first, or stop this one.",
    "agent_locked": "Start `driftpin up` again where the agent is to stay: it gets a new token.",
    "head_moved": "See `driftpin diff` again, then refresh to what it shows.",
    "no_snapshot": "The workspace has not published anything yet; run `driftpin agent` in it.",
    "chat_archived": "Bring it back with `driftpin chat unarchive`.",
    "database_locked": "Another server runs on this database; stop it, or use another one.",
}


def exit_code_of(error: DriftpinError) -> ExitCode:
    """Return the exit code that stands for an error."""
    if error.code == "out_of_resources":
        return ExitCode.OUT_OF_RESOURCES
    fitting = (code for family, code in _CODES if isinstance(error, family))
    return next(fitting, ExitCode.USAGE)


def say(text: str) -> None:
    """Write one line for people to the standard error; hidden characters are drawn."""
    sys.stderr.write(visible(text) + "\n")
    sys.stderr.flush()


def run_guarded(command: Callable[[], None]) -> int:
    """Run a command and return its exit code; a user's mistake never shows a traceback."""
    try:
        command()
    except Finished as finished:
        return finished.code
    except Exception as error:  # noqa: BLE001 the top of the command line
        return _explained(error)
    except KeyboardInterrupt:
        say("Interrupted.")
        return ExitCode.INTERRUPTED
    return ExitCode.CLEAN


def _explained(error: Exception) -> ExitCode:
    match error:
        case DriftpinError():
            return _refused(error)
        case BrokenPipeError():
            _drop_output()
            return ExitCode.BROKEN_PIPE
        case _ if is_exhaustion(error):
            say(f"error: {str(error) or 'out of memory'}")
            return ExitCode.OUT_OF_RESOURCES
        case OSError():
            named = f": {error.filename!r}" if error.filename else ""
            say(f"error: {error.strerror or error}{named}")
            return ExitCode.USAGE
        case _:
            # A fault of ours is shown whole, so that it can be reported.
            traceback.print_exception(error)
            return ExitCode.FAULT


def _refused(error: DriftpinError) -> ExitCode:
    tell_refusal(error)
    return exit_code_of(error)


def tell_refusal(error: DriftpinError) -> None:
    """Write what was refused, and what to do about it where that is known."""
    say(f"error: {error.message}")
    sources = error.fields.get("sources")
    if isinstance(sources, list):
        say(f"  {_listed(sources)}")
    advice = _ADVICE.get(error.code)
    if advice is not None and advice not in error.message:
        say(f"  {advice}")


def _listed(sources: Sequence[object]) -> str:
    """Return the sources that a refusal is about, the first few of them by name."""
    shown = ", ".join(str(source) for source in sources[: limits.SOURCES_TOLD_MAX])
    left = len(sources) - limits.SOURCES_TOLD_MAX
    return f"{shown} and {left} more" if left > 0 else shown


def _drop_output() -> None:
    """Let the interpreter's last flush write to nowhere: the reader has gone."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


__all__ = ["ExitCode", "Finished", "exit_code_of", "run_guarded", "say", "tell_refusal"]
