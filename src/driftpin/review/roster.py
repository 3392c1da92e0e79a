"""Roles: Markdown files with a small header, and the function that chooses a panel.

A header is lines of `key: value` between two lines of `---`; lists are separated by commas. Paths
are globs, `added` are pieces of text that an added line contains: no pattern of a repository is
ever run as a regular expression.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Final

from driftpin import review_limits
from driftpin.errors import Rejected
from driftpin.review.diff import FileChange

SCOUT: Final = "scout"
VERIFIER: Final = "verifier"
REFUTER: Final = "refuter"
ADJUDICATOR: Final = "adjudicator"


class Tier(StrEnum):
    """When a role takes part."""

    SCOUT = "scout"
    CORE = "core"
    TRIGGERED = "triggered"
    NIT = "nit"
    CHECK = "check"
    OFF = "off"


@dataclass(frozen=True, slots=True)
class RoleCard:
    """A role: its lens is the text that a reviewer is given last."""

    slug: str
    tier: Tier
    order: int
    paths: tuple[str, ...]
    added: tuple[str, ...]
    needs_removed: bool
    model: str
    lens: str


@dataclass(frozen=True, slots=True)
class Panel:
    """Who reviews, who was cut and why, and who of them no round is whole without."""

    roles: tuple[RoleCard, ...]
    not_run: tuple[str, ...]
    missing: tuple[str, ...] = ()


_SLUG: Final = re.compile(r"[a-z0-9]+(?:-[a-z0-9]+)*")
_KEYS: Final = frozenset({"slug", "tier", "order", "paths", "added", "removed", "model", "when"})


def parse_role(name: str, text: str) -> RoleCard:
    """Return the role that a file describes; Rejected `bad_role` says what is wrong."""
    parts = text.replace("\r\n", "\n").split("---\n", 2)
    if len(parts) != 3 or parts[0].strip():
        raise Rejected(f"The role {name!r} has no header between `---` lines.", code="bad_role")
    header: dict[str, str] = {}
    for line in parts[1].splitlines():
        key, colon, value = line.partition(":")
        if not colon or key.strip() not in _KEYS:
            raise Rejected(f"The role {name!r} has the line {line!r}.", code="bad_role")
        header[key.strip()] = value.strip()
    if not _SLUG.fullmatch(header.get("slug", "")):
        raise Rejected(f"The role {name!r} has no slug of a-z, 0-9 and -.", code="bad_role")
    try:
        return RoleCard(
            slug=header["slug"],
            tier=Tier(header["tier"]),
            order=int(header.get("order", "100")),
            paths=_listed(header.get("paths", "")),
            added=_listed(header.get("added", "")),
            needs_removed=header.get("removed", "") == "yes",
            model=header.get("model", ""),
            lens=parts[2].strip(),
        )
    except (KeyError, ValueError) as error:
        raise Rejected(f"The role {name!r} lacks a good {error}.", code="bad_role") from None


def _listed(written: str) -> tuple[str, ...]:
    return tuple(part.strip() for part in written.split(",") if part.strip())


def read_roster(files: Mapping[str, str]) -> tuple[RoleCard, ...]:
    """Return the roles of these files, in their order; each slug once."""
    if len(files) > review_limits.REVIEW_ROLES_MAX:
        raise Rejected(f"More than {review_limits.REVIEW_ROLES_MAX} roles.", code="bad_role")
    roles = [parse_role(name, text) for name, text in sorted(files.items())]
    if len({role.slug for role in roles}) != len(roles):
        raise Rejected("Two roles have one slug.", code="bad_role")
    for needed in (SCOUT, VERIFIER, REFUTER):
        if all(role.slug != needed for role in roles):
            raise Rejected(f"The roster lacks {needed!r}.", code="bad_role")
    return tuple(sorted(roles, key=lambda role: (role.order, role.slug)))


def get_role(roster: Iterable[RoleCard], slug: str) -> RoleCard:
    """Return the role of that slug; it must be there."""
    return next(role for role in roster if role.slug == slug)


def find_adjudicator(roster: Iterable[RoleCard]) -> RoleCard | None:
    """Return who says which findings are one; None where a roster has nobody, or put it off."""
    is_one = (each for each in roster if each.slug == ADJUDICATOR and each.tier is Tier.CHECK)
    return next(is_one, None)


def without_adjudicator(roster: Iterable[RoleCard]) -> tuple[RoleCard, ...]:
    """Return a roster in which nobody says that findings are one but code."""
    return tuple(role for role in roster if role.slug != ADJUDICATOR)


def choose_panel(
    roster: Sequence[RoleCard],
    delta: Sequence[FileChange],
    *,
    round_number: int,
    proposed: Iterable[str] = (),
    owners: Iterable[str] = (),
    roles_max: int = review_limits.REVIEW_REVIEWERS_MAX,
) -> Panel:
    """Return core roles, then those that the delta triggers, that were proposed or own a finding.

    Cut to `roles_max` from the end of the fixed order. Nit roles look at a first round only.
    """
    wanted_anyway = frozenset(proposed) | frozenset(owners)
    chosen: list[RoleCard] = []
    for role in roster:
        is_wanted = role.slug in wanted_anyway or is_triggered(role, delta)
        match role.tier:
            case Tier.CORE:
                chosen.append(role)
            case Tier.TRIGGERED if is_wanted:
                chosen.append(role)
            case Tier.NIT if is_wanted and round_number == 1:
                chosen.append(role)
            case _:
                pass
    chosen.sort(key=lambda role: (role.tier is not Tier.CORE, role.order, role.slug))
    cut = tuple(f"{role.slug}: over the panel's size" for role in chosen[roles_max:])
    missing = tuple(role.slug for role in chosen[roles_max:] if role.tier is Tier.CORE)
    return Panel(tuple(chosen[:roles_max]), cut, missing)


def is_triggered(role: RoleCard, delta: Sequence[FileChange]) -> bool:
    """Whether a change touches what a role looks at."""
    return any(touches(role, change) for change in delta)


def touches(role: RoleCard, change: FileChange) -> bool:
    """Whether one file's change is what a role looks at; every condition it names must hold."""
    if role.paths and not any(fnmatchcase(change.path, glob) for glob in role.paths):
        return False
    if role.needs_removed and not change.removed:
        return False
    if not role.added:
        return bool(role.paths) or role.needs_removed
    return any(piece in line.text for line in change.added for piece in role.added)


__all__ = [
    "ADJUDICATOR",
    "REFUTER",
    "SCOUT",
    "VERIFIER",
    "Panel",
    "RoleCard",
    "Tier",
    "choose_panel",
    "find_adjudicator",
    "get_role",
    "is_triggered",
    "parse_role",
    "read_roster",
    "touches",
    "without_adjudicator",
]
