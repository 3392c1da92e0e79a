"""Exit codes of `driftpin review`: a verdict has its own, and a refusal never looks like one."""

from collections.abc import Callable

from driftpin.cli.exits import ExitCode, Finished, exit_code_of, tell_refusal
from driftpin.errors import DriftpinError
from driftpin.review.rounds import OVER_BUDGET
from driftpin.review.verdict import ReviewExit


def with_review_exits(action: Callable[[], None]) -> None:
    """Run a command; a refusal ends it as usage, incomplete or budget."""
    try:
        action()
    except DriftpinError as error:
        tell_refusal(error)
        raise Finished(_exit_of(error)) from None


def _exit_of(error: DriftpinError) -> int:
    if error.code == OVER_BUDGET:
        return ReviewExit.BUDGET
    is_unreachable = exit_code_of(error) is ExitCode.UNREACHABLE
    return ReviewExit.INCOMPLETE if is_unreachable else ReviewExit.USAGE


__all__ = ["with_review_exits"]
