"""How much a change matters, in five steps, and what in a text decides it."""

import re
from collections import Counter
from collections.abc import Iterable
from enum import StrEnum
from pathlib import PurePosixPath
from typing import Final

from driftpin.context import hidden_text
from driftpin.context.fetch_and_run import fetch_and_run_lines
from driftpin.context.resource import Finding
from driftpin.context.scanner import find_in_text


class Severity(StrEnum):
    """From what nobody needs to read to what nobody should accept unread; ordered."""

    COSMETIC = "cosmetic"
    NOTATION = "notation"
    ADDITIVE = "additive"
    BEHAVIOURAL = "behavioural"
    RISKY = "risky"

    @property
    def rank(self) -> int:
        """The place in the order; a worse one is higher."""
        return list(Severity).index(self)

    # A StrEnum would compare its members as text.
    def __lt__(self, other: str) -> bool:
        return self.rank < Severity(other).rank

    def __le__(self, other: str) -> bool:
        return self.rank <= Severity(other).rank

    def __gt__(self, other: str) -> bool:
        return self.rank > Severity(other).rank

    def __ge__(self, other: str) -> bool:
        return self.rank >= Severity(other).rank


def worst(severities: Iterable[Severity]) -> Severity | None:
    """Return the worst of them; None if there is none."""
    return max(severities, default=None)


_WHITE_SPACE: Final = " \t\r\n"
_WORDS: Final = re.compile(f"[^{_WHITE_SPACE}]+")
_DOCUMENT_SUFFIXES: Final = frozenset(
    {"", ".md", ".markdown", ".mdc", ".mdx", ".rst", ".txt", ".adoc"}
)
_SCRIPT_SUFFIXES: Final = frozenset(
    {
        *(".sh", ".bash", ".zsh", ".fish", ".ps1", ".psm1", ".bat", ".cmd", ".command"),
        *(".py", ".pyw", ".rb", ".pl", ".php", ".lua", ".r", ".tcl", ".awk", ".applescript"),
        *(".js", ".mjs", ".cjs", ".jsx", ".ts", ".mts", ".cts", ".tsx", ".vbs", ".groovy"),
        *(".go", ".rs", ".java", ".kt", ".swift", ".exe", ".dll", ".so", ".dylib", ".jar"),
    }
)


def is_script(path: str, *, executable: bool, text: str | None) -> bool:
    """Whether a skill's file is there to be run: by its bit, its suffix, or its first line."""
    has_suffix = PurePosixPath(path).suffix.lower() in _SCRIPT_SUFFIXES
    return executable or has_suffix or (text is not None and text.startswith("#!"))


def is_cosmetic(before: str, after: str, *, path: str = "") -> bool:
    """Whether only white space and line ends differ.

    In a document any white space between words may; elsewhere (a script, say) spaces have a
    meaning, and only line ends and the last line's end may. Spaces beyond ASCII are not white
    space here: they can be told from a space by a program, but not by a reader.
    """
    if PurePosixPath(path).suffix.lower() in _DOCUMENT_SUFFIXES:
        # Most edits change how much there is beside white space, which is quick to see.
        return _solid_length(before) == _solid_length(after) and (
            _WORDS.findall(before) == _WORDS.findall(after)
        )
    return _with_plain_ends(before) == _with_plain_ends(after)


def brings_hidden(before: str, after: str) -> bool:
    """Whether `after` has a run of hidden characters that `before` lacks, or has fewer of."""
    there = _hidden(after)
    return bool(there) and bool(there - _hidden(before))


def brings_fetch(before: str, after: str) -> bool:
    """Whether `after` has a line that fetches and runs which `before` lacks, or has fewer of."""
    there = _fetches(after)
    return bool(there) and bool(there - _fetches(before))


def fetches_and_runs(text: str) -> bool:
    """Whether any line of the text downloads something and executes it."""
    return next(fetch_and_run_lines(text), None) is not None


def new_findings(before: str, after: str, *, path: str = "") -> tuple[Finding, ...]:
    """Return what the scanner finds in `after` and did not find as often in `before`."""
    there = find_in_text(after, path=path)
    if not there:
        return ()
    known = Counter((finding.code, finding.preview) for finding in find_in_text(before, path=path))
    fresh: list[Finding] = []
    for finding in there:
        key = (finding.code, finding.preview)
        known[key] -= 1
        if known[key] < 0:
            fresh.append(finding)
    return tuple(fresh)


def _solid_length(text: str) -> int:
    return len(text) - sum(map(text.count, _WHITE_SPACE))


def _with_plain_ends(text: str) -> str:
    return text.replace("\r\n", "\n").removesuffix("\n")


def _hidden(text: str) -> Counter[str]:
    return Counter(run.text for run in hidden_text.hidden_runs(text))


def _fetches(text: str) -> Counter[str]:
    return Counter(found.line for found in fetch_and_run_lines(text))


__all__ = [
    "Severity",
    "brings_fetch",
    "brings_hidden",
    "fetches_and_runs",
    "is_cosmetic",
    "is_script",
    "new_findings",
    "worst",
]
