"""How often a process looks for objects that keep each other alive.

Python counts references, and what a request makes is let go at once. Beside that it looks for
cycles whenever some hundred objects more are there than before, which one listing or one push
makes: it then looks in vain at each of them.
"""

import gc

from driftpin import limits


def look_for_cycles_seldom() -> None:
    """Let this process look for cycles only when many objects more are there."""
    _, *older = gc.get_threshold()
    gc.set_threshold(limits.OBJECTS_UNTIL_CYCLES_ARE_SOUGHT, *older)


__all__ = ["look_for_cycles_seldom"]
