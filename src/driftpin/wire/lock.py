"""A lock as text, and the guard that reads one that anybody may have edited or merged.

The text is JSON in a fixed order and layout, so the same context gives the same bytes, and plain
ASCII, so no hidden character hides in a change of it. Every digest stands on a line of its own.
"""

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from pydantic import JsonValue

from driftpin import limits
from driftpin.context.lock import Lock, Scope, fits
from driftpin.context.manifest import resource_to_json
from driftpin.context.resource import Resource
from driftpin.errors import DriftpinError, Malformed, Rejected
from driftpin.wire.json_text import parse_json, pointer_to
from driftpin.wire.manifest_rules import (
    object_at,
    read_resource_at,
    refuse_over,
    refuse_unknown_keys,
    required,
    text_at,
)

LOCK_VERSION: Final = 1
ABOUT: Final = "What AI chats run on here. `driftpin lock` writes it, `driftpin verify` checks it."
_VERSION_KEY: Final = "driftpin_lock"
_KEYS: Final = frozenset({_VERSION_KEY, "about", "scope", "resources"})
_CONFLICT: Final = re.compile(rb"^(<{7}|>{7}) ", re.MULTILINE)


def write_lock(lock: Lock) -> bytes:
    """Return the text of a lock."""
    document = {
        _VERSION_KEY: LOCK_VERSION,
        "about": ABOUT,
        "scope": lock.scope.value,
        "resources": {each.source: _entry(each) for each in lock.resources},
    }
    return json.dumps(document, indent=2, ensure_ascii=True).encode("ascii") + b"\n"


def _entry(resource: Resource) -> Mapping[str, object]:
    written = resource_to_json(resource)
    del written["source"]
    if not resource.reason:
        del written["reason"]
    return written


def read_lock(content: bytes) -> Lock:
    """Return the lock that a text holds.

    Raises TooLarge; Malformed (`merge_conflict`, `bad_json`, `duplicate_key`, `too_deep`,
    `unsupported_version`, `unknown_field`, `invalid_request`, `bad_hash`); or Rejected for what
    breaks a rule of the manifest (`bad_source`, `unknown_kind`, …), with the place as `pointer`.
    """
    refuse_over("lock_bytes", len(content), limits.LOCK_BYTES_MAX)
    document = object_at(_parsed(content), "")
    _check_version(required(document, _VERSION_KEY, ""))
    refuse_unknown_keys(document, _KEYS, "")
    scope = _scope(text_at(required(document, "scope", ""), "/scope"))
    listed = object_at(required(document, "resources", ""), "/resources")
    refuse_over("resources_listed", len(listed), limits.SERVER_RESOURCES_LISTED_MAX)
    read = (_resource(source, entry, scope) for source, entry in listed.items())
    return Lock(scope, tuple(sorted(read, key=lambda each: each.source)))


def _parsed(content: bytes) -> JsonValue:
    try:
        return parse_json(content)
    except DriftpinError:
        if _CONFLICT.search(content):
            raise Malformed(
                "It holds the marks of a merge conflict; take either side and write it again.",
                code="merge_conflict",
            ) from None
        raise


def _check_version(version: JsonValue) -> None:
    if isinstance(version, bool) or version != LOCK_VERSION:
        raise Malformed(
            f"This release reads version {LOCK_VERSION} of locks; another one wrote this.",
            code="unsupported_version",
            pointer=f"/{_VERSION_KEY}",
            supported=[LOCK_VERSION],
        )


def _scope(text: str) -> Scope:
    try:
        return Scope(text)
    except ValueError:
        raise Rejected(
            "A lock's scope is workspace or user.", code="unknown_scope", pointer="/scope"
        ) from None


def _resource(source: str, value: JsonValue, scope: Scope) -> Resource:
    at = f"/resources{pointer_to((source,))}"
    entry: dict[str, Any] = object_at(value, at)
    if "source" in entry:
        raise Malformed("The key is the source.", code="unknown_field", pointer=f"{at}/source")
    resource = read_resource_at({"reason": "", **entry, "source": source}, at)
    if not fits(source, scope):
        raise Rejected("A lock of this scope lists no such source.", code="bad_source", pointer=at)
    return resource


__all__ = ["LOCK_VERSION", "read_lock", "write_lock"]
