"""Policies as the API tells and takes them."""

from typing import Literal

from pydantic import Field

from driftpin.wire.shape import IdText, ReplyShape, SeverityText, Shape

PolicyText = Literal["pin", "auto_add", "follow", "freeze"]
KindText = Literal["instruction_file", "skill", "mcp_config", "mcp_server"]
OverruledText = Literal["rolled_back", "sub_chat"]


class PoliciesRequest(Shape):
    """What to set in one place, in full: what is absent or null is not set there any more.

    A kind that is named has its own policy instead of `policy`. With `dry_run` nothing is set.
    """

    policy: PolicyText | None = None
    kinds: dict[KindText, PolicyText] = Field(default_factory=dict)
    dry_run: bool = False


class PolicySetShape(ReplyShape):
    """What is set in one place; null leaves it to the next place."""

    policy: PolicyText | None
    kinds: dict[KindText, PolicyText]


class PolicyOutcomeShape(ReplyShape):
    """What the start of a dirty chat's next turn does to its pin.

    `sources` are those that it takes from the head; `blocked` says that something is risky.
    """

    chat_id: IdText
    policy: str
    next_turn: Literal["moves", "stays", "blocked"]
    sources: tuple[str, ...]
    severity: SeverityText | None


class WorkspacePoliciesShape(ReplyShape):
    """A workspace's policies; `outcomes` has its dirty chats, when policies were just given."""

    workspace: PolicySetShape
    outcomes: tuple[PolicyOutcomeShape, ...] | None = None
    dry_run: bool = False


class ChatPoliciesShape(ReplyShape):
    """A chat's policies: set for it and for its workspace, and what is in force for every kind.

    `overruled` says why that is not what was set: the chat was rolled back, or is a sub-chat.
    """

    chat: PolicySetShape
    workspace: PolicySetShape
    policy: PolicyText
    in_force: dict[KindText, PolicyText]
    overruled: OverruledText | None
    blocked: bool
    outcomes: tuple[PolicyOutcomeShape, ...] | None = None
    dry_run: bool = False


__all__ = [
    "ChatPoliciesShape",
    "KindText",
    "OverruledText",
    "PoliciesRequest",
    "PolicyOutcomeShape",
    "PolicySetShape",
    "PolicyText",
    "WorkspacePoliciesShape",
]
