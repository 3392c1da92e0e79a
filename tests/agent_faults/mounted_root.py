"""Resolves a root while a file system is mounted on it, while not, and while it is again.

A program of its own, for it needs a namespace in which it may mount: `unshare -Urm` gives one. It
prints one line of JSON for each look.
"""

import json
import subprocess
import sys
from pathlib import Path

from driftpin.agent.sources import SourceFile
from driftpin.agent.workspace import Workspace
from driftpin.clock import SystemClock


def main(place: Path) -> None:
    mount(place)
    workspace = Workspace(place, SourceFile(place.parent / "s"), home=None, clock=SystemClock())
    tell(workspace)
    subprocess.run(["umount", str(place)], check=True)
    tell(workspace)
    mount(place)
    tell(workspace)


def mount(place: Path) -> None:
    subprocess.run(["mount", "-t", "tmpfs", "none", str(place)], check=True)
    (place / "AGENTS.md").write_text("mounted\n", encoding="utf-8")


def tell(workspace: Workspace) -> None:
    found = workspace.resolve()
    workspace.hand_on()
    sources = [each.source for each in found.snapshot.resources]
    print(json.dumps([sources, found.observations.errors]))  # noqa: T201 for the parent


if __name__ == "__main__":
    main(Path(sys.argv[1]))
