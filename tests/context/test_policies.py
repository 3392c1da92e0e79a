from itertools import product

import pytest

from driftpin.context.drift import Change, DriftEntry, drift_of
from driftpin.context.policies import (
    NOTHING_SET,
    Application,
    Policies,
    Policy,
    PolicySet,
    decide,
    is_shown,
)
from driftpin.context.resource import Kind, Status
from driftpin.context.severity import Severity

# What each policy does with each change, while nothing is risky and nothing held.
TAKEN = {
    Policy.PIN: (),
    Policy.FREEZE: (),
    Policy.AUTO_ADD: (Change.ADDED,),
    Policy.FOLLOW: tuple(Change),
}
# Of the two nearest places that say something the first holds.
KindPolicies = dict[Kind, Policy]
NEARER: tuple[tuple[KindPolicies, Policy | None, KindPolicies, Policy], ...] = (
    ({Kind.SKILL: Policy.FOLLOW}, Policy.FREEZE, {Kind.SKILL: Policy.AUTO_ADD}, Policy.FOLLOW),
    ({}, Policy.FREEZE, {Kind.SKILL: Policy.AUTO_ADD}, Policy.FREEZE),
    ({}, None, {Kind.SKILL: Policy.AUTO_ADD}, Policy.AUTO_ADD),
    ({Kind.MCP_SERVER: Policy.FREEZE}, None, {}, Policy.FOLLOW),
)


def entry(
    kind: Kind, change: Change, severity: Severity, source: str = "workspace:a"
) -> DriftEntry:
    is_renamed = change is Change.RENAMED
    return DriftEntry(
        source=source,
        kind=kind,
        change=change,
        severity=severity,
        previous_source=f"{source}-before" if is_renamed else None,
        status_before=None if change is Change.ADDED else Status.OK,
        status_after=None if change is Change.REMOVED else Status.OK,
        reason_before=None,
        reason_after=None,
    )


def under(policy: Policy, **kinds: Policy) -> Policies:
    named = {Kind(kind): chosen for kind, chosen in kinds.items()}
    return Policies(PolicySet(policy, named), NOTHING_SET)


@pytest.mark.parametrize("policy", Policy)
@pytest.mark.parametrize("kind", Kind)
def test_every_policy_takes_of_every_kind_change_and_severity_what_its_row_says(
    policy: Policy, kind: Kind
) -> None:
    for change, severity, is_held, is_own in product(Change, Severity, (0, 1), (0, 1)):
        found = entry(kind, change, severity)
        # The policy of another kind says nothing about this one.
        other = next(each for each in Kind if each is not kind)
        policies = (
            under(Policy.PIN, **{kind.value: policy})
            if is_own
            else under(policy, **{other.value: Policy.FOLLOW})
        )
        drift = drift_of([found]).without(found.sources if is_held else ())
        decision = decide(drift, policies)
        is_wanted = change in TAKEN[policy] and not is_held
        is_risky = severity is Severity.RISKY
        assert decision.is_blocked == (is_wanted and is_risky)
        assert decision.sources == (found.sources if is_wanted and not is_risky else frozenset())
        assert is_shown(drift, policies) == (policy is not Policy.FREEZE and not is_held)


def test_something_risky_of_a_kind_that_stays_blocks_those_that_would_move() -> None:
    drift = drift_of(
        [
            entry(Kind.INSTRUCTION_FILE, Change.MODIFIED, Severity.RISKY, "workspace:AGENTS.md"),
            entry(Kind.SKILL, Change.ADDED, Severity.ADDITIVE, "workspace:skill"),
        ]
    )
    policies = under(Policy.PIN, skill=Policy.FOLLOW)
    assert decide(drift, policies).is_blocked
    assert not decide(drift, under(Policy.PIN)).is_blocked
    held = decide(drift.without({"workspace:AGENTS.md"}), policies)
    assert held == Application(frozenset({"workspace:skill"}))


def test_kinds_that_follow_are_taken_and_the_others_stay() -> None:
    kinds = (Kind.INSTRUCTION_FILE, Kind.SKILL, Kind.MCP_CONFIG, Kind.MCP_SERVER)
    drift = drift_of(
        entry(kind, Change.MODIFIED, Severity.BEHAVIOURAL, f"workspace:{kind}") for kind in kinds
    )
    policies = under(Policy.FREEZE, skill=Policy.FOLLOW, mcp_server=Policy.AUTO_ADD)
    assert decide(drift, policies).sources == {"workspace:skill"}
    assert is_shown(drift, policies)
    assert not is_shown(drift.without({"workspace:skill", "workspace:mcp_server"}), policies)
    assert str(policies) == "freeze skill=follow mcp_server=auto_add"


@pytest.mark.parametrize(("chat_kinds", "chat", "workspace_kinds", "expected"), NEARER)
def test_what_is_nearer_to_the_resource_holds(
    chat_kinds: KindPolicies,
    chat: Policy | None,
    workspace_kinds: KindPolicies,
    expected: Policy,
) -> None:
    policies = Policies(PolicySet(chat, chat_kinds), PolicySet(Policy.FOLLOW, workspace_kinds))
    assert policies.of(Kind.SKILL) is expected


def test_nothing_set_is_pin_and_the_rest_overrules_what_is_set() -> None:
    assert str(Policies(NOTHING_SET, NOTHING_SET)) == "pin"
    wish = PolicySet(Policy.FOLLOW, {Kind.SKILL: Policy.AUTO_ADD})
    assert str(Policies(wish, NOTHING_SET)) == "follow skill=auto_add"
    assert str(Policies(wish, NOTHING_SET, is_rolled_back=True)) == "pin"
    assert str(Policies(wish, NOTHING_SET, is_sub_chat=True)) == "freeze"
    assert str(Policies(wish, NOTHING_SET, is_rolled_back=True, is_sub_chat=True)) == "freeze"
