"""How values are said on a page: digests, sizes, instants, names."""

from datetime import UTC, datetime
from typing import Final

from markupsafe import Markup

from driftpin.identity import Digest

SHORT_CHARACTERS: Final = 12
KIB: Final = 1024
KINDS: Final = {
    "instruction_file": "Instructions",
    "skill": "Skill",
    "mcp_config": "MCP config",
    "mcp_server": "MCP server",
}


def short(digest: Digest | str | None) -> str:
    """Return the first digits of a digest, by which people tell two apart."""
    return "none" if digest is None else digest.removeprefix("sha256:")[:SHORT_CHARACTERS]


def size(count: int | None) -> str:
    """Return a number of bytes in words."""
    if count is None:
        return ""
    if count < KIB:
        return f"{count} B"
    if count < KIB * KIB:
        return f"{count / KIB:.1f} KiB"
    return f"{count / KIB / KIB:.1f} MiB"


def number(count: int | None) -> str:
    """Return a number with its thousands apart."""
    return "" if count is None else f"{count:,}"


def counted(count: int, noun: str) -> str:
    """Return a number with its noun."""
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def instant(at: datetime | None) -> Markup:
    """Return an instant for people, and exactly for programs; browsers show it in local time."""
    if at is None:
        return Markup("never")
    told = at.astimezone(UTC)
    return Markup('<time datetime="{}">{}</time>').format(
        told.isoformat(), f"{told:%Y-%m-%d %H:%M} UTC"
    )


def kind(name: str) -> str:
    """Return what a kind of resource is called."""
    return KINDS.get(name, name)


def whose(actor: str, reader: str) -> str:
    """Return who did something, to whoever reads it."""
    return "you" if actor == reader else actor.partition(":")[0]


def plain(code: str) -> str:
    """Return a fixed code as words."""
    return code.replace("_", " ")


__all__ = ["counted", "instant", "kind", "number", "plain", "short", "size", "whose"]
