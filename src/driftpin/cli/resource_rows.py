"""Rows for the tables that list resources."""

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from driftpin.cli.output import short_digest
from driftpin.context.manifest import Json
from driftpin.identity import digest_of
from driftpin.wire.api import ResourceShape

SCAN_COLUMNS: Final = ("kind", "source", "status", "size", "digest", "findings")
PIN_COLUMNS: Final = ("kind", "source", "status", "size", "tokens", "digest")
_SHOWN_CODES_MAX: Final = 4


def scan_rows(document: Mapping[str, Json]) -> Iterable[Sequence[object]]:
    """Yield a row for each resource of a scan (`agent.report.scan_to_json`)."""
    observed = _observed_by_source(document)
    for entry in _objects(document["resources"]):
        seen = observed.get(str(entry["source"]), {})
        yield (
            entry["kind"],
            entry["source"],
            status_text(str(entry["status"]), str(entry["reason"])),
            size_text(seen.get("size_bytes")),
            short_digest(_entry_digest(entry)),
            finding_text(seen),
        )


def pin_row(resource: ResourceShape) -> Sequence[object]:
    """Return the row of a resource that a chat runs on."""
    return (
        resource.kind,
        resource.source,
        status_text(resource.status, resource.reason),
        size_text(resource.size_bytes),
        resource.tokens,
        short_digest(resource.digest or _files_digest(resource.files)),
    )


def _entry_digest(entry: Mapping[str, Json]) -> str | None:
    digest = entry.get("digest") or entry.get("identity")
    return _files_digest(_objects(entry.get("files"))) if digest is None else str(digest)


def _files_digest(files: Sequence[Mapping[str, object]] | None) -> str | None:
    """Return one digest for the many files of a skill, to tell its versions apart by eye."""
    if not files:
        return None
    named = [[file["path"], file["executable"], file["digest"]] for file in files]
    return digest_of(json.dumps(named).encode())


def status_text(status: str, reason: str) -> str:
    """Return a status with its reason: `excluded/shadowed`."""
    return f"{status}/{reason}" if reason else status


def size_text(size_bytes: object) -> str | None:
    """Return a size for people."""
    if not isinstance(size_bytes, int):
        return None
    if size_bytes < 1024:
        return f"{size_bytes} B"
    if size_bytes < 1024 * 1024:
        return f"{size_bytes / 1024:.1f} KiB"
    return f"{size_bytes / 1024 / 1024:.1f} MiB"


def finding_text(observation: Mapping[str, Json]) -> str | None:
    """Return the codes of an observation's warnings and aliases, each once."""
    codes = [str(warning["code"]) for warning in _objects(observation.get("warnings"))]
    distinct = list(dict.fromkeys(codes))
    shown = [
        f"{code} x{codes.count(code)}" if codes.count(code) > 1 else code for code in distinct
    ][:_SHOWN_CODES_MAX]
    hidden = len(distinct) - len(shown)
    aliases = observation.get("aliases")
    if isinstance(aliases, list) and aliases:
        shown.append("also " + ", ".join(map(str, aliases)))
    return ", ".join([*shown, *([f"{hidden} more"] if hidden else [])])


def _observed_by_source(document: Mapping[str, Json]) -> Mapping[str, Mapping[str, Json]]:
    observations = document["observations"]
    assert isinstance(observations, dict)
    return {str(each["source"]): each for each in _objects(observations["resources"])}


def _objects(value: Json) -> list[dict[str, Json]]:
    return [item for item in value if isinstance(item, dict)] if isinstance(value, list) else []


__all__ = [
    "PIN_COLUMNS",
    "SCAN_COLUMNS",
    "finding_text",
    "pin_row",
    "scan_rows",
    "size_text",
    "status_text",
]
