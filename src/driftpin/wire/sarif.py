"""SARIF 2.1.0, as far as driftpin writes it: one run of one tool, in a fixed order, in ASCII."""

import json
from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote

SCHEMA: Final = "https://json.schemastore.org/sarif-2.1.0.json"
VERSION: Final = "2.1.0"

Part = Mapping[str, object]


def sarif_document(
    driver: Part, results: Sequence[Part], *, automation_id: str, properties: Part
) -> str:
    """Return the text of a log whose only run was made by `driver`, named with its rules."""
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": automation_id},
        "columnKind": "unicodeCodePoints",
        "results": results,
        "properties": properties,
    }
    document = {"$schema": SCHEMA, "version": VERSION, "runs": [run]}
    return json.dumps(document, indent=2, ensure_ascii=True) + "\n"


def file_location(path: str, first: int = 1, last: int = 1) -> Part:
    """Return where something is: in a file below the repository's top, on some of its lines."""
    region = {"startLine": max(first, 1), "endLine": max(last, first, 1)}
    return {"physicalLocation": {"artifactLocation": {"uri": quote(path)}, "region": region}}


__all__ = ["Part", "file_location", "sarif_document"]
