"""A user's machine for the command line: a home of its own, a workspace, and real processes."""

import json
import os
import select
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driftpin.agent.local_client import call_agent, find_socket
from driftpin.agent.local_protocol import LocalCall

START_WAIT_S = 60
END_WAIT_S = 15
DRIFTPIN = (sys.executable, "-P", "-m", "driftpin")
SKILL_TEXT = "---\nname: tidy\ndescription: Tidies up.\n---\nRun `run.sh`.\n"
RULES = "# Rules\n\nUse tabs.\n"


@dataclass(frozen=True)
class Ended:
    """A command that has ended: its code and what it wrote where."""

    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


@dataclass
class Machine:
    """One user's machine: nothing of the machine that runs the tests is seen on it."""

    root: Path
    bytecode: Path
    variables: dict[str, str] = field(default_factory=dict)

    @property
    def workspace(self) -> Path:
        return self.root / "workspace"

    @property
    def state(self) -> Path:
        return self.root / "state"

    @property
    def rules(self) -> Path:
        return self.workspace / "AGENTS.md"

    @property
    def environment(self) -> dict[str, str]:
        kept = {
            name: each
            for name, each in os.environ.items()
            if not name.startswith(("DRIFTPIN_", "XDG_"))
        }
        # Every command is a process, and compiling what it imports takes longer than running it.
        kept.pop("PYTHONDONTWRITEBYTECODE", None)
        own = {
            "HOME": str(self.root / "home"),
            "XDG_RUNTIME_DIR": str(self.root / "run"),
            "PYTHONPYCACHEPREFIX": str(self.bytecode),
        }
        return {**kept, **own, "DRIFTPIN_STATE_DIR": str(self.state), **self.variables}

    def make_workspace(self, name: str = "workspace") -> Path:
        directory = self.root / name
        skill = directory / ".agents" / "skills" / "tidy"
        skill.mkdir(parents=True)
        (directory / "AGENTS.md").write_text(RULES, encoding="utf-8")
        (skill / "SKILL.md").write_text(SKILL_TEXT, encoding="utf-8")
        (skill / "run.sh").write_text("#!/bin/sh\necho tidy\n", encoding="utf-8")
        return directory

    def run(self, *arguments: str, at: Path | None = None, said: str = "") -> Ended:
        """Run one command to its end, as a process of its own."""
        ended = subprocess.run(
            [*DRIFTPIN, *arguments],
            cwd=at or self.workspace,
            env=self.environment,
            input=said,
            capture_output=True,
            text=True,
            timeout=START_WAIT_S,
            check=False,
        )
        return Ended(ended.returncode, ended.stdout, ended.stderr)

    def edit_rules(self, text: str) -> None:
        """Edit the instruction file and return when the server has accepted what came of it."""
        self.rules.write_text(text, encoding="utf-8")
        assert self.run("resync").code == 0

    def agent_process_id(self, directory: Path | None = None) -> int:
        """Return the process id of the agent that runs on a directory, as it tells it itself."""
        path = find_socket(directory or self.workspace, self.environment)
        assert path is not None, "an agent runs"
        return int(call_agent(path, LocalCall.STATUS)["process_id"])


@dataclass
class Up:
    """A running `driftpin up`, and what it printed when it was ready."""

    process: subprocess.Popen[str]
    ready: dict[str, str]

    def end(self, with_signal: signal.Signals = signal.SIGINT) -> int:
        self.process.send_signal(with_signal)
        return self.process.wait(END_WAIT_S)

    def wait_for_line(self, part: str) -> str:
        """Return the next line of its standard error that contains `part`."""
        assert self.process.stderr is not None
        return next(line for line in self.process.stderr if part in line)


def start_up(machine: Machine, *arguments: str, directory: Path | None = None) -> Up:
    """Start `driftpin up --json` on a directory and return once it is ready."""
    process = subprocess.Popen(
        [*DRIFTPIN, "up", "--json", "--port", "0", *arguments, str(directory or machine.workspace)],
        env=machine.environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout is not None
    line = process.stdout.readline()
    if not line:
        _out, err = process.communicate(timeout=END_WAIT_S)
        raise AssertionError(f"it did not start: {err}")
    return Up(process, json.loads(line))


def stop_up(up: Up) -> None:
    """End it whatever it does, and close its pipes."""
    if up.process.poll() is None:
        up.process.terminate()
        try:
            up.process.wait(END_WAIT_S)
        except subprocess.TimeoutExpired:
            up.process.kill()
            up.process.wait(END_WAIT_S)
    for pipe in (up.process.stdout, up.process.stderr):
        if pipe is not None:
            pipe.close()


def wait_until_gone(process_id: int) -> bool:
    """Return whether a process that is nobody's child here has ended in time."""
    try:
        handle = os.pidfd_open(process_id)
    except ProcessLookupError:
        return True
    try:
        return bool(select.select([handle], [], [], END_WAIT_S)[0])
    finally:
        os.close(handle)
