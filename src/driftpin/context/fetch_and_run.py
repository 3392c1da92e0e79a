"""Lines that download something and execute it: `curl … | sh`, `eval "$(wget …)"`, `iwr … | iex`.

A line that goes on after a backslash counts as one. A line is judged by its own words alone, so a
download in one line that another line runs is not seen.
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_SHELL: Final = r"(?:(?:ba|z|da|k|fi|c|tc)?sh|pwsh|powershell)"
_INTERPRETER: Final = r"(?:python[\d.]{0,6}|node|deno|bun|perl|ruby|php)"
_FETCHER_WORD: Final = (
    r"(?:(?:curl|wget2?|aria2c|iwr|irm|Invoke-WebRequest|Invoke-RestMethod|DownloadString|urlopen"
    r"|urlretrieve|(?:requests|httpx)\.get)(?!\w)|fetch\()"
)
# One of these stands wherever `_FETCHER` finds anything in ASCII; to look for them is much faster.
_FETCHER_STEMS: Final = (
    *("curl", "wget", "aria2c", "iwr", "irm", "invoke-webrequest", "invoke-restmethod"),
    *("downloadstring", "urlopen", "urlretrieve", "requests.get", "httpx.get", "fetch("),
)
_FETCHER: Final = re.compile(rf"(?<![\w-]){_FETCHER_WORD}", re.IGNORECASE)
_FETCHER_STEM: Final = re.compile("|".join(map(re.escape, _FETCHER_STEMS)))
_PIPED: Final = re.compile(
    r"\|&?[ \t]{0,64}"
    r"(?:[\w./-]{0,64}(?:sudo|env|exec|nohup)(?:[ \t]{1,8}-?[\w=]{1,64}){0,4}?[ \t]{1,8})?"
    rf"(?:[\w./-]{{0,64}}/)?(?:{_SHELL}(?![\w.-])|(?:iex|Invoke-Expression)\b"
    # An interpreter with arguments usually reads data from the pipe; without, it runs what it gets.
    rf"|{_INTERPRETER}[ \t]{{0,8}}(?:-(?=[\s)`\"']|$)|(?=[;&|)`\"'\n]|$)))",
    re.IGNORECASE,
)
_THEN_RUN: Final = re.compile(
    rf"(?:&&|;)[ \t]{{0,64}}(?:sudo[ \t]{{1,8}})?(?:{_SHELL}[ \t]{{1,8}}[\w./$\"'-]"
    r"|(?:source|\.)[ \t]{1,8}[\w./$\"']|chmod[ \t]{1,8}[\w,]{0,16}\+?\w{0,4}x|\./[\w])",
    re.IGNORECASE,
)
_EVALUATED: Final = re.compile(
    rf"(?:(?<![\w.-])(?:eval|source|iex|exec|Invoke-Expression|{_SHELL}(?:[ \t]{{1,8}}-\w{{1,16}})"
    rf"{{0,4}}|{_INTERPRETER}[ \t]{{1,8}}-[ce])|(?:^|[;&|])[ \t]{{0,64}}\.)[ \t]{{0,8}}"
    rf"[\"']?(?:<\(|\$\(|`|\(|await\b|&|[ \t]){{1,12}}(?:[\w.]{{1,64}}\.)?{_FETCHER_WORD}",
    re.IGNORECASE | re.MULTILINE,
)
_NET_CLIENT: Final = re.compile(
    r"(?<![\w-])(?:iex|Invoke-Expression)\b[^\n|]{0,256}\.Download(?:String|File)", re.IGNORECASE
)
_CONTINUED: Final = re.compile(r"\\\r?\n")


@dataclass(frozen=True, slots=True)
class FetchAndRun:
    """One such line, with the place where the download is named."""

    start: int
    line: str


def fetch_and_run_lines(text: str) -> Iterator[FetchAndRun]:
    """Yield every line that fetches and runs, in order, once each."""
    # Spaces of the same length keep every position what it is in the text.
    joined = _CONTINUED.sub(lambda match: " " * len(match.group()), text)
    # Beyond ASCII letters have more than two cases, and lower ones need not be as long.
    lowered = joined.lower() if joined.isascii() else None
    fetcher = _next_fetcher(joined, lowered, 0)
    while fetcher is not None:
        line_start = joined.rfind("\n", 0, fetcher.start()) + 1
        line_end = joined.find("\n", fetcher.end())
        line_end = len(joined) if line_end < 0 else line_end
        line = joined[line_start:line_end]
        if _runs(line, fetcher.end() - line_start):
            yield FetchAndRun(fetcher.start(), line.strip())
        fetcher = _next_fetcher(joined, lowered, line_end)


def _next_fetcher(text: str, lowered: str | None, start: int) -> re.Match[str] | None:
    """Return what `_FETCHER` finds first from `start` on."""
    if lowered is None:
        return _FETCHER.search(text, start)
    if not any(stem in lowered for stem in _FETCHER_STEMS):
        return None
    for stem in _FETCHER_STEM.finditer(lowered, start):
        found = _FETCHER.match(text, stem.start())
        if found is not None:
            return found
    return None


def _runs(line: str, fetched_at: int) -> bool:
    return any(
        match is not None
        for match in (
            _PIPED.search(line, fetched_at),
            _THEN_RUN.search(line, fetched_at),
            _EVALUATED.search(line),
            _NET_CLIENT.search(line),
        )
    )


__all__ = ["FetchAndRun", "fetch_and_run_lines"]
