"""The files of a workspace, read for its chats: one file, a list of them, a search through them.

Read only, and confined to the workspace's root like everything that the agent reads: a link that
leads out is refused, and so are hidden files and MCP configs, also where a link gives them another
name. Nothing is decided by joining paths. Every answer has a maximum and says when it was cut.
"""

import asyncio
import os
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from driftpin import limits
from driftpin.agent.beneath import detected_opener, real_path
from driftpin.agent.globs import matches_glob
from driftpin.agent.mcp_results import cut_text
from driftpin.agent.names import is_bad_name, joined
from driftpin.agent.private_paths import is_private
from driftpin.agent.reading import FileContent, Reader, Refusal, refusal_for
from driftpin.agent.roots import RootProblem, open_root
from driftpin.agent.skill_folder import ignored_rule
from driftpin.agent.trace import lstat_seen
from driftpin.chat.skill_paths import check_skill_path
from driftpin.clock import Clock
from driftpin.context.manifest import Json
from driftpin.context.schema_rules import compile_safely
from driftpin.errors import DriftpinError, Forbidden, Malformed, NotFound, Rejected, Unavailable

Arguments = Mapping[str, Any]
Made = TypeVar("Made")
_REFUSED: Final = {
    "not_found": "There is no such file.",
    "path_escape": "A link leads out of the workspace.",
    "not_regular": "This is not a regular file.",
    "too_large": f"The file has more than {limits.WORKSPACE_FILE_BYTES_MAX} bytes.",
}


@dataclass(frozen=True, slots=True)
class _Wanted:
    """Which files a list or a search is for."""

    folder: str
    glob: str

    def has(self, path: str) -> bool:
        return not self.glob or matches_glob(path, self.glob)


class WorkspaceFiles:
    """Answers for one workspace; a few calls at a time, so that passes are never held up."""

    def __init__(self, directory: Path, clock: Clock) -> None:
        """Read below `directory`; links on the way to it are resolved here, once."""
        self._root = Path(os.path.realpath(directory))
        self._clock = clock
        self._reader = Reader(detected_opener())
        self._turns = asyncio.Semaphore(limits.WORKSPACE_CALLS_AT_ONCE_MAX)

    async def read(self, arguments: Arguments) -> Json:
        """Return a text file, or the lines `first_line` to `last_line` of it."""
        path = _text(arguments, "path")
        first, last = _line(arguments, "first_line"), _line(arguments, "last_line")
        return await self._made(lambda root: self._read_lines(root, path, first, last))

    async def list(self, arguments: Arguments) -> Json:
        """Return the paths of the files that a `folder` and a `glob` name."""
        wanted = _wanted(arguments)
        return await self._made(lambda root: self._list(root, wanted))

    async def search(self, arguments: Arguments) -> Json:
        """Return the lines that have a text, or match a pattern."""
        wanted, pattern = _wanted(arguments), _pattern(arguments)
        return await self._made(lambda root: self._search(root, wanted, pattern))

    async def _made(self, make: Callable[[int], Made]) -> Made:
        async with self._turns:
            return await asyncio.to_thread(self._with_root, make)

    def _with_root(self, make: Callable[[int], Made]) -> Made:
        with self._opened() as root:
            return make(root)

    @contextmanager
    def _opened(self) -> Iterator[int]:
        root = open_root(self._root)
        if isinstance(root, RootProblem):
            raise Unavailable("The workspace cannot be read now.", code=root.value)
        try:
            yield root
        finally:
            os.close(root)

    def _read_lines(self, root: int, path: str, first: int | None, last: int | None) -> Json:
        text = self._read_text(root, path, limits.WORKSPACE_FILE_BYTES_MAX)
        if first is None and last is None:
            return _answer(text)
        lines = text.split("\n")
        begin = (first or 1) - 1
        end = min(last or len(lines), len(lines))
        if begin >= end:
            raise Rejected(f"The file has {len(lines)} lines.", code="no_such_lines")
        shown = f"[lines {begin + 1} to {end} of {len(lines)}]"
        return _answer("\n".join([shown, *lines[begin:end]]))

    def _read_text(self, root: int, path: str, bytes_max: int) -> str:
        read = self._reader.read_file(root, self._place(root, path), bytes_max)
        if isinstance(read, Refusal):
            raise _refused(read)
        return _decoded(read)

    def _place(self, root: int, path: str) -> str:
        """Return where a path really leads to, if that may be read; no link is left in it."""
        check_skill_path(path)
        try:
            real = real_path(root, path)
        except OSError as error:
            raise _refused(refusal_for(error)) from None
        if is_private(real) or any(name.startswith(".") for name in real.split("/")):
            raise Forbidden("This file is not for chats.", code="path_escape")
        return real

    def _list(self, root: int, wanted: _Wanted) -> Json:
        found: list[str] = []
        for path in self._walk(root, wanted):
            if len(found) == limits.WORKSPACE_FILES_LISTED_MAX:
                note = f"[cut: only the first {len(found)} files are listed]"
                return _answer("\n".join([*found, note]), is_cut=True)
            found.append(path)
        return _answer("\n".join(found) or "[no files]")

    def _search(self, root: int, wanted: _Wanted, pattern: re.Pattern[str]) -> Json:
        search = _Search(self._reader, root, pattern, self._clock)
        for path in self._walk(root, wanted):
            if search.is_over():
                break
            search.look_into(path)
        return search.answer()

    def _walk(self, root: int, wanted: _Wanted) -> Iterator[str]:
        """Yield the paths of regular files in order; no link is followed."""
        left = limits.SCAN_ENTRIES_MAX
        asked = self._place(root, wanted.folder) if wanted.folder else ""
        waiting = [asked]
        while waiting:
            folder = waiting.pop()
            listing = self._reader.list_directory(root, folder, limits.SCAN_DIRECTORY_ENTRIES_MAX)
            if isinstance(listing, Refusal):
                if folder == asked:
                    raise _refused(listing)
                continue
            left -= len(listing.names)
            if left < 0:
                return
            below: list[str] = []
            for name in filter(_is_offered, listing.names):
                path = joined(folder, name)
                seen = lstat_seen(root, path)
                if isinstance(seen, int):
                    continue
                if seen.is_directory:
                    below.append(path)
                elif seen.is_file and wanted.has(path):
                    yield path
            waiting.extend(reversed(below))


