"""How far the estimate of tokens is from two published tokenizers, on text files that are there.

Files of this repository and of the installed packages, by suffix. The tokenizers' tables are loaded
by tiktoken, from the network or from TIKTOKEN_CACHE_DIR.
"""

import statistics
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import tiktoken

from bench.report import Report
from driftpin.context.tokens import estimate_tokens

ROOT: Final = Path(__file__).parents[1]
PACKAGES: Final = Path(tiktoken.__file__).parents[1]
ENCODINGS: Final = ("o200k_base", "cl100k_base")
GROUPS: Final = {"Markdown": (".md",), "Python": (".py", ".pyi"), "JSON": (".json",)}
FILES_PER_GROUP: Final = 300
BYTES: Final = range(200, 64 * 1024)


async def run(report: Report) -> None:
    report.section("The estimate of tokens beside two tokenizers")
    try:
        encodings = {name: tiktoken.get_encoding(name) for name in ENCODINGS}
    except OSError as failure:
        report.tell(
            "not measured", f"the tables of tiktoken are not here: {type(failure).__name__}"
        )
        return
    for group, suffixes in GROUPS.items():
        texts = list(_texts(suffixes))
        for name, encoding in encodings.items():
            counted = [len(encoding.encode(text, disallowed_special=())) for text in texts]
            told = _errors(texts, counted, estimate_tokens)
            quarter = _errors(texts, counted, lambda content: len(content) / 4)
            figure = f"{group}, {len(texts)} files, {name}"
            report.tell(figure, f"{told}; bytes ÷ 4: {quarter}")


def _errors(texts: list[str], counted: list[int], estimate: Callable[[bytes], float]) -> str:
    estimates = [estimate(text.encode()) for text in texts]
    off = sorted(abs(found / count - 1) for found, count in zip(estimates, counted, strict=True))
    ninth = off[int(len(off) * 0.9)]
    whole = sum(estimates) / sum(counted) - 1
    return f"median {statistics.median(off):.1%}, 90 % of files {ninth:.1%}, all {whole:+.1%}"


def _texts(suffixes: tuple[str, ...]) -> Iterator[str]:
    places = (*(ROOT / name for name in ("docs", "src", "tests")), PACKAGES)
    found = [
        file
        for place in places
        for file in sorted(place.rglob("*"))
        if file.suffix in suffixes and file.is_file() and file.stat().st_size in BYTES
    ]
    for file in found[:: max(1, len(found) // FILES_PER_GROUP)]:
        try:
            yield file.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue


__all__ = ["run"]
