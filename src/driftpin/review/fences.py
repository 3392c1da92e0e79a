"""Marks around text of others that nothing inside of them can contain."""

from driftpin.identity import digest_of
from driftpin.review.diff import quoted


def fenced(name: str, content: str) -> str:
    """Return content between marks that neither it nor its name contains.

    The name stays on its line: a file may be called by anything.
    """
    said = name if name.isprintable() else quoted(name.encode("utf-8", "replace"))
    mark = _mark(content)
    while mark in said or mark in content:
        mark = _mark(f"{mark}\n{content}")
    return f"<<<data {mark} {said}\n{content}\n>>>data {mark}"


def _mark(content: str) -> str:
    return digest_of(content.encode("utf-8", "replace")).removeprefix("sha256:")[:24]


__all__ = ["fenced"]
