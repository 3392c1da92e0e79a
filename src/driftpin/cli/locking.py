"""`driftpin lock`: the context of a directory, or of a chat's pin, written down to be committed."""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

from driftpin.agent.roots import WORKSPACE_LABEL
from driftpin.cli import output
from driftpin.cli.exits import say
from driftpin.cli.exporting import pinned_manifest
from driftpin.cli.lock_file import LOCK_NAME, replace_lock
from driftpin.cli.lock_scope import find_context
from driftpin.cli.locked_paths import find_untracked
from driftpin.cli.options import Reach
from driftpin.cli.places import get_directory
from driftpin.cli.session import Session, in_session
from driftpin.client import Client
from driftpin.context.lock import Lock, Scope, lock_of
from driftpin.context.manifest import resources_of
from driftpin.errors import NotFound
from driftpin.settings import load_settings
from driftpin.wire.lock import write_lock
from driftpin.wire.transfer import ExportShape

_NAMED_MAX: Final = 5


@dataclass(frozen=True, slots=True)
class LockWish:
    """What to lock and where; of `chat` its pin, else what the directory brings now."""

    directory: Path
    target: Path | None
    chat: str | None
    scope: Scope


def lock(reach: Reach, wish: LockWish, *, as_json: bool) -> None:
    """Write the lock whole, or leave the one that is there."""
    directory = get_directory(wish.directory)
    if wish.chat is None:
        settings = load_settings(reach.flags()).settings
        made = find_context(directory, settings, wish.scope).lock
    else:
        made = _lock_of_chat(reach, wish.chat, wish.scope)
    place = wish.target or directory / LOCK_NAME
    is_changed = replace_lock(place, write_lock(made))
    untracked = find_untracked(directory, made)
    if as_json:
        output.write_json(
            {
                "lockfile": str(place),
                "scope": made.scope.value,
                "resources": len(made.resources),
                "changed": is_changed,
                "untracked": list(untracked),
            }
        )
    else:
        state = "written" if is_changed else "unchanged"
        say(f"{output.counted(len(made.resources), 'resource')} in {str(place)!r}: {state}.")
        if untracked:
            named = ", ".join(untracked[:_NAMED_MAX])
            more = f" and {len(untracked) - _NAMED_MAX} more" if len(untracked) > _NAMED_MAX else ""
            say(f"warning: git does not track {named}{more}; a checkout will not have them.")


def _lock_of_chat(reach: Reach, name: str, scope: Scope) -> Lock:
    async def read(session: Session) -> tuple[ExportShape, frozenset[str]]:
        chat = await session.get_chat(name)
        pin = await session.client.export_pin(chat.id)
        return pin, await _personal_servers(session.client, chat.workspace_id)

    with output.progress("Fetching the pin …"):
        pin, personal = in_session(reach, read)
    left_out = personal if scope is Scope.WORKSPACE else frozenset()
    resources = (each for each in resources_of(pinned_manifest(pin)) if each.source not in left_out)
    return lock_of(resources, scope)


async def _personal_servers(client: Client, workspace_id: str) -> frozenset[str]:
    """Return the MCP servers that come from beside the workspace, as far as the caller may know."""
    try:
        seen = (await client.get_workspace_context(workspace_id)).observations or {}
    except NotFound:
        return frozenset()
    servers = seen.get("servers")
    listed = servers if isinstance(servers, list) else []
    return frozenset(
        str(each["source"])
        for each in listed
        if isinstance(each, dict)
        and not str(each["config_source"]).startswith(f"{WORKSPACE_LABEL}:")
    )


__all__ = ["LockWish", "lock"]