class _Search:
    """One search; ends by itself at its limits."""

    def __init__(self, reader: Reader, root: int, pattern: re.Pattern[str], clock: Clock) -> None:
        self._reader = reader
        self._root = root
        self._pattern = pattern
        self._clock = clock
        self._ends_s = clock.monotonic_s() + limits.SEARCH_LONGEST_S
        self._bytes_left = limits.SEARCHED_BYTES_MAX
        self._found: list[str] = []

    def is_over(self) -> bool:
        return bool(self._why_over())

    def look_into(self, path: str) -> None:
        read = self._reader.read_file(self._root, path, limits.SEARCHED_FILE_BYTES_MAX)
        if isinstance(read, Refusal):
            return
        self._bytes_left -= len(read.content)
        try:
            text = _decoded(read)
        except Rejected:
            return
        for number, line in enumerate(text.split("\n"), start=1):
            if self.is_over():
                return
            # A pattern may cost the square of what it is searched in.
            if self._pattern.search(line[: limits.SEARCHED_LINE_CHARACTERS_MAX]):
                shown = line.strip()[: limits.SEARCH_SHOWN_CHARACTERS_MAX]
                self._found.append(f"{path}:{number}: {shown}")

    def answer(self) -> Json:
        why = self._why_over()
        if why:
            return _answer("\n".join([*self._found, f"[cut: {why}]"]), is_cut=True)
        return _answer("\n".join(self._found) or "[nothing found]")

    def _why_over(self) -> str:
        if len(self._found) >= limits.SEARCH_MATCHES_MAX:
            return f"only the first {limits.SEARCH_MATCHES_MAX} lines are shown"
        if self._bytes_left <= 0:
            return f"only the first {limits.SEARCHED_BYTES_MAX} bytes were searched"
        if self._clock.monotonic_s() >= self._ends_s:
            return f"the search ended after {limits.SEARCH_LONGEST_S:g} s"
        return ""


def _is_offered(name: str) -> bool:
    """Whether a name is listed: what could not be read by it is not."""
    is_readable = not name.startswith(".") and not is_bad_name(name) and ignored_rule(name) is None
    try:
        check_skill_path(name)
    except DriftpinError:
        return False
    return is_readable


def _answer(text: str, *, is_cut: bool = False) -> Json:
    shown, was_cut = cut_text(text)
    return {"text": shown, "is_cut": is_cut or was_cut}


def _decoded(read: FileContent) -> str:
    if b"\0" in read.content:
        raise Rejected("This is not a text file.", code="not_text")
    try:
        return read.content.decode("utf-8-sig").replace("\r\n", "\n")
    except UnicodeDecodeError:
        raise Rejected("This is not a text file in UTF-8.", code="not_text") from None


def _refused(refusal: Refusal) -> DriftpinError:
    text = _REFUSED.get(refusal.reason, "This file cannot be read.")
    if refusal.reason == "not_found":
        return NotFound(text, code="file_not_found")
    if refusal.reason == "path_escape":
        return Forbidden(text, code="path_escape")
    return Rejected(text, code=refusal.reason)


def _wanted(arguments: Arguments) -> _Wanted:
    folder, glob = _optional_text(arguments, "folder"), _optional_text(arguments, "glob")
    if len(glob) > limits.WORKSPACE_GLOB_CHARACTERS_MAX:
        raise Rejected("The glob is too long.", code="bad_pattern")
    return _Wanted("" if folder in (".", "./") else folder.rstrip("/"), glob)


def _pattern(arguments: Arguments) -> re.Pattern[str]:
    text = _text(arguments, "text")
    if len(text) > limits.SEARCH_PATTERN_CHARACTERS_MAX:
        raise Rejected("The text to look for is too long.", code="bad_pattern")
    if arguments.get("is_pattern") is not True:
        return re.compile(re.escape(text))
    compiled = compile_safely(text)
    if compiled is None:
        raise Rejected(
            "This pattern is not valid, or could take too long; write a simpler one, without "
            "repeated groups, look-around or references back.",
            code="bad_pattern",
        )
    return compiled


def _text(arguments: Arguments, name: str) -> str:
    value = arguments.get(name)
    if not isinstance(value, str) or not value:
        raise Malformed(f"The argument {name!r} must be a text.", code="bad_arguments")
    return value


def _optional_text(arguments: Arguments, name: str) -> str:
    return "" if arguments.get(name) in (None, "") else _text(arguments, name)


def _line(arguments: Arguments, name: str) -> int | None:
    value = arguments.get(name)
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, int) or value < 1:
        raise Malformed(f"The argument {name!r} must be a line's number.", code="bad_arguments")
    return value


__all__ = ["WorkspaceFiles"]
