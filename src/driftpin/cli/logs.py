"""Where a process started from the command line says what it does: its standard error."""

import logging

from driftpin.settings import LogLevel

_LEVELS = {
    LogLevel.DEBUG: logging.DEBUG,
    LogLevel.INFO: logging.INFO,
    LogLevel.WARNING: logging.WARNING,
    LogLevel.ERROR: logging.ERROR,
}


def log_to_standard_error(level: LogLevel) -> None:
    """Write records of this level and above."""
    # Libraries that are debugged write headers out, and with them tokens.
    logging.basicConfig(
        level=max(_LEVELS[level], logging.INFO), format="%(levelname)s %(name)s: %(message)s"
    )
    logging.getLogger("driftpin").setLevel(_LEVELS[level])
    # Each request of each command would stand in it.
    for talkative in ("httpx2", "httpcore2"):
        logging.getLogger(talkative).setLevel(max(_LEVELS[level], logging.WARNING))


__all__ = ["log_to_standard_error"]
