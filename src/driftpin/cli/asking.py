"""A question to whoever sits at the terminal, before something is moved or deleted."""

import sys

from driftpin.cli.exits import say
from driftpin.errors import UsageError


def confirm(question: str) -> bool:
    """Return whether the answer is yes; UsageError where nobody can be asked."""
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        raise UsageError(
            "Nobody is here to be asked; say --yes to do it, or --dry-run to only look where"
            " there is one.",
            code="not_interactive",
        )
    sys.stderr.write(f"{question} [y/N] ")
    sys.stderr.flush()
    answer = sys.stdin.readline()
    if not answer:
        say("")
    return answer.strip().lower() in ("y", "yes")


__all__ = ["confirm"]
