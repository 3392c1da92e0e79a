"""What happens to a pin by itself when its head moves on (spec/pinning.md §6): pure decisions.

A policy is set for a workspace or a chat, for everything in it or for one kind of resource. What is
nearer to the resource holds: a chat before its workspace, in each of them a kind before the rest.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, assert_never

from driftpin.context.drift import Change, Drift, DriftEntry
from driftpin.context.resource import Kind
from driftpin.context.severity import Severity


class Policy(StrEnum):
    """What the start of a turn does where pin and head differ."""

    PIN = "pin"
    AUTO_ADD = "auto_add"
    FOLLOW = "follow"
    FREEZE = "freeze"


@dataclass(frozen=True, slots=True)
class PolicySet:
    """What is set in one place; None, and a kind that is not named, leave it to the next place."""

    policy: Policy | None = None
    kinds: Mapping[Kind, Policy] = field(default_factory=dict)

    def find(self, kind: Kind) -> Policy | None:
        """Return what is set here for a kind."""
        return self.kinds.get(kind, self.policy)


NOTHING_SET: Final = PolicySet()
ALL_PINNED: Final = PolicySet(Policy.PIN)


@dataclass(frozen=True, slots=True)
class Policies:
    """What is set for a chat in both places, and what overrules it.

    A sub-chat never parts from its parent, and a chat that was rolled back stays where it is until
    its next refresh.
    """

    chat: PolicySet
    workspace: PolicySet
    is_rolled_back: bool = False
    is_sub_chat: bool = False

    @property
    def general(self) -> Policy:
        """The policy in force for every kind that has none of its own."""
        return self._ruled(self.chat.policy or self.workspace.policy)

    def of(self, kind: Kind) -> Policy:
        """Return the policy in force for a kind."""
        return self._ruled(self.chat.find(kind) or self.workspace.find(kind))

    @property
    def may_move(self) -> bool:
        """Whether any policy in force moves a pin at all."""
        return self.has(Policy.AUTO_ADD, Policy.FOLLOW)

    def has(self, *policies: Policy) -> bool:
        """Whether any of these is in force for some kind."""
        return any(self.of(kind) in policies for kind in Kind)

    def kinds_apart(self) -> dict[Kind, Policy]:
        """Return the kinds whose policy in force is not the general one."""
        return {kind: self.of(kind) for kind in Kind if self.of(kind) is not self.general}

    def __str__(self) -> str:
        """Return what is in force in one line: `pin`, or `pin skill=follow`."""
        apart = (f"{kind}={policy}" for kind, policy in self.kinds_apart().items())
        return " ".join((self.general, *apart))

    def _ruled(self, wish: Policy | None) -> Policy:
        if self.is_sub_chat:
            return Policy.FREEZE
        if self.is_rolled_back:
            return Policy.PIN
        return wish or Policy.PIN


@dataclass(frozen=True, slots=True)
class Application:
    """What the policies take from a head: the sources of whole entries.

    One that is blocked takes nothing, although there was something to take: a person has to look at
    what is risky first.
    """

    sources: frozenset[str] = frozenset()
    is_blocked: bool = False


def decide(drift: Drift, policies: Policies) -> Application:
    """Return what the policies take of a drift, which is without what the chat holds."""
    taken = [entry for entry in drift.entries if _takes(policies.of(entry.kind), entry)]
    if taken and drift.severity is Severity.RISKY:
        return Application(is_blocked=True)
    return Application(frozenset(source for entry in taken for source in entry.sources))


def is_shown(drift: Drift, policies: Policies) -> bool:
    """Whether anything of the drift is to be shown as a badge."""
    return any(policies.of(entry.kind) is not Policy.FREEZE for entry in drift.entries)


def _takes(policy: Policy, entry: DriftEntry) -> bool:
    match policy:
        case Policy.FOLLOW:
            return True
        case Policy.AUTO_ADD:
            # What was renamed is pinned under its old name, and what is pinned is not touched.
            return entry.change is Change.ADDED
        case Policy.PIN | Policy.FREEZE:
            return False
        case _:
            assert_never(policy)


__all__ = [
    "ALL_PINNED",
    "NOTHING_SET",
    "Application",
    "Policies",
    "Policy",
    "PolicySet",
    "decide",
    "is_shown",
]
