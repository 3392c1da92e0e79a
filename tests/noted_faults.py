"""Every fault of our own that a test's servers answered with 500, or could not answer at all.

A server in the test's process is watched at its log; one in a process of its own (`replica_main`)
writes a line per fault into the file that `FILE_VARIABLE` names.
"""

import logging
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from driftpin.server import problems

FILE_VARIABLE: Final = "FAULTS_ARE_NOTED_IN"


class _NotingLog:
    """The log of `server.problems`, whose errors are faults."""

    def __init__(self, log: Any, note: Any) -> None:
        self._log = log
        self._note = note

    def error(self, event: str, **fields: Any) -> None:
        """Note it, and log it as ever."""
        self._note(f"{event} at {fields.get('path')}: {fields.get('exc_info')!r}")
        self._log.error(event, **fields)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._log, name)


class _NotingHandler(logging.Handler):
    """Takes what uvicorn could not hand to anybody: a fault behind the head of an answer."""

    def __init__(self, note: Any) -> None:
        super().__init__(logging.ERROR)
        self._note = note

    def emit(self, record: logging.LogRecord) -> None:
        """Note it, unless it is a cancelled stream of a server that stops."""
        kind = record.exc_info[0] if record.exc_info else None
        if kind is not None and issubclass(kind, Exception):
            self._note(f"{record.getMessage().strip()}: {record.exc_info!r}")


@contextmanager
def noting_faults(note: Any) -> Iterator[None]:
    """Call `note` with a text for every fault of servers in this process."""
    before, handler = problems.log, _NotingHandler(note)
    problems.log = _NotingLog(before, note)
    logging.getLogger("uvicorn.error").addHandler(handler)
    try:
        yield
    finally:
        problems.log = before
        logging.getLogger("uvicorn.error").removeHandler(handler)


def note_in_file() -> Any:
    """Return what writes a fault into the file that the parent named; nothing if it named none."""
    name = os.environ.get(FILE_VARIABLE)

    def note(text: str) -> None:
        if name is not None:
            with Path(name).open("a", encoding="utf-8") as file:
                file.write(text.replace("\n", " ") + "\n")

    return note


__all__ = ["FILE_VARIABLE", "note_in_file", "noting_faults"]
