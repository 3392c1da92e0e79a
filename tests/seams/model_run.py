"""How histories are run: so many, from a seed, on deployments that one kind of database holds."""

import traceback
from collections.abc import Callable, Sequence

import hypothesis
from hypothesis import HealthCheck, Phase, settings
from hypothesis.internal.conjecture.providers import AVAILABLE_PROVIDERS, HypothesisProvider
from hypothesis.stateful import rule, run_state_machine_as_test

from outcome import Outcome
from seams.chat_machine import ChatMachine
from seams.expected import Expected
from seams.pin_machine import Deployment
from seams.verbs import Call, calls_of

STEPS_MIN = 20
STEPS_MAX = 40
# A run in which one of these never happened would have proved nothing about it.
MET = ("accepted", "hello", "create", "refused_not_found")
# What a few histories may miss and a hundred may not.
MET_BY_MANY = (
    *("push_refused", "unchanged", "duplicate", "restart", "fork", "turn", "create_sub_chat"),
    *("create_on_snapshot", "pinned_by_rebind", "refused_snapshot_expired"),
    *("refresh", "roll_back", "rebind", "share", "unshare", "archive", "delete", "collected"),
    *("refused_stale", "refused_fenced", "refused_seq_conflict", "refused_hash_mismatch"),
    *("refused_need_blobs", "refused_head_moved", "refused_forbidden", "lists_compared"),
    *("refresh_part", "release", "refused_unknown_source"),
    *("checked_offline", "set_policy", "set_workspace_policy", "pinned_by_apply_policy"),
)
MANY = 100
# Under its own name Hypothesis makes five of six histories by repeating parts of the one before.
AVAILABLE_PROVIDERS["fresh-histories"] = "seams.model_run.FreshHistories"

Begin = Callable[[], tuple[Expected, Sequence[Deployment]]]


class FreshHistories(HypothesisProvider):
    """Draws every history anew from the seed."""


def run_histories(
    count: int, seed: int, start: Begin, *, steps: int | None = None, shrink: bool = True
) -> Outcome:
    """Make `count` histories; the first that breaks ends the run, with its shortest form."""
    outcome = Outcome()

    class Bound(ChatMachine):
        begin = staticmethod(start)

        @rule(call=calls_of(ChatMachine))
        def take_step(self, call: Call) -> None:
            self.step(*call)

    Bound.outcome = outcome
    phases = [Phase.generate, *([Phase.shrink] if shrink else [])]
    chosen = settings(
        backend="fresh-histories",
        max_examples=count,
        stateful_step_count=steps or STEPS_MIN + seed % (STEPS_MAX - STEPS_MIN + 1),
        database=None,
        deadline=None,
        phases=phases,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        run_state_machine_as_test(hypothesis.seed(seed)(Bound), settings=chosen)
    except Exception as failure:  # noqa: BLE001 whatever it is, it broke a promise
        outcome.broken.append("".join(traceback.format_exception(failure)))
    outcome.require(*MET, *(MET_BY_MANY if count >= MANY else ()))
    return outcome


__all__ = ["Begin", "FreshHistories", "run_histories"]
