"""Why a path is, or is not, in the context: the rule by name, and a sentence for people."""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path, PurePosixPath
from typing import Final

from driftpin.agent.instruction_files import INSTRUCTION_NAMES
from driftpin.agent.judging import SKILL_TEXT_NAME
from driftpin.agent.names import fitted, shown_name
from driftpin.agent.private_paths import MCP_CONFIG_KEYS
from driftpin.agent.resolve import Resolution
from driftpin.agent.roots import Root
from driftpin.agent.skill_folder import ignored_rule
from driftpin.agent.skills import SKILL_CONTAINERS
from driftpin.context.resource import Kind, Resource, SkillBody, SkillFile, Status


class Rule(StrEnum):
    """What decides about a path."""

    RESOURCE = "resource"
    ALIAS = "alias"
    SKILL_FILE = "skill_file"
    SKILL_NOT_USABLE = "skill_not_usable"
    IGNORED = "ignored"
    OUTSIDE_ROOTS = "outside_roots"
    NOT_FOUND = "not_found"
    NAME_CASE = "name_case"
    TOP_LEVEL_ONLY = "top_level_only"
    NO_SKILL_TEXT = "no_skill_text"
    SKILLS_ELSEWHERE = "skills_elsewhere"
    MCP_ELSEWHERE = "mcp_elsewhere"
    NOT_A_CONTEXT_NAME = "not_a_context_name"


TEXTS: Final = {
    Rule.RESOURCE: "It is a resource by its name and place.",
    Rule.ALIAS: "It is a link to a resource, which is listed once, under its own name.",
    Rule.SKILL_FILE: "It lies in a skill's folder, so it is part of the skill.",
    Rule.SKILL_NOT_USABLE: "It lies in a skill's folder, but the skill is not usable.",
    Rule.IGNORED: "Such names are ignored in a skill's folder, so that running a script or opening"
    " an editor does not change the skill.",
    Rule.OUTSIDE_ROOTS: "It lies below none of the roots; declare its directory with"
    " `driftpin sources add`.",
    Rule.NOT_FOUND: "There is nothing at this path.",
    Rule.NAME_CASE: "It differs from an instruction file's name by case; names are exact.",
    Rule.TOP_LEVEL_ONLY: "Instruction files are read at the top level of a root only.",
    Rule.NO_SKILL_TEXT: "It lies in a container of skills, but its directory has no SKILL.md.",
    Rule.SKILLS_ELSEWHERE: "Skills are found in a root's containers only: "
    f"{', '.join(SKILL_CONTAINERS)}, or a root that is named skills.",
    Rule.MCP_ELSEWHERE: "MCP configs are read in the workspace's root and in the user's own config"
    " only.",
    Rule.NOT_A_CONTEXT_NAME: "Neither its name nor its place makes it context.",
}


@dataclass(frozen=True, slots=True)
class Explanation:
    """What is known of one path. `is_in_context`: its bytes can reach a prompt.

    `source` is the resource it is or belongs to, with `status` and `reason` of the resource or of
    the skill's file; `detail` names the ignoring rule.
    """

    path: str
    rule: Rule
    is_in_context: bool = False
    source: str | None = None
    status: Status | None = None
    reason: str = ""
    detail: str = ""

    @property
    def text(self) -> str:
        """The rule as a sentence."""
        return TEXTS[self.rule]


def explain(
    path: Path,
    roots: Sequence[Root],
    resolution: Resolution,
    *,
    instruction_names: Sequence[str] = INSTRUCTION_NAMES,
) -> Explanation:
    """Tell why a path is, or is not, in what these roots were resolved to.

    Only the names and places are looked at, and whether anything is there; no file is opened.
    """
    absolute = _absolute(path)
    shown = shown_name(str(absolute))
    places = [
        (root, str(absolute.relative_to(root.path)))
        for root in roots
        if absolute.is_relative_to(root.path)
    ]
    for root, inner in places:
        explained = _known(shown, fitted(root.source("" if inner == "." else inner)), resolution)
        if explained is not None:
            return explained
    if not places:
        return Explanation(shown, Rule.OUTSIDE_ROOTS)
    if not os.path.lexists(absolute):
        return Explanation(shown, Rule.NOT_FOUND)
    rules = [_unlisted_rule(root, inner, instruction_names) for root, inner in places]
    return Explanation(shown, next((r for r in rules if r is not _OTHER), _OTHER))


