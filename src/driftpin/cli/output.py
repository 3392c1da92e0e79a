"""How a command shows things: JSON for programs, tables for people, progress beside both.

Every text in a table may come from a file that somebody else wrote, so hidden characters are drawn
and nothing in it is read as mark-up.
"""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Final

from driftpin.context.hidden_text import visible
from driftpin.wire.shape import ReplyShape

DIGEST_CHARACTERS: Final = 12
_PIPE_COLUMNS: Final = 500
_DIGEST_PREFIX: Final = "sha256:"


def write_json(value: object) -> None:
    """Write one JSON document, on one line, to the standard output."""
    sys.stdout.write(json.dumps(_plain(value), ensure_ascii=True) + "\n")
    sys.stdout.flush()


def _plain(value: object) -> object:
    match value:
        case ReplyShape():
            return value.model_dump(mode="json", by_alias=True)
        case dict():
            return {str(key): _plain(item) for key, item in value.items()}
        case list() | tuple():
            return [_plain(item) for item in value]
        case _:
            return value


def write_text(text: str) -> None:
    """Write text to the standard output with hidden characters drawn; lines stay lines."""
    sys.stdout.write(visible(text) + "\n")
    sys.stdout.flush()


def write_table(columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Write a table to the standard output: as wide as the terminal, or unbroken into a pipe."""
    from rich.box import SIMPLE_HEAD
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    is_terminal = sys.stdout.isatty()
    table = Table(box=SIMPLE_HEAD if is_terminal else None, pad_edge=False, highlight=False)
    for column in columns:
        table.add_column(column, overflow="fold")
    for row in rows:
        table.add_row(*(Text(cell(value)) for value in row))
    console = Console(file=sys.stdout, width=None if is_terminal else _PIPE_COLUMNS)
    with console.capture() as captured:
        console.print(table)
    lines = captured.get().splitlines()
    sys.stdout.write("".join(f"{line.rstrip()}\n" for line in lines))


def cell(value: object) -> str:
    """Return a value as it stands in one cell: on one line, a dash for nothing."""
    match value:
        case None | "":
            return "-"
        case bool():
            return "yes" if value else "no"
        case _:
            return visible(str(value)).replace("\n", "\\n").replace("\t", "\\t")


def short_digest(digest: str | None) -> str | None:
    """Return enough of a digest to tell it from its neighbours."""
    return None if digest is None else digest.removeprefix(_DIGEST_PREFIX)[:DIGEST_CHARACTERS]


def counted(number: int, noun: str) -> str:
    """Return a number with its noun: `1 chat`, `2 chats`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


@contextmanager
def progress(what: str) -> Iterator[None]:
    """Show that work goes on, on the standard error and only where that is a terminal."""
    if not sys.stderr.isatty():
        yield
        return
    from rich.console import Console

    with Console(stderr=True).status(what):
        yield


__all__ = [
    "cell",
    "counted",
    "progress",
    "short_digest",
    "write_json",
    "write_table",
    "write_text",
]
