"""Where calls of reading tools are answered, and what the code saw of them is kept."""

import threading
from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Final

from driftpin import review_limits
from driftpin.errors import DriftpinError, NotFound
from driftpin.review.inputs import Read, RoundInputs
from driftpin.review.reading.files import list_folder, read_lines
from driftpin.review.reading.history import show_blame, show_diff
from driftpin.review.reading.pages import Page
from driftpin.review.reading.searching import search_tree
from driftpin.review.reading.tools import BLAME, DIFF, LIST_FILES, READ_FILE, SEARCH
from driftpin.review.reading.trees import PinnedTrees
from driftpin.review.reading.wishes import (
    BlameWish,
    DiffWish,
    LinesWish,
    ListWish,
    SearchWish,
    read_wish,
)
from driftpin.review.repository import Repository

_NO_MORE: Final = (
    "You have read as much as one reviewer may. Answer now, with what you know; claim nothing that"
    " you could not see."
)


class ReadingDesk:
    """Answers for one round, from what it pinned; may be asked by many threads."""

    def __init__(self, repository: Repository, inputs: RoundInputs) -> None:
        """Read the pinned objects of `inputs` from `repository`."""
        self._repository = repository
        self._inputs = inputs
        self._trees = PinnedTrees(repository, inputs.head, inputs.merge_base)
        self._seats = threading.BoundedSemaphore(review_limits.REVIEW_READ_AT_ONCE_MAX)
        self._tools: Mapping[str, Callable[[str], Page]] = {
            BLAME: lambda given: show_blame(
                self._trees, self._head_commit, read_wish(BlameWish, given)
            ),
            DIFF: lambda given: show_diff(self._inputs, read_wish(DiffWish, given)),
            LIST_FILES: lambda given: list_folder(self._trees, read_wish(ListWish, given)),
            READ_FILE: lambda given: read_lines(self._trees, read_wish(LinesWish, given)),
            SEARCH: lambda given: search_tree(self._trees, read_wish(SearchWish, given)),
        }

    @cached_property
    def _head_commit(self) -> str:
        return self._repository.commit_of(self._inputs.head, self._inputs.merge_base)

    def answer(self, tool: str, arguments: str) -> Read:
        """Return what a call gives; a refusal is a result, and says what to do."""
        try:
            with self._seats:
                found = self._page(tool, arguments)
        except DriftpinError as refusal:
            return Read(tool, arguments, refusal.message, is_error=True)
        return Read(tool, arguments, found.text, found.paths)

    def _page(self, tool: str, arguments: str) -> Page:
        if tool not in self._tools:
            raise NotFound(f"There is no tool {tool[:100]!r}.", code="no_tool")
        return self._tools[tool](arguments)

    def visit(self) -> "Visit":
        """Return what one reviewer reads with."""
        return Visit(self)


class Visit:
    """The calls of one reviewer: counted, bounded, and kept as they were answered."""

    def __init__(self, desk: ReadingDesk) -> None:
        """Begin with nothing read."""
        self._desk = desk
        self._calls = 0
        self._bytes = 0
        self._reads: list[Read] = []

    @property
    def is_over(self) -> bool:
        """Whether the reviewer went on calling although it was told to answer."""
        most = review_limits.REVIEW_READ_CALLS_MAX + review_limits.REVIEW_READ_REFUSALS_MAX
        return self._calls > most

    def answer(self, tool: str, arguments: str) -> Read:
        """Return what a call gives, and keep it."""
        self._calls += 1
        is_enough = (
            self._calls > review_limits.REVIEW_READ_CALLS_MAX
            or self._bytes >= review_limits.REVIEW_READ_BYTES_PER_REVIEWER_MAX
        )
        arguments = arguments.encode("utf-8", "replace").decode()
        refused = Read(tool, arguments, _NO_MORE, is_error=True)
        read = refused if is_enough else self._desk.answer(tool, arguments)
        self._bytes += len(read.result.encode())
        return self.keep(read)

    def keep(self, read: Read) -> Read:
        """Keep a call that was answered elsewhere, in its place among the others."""
        self._reads.append(read)
        return read

    def take(self) -> tuple[Read, ...]:
        """Return what was read since this was asked last."""
        taken, self._reads = tuple(self._reads), []
        return taken


__all__ = ["ReadingDesk", "Visit"]
