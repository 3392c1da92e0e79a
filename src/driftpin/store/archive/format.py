"""The file of a backup: written so that half a file never passes for a whole one.

A value is JSON as it stands but for bytes (base64) and instants (microseconds since 1970). Each
column names its kind, so a file can be read by a release whose tables have changed since.
"""

import base64
import gzip
import hashlib
import json
import os
import tempfile
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from driftpin import limits
from driftpin.errors import UsageError

FORMAT: Final = "driftpin-backup"
VERSION: Final = 1
COMPRESSION: Final = 4

Value = str | int | bool | bytes | None


class ColumnKind(StrEnum):
    """How the values of a column are kept in a backup; one for each of `store.column_types`."""

    ID = "id"
    TEXT = "text"
    NUMBER = "number"
    FLAG = "flag"
    INSTANT = "instant"
    DIGEST = "digest"
    BYTES = "bytes"


class BackupDamaged(UsageError):
    """The backup is not whole, or its bytes changed; nothing was restored. Use another backup."""

    default_code = "backup_damaged"


@dataclass(frozen=True, slots=True)
class Header:
    """What a backup says of itself. `revision` is the schema's, `epoch` the restore epoch."""

    revision: str
    made_at: str
    epoch: int


@dataclass(frozen=True, slots=True)
class TableHead:
    """The rows behind it belong to this table; each has a value for each column."""

    name: str
    columns: tuple[tuple[str, ColumnKind], ...]


Line = TableHead | tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a backup holds, once every digest in it was compared."""

    header: Header
    rows: dict[str, int]


class ArchiveWriter:
    """Writes one backup, table after table."""

    def __init__(self, stream: gzip.GzipFile, header: Header) -> None:
        """Begin with the header; `finish` makes the file whole."""
        self._stream = stream
        self._whole = hashlib.sha256()
        self._table = hashlib.sha256()
        self._kinds: tuple[ColumnKind, ...] = ()
        self._count = 0
        self._tables = 0
        self._write({"format": FORMAT, "version": VERSION, **_fields_of(header)})

    def begin_table(self, head: TableHead) -> None:
        """Begin the rows of a table."""
        self._table, self._count = hashlib.sha256(), 0
        self._kinds = tuple(kind for _, kind in head.columns)
        self._write({"table": head.name, "columns": head.columns})

    def add(self, row: Sequence[Value]) -> None:
        """Add one row of the table that was begun."""
        pairs = zip(row, self._kinds, strict=True)
        self._table.update(self._write([_written(value, kind) for value, kind in pairs]))
        self._count += 1

    def end_table(self) -> None:
        """End the rows of the table."""
        self._write({"rows": self._count, "digest": _name_of(self._table)})
        self._tables += 1

    def finish(self) -> None:
        """Say that nothing is missing."""
        self._write({"tables": self._tables, "digest": _name_of(self._whole)})

    def _write(self, line: object) -> bytes:
        content = json.dumps(line, separators=(",", ":"), ensure_ascii=True).encode() + b"\n"
        self._whole.update(content)
        self._stream.write(content)
        return content


@contextmanager
def new_archive(target: Path, header: Header, *, may_replace: bool) -> Iterator[ArchiveWriter]:
    """Give a writer of `target`, which is there, whole and on the disk, once this is left.

    Until then, and after a crash, only a file with another name is there, for its owner alone.
    Raises UsageError (`file_exists`).
    """
    if target.exists() and not may_replace:
        raise _exists(target)
    descriptor, name = tempfile.mkstemp(
        dir=target.parent, prefix=f".{target.name}.", suffix=".part"
    )
    try:
        with os.fdopen(descriptor, "wb") as file:
            with gzip.GzipFile("", "wb", COMPRESSION, file, mtime=0) as stream:
                writer = ArchiveWriter(stream, header)
                yield writer
                writer.finish()
            file.flush()
            os.fsync(file.fileno())
        _put_in_place(name, target, may_replace=may_replace)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def check_archive(source: Path) -> Summary:
    """Read the whole backup and return what it holds; raises BackupDamaged."""
    with open_archive(source) as archive:
        rows: dict[str, int] = {}
        name = ""
        for line in archive.lines():
            if isinstance(line, TableHead):
                name = line.name
                rows[name] = 0
            else:
                rows[name] += 1
        return Summary(archive.header, rows)


@contextmanager
def open_archive(source: Path) -> Iterator["ArchiveReader"]:
    """Give a reader of the backup; whatever is wrong with the file raises BackupDamaged."""
    with source.open("rb") as file, gzip.GzipFile("", "rb", fileobj=file) as stream:
        try:
            yield ArchiveReader(stream)
        except (EOFError, gzip.BadGzipFile, zlib.error, ValueError, KeyError, TypeError) as failure:
            raise BackupDamaged(file=str(source)) from failure


class ArchiveReader:
    """Reads one backup, and compares every digest in it on the way."""

    def __init__(self, stream: gzip.GzipFile) -> None:
        """Read the header; ValueError for a file that is no backup."""
        self._stream = stream
        self._whole = hashlib.sha256()
        first = json.loads(self._next_line())
        if first["format"] != FORMAT:
            raise ValueError
        if first["version"] != VERSION:
            raise UsageError(
                f"This backup has version {first['version']!r} of the format, and this release "
                f"reads version {VERSION}; restore it with the release that made it.",
                code="backup_newer",
            )
        self.header = Header(str(first["revision"]), str(first["made_at"]), int(first["epoch"]))

    def lines(self) -> Iterator[Line]:
        """Give every table's head with its rows behind it; raises unless the file is whole."""
        tables = 0
        while True:
            before = _name_of(self._whole)
            told = json.loads(self._next_line())
            if "tables" in told:
                self._compare(told, {"tables": tables, "digest": before})
                break
            head = TableHead(
                told["table"], tuple((name, ColumnKind(kind)) for name, kind in told["columns"])
            )
            yield head
            yield from self._rows(head)
            tables += 1
        if self._stream.read(1):
            raise ValueError

    def _rows(self, head: TableHead) -> Iterator[tuple[Value, ...]]:
        kinds = [kind for _, kind in head.columns]
        digest, count = hashlib.sha256(), 0
        while True:
            content = self._next_line()
            told = json.loads(content)
            if isinstance(told, dict):
                self._compare(told, {"rows": count, "digest": _name_of(digest)})
                return
            digest.update(content)
            count += 1
            yield tuple(_read(value, kind) for value, kind in zip(told, kinds, strict=True))

    def _next_line(self) -> bytes:
        content = self._stream.readline(limits.BACKUP_LINE_BYTES_MAX)
        if not content.endswith(b"\n"):
            raise EOFError
        self._whole.update(content)
        return content

    @staticmethod
    def _compare(told: dict[str, object], found: dict[str, object]) -> None:
        if told != found:
            raise ValueError


