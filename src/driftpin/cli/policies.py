"""Policies of a workspace or a chat: shown, set and taken back."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from driftpin.cli import output
from driftpin.cli.exits import say
from driftpin.cli.options import Reach
from driftpin.cli.session import Session, in_session
from driftpin.wire.policies import (
    ChatPoliciesShape,
    PoliciesRequest,
    PolicyOutcomeShape,
    PolicySetShape,
    WorkspacePoliciesShape,
)

Known = ChatPoliciesShape | WorkspacePoliciesShape
COLUMNS: Final = ("for", "chat", "workspace", "in force")
EVERYTHING: Final = "everything"
NEXT_TURNS: Final = {
    "moves": "takes",
    "stays": "takes nothing",
    "blocked": "takes nothing, since something is risky",
}


@dataclass(frozen=True, slots=True)
class Place:
    """Where policies are set: a chat, or the workspace of a directory."""

    chat: str | None
    directory: Path

    async def read(self, session: Session) -> tuple[str, Known]:
        """Return the id of the place and what is set there."""
        client = session.client
        if self.chat is None:
            workspace_id = session.get_directory(self.directory).workspace_id
            return workspace_id, await client.get_workspace_policies(workspace_id)
        chat = await session.get_chat(self.chat, self.directory)
        return chat.id, await client.get_chat_policies(chat.id)

    async def write(self, session: Session, its_id: str, request: PoliciesRequest) -> Known:
        """Set what is given in place of what was set; the reply has what comes of it."""
        if self.chat is None:
            return await session.client.set_workspace_policies(its_id, request)
        return await session.client.set_chat_policies(its_id, request)


def show(reach: Reach, place: Place, *, as_json: bool) -> None:
    """Show what is set and in force."""

    async def read(session: Session) -> Known:
        return (await place.read(session))[1]

    _tell(in_session(reach, read), as_json=as_json)


def set_policy(
    reach: Reach, place: Place, policy: str, kind: str | None, *, is_dry: bool, as_json: bool
) -> None:
    """Set one policy and leave the others as they are."""
    named: Mapping[str, Any] = {"policy": policy} if kind is None else {"kinds": {kind: policy}}
    _change(reach, place, named, is_dry=is_dry, as_json=as_json)


def clear(reach: Reach, place: Place, kind: str | None, *, is_dry: bool, as_json: bool) -> None:
    """Take back all that is set, or one kind's policy."""
    named = None if kind is None else {"kinds": {kind: None}}
    _change(reach, place, named, is_dry=is_dry, as_json=as_json)


def _change(
    reach: Reach, place: Place, named: Mapping[str, Any] | None, *, is_dry: bool, as_json: bool
) -> None:
    async def act(session: Session) -> Known:
        its_id, known = await place.read(session)
        return await place.write(session, its_id, _request(_set_of(known), named, is_dry=is_dry))

    _tell(in_session(reach, act), as_json=as_json)


def _request(
    known: PolicySetShape, named: Mapping[str, Any] | None, *, is_dry: bool
) -> PoliciesRequest:
    """Return what is set with the change; None takes everything back."""
    if named is None:
        return PoliciesRequest(dry_run=is_dry)
    kinds = {**known.kinds, **named.get("kinds", {})}
    return PoliciesRequest.model_validate(
        {
            "policy": named.get("policy", known.policy),
            "kinds": {kind: policy for kind, policy in kinds.items() if policy is not None},
            "dry_run": is_dry,
        }
    )


def _set_of(known: Known) -> PolicySetShape:
    return known.chat if isinstance(known, ChatPoliciesShape) else known.workspace


def _tell(known: Known, *, as_json: bool) -> None:
    if as_json:
        output.write_json(known)
        return
    output.write_table(COLUMNS, _rows(known))
    if isinstance(known, ChatPoliciesShape) and known.overruled is not None:
        say(f"what is set is not in force: {known.overruled.replace('_', ' ')}")
    if known.dry_run:
        say("a dry run: nothing was set.")
    for outcome in _told(known.outcomes or ()):
        say(outcome)


def _rows(known: Known) -> Iterable[tuple[object, ...]]:
    workspace = known.workspace
    if isinstance(known, ChatPoliciesShape):
        yield EVERYTHING, known.chat.policy, workspace.policy, known.policy
        for kind, policy in known.in_force.items():
            yield kind, known.chat.kinds.get(kind), workspace.kinds.get(kind), policy
        return
    yield EVERYTHING, None, workspace.policy, workspace.policy
    for kind, policy in workspace.kinds.items():
        yield kind, None, policy, policy


def _told(outcomes: Iterable[PolicyOutcomeShape]) -> Iterable[str]:
    for outcome in outcomes:
        words = NEXT_TURNS[outcome.next_turn]
        takes = f": {', '.join(outcome.sources)}" if outcome.sources else "."
        yield f"chat {outcome.chat_id} ({outcome.policy}): its next turn {words}{takes}"


__all__ = ["Place", "clear", "set_policy", "show"]
