"""`scan`, `explain`, `sources`: what a look at a directory finds, without a server."""

from collections.abc import Mapping
from pathlib import Path

from driftpin.agent.explain import Explanation
from driftpin.agent.local_protocol import LocalCall
from driftpin.agent.report import scan_to_json
from driftpin.agent.resolve import Resolution
from driftpin.cli import output
from driftpin.cli.agent_calls import find_answer
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.places import get_directory
from driftpin.cli.resource_rows import SCAN_COLUMNS, scan_rows, status_text
from driftpin.cli.workspaces import build_workspace, settings_of, source_file
from driftpin.context.manifest import Json
from driftpin.context.resource import Status


def scan(directory: Path, state: str | None, *, is_strict: bool, as_json: bool) -> None:
    """Resolve once and show everything; strict ends with findings where there are any."""
    workspace = build_workspace(directory, settings_of(state))
    with output.progress("Looking at the workspace …"):
        found = workspace.resolve()
    errors = (*found.observations.errors, *workspace.notes)
    document = scan_to_json(found.snapshot, found.observations)
    if as_json:
        output.write_json(document)
    else:
        output.write_table(SCAN_COLUMNS, scan_rows(document))
        _say_summary(found, errors)
    if is_strict and (errors or _has_findings(found)):
        raise Finished(ExitCode.FINDINGS)


def explain(path: Path, directory: Path, state: str | None, *, as_json: bool) -> None:
    """Tell which rule decides about a path."""
    workspace = build_workspace(directory, settings_of(state))
    workspace.resolve()
    told = workspace.explain(path)
    if as_json:
        output.write_json(_explanation_to_json(told))
        return
    verdict = "in the context" if told.is_in_context else "not in the context"
    output.write_text(f"{told.path}: {verdict}\n  {told.text}")
    if told.source is not None and told.status is not None:
        output.write_text(f"  {told.source} is {status_text(told.status.value, told.reason)}")
    if told.detail:
        output.write_text(f"  rule: {told.detail}")


def list_sources(directory: Path, state: str | None, *, as_json: bool) -> None:
    """Show the declared sources of a directory."""
    answer = find_answer(directory, LocalCall.SOURCES_LIST)
    if answer is None:
        declared = source_file(directory, settings_of(state)).list()
        listed: Json = [{"name": each.label, "path": str(each.path)} for each in declared]
    else:
        listed = answer[0]
    if as_json:
        output.write_json(listed)
        return
    rows = [each for each in listed if isinstance(each, dict)] if isinstance(listed, list) else []
    output.write_table(("name", "path"), ((each["name"], each["path"]) for each in rows))


def add_source(name: str, path: Path, directory: Path, state: str | None) -> None:
    """Declare a source; a running agent looks at it at once."""
    place = get_directory(path)
    arguments: dict[str, Json] = {"name": name, "path": str(place)}
    if find_answer(directory, LocalCall.SOURCES_ADD, arguments) is None:
        source_file(directory, settings_of(state)).add(name, place)
    say(f"{name}: stands for {str(place)!r} from now on.")


def remove_source(name: str, directory: Path, state: str | None) -> None:
    """Forget a declared source; a running agent looks again at once."""
    if find_answer(directory, LocalCall.SOURCES_REMOVE, {"name": name}) is None:
        source_file(directory, settings_of(state)).remove(name)
    say(f"{name}: is no longer read.")


def _has_findings(found: Resolution) -> bool:
    is_not_ok = any(each.status is not Status.OK for each in found.snapshot.resources)
    return is_not_ok or any(each.warnings for each in found.observations.resources)


def _say_summary(found: Resolution, errors: tuple[str, ...]) -> None:
    resources = found.snapshot.resources
    not_ok = sum(each.status is not Status.OK for each in resources)
    say(f"{output.counted(len(resources), 'resource')}, {not_ok} not ok")
    say(f"snapshot {found.snapshot.digest}")
    for error in errors:
        say(f"warning: {error}")
    if found.observations.not_recognised:
        say("not recognised: " + ", ".join(found.observations.not_recognised))


def _explanation_to_json(told: Explanation) -> Mapping[str, Json]:
    return {
        "path": told.path,
        "is_in_context": told.is_in_context,
        "rule": told.rule.value,
        "text": told.text,
        "source": told.source,
        "status": None if told.status is None else told.status.value,
        "reason": told.reason,
        "detail": told.detail,
    }


__all__ = ["add_source", "explain", "list_sources", "remove_source", "scan"]
