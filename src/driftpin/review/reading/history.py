"""`diff` and `blame`: what the change did to a file, and where its lines come from."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from driftpin import review_limits
from driftpin.errors import NotFound, Rejected
from driftpin.review.diff import FileChange, numbered, parse_patch, quoted
from driftpin.review.inputs import RoundInputs
from driftpin.review.reading.pages import Page, page
from driftpin.review.reading.trees import PinnedTrees
from driftpin.review.reading.wishes import (
    BlameWish,
    DiffWish,
    Since,
    TreeSide,
    bad,
    read_path,
    read_range,
    read_skip,
)

_BLAME_BYTES_MAX: Final = 4 * 1_024 * 1_024
_NAME_CHARACTERS: Final = 12


def show_diff(inputs: RoundInputs, wish: DiffWish) -> Page:
    """Return the diff of a file as the round pinned it."""
    path = read_path(wish.path)
    change = _find_change(_changes(inputs, wish.since), path.decode("utf-8", "replace"))
    if change.is_binary:
        raise Rejected("This is a binary file; its diff has no lines.", code="binary")
    skip = read_skip(wish.skip)
    lines = list(numbered(change))
    shown = lines[skip : skip + review_limits.REVIEW_READ_LINES_MAX]
    moved = f", was {change.old_path}" if change.old_path != change.path else ""

    def tell(count: int) -> str:
        end = skip + count
        told = f"Lines {min(skip + 1, end)} to {end} of the {len(lines)} of this diff."
        return told if end >= len(lines) else f"{told} Cut; go on with skip={end}."

    name = f"{change.kind} {change.path}{moved}, since {wish.since.value}"
    return page(name, shown, tell, [quoted(path)])


def _changes(inputs: RoundInputs, since: Since) -> tuple[FileChange, ...]:
    if since is Since.BASE:
        return inputs.changes
    if inputs.delta is None:
        raise bad("This is the first round: there is no earlier head. Use since=base.")
    return parse_patch(inputs.delta)


def _find_change(changes: Iterable[FileChange], path: str) -> FileChange:
    for change in changes:
        if path in {change.path, change.old_path}:
            return change
    raise NotFound(
        "The change does not touch this file; `read_file` shows it as it is.", code="not_changed"
    )


@dataclass(frozen=True, slots=True)
class _Origin:
    """Where a line comes from."""

    commit: str
    when: str
    subject: str


def show_blame(trees: PinnedTrees, commit: str, wish: BlameWish) -> Page:
    """Return where lines of the head come from: runs of lines with one commit each."""
    path = read_path(wish.path)
    count = len(trees.text(TreeSide.HEAD, path))
    if not count:
        raise bad("The file is empty: nobody wrote a line of it.")
    most = review_limits.REVIEW_READ_BLAME_LINES_MAX
    begin, end = read_range(wish.first_line, wish.last_line, count, most)
    asked = ("blame", "--no-textconv", "--porcelain", "-L", f"{begin},{end}", commit, "--", path)
    looked = trees.look(*asked, bytes_max=_BLAME_BYTES_MAX)
    if looked.code != 0 or looked.is_cut:
        raise Rejected("git cannot tell where these lines come from.", code="no_history")
    is_tree = commit != trees.names[TreeSide.HEAD]
    runs = list(_runs(looked.content, commit if is_tree else ""))

    def tell(_: int) -> str:
        wanted = count if wish.last_line is None else min(wish.last_line, count)
        told = f"Lines {begin} to {end} of {count}."
        return told if end >= wanted else f"{told} Cut; go on with first_line={end + 1}."

    return page(f"origin of lines of {quoted(path)}", runs, tell, [quoted(path)])


def _runs(porcelain: bytes, not_committed: str) -> Iterator[str]:
    known: dict[str, _Origin] = {}
    run: tuple[int, int, str] | None = None
    for number, commit, told in _lines(porcelain):
        if told:
            known[commit] = _origin(commit, told, is_committed=commit != not_committed)
        if run is not None and run[2] == commit and run[1] + 1 == number:
            run = (run[0], number, commit)
            continue
        if run is not None:
            yield _told(run, known[run[2]])
        run = (number, number, commit)
    if run is not None:
        yield _told(run, known[run[2]])


def _lines(porcelain: bytes) -> Iterator[tuple[int, str, dict[str, str]]]:
    """Yield each line's number, its commit, and what is told of a commit that is told first."""
    number, commit, told = 0, "", dict[str, str]()
    for line in porcelain.decode("utf-8", "replace").split("\n"):
        if line.startswith("\t"):
            yield number, commit, told
            number, commit, told = 0, "", {}
        elif not commit:
            commit, _, rest = line.partition(" ")
            number = int(rest.split(" ")[1]) if rest else 0
        else:
            name, _, value = line.partition(" ")
            told[name] = value


def _origin(commit: str, told: dict[str, str], *, is_committed: bool) -> _Origin:
    if not is_committed:
        return _Origin("not committed", "", "part of the change under review")
    when = datetime.fromtimestamp(int(told["author-time"]), UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return _Origin(commit[:_NAME_CHARACTERS], when, told.get("summary", ""))


def _told(run: tuple[int, int, str], origin: _Origin) -> str:
    first, last, _ = run
    where = str(first) if first == last else f"{first}-{last}"
    return " ".join(
        part for part in (f"{where}:", origin.commit, origin.when, origin.subject) if part
    )


__all__ = ["show_blame", "show_diff"]
