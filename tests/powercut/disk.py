"""A disk that loses power: what was written and not synced is gone, in part, or torn.

It stands under SQLite as a file system of its own. Files are real and hold what a running process
sees; beside them the disk keeps what would have survived, and what is still under way.
"""

import random
from dataclasses import dataclass, field
from pathlib import Path

import apsw

SECTOR_BYTES = 512
Write = tuple[int, bytes | None]


@dataclass(slots=True)
class Platter:
    """One file as it would survive: `under_way` are the writes since the last sync, in order.

    A write is a place and bytes; without bytes it is a truncation to that place.
    """

    durable: bytearray = field(default_factory=bytearray)
    under_way: list[Write] = field(default_factory=list)

    def sync(self) -> None:
        """Let everything that is under way arrive."""
        for place, content in self.under_way:
            _apply(self.durable, place, content)
        self.under_way.clear()

    def survivors(self, source: random.Random) -> bytes:
        """Return what a cut leaves: nothing, a beginning or some sectors of what was under way."""
        image = bytearray(self.durable)
        match source.choice(("none", "beginning", "some")):
            case "beginning":
                for place, content in self.under_way[: source.randint(0, len(self.under_way))]:
                    _apply(image, place, content)
            case "some":
                for place, content in self.under_way:
                    _apply_some(image, place, content, source)
            case _:
                pass
        return bytes(image)


def _failed(why: str, code: int) -> apsw.IOError:
    failure = apsw.IOError(why)
    failure.extendedresult = code  # type: ignore[attr-defined]  # the stubs lack it
    return failure


def _apply(image: bytearray, place: int, content: bytes | None) -> None:
    if content is None:
        del image[place:]
        return
    if len(image) < place:
        image.extend(bytes(place - len(image)))
    image[place : place + len(content)] = content


def _apply_some(image: bytearray, place: int, content: bytes | None, source: random.Random) -> None:
    if content is None:
        if source.random() < 0.5:
            _apply(image, place, None)
        return
    for begin in range(0, len(content), SECTOR_BYTES):
        if source.random() < 0.5:
            _apply(image, place + begin, content[begin : begin + SECTOR_BYTES])


class Disk(apsw.VFS):
    """The file system; `name` is how SQLite asks for it. Power goes at the `cut_at`-th action."""

    def __init__(self, name: str, *, cut_at: int | None = None) -> None:
        self.name = name
        self.cut_at = cut_at
        self.actions = 0
        self.syncs = 0
        self.is_off = False
        self.fails_to_sync = False
        self.platters: dict[str, Platter] = {}
        super().__init__(name, "")

    def xOpen(self, name: str | apsw.URIFilename | None, flags: list[int]) -> "DiskFile":  # noqa: N802 SQLite's own name
        return DiskFile(self, name, flags)

    def xDelete(self, filename: str, syncdir: bool) -> None:  # noqa: N802
        self.act()
        super().xDelete(filename, syncdir)
        self.platters.pop(filename, None)

    def platter(self, filename: str) -> Platter:
        """Return a file's platter; what was there before the disk came is durable."""
        if filename not in self.platters:
            path = Path(filename)
            there = path.read_bytes() if path.exists() else b""
            self.platters[filename] = Platter(bytearray(there))
        return self.platters[filename]

    def act(self) -> None:
        """Count one action; from the cut on, everything fails."""
        self.actions += 1
        if self.cut_at is not None and self.actions >= self.cut_at:
            self.is_off = True
        if self.is_off:
            raise _failed("the power is gone", apsw.SQLITE_IOERR_WRITE)

    def sync(self, platter: Platter) -> None:
        """Let a file's writes arrive, unless the disk fails: then they never will."""
        self.act()
        if self.fails_to_sync:
            platter.under_way.clear()
            raise _failed("the disk could not be synced", apsw.SQLITE_IOERR_FSYNC)
        self.syncs += 1
        platter.sync()

    def let_go(self) -> None:
        """Stand in nobody's way any more, so that a process can close its files."""
        self.cut_at, self.is_off, self.fails_to_sync = None, False, False

    def leave(self, directory: Path, source: random.Random) -> None:
        """Write down what the cut left, in an empty directory."""
        for filename, platter in self.platters.items():
            (directory / Path(filename).name).write_bytes(platter.survivors(source))


class DiskFile(apsw.VFSFile):
    """One open file."""

    def __init__(self, disk: Disk, name: str | apsw.URIFilename | None, flags: list[int]) -> None:
        self.disk = disk
        path = name.filename() if isinstance(name, apsw.URIFilename) else str(name)
        self.platter = disk.platter(path)
        super().__init__("", name, flags)

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self.disk.act()
        self.platter.under_way.append((offset, bytes(data)))
        super().xWrite(data, offset)

    def xTruncate(self, newsize: int) -> None:  # noqa: N802
        self.disk.act()
        self.platter.under_way.append((newsize, None))
        super().xTruncate(newsize)

    def xSync(self, flags: int) -> None:  # noqa: N802
        # The real file is in memory or thrown away; only the platter counts.
        self.disk.sync(self.platter)


__all__ = ["Disk", "Platter"]
