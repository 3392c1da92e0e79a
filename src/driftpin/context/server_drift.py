"""What one changed MCP server amounts to: its identity, its instructions, its tools."""

from collections.abc import Collection

from driftpin.context.bodies import BodyReader, find_text
from driftpin.context.resource import Catalogue, Finding, ServerBody
from driftpin.context.severity import Severity, brings_hidden, new_findings, worst
from driftpin.context.tool_drift import (
    Definition,
    ToolDrift,
    compare_tools,
    names_foreign,
    read_definition,
)
from driftpin.identity import Digest

ServerAssessment = tuple[Severity, tuple[ToolDrift, ...], tuple[Finding, ...]]


def assess_server(
    before: ServerBody | None,
    after: ServerBody,
    bodies: BodyReader,
    foreign_tools: Collection[str],
) -> ServerAssessment:
    """Return severity, differing tools and new findings of the step from `before` to `after`.

    Another identity is another server, and risky whatever it offers. From a hole everything is new;
    completing a pin takes such an entry out of its drift (spec/pinning.md §5).
    """
    old = before.catalogue if before else None
    tools = catalogue_drift(old, after.catalogue, bodies, foreign_tools)
    findings = _findings(old, after.catalogue, bodies)
    severities = [tool.severity for tool in tools]
    severities.append(_severity_of_catalogue(old, after.catalogue, bodies, foreign_tools))
    if before is not None and before.identity != after.identity:
        severities.append(Severity.RISKY)
    return worst(severities) or Severity.ADDITIVE, tools, findings


def catalogue_drift(
    before: Catalogue | None,
    after: Catalogue | None,
    bodies: BodyReader,
    foreign_tools: Collection[str] = (),
) -> tuple[ToolDrift, ...]:
    """Return the tools that differ; none where the new catalogue is not known."""
    if after is None:
        return ()
    old, new = _digests(before), _digests(after)
    return compare_tools(
        {name: _definition(old[name], bodies) for name in old if old[name] != new.get(name)},
        {name: _definition(new[name], bodies) for name in new if new[name] != old.get(name)},
        foreign=foreign_tools,
    )


def _severity_of_catalogue(
    before: Catalogue | None,
    after: Catalogue | None,
    bodies: BodyReader,
    foreign_tools: Collection[str],
) -> Severity:
    """Judge what is not a tool: whether a catalogue is known at all, and its instructions."""
    if after is None:
        return Severity.ADDITIVE if before is None else Severity.BEHAVIOURAL
    old = None if before is None else before.instructions
    if after.instructions == old:
        return Severity.ADDITIVE if before is None else Severity.COSMETIC
    was = find_text(bodies, old) or ""
    now = find_text(bodies, after.instructions) or ""
    newly_named = names_foreign(now, foreign_tools) and not names_foreign(was, foreign_tools)
    if brings_hidden(was, now) or newly_named:
        return Severity.RISKY
    return Severity.ADDITIVE if before is None else Severity.BEHAVIOURAL


def _findings(
    before: Catalogue | None, after: Catalogue | None, bodies: BodyReader
) -> tuple[Finding, ...]:
    old, new = _texts(before), _texts(after)
    return tuple(
        finding
        for path in sorted(new)
        if old.get(path) != new[path]
        for finding in new_findings(
            find_text(bodies, old.get(path)) or "", find_text(bodies, new[path]) or "", path=path
        )
    )


def _texts(catalogue: Catalogue | None) -> dict[str, Digest]:
    """Return the digest of every text that the server offers, by its path in the snapshot."""
    instructions = None if catalogue is None else catalogue.instructions
    tools = {f"tools/{name}": digest for name, digest in _digests(catalogue).items()}
    return tools if instructions is None else {"instructions": instructions, **tools}


def _digests(catalogue: Catalogue | None) -> dict[str, Digest]:
    return {} if catalogue is None else {tool.name: tool.digest for tool in catalogue.tools}


def _definition(digest: Digest, bodies: BodyReader) -> Definition:
    # What is no definition still differs from all others: nothing is called harmless unread.
    return read_definition(bodies(digest)) or {"unread": find_text(bodies, digest) or digest}


__all__ = ["ServerAssessment", "assess_server", "catalogue_drift"]
