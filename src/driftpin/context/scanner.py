"""What a careful reader would want pointed out in a text: a pure, linear look at it.

Findings warn, they never change bytes. Every pattern starts at a fixed character or word and every
repetition is bounded or disjoint from what follows it, so that no text makes the search quadratic.

| code | what |
| --- | --- |
| `bidi` | characters that turn the reading direction |
| `hidden_char` | characters without width |
| `hidden_text` | text spelled in invisible tags; the preview is decoded |
| `variation_selectors` | selectors that select nothing, or runs of them: they can carry data |
| `control_char`, `terminal_escape` | C0 and C1 controls; a whole terminal sequence is one finding |
| `html_comment` | text that a rendered page does not show |
| `fetch_and_run` | a line that downloads something and executes it |
| `unpinned_launcher` | `npx`, `uvx` and their like without a version |
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import PurePosixPath
from typing import Final, assert_never

from driftpin import limits
from driftpin.context import hidden_text
from driftpin.context.fetch_and_run import fetch_and_run_lines
from driftpin.context.hidden_text import HiddenKind, HiddenRun
from driftpin.context.resource import Finding

SCANNER_VERSION: Final = 1

_TERMINAL_ESCAPE: Final = re.compile(
    r"(?:\x1b\[|\x9b)[0-?]{0,64}[ -/]{0,8}[@-~]"
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d-\x9f])[^\x00-\x1f\x7f-\x9f]{0,4096}(?:\x07|\x1b\\|\x9c)"
    r"|\x1b[ -/]{0,8}[0-~]"
)
_GAP: Final = f"[{hidden_text.HIDDEN_CLASS}]*"
_COMMENT_START: Final = re.compile(f"<{_GAP}!{_GAP}-{_GAP}-")
_COMMENT_END: Final = re.compile(f"-{_GAP}-{_GAP}>")
_PROSE_SUFFIXES: Final = frozenset(
    {"", ".md", ".markdown", ".mdc", ".mdx", ".html", ".htm", ".txt"}
)
_LAUNCHER_WORD: Final = re.compile(r"npx|bunx|uvx|dlx|pipx")
_LAUNCHER: Final = re.compile(
    r"(?:^|[`$\"'(;&|])[ \t]{0,64}"
    r"(?:npx|bunx|uvx|pnpm[ \t]dlx|yarn[ \t]dlx|pipx[ \t]run)"
    r"(?:[ \t]{1,8}-{1,2}\w[\w-]{0,64}){0,6}"
    r"[ \t]{1,8}(?P<package>@?[A-Za-z0-9][^\s`\"';|&)]{0,256})",
    re.MULTILINE,
)
_PINNED: Final = re.compile(r"[^@]@v?[0-9]|==|\.whl|@[0-9a-f]{7,40}$")


@dataclass(frozen=True, slots=True)
class _Hit:
    start: int
    code: str
    preview: str


def find_in_text(text: str, *, path: str = "") -> tuple[Finding, ...]:
    """Return what is worth a look, in order; at most `FINDINGS_PER_CODE_MAX` of each code.

    `path` is the file's path inside its resource (empty for an instruction file); comments are
    looked for only where its suffix says prose.
    """
    per_code = limits.FINDINGS_PER_CODE_MAX
    hits = list(_hidden_hits(text, per_code))
    if PurePosixPath(path).suffix.lower() in _PROSE_SUFFIXES:
        hits += islice(_comment_hits(text), per_code)
    hits += islice(_fetch_hits(text), per_code)
    hits += islice(_launcher_hits(text), per_code)
    hits.sort(key=lambda hit: hit.start)
    return tuple(_findings(hits, text, path))


def _findings(hits: list[_Hit], text: str, path: str) -> Iterator[Finding]:
    line, line_start, seen_to = 1, 0, 0
    for hit in hits:
        line += text.count("\n", seen_to, hit.start)
        line_start = max(line_start, text.rfind("\n", seen_to, hit.start) + 1)
        seen_to = hit.start
        column = hit.start - line_start + 1
        yield Finding(hit.code, path=path, line=line, column=column, preview=hit.preview)


def _hidden_hits(text: str, per_code: int) -> Iterator[_Hit]:
    counts: dict[str, int] = {}
    for run in hidden_text.hidden_runs(text):
        is_control = run.kind is HiddenKind.CONTROL
        sequence = _TERMINAL_ESCAPE.match(text, run.start) if is_control else None
        code = code_of(run) if sequence is None else "terminal_escape"
        counts[code] = counts.get(code, 0) + 1
        if counts[code] <= per_code:
            shown = _shown(run) if sequence is None else sequence.group()
            yield _Hit(run.start, code, hidden_text.preview_of(shown))


def code_of(run: HiddenRun) -> str:
    """Return the code of the finding that a run of hidden characters is."""
    match run.kind:
        case HiddenKind.BIDI:
            return "bidi"
        case HiddenKind.ZERO_WIDTH | HiddenKind.JOINER:
            return "hidden_char"
        case HiddenKind.TAG:
            return "hidden_text"
        case HiddenKind.VARIATION_SELECTOR:
            return "variation_selectors"
        case HiddenKind.CONTROL:
            return "control_char"
        case _:
            assert_never(run.kind)


def _shown(run: HiddenRun) -> str:
    decoded = hidden_text.decoded_tags(run.text) if run.kind is HiddenKind.TAG else ""
    return decoded or run.text


def _comment_hits(text: str) -> Iterator[_Hit]:
    start = _COMMENT_START.search(text)
    while start is not None:
        end = _COMMENT_END.search(text, start.end())
        if end is None:
            return
        yield _Hit(start.start(), "html_comment", _preview_between(text, start.end(), end.start()))
        start = _COMMENT_START.search(text, end.end())


def _preview_between(text: str, start: int, end: int) -> str:
    return hidden_text.preview_of(text[start:end].strip())


def _fetch_hits(text: str) -> Iterator[_Hit]:
    for found in fetch_and_run_lines(text):
        yield _Hit(found.start, "fetch_and_run", hidden_text.preview_of(found.line))


def _launcher_hits(text: str) -> Iterator[_Hit]:
    if _LAUNCHER_WORD.search(text) is None:
        return
    for match in _LAUNCHER.finditer(text):
        if _PINNED.search(match["package"]) is None:
            preview = hidden_text.preview_of(match.group().lstrip("`$\"'(;&| \t"))
            yield _Hit(match.start("package"), "unpinned_launcher", preview)


__all__ = ["SCANNER_VERSION", "code_of", "find_in_text"]
