"""Rounds without git and without a server: texts in, what was decided out."""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from driftpin.identity import Digest, digest_of
from driftpin.review.bundled_roles import roster_with
from driftpin.review.deciding import Decided, decide
from driftpin.review.inputs import Exchange, ExchangeKey, FileTexts, RoundInputs, Said, Settings
from driftpin.review.ledger import Event, ReviewState, state_of
from driftpin.review.planning import RoundBook

Texts = Mapping[str, str]
ROSTER = roster_with({})
EMPTY = Digest("sha256:" + "0" * 64)


def patch_of(old: Texts, new: Texts, renames: Mapping[str, str] | None = None, n: int = 8) -> str:
    """The difference of two trees as git writes it; `renames` leads from old names to new ones."""
    back = {to: before for before, to in (renames or {}).items()}
    parts: list[str] = []
    for path in sorted({*old, *new}):
        before = back.get(path, path)
        if path not in new and path in (renames or {}):
            continue
        if old.get(before) == new.get(path) and before == path:
            continue
        parts += _file_patch(before, path, old.get(before), new.get(path), n)
    return "\n".join(parts) + "\n" if parts else ""


def _file_patch(before: str, path: str, old: str | None, new: str | None, n: int) -> list[str]:
    head = [f"diff --git a/{before} b/{path}"]
    if before != path:
        head += [f"rename from {before}", f"rename to {path}"]
    elif old is None:
        head += ["new file mode 100644"]
    elif new is None:
        head += ["deleted file mode 100644"]
    names = (
        "/dev/null" if old is None else f"a/{before}",
        "/dev/null" if new is None else f"b/{path}",
    )
    lines = difflib.unified_diff(_lines(old), _lines(new), *names, lineterm="", n=n)
    return [*head, *lines]


def _lines(text: str | None) -> list[str]:
    return (text or "").removesuffix("\n").split("\n") if text else []


def inputs_of(
    head: Texts,
    *,
    base: Texts | None = None,
    last: Texts | None = None,
    number: int = 1,
    renames: Mapping[str, str] | None = None,
    **more: Any,
) -> RoundInputs:
    """A round's inputs: from `base` to `head`, reviewed before at `last`."""
    base = base or {}
    paths = {*head, *base}
    fields: dict[str, Any] = {
        "number": number,
        "target": "base..work",
        "tool_version": "0.0.0",
        "prompts": EMPTY,
        "snapshot": EMPTY,
        "base": "b" * 40,
        "merge_base": "b" * 40,
        "head": digest_of(json.dumps([*head.items()]).encode()).removeprefix("sha256:")[:40],
        "range_text": "base..work",
        "messages": (),
        "patch": patch_of(base, head),
        "delta": None if last is None else patch_of(last, head, renames, n=0),
        "files": tuple(
            FileTexts(path, path, base.get(path), head.get(path)) for path in sorted(paths)
        ),
        "roster": ROSTER,
        "settings": Settings("scripted"),
    }
    return RoundInputs(**{**fields, **more})


def said(key: str, text: str) -> Exchange:
    """What was said with one reviewer."""
    return Exchange(ExchangeKey(key), (Said(EMPTY, text),), tokens=10)


def book_of(
    inputs: RoundInputs, exchanges: Iterable[Exchange], events: Sequence[Event] = ()
) -> RoundBook:
    """A round with these answers, behind these events."""
    return RoundBook(inputs, state_of(events), {each.key: each for each in exchanges})


def decided(
    inputs: RoundInputs, exchanges: Iterable[Exchange], events: Sequence[Event] = ()
) -> Decided:
    """What a round comes to."""
    return decide(book_of(inputs, exchanges, events))


def state_after(*rounds: Decided) -> ReviewState:
    """The state behind these rounds."""
    return state_of([each.event for each in rounds])
