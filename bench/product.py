"""The product as a user runs it: `driftpin up` as a process, on a directory of its own."""

import json
import os
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

STOP_WAIT_S = 15


@dataclass(frozen=True, slots=True)
class Running:
    """A running `driftpin up`: where it answers, and the directory it watches."""

    url: str
    token: str
    user_id: str
    workspace_id: str
    agent_id: str
    directory: Path
    process: subprocess.Popen[str]


def driftpin() -> str:
    """Return the path of the installed command."""
    return str(Path(sys.executable).parent / "driftpin")


@contextmanager
def workspace(count: int, body_bytes: int) -> Iterator[Path]:
    """Give a directory with `count` resources: AGENTS.md, and skills for the rest."""
    with tempfile.TemporaryDirectory(prefix="driftpin-bench-") as name:
        root = Path(name) / "workspace"
        root.mkdir()
        (root / "AGENTS.md").write_text(_text("the workspace", body_bytes), encoding="utf-8")
        for index in range(count - 1):
            skill = root / ".agents" / "skills" / f"skill-{index:04d}"
            skill.mkdir(parents=True)
            header = f"---\nname: {skill.name}\ndescription: Does thing {index}.\n---\n"
            (skill / "SKILL.md").write_text(
                header + _text(skill.name, body_bytes - len(header)), encoding="utf-8"
            )
        yield root


@contextmanager
def up(directory: Path, state: Path) -> Iterator[Running]:
    """Run `driftpin up` and give it once it has said that it is ready."""
    process = subprocess.Popen(
        [driftpin(), "up", str(directory), "--json", "--port", "0", "--state", str(state)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "HOME": str(state.parent / "home")},
    )
    try:
        assert process.stdout is not None
        ready = json.loads(process.stdout.readline())
        yield Running(**ready, directory=directory, process=process)
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(STOP_WAIT_S)


def _text(name: str, size_bytes: int) -> str:
    line = f"Rules of {name}: small steps, each with its tests.\n"
    return (line * (size_bytes // len(line) + 1))[:size_bytes]
