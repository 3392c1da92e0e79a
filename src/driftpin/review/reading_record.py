"""What each reviewer read, as the code saw it: never what a model says that it read."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import msgspec
import rfc8785

from driftpin.identity import Digest, digest_of
from driftpin.review.inputs import Exchange, ExchangeKey, Read
from driftpin.review.submission import SUBMITTING

_PROBE_CHARACTERS_MAX: Final = 200
_PATH_CHARACTERS_MAX: Final = 300


@dataclass(frozen=True, slots=True)
class Reading:
    """One reviewer's calls: files that it was shown, other calls, and a digest over all of it.

    The digest is over calls and results, so a recording in which one was changed does not play
    back to the same report.
    """

    reviewer: ExchangeKey
    calls: int
    refused: int
    files: tuple[str, ...]
    probes: tuple[str, ...]
    digest: Digest


def readings_of(exchanges: Mapping[ExchangeKey, Exchange]) -> tuple[Reading, ...]:
    """Return what was read, by reviewer; those who called nothing are left out."""
    read = {key: _reads(exchanges[key]) for key in sorted(exchanges)}
    return tuple(_reading(key, reads) for key, reads in read.items() if reads)


def _reads(exchange: Exchange) -> tuple[Read, ...]:
    """Return its calls without those by which it answered: they show nothing."""
    return tuple(each for each in exchange.reads if each.tool not in SUBMITTING)


def _reading(key: ExchangeKey, reads: Sequence[Read]) -> Reading:
    return Reading(
        reviewer=key,
        calls=len(reads),
        refused=sum(each.is_error for each in reads),
        files=tuple(
            dict.fromkeys(path[:_PATH_CHARACTERS_MAX] for each in reads for path in each.paths)
        ),
        probes=tuple(dict.fromkeys(_probes(reads))),
        digest=digest_of(rfc8785.dumps(msgspec.to_builtins(tuple(reads)))),
    )


def _probes(reads: Iterable[Read]) -> Iterator[str]:
    """Yield the calls that showed no file of their own: searches, and lists of folders."""
    for each in reads:
        if not each.is_error and not each.paths:
            yield f"{each.tool} {_folded(each.arguments)}"[:_PROBE_CHARACTERS_MAX]


def _folded(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), sort_keys=True)
    except (ValueError, RecursionError):
        return arguments


__all__ = ["Reading", "readings_of"]
