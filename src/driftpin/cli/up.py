"""`driftpin up`: a server in this process, and the agent of a directory as its child.

The agent's interpreter is started before anything else: it imports while this process imports.
Whoever holds the lock of the state directory serves; whoever does not attaches its agent to the
server that does.
"""

from collections.abc import Mapping
from pathlib import Path

from driftpin.cli.agent_child import AgentChild
from driftpin.cli.places import get_directory

_CHILD_FLAGS = {"state_dir": "--state", "log_level": "--log-level"}


def up(directory: Path, flags: Mapping[str, object], *, as_json: bool) -> None:
    """Serve until Ctrl-C or SIGTERM; then nothing of it is left running."""
    place = get_directory(directory)
    options = {
        flag: str(flags[name]) for name, flag in _CHILD_FLAGS.items() if flags.get(name) is not None
    }
    child = AgentChild(place, options)
    child.start()
    from driftpin.cli.up_run import UpWish, run_up

    run_up(UpWish(place, as_json=as_json), flags, child)


__all__ = ["up"]
