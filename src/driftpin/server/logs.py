"""How a server writes its log on standard error: JSON lines, or plain ones on a terminal."""

import logging
import sys
from collections.abc import Mapping, MutableMapping
from typing import Any, Final

import structlog

LEVELS: Final[Mapping[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logs(level: str) -> None:
    """Write what is of `level` and above; `level` is a key of `LEVELS`."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _plain_line if sys.stderr.isatty() else structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    # Libraries that are debugged write headers and statements out: tokens, and context.
    logging.basicConfig(
        level=max(LEVELS[level], logging.INFO),
        stream=sys.stderr,
        format="%(levelname)s %(name)s %(message)s",
    )
    logging.getLogger("driftpin").setLevel(LEVELS[level])
    # It tells of the beginning and end of every single request.
    logging.getLogger("mcp").setLevel(max(LEVELS[level], logging.WARNING))


def _plain_line(_logger: object, _method: str, entry: MutableMapping[str, Any]) -> str:
    """Write an entry for a person who looks on: the level, the text, then what else is known."""
    entry.pop("timestamp", None)
    level, event = entry.pop("level"), entry.pop("event")
    text = entry.pop("detail", event)
    trace = entry.pop("exception", None)
    rest = "".join(f" {name}={value!r}" for name, value in entry.items())
    return f"{level}: {text}{rest}" + (f"\n{trace}" if trace else "")


__all__ = ["LEVELS", "configure_logs"]