def _put_in_place(name: str, target: Path, *, may_replace: bool) -> None:
    if may_replace:
        Path(name).replace(target)
    else:
        try:
            # Unlike a rename, this refuses a file that somebody made meanwhile.
            os.link(name, target)
        except FileExistsError:
            raise _exists(target) from None
        Path(name).unlink()
    directory = os.open(target.parent, os.O_RDONLY)
    try:
        os.fsync(directory)
    finally:
        os.close(directory)


def _exists(target: Path) -> UsageError:
    return UsageError(
        f"{str(target)!r} is there already; name another file or directory, or say --replace.",
        code="file_exists",
    )


def _fields_of(header: Header) -> dict[str, Any]:
    return {"revision": header.revision, "made_at": header.made_at, "epoch": header.epoch}


def _name_of(digest: Any) -> str:
    return f"sha256:{digest.hexdigest()}"


def _written(value: Value, kind: ColumnKind) -> Value:
    if kind is ColumnKind.BYTES and isinstance(value, bytes):
        return base64.b64encode(value).decode("ascii")
    return value


def _read(value: Any, kind: ColumnKind) -> Value:
    is_bytes = kind is ColumnKind.BYTES and value is not None
    read: Value = base64.b64decode(value, validate=True) if is_bytes else value
    return read


__all__ = [
    "ArchiveReader",
    "ArchiveWriter",
    "BackupDamaged",
    "ColumnKind",
    "Header",
    "Line",
    "Summary",
    "TableHead",
    "Value",
    "check_archive",
    "new_archive",
    "open_archive",
]
