"""Observations as they are pushed and as `driftpin scan` shows them."""

from driftpin.context.manifest import Json, Snapshot, resource_to_json
from driftpin.context.resource import Finding, Observation, Observations, ServerObservation


def observations_to_json(observations: Observations) -> dict[str, Json]:
    """Return the observations as JSON; what is empty is left out of their entries."""
    resources: list[Json] = [_observation_to_json(each) for each in observations.resources]
    errors: list[Json] = list(observations.errors)
    not_recognised: list[Json] = list(observations.not_recognised)
    roots: dict[str, Json] = dict(observations.roots)
    return {
        "resources": resources,
        "errors": errors,
        "degraded": observations.degraded,
        "roots": roots,
        "not_recognised": not_recognised,
        "servers": [_server_to_json(server) for server in observations.servers],
    }


def scan_to_json(snapshot: Snapshot, observations: Observations) -> dict[str, Json]:
    """Return what `driftpin scan --json` prints."""
    resources: list[Json] = [resource_to_json(resource) for resource in snapshot.resources]
    return {
        "snapshot": snapshot.digest,
        "prompt_digest": snapshot.prompt_digest,
        "tools_digest": snapshot.tools_digest,
        "resources": resources,
        "observations": observations_to_json(observations),
    }


def _observation_to_json(observation: Observation) -> dict[str, Json]:
    aliases: list[Json] = list(observation.aliases)
    warnings: list[Json] = [_finding_to_json(finding) for finding in observation.warnings]
    written: dict[str, Json] = {
        "source": observation.source,
        "size_bytes": observation.size_bytes,
        "aliases": aliases,
        "warnings": warnings,
        "detail": observation.detail,
    }
    return {name: value for name, value in written.items() if value not in (None, [], "")}


def _server_to_json(server: ServerObservation) -> dict[str, Json]:
    dropped: list[Json] = [
        {"name": name, "reason": reason} for name, reason in server.dropped_tools
    ]
    written: dict[str, Json] = {
        "source": server.source,
        "config_source": server.config_source,
        "state": server.state,
        "reason": server.reason,
        "detail": server.detail,
        "keyed_digest": server.keyed_digest,
        "dropped_tools": dropped,
    }
    return {name: value for name, value in written.items() if value not in (None, [], "")}


def _finding_to_json(finding: Finding) -> dict[str, Json]:
    written: dict[str, Json] = {
        "code": finding.code,
        "path": finding.path,
        "line": finding.line,
        "column": finding.column,
        "preview": finding.preview,
    }
    return {name: value for name, value in written.items() if value not in (None, "")}


__all__ = ["observations_to_json", "scan_to_json"]
