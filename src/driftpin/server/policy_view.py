"""Policies from values of the store to shapes of the wire, and back."""

from collections.abc import Iterable

from driftpin.context.policies import Policies, Policy, PolicySet
from driftpin.context.resource import Kind
from driftpin.store.policy_values import PolicyOutcome
from driftpin.store.values import ContextSummary
from driftpin.wire import policies as wire


def policy_set_of(request: wire.PoliciesRequest) -> PolicySet:
    """Return what is to be set."""
    policy = None if request.policy is None else Policy(request.policy)
    kinds = {Kind(kind): Policy(name) for kind, name in request.kinds.items()}
    return PolicySet(policy, kinds)


def chat_policies_shape(
    context: ContextSummary,
    outcomes: Iterable[PolicyOutcome] | None = None,
    *,
    is_dry: bool = False,
) -> wire.ChatPoliciesShape:
    """Return a chat's policies."""
    policies = context.policies
    return wire.ChatPoliciesShape(
        chat=_set_shape(policies.chat),
        workspace=_set_shape(policies.workspace),
        policy=policies.general.value,
        in_force={kind.value: policies.of(kind).value for kind in Kind},
        overruled=_overruled(policies),
        blocked=context.is_blocked,
        outcomes=_outcomes(outcomes),
        dry_run=is_dry,
    )


def workspace_policies_shape(
    policies: PolicySet, outcomes: Iterable[PolicyOutcome] | None = None, *, is_dry: bool = False
) -> wire.WorkspacePoliciesShape:
    """Return a workspace's policies."""
    return wire.WorkspacePoliciesShape(
        workspace=_set_shape(policies), outcomes=_outcomes(outcomes), dry_run=is_dry
    )


def _set_shape(policies: PolicySet) -> wire.PolicySetShape:
    return wire.PolicySetShape(
        policy=None if policies.policy is None else policies.policy.value,
        kinds={kind.value: policy.value for kind, policy in policies.kinds.items()},
    )


def _overruled(policies: Policies) -> wire.OverruledText | None:
    if policies.is_sub_chat:
        return "sub_chat"
    return "rolled_back" if policies.is_rolled_back else None


def _outcomes(
    outcomes: Iterable[PolicyOutcome] | None,
) -> tuple[wire.PolicyOutcomeShape, ...] | None:
    if outcomes is None:
        return None
    return tuple(
        wire.PolicyOutcomeShape(
            chat_id=outcome.chat_id,
            policy=str(outcome.policies),
            next_turn=outcome.next_turn.value,
            sources=outcome.sources,
            severity=None if outcome.severity is None else outcome.severity.value,
        )
        for outcome in outcomes
    )


__all__ = ["chat_policies_shape", "policy_set_of", "workspace_policies_shape"]