_OTHER: Final = Rule.NOT_A_CONTEXT_NAME


def _absolute(path: Path) -> Path:
    """Return the path without links in its parents; a link itself is a name of its own."""
    lexical = Path(os.path.abspath(path))  # noqa: PTH100 (resolve would follow the last component)
    return Path(os.path.realpath(lexical.parent)) / lexical.name if lexical.name else lexical


def _known(shown: str, source: str, resolution: Resolution) -> Explanation | None:
    resources = {resource.source: resource for resource in resolution.snapshot.resources}
    if source in resources:
        return _as_resource(shown, resources[source], Rule.RESOURCE)
    for observation in resolution.observations.resources:
        if source in observation.aliases:
            return _as_resource(shown, resources[observation.source], Rule.ALIAS)
    for folder, path in _folders_around(source):
        resource = resources.get(folder)
        if resource is not None and resource.kind is Kind.SKILL:
            return _inside_skill(shown, resource, path)
    return None


def _as_resource(shown: str, resource: Resource, rule: Rule) -> Explanation:
    return Explanation(
        shown,
        rule,
        is_in_context=resource.status is Status.OK and resource.kind is not Kind.MCP_CONFIG,
        source=resource.source,
        status=resource.status,
        reason=resource.reason,
    )


def _folders_around(source: str) -> Iterator[tuple[str, str]]:
    folder, _, path = source.rpartition("/")
    while folder:
        yield folder, path
        folder, _, name = folder.rpartition("/")
        path = f"{name}/{path}"


def _inside_skill(shown: str, skill: Resource, path: str) -> Explanation:
    body = skill.body
    if not isinstance(body, SkillBody):
        return Explanation(
            shown,
            Rule.SKILL_NOT_USABLE,
            source=skill.source,
            status=skill.status,
            reason=skill.reason,
        )
    for file in body.files:
        if file.path == path:
            return _as_skill_file(shown, skill, file)
    for part in path.split("/"):
        ignored = ignored_rule(part)
        if ignored is not None:
            return Explanation(shown, Rule.IGNORED, source=skill.source, detail=ignored)
    if any(file.path.startswith(f"{path}/") for file in body.files):
        return Explanation(
            shown, Rule.SKILL_FILE, is_in_context=True, source=skill.source, status=Status.OK
        )
    return Explanation(shown, Rule.NOT_FOUND, source=skill.source)


def _as_skill_file(shown: str, skill: Resource, file: SkillFile) -> Explanation:
    return Explanation(
        shown,
        Rule.SKILL_FILE,
        is_in_context=file.status is Status.OK,
        source=skill.source,
        status=file.status,
        reason=file.reason,
    )


def _unlisted_rule(root: Root, inner: str, instruction_names: Sequence[str]) -> Rule:
    path = PurePosixPath(inner)
    if inner.lower() in {name.lower() for name in instruction_names}:
        return Rule.NAME_CASE
    if path.name in instruction_names:
        return Rule.TOP_LEVEL_ONLY
    if inner in MCP_CONFIG_KEYS or path.name == ".mcp.json":
        return Rule.MCP_ELSEWHERE
    containers = ("", *SKILL_CONTAINERS) if root.is_skill_container else SKILL_CONTAINERS
    if any(inner.startswith(f"{container}/") for container in containers if container):
        return Rule.NO_SKILL_TEXT
    return Rule.SKILLS_ELSEWHERE if path.name == SKILL_TEXT_NAME else _OTHER


__all__ = ["TEXTS", "Explanation", "Rule", "explain"]
