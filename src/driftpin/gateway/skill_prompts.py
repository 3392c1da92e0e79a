"""The pinned skills as MCP prompts: one gives its instructions and the list of its files."""

import mcp_types

from driftpin.chat.cleaning import clean_line
from driftpin.chat.pinned import PinnedContext, PinnedSkill, skills
from driftpin.chat.skill_index import find_skill, offered_names
from driftpin.chat.skill_tools import READ_SKILL, blobs_for_call, read_skill
from driftpin.errors import Rejected
from driftpin.gateway.uris import uri_of
from driftpin.gateway.visitor import Visitor
from driftpin.runner.pins import PinReader
from driftpin.store.values import PinnedRead


def prompts_of(context: PinnedContext | None) -> list[mcp_types.Prompt]:
    """Return every skill of the pin, under the name by which a turn's model finds it too."""
    found = _skills_of(context)
    names = offered_names(found)
    return [
        mcp_types.Prompt(
            name=names[skill.source],
            title=skill.body.name,
            description=clean_line(skill.body.description),
        )
        for skill in found
    ]


async def get_prompt(
    pins: PinReader,
    visitor: Visitor,
    pin: PinnedRead,
    context: PinnedContext | None,
    name: str,
) -> mcp_types.GetPromptResult:
    """Return a skill's text, the list of its files, and where these are read.

    Raises NotFound (`skill_not_found`), Conflict (`ambiguous_skill`), and Rejected for a text that
    cannot be shown.
    """
    skill = find_skill(_skills_of(context), name)
    assert context is not None
    needed = blobs_for_call(context, READ_SKILL, {"name": skill.source})
    shown = read_skill(await pins.with_bodies(pin, context, needed), skill.source)
    if shown.is_error:
        raise Rejected(f"This skill cannot be shown: {shown.code}.", code=shown.code)
    place = uri_of(visitor.chat_id, skill.source)
    where = f"The files are resources of this server, as {place}/PATH."
    content = mcp_types.TextContent(type="text", text=f"{shown.content}\n\n{where}")
    return mcp_types.GetPromptResult(
        description=clean_line(skill.body.description),
        messages=[mcp_types.PromptMessage(role="user", content=content)],
    )


def _skills_of(context: PinnedContext | None) -> tuple[PinnedSkill, ...]:
    return skills(() if context is None else context.resources)


__all__ = ["get_prompt", "prompts_of"]
