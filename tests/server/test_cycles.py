"""A server looks for cycles seldom, and finds them all the same."""

import subprocess
import sys

SCRIPT = """
import gc, weakref
from driftpin import limits
from driftpin.server.cycles import look_for_cycles_seldom

class Node:
    pass

def knot():
    node = Node()
    node.itself = node
    return weakref.ref(node)

looks = []
gc.callbacks.append(lambda phase, info: looks.append(phase))
look_for_cycles_seldom()
gc.collect()
looks.clear()
knotted = knot()
kept = [[] for _ in range(limits.OBJECTS_UNTIL_CYCLES_ARE_SOUGHT // 2)]
print(len(looks), knotted() is None)
kept += [[] for _ in range(limits.OBJECTS_UNTIL_CYCLES_ARE_SOUGHT)]
print(len(looks) > 0, knotted() is None)
"""


def test_what_a_request_makes_starts_no_search_and_a_cycle_is_found_by_the_next() -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT], capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.splitlines() == ["0 False", "True True"]
