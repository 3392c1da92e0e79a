"""Fuzzing: every target for so many seconds, with dice that can be thrown again.

An input that breaks a property, or raises what is no refusal, is kept in the target's corpus, where
it is a test from then on. Two targets of the list of faults wait for what they would try:
`stdio_line_reader` and `tool_schema` come with the running of MCP servers.
"""

import hashlib
import random
import time
import traceback
from collections.abc import Iterator

from fuzz.mutator import Mutator
from fuzz.target import Check, Target
from fuzz.targets_paths import TARGETS as PATHS
from fuzz.targets_text import TARGETS as TEXTS
from fuzz.targets_wire import TARGETS as WIRE
from outcome import Outcome

TARGETS = (*WIRE, *TEXTS, *PATHS)
# An input has at most 8 KiB: whatever takes so long on it would hang on more.
ONE_INPUT_S = 2.0
CRASHES_KEPT_MAX = 5


def run(count: int, seed: int) -> Outcome:
    """Fuzz every target for `count` seconds of processor time."""
    outcome = Outcome()
    for target in TARGETS:
        _fuzz(target, count, seed, outcome)
        outcome.require(f"{target.name}_inputs")
    return outcome


def inputs_of(target: Target, seed: int) -> Iterator[bytes]:
    """Give inputs without end; the same seed gives the same ones."""
    dice = random.Random(f"{seed} {target.name}")
    mutator = Mutator(dice, target.seeds(), target.words)
    while True:
        yield mutator.next()


def _fuzz(target: Target, seconds: int, seed: int, outcome: Outcome) -> None:
    found: set[str] = set()
    slowest_s = 0.0
    ends_at_s = time.process_time() + seconds
    with target.around(target.check) as check:
        for content in inputs_of(target, seed):
            began_s = time.process_time()
            broken = _broken(check, content)
            took_s = time.process_time() - began_s
            slowest_s = max(slowest_s, took_s)
            outcome.seen[f"{target.name}_inputs"] += 1
            if took_s > ONE_INPUT_S:
                broken = broken or f"took {took_s:.1f} s"
            if broken and broken not in found:
                found.add(broken)
                outcome.broken.append(f"{target.name}: {broken}: kept as {_keep(target, content)}")
            if time.process_time() >= ends_at_s or len(found) >= CRASHES_KEPT_MAX:
                break
    outcome.measured[f"{target.name}_slowest_s"] = round(slowest_s, 4)


def _broken(check: Check, content: bytes) -> str:
    """Return what went wrong and where, empty if nothing did."""
    try:
        check(content)
    except Exception as failure:  # noqa: BLE001 that is what a fuzzer looks for
        last = traceback.extract_tb(failure.__traceback__)[-1]
        return f"{type(failure).__name__} {last.name}:{last.lineno} {str(failure)[:120]!r}"
    return ""


def _keep(target: Target, content: bytes) -> str:
    path = target.corpus / f"crash-{hashlib.sha256(content).hexdigest()[:12]}"
    path.write_bytes(content)
    return path.name


__all__ = ["TARGETS", "inputs_of", "run"]
