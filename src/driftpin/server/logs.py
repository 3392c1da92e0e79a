"""How a server process writes its log: one JSON object a line on standard error."""

import logging
import sys
from collections.abc import Mapping
from typing import Final

import structlog

LEVELS: Final[Mapping[str, int]] = {"debug": 10, "info": 20, "warning": 30, "error": 40}


def configure_logs(level: str) -> None:
    """Write what is of `level` and above; `level` is a key of `LEVELS`."""
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(file=sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(
        level=LEVELS[level], stream=sys.stderr, format="%(levelname)s %(name)s %(message)s"
    )


__all__ = ["LEVELS", "configure_logs"]
