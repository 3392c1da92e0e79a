"""`read_file` and `list_files`: what stands in a pinned tree."""

from collections.abc import Iterator

from driftpin import review_limits
from driftpin.errors import NotFound
from driftpin.review.diff import quoted
from driftpin.review.reading.pages import Page, page
from driftpin.review.reading.trees import Entry, Kind, PinnedTrees
from driftpin.review.reading.wishes import (
    LinesWish,
    ListWish,
    TreeSide,
    read_folder,
    read_path,
    read_range,
    read_skip,
)


def read_lines(trees: PinnedTrees, wish: LinesWish) -> Page:
    """Return lines of a file with their numbers."""
    path = read_path(wish.path)
    lines = trees.text(wish.side, path)
    name = f"{quoted(path)} at the {wish.side}"
    if not lines:
        return page(name, (), lambda _: "The file is empty.", [quoted(path)])
    most = review_limits.REVIEW_READ_LINES_MAX
    begin, end = read_range(wish.first_line, wish.last_line, len(lines), most)
    shown = [f"{number:>6} {lines[number - 1]}" for number in range(begin, end + 1)]

    def tell(count: int) -> str:
        last = begin + count - 1
        told = f"Lines {begin} to {last} of {len(lines)}."
        wanted = len(lines) if wish.last_line is None else min(wish.last_line, len(lines))
        return told if last >= wanted else f"{told} Cut; go on with first_line={last + 1}."

    return page(name, shown, tell, [quoted(path)])


def list_folder(trees: PinnedTrees, wish: ListWish) -> Page:
    """Return what a folder holds."""
    folder, skip = read_folder(wish.folder), read_skip(wish.skip)
    below = folder + b"/" if folder else b""
    files = {path: each for path, each in trees.files(wish.side).items() if path.startswith(below)}
    if not files and folder:
        raise NotFound(_no_folder(trees, wish.side, folder), code="folder_not_found")
    lines = list(_all(files) if wish.all_below else _own(files, len(below)))
    shown = lines[skip : skip + review_limits.REVIEW_READ_ENTRIES_MAX]

    def tell(count: int) -> str:
        told = f"{count} of {len(lines)} entries."
        end = skip + count
        return told if end >= len(lines) else f"{told} Cut; go on with skip={end}."

    return page(f"{quoted(folder) or 'the top'} at the {wish.side}", shown, tell)


def _no_folder(trees: PinnedTrees, side: TreeSide, folder: bytes) -> str:
    entry = trees.files(side).get(folder)
    if entry is not None:
        return f"This is a {entry.kind} and no folder; `read_file` tells more of it."
    return f"There is no such folder at the {side}."


def _all(files: dict[bytes, Entry]) -> Iterator[str]:
    for path, entry in files.items():
        yield f"{quoted(path)}{_mark(entry)}"


def _own(files: dict[bytes, Entry], start: int) -> Iterator[str]:
    """Yield the entries of a folder by name; of a folder in it how many files are below."""
    counts: dict[bytes, int] = {}
    for path in files:
        end = path.find(b"/", start)
        if end > 0:
            counts[path[:end]] = counts.get(path[:end], 0) + 1
    own = {path: _mark(each) for path, each in files.items() if b"/" not in path[start:]}
    folders = {path: f"/ ({count} files below)" for path, count in counts.items()}
    for path, mark in sorted({**own, **folders}.items()):
        yield f"{quoted(path)}{mark}"


def _mark(entry: Entry) -> str:
    return "" if entry.kind is Kind.FILE else f" ({entry.kind})"


__all__ = ["list_folder", "read_lines"]
