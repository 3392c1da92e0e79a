"""Policies as a person sees and sets them."""

from dataclasses import dataclass
from typing import Final

from driftpin.context.policies import Policies, Policy, PolicySet
from driftpin.context.resource import Kind

WORDS: Final = {
    Policy.PIN: "stay until refreshed",
    Policy.AUTO_ADD: "add what is new",
    Policy.FOLLOW: "follow the workspace",
    Policy.FREEZE: "stay, and show no badge",
}
OPTIONS: Final = tuple((policy.value, f"{policy.value}: {WORDS[policy]}") for policy in Policy)
EVERYTHING: Final = "policy"
BY_WORKSPACE: Final = "as the workspace says"
AS_THE_REST: Final = "as everything else"


@dataclass(frozen=True, slots=True)
class PolicyLine:
    """One choice. `chosen` is empty where nothing is set; `otherwise` says what holds then.

    Without `otherwise` something is always chosen.
    """

    name: str
    kind: str
    chosen: str
    otherwise: str
    in_force: str


@dataclass(frozen=True, slots=True)
class PoliciesShown:
    """All choices of one place; `overruled` says why others are in force, empty if none are."""

    action: str
    lines: tuple[PolicyLine, ...]
    overruled: str
    may_set: bool
    options: tuple[tuple[str, str], ...] = OPTIONS


def chat_policies_shown(chat_id: str, policies: Policies, *, may_set: bool) -> PoliciesShown:
    """Return what is set for a chat, and what is in force."""
    overruled = ""
    if policies.is_sub_chat:
        overruled = "A sub-chat stays with its parent, whatever is set."
    elif policies.is_rolled_back:
        overruled = "This chat was rolled back: it stays until its next refresh."
    general = PolicyLine(
        EVERYTHING, "", _value(policies.chat.policy), BY_WORKSPACE, policies.general.value
    )
    return PoliciesShown(
        action=f"/chats/{chat_id}/policies",
        lines=(general, *_kinds(policies.chat, policies)),
        overruled=overruled,
        may_set=may_set and not policies.is_sub_chat,
    )


def workspace_policies_shown(workspace_id: str, policies: PolicySet) -> PoliciesShown:
    """Return what is set for a workspace."""
    present = Policies(PolicySet(), policies)
    general = PolicyLine(EVERYTHING, "", present.general.value, "", present.general.value)
    return PoliciesShown(
        action=f"/workspaces/{workspace_id}/policies",
        lines=(general, *_kinds(policies, present)),
        overruled="",
        may_set=True,
    )


def _kinds(chosen: PolicySet, policies: Policies) -> tuple[PolicyLine, ...]:
    return tuple(
        PolicyLine(
            kind.value,
            kind.value,
            _value(chosen.kinds.get(kind)),
            AS_THE_REST,
            policies.of(kind).value,
        )
        for kind in Kind
    )


def _value(policy: Policy | None) -> str:
    return "" if policy is None else policy.value


__all__ = [
    "EVERYTHING",
    "PoliciesShown",
    "PolicyLine",
    "chat_policies_shown",
    "workspace_policies_shown",
]
