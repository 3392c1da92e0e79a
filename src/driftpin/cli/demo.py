"""`driftpin demo`: the whole story on a throw-away copy, with a real server and a real agent."""

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from driftpin.cli import output
from driftpin.cli.demo_story import Step, Story
from driftpin.cli.demo_workspace import DemoWorkspace, make_workspace
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.places import get_directory
from driftpin.client import Client
from driftpin.errors import Unreachable

START_WAIT_S: Final = 30.0
STOP_WAIT_S: Final = 10.0
_QUOTED_LINES_MAX: Final = 24
_COLUMNS: Final = ("step", "held", "seconds", "what came back")


@dataclass(frozen=True, slots=True)
class _Ready:
    url: str
    token: str
    workspace_id: str


def demo(directory: Path, *, as_json: bool) -> None:
    """Play the story; end clean only if every step held."""
    origin = get_directory(directory)
    with tempfile.TemporaryDirectory(prefix="driftpin-demo-") as place:
        root = Path(place).resolve()
        workspace = make_workspace(origin, root / "workspace")
        _say_workspace(origin, workspace)
        home = root / "home"
        home.mkdir()
        steps, is_whole = asyncio.run(_play(workspace, root / "state", home))
    if as_json:
        output.write_json({"ok": is_whole, "steps": [_step_to_json(step) for step in steps]})
    else:
        output.write_table(_COLUMNS, map(_row, steps))
        say("Every step held." if is_whole else "The story did not hold.")
    if not is_whole:
        raise Finished(ExitCode.FINDINGS)


async def _play(workspace: DemoWorkspace, state: Path, home: Path) -> tuple[list[Step], bool]:
    steps: list[Step] = []
    async with (
        _running_up(workspace.directory, state, home) as ready,
        Client(ready.url, ready.token) as client,
    ):
        story = Story(client, workspace, ready.workspace_id)
        async for step in story.play():
            steps.append(step)
            _say_step(len(steps), step)
    return steps, len(steps) == story.length and all(step.told.is_ok for step in steps)


@asynccontextmanager
async def _running_up(directory: Path, state: Path, home: Path) -> AsyncIterator[_Ready]:
    """Run `driftpin up` as a process of its own until the block ends."""
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-P", "-m", "driftpin", "up", "--json", "--port", "0"),
        *("--state", str(state), "--", str(directory)),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.PIPE,
        env=_environment(home),
        start_new_session=True,
    )
    try:
        yield await _ready_line(process)
    finally:
        if process.returncode is None:
            process.terminate()
            async with asyncio.timeout(STOP_WAIT_S):
                await process.wait()


async def _ready_line(process: asyncio.subprocess.Process) -> _Ready:
    assert process.stdout is not None, "it was asked for"
    async with asyncio.timeout(START_WAIT_S):
        line = await process.stdout.readline()
    if not line:
        raise Unreachable("The server of the demo did not start; its reason stands above.")
    ready = json.loads(line)
    return _Ready(ready["url"], ready["token"], ready["workspace_id"])


def _environment(home: Path) -> dict[str, str]:
    """Return an environment in which nothing of the user's own settings or files is found."""
    own = {name: each for name, each in os.environ.items() if not name.startswith("DRIFTPIN_")}
    for variable in ("XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        own.pop(variable, None)
    return {**own, "HOME": str(home), "DRIFTPIN_USER_ROOTS": "false"}


def _say_workspace(origin: Path, workspace: DemoWorkspace) -> None:
    say(
        f"A throw-away copy of {output.counted(workspace.copied, 'context file')} of"
        f" {str(origin)!r}; the directory itself is not touched."
    )
    for example in workspace.examples:
        say(f"It has none of this kind, so an example is added: {example}")


def _say_step(number: int, step: Step) -> None:
    say(f"{number:2}. {step.name}: {step.told.text} [{_held(step)}]")
    for line in step.told.quoted[:_QUOTED_LINES_MAX]:
        say(f"      | {line}")
    unseen = len(step.told.quoted) - _QUOTED_LINES_MAX
    if unseen > 0:
        say(f"      | … {output.counted(unseen, 'line')} more; --json has all")


def _row(step: Step) -> tuple[object, ...]:
    return step.name, _held(step), f"{step.took_s:.2f}", step.told.text


def _held(step: Step) -> str:
    return "ok" if step.told.is_ok else "FAILED"


def _step_to_json(step: Step) -> dict[str, object]:
    return {
        "name": step.name,
        "ok": step.told.is_ok,
        "seconds": round(step.took_s, 3),
        "told": step.told.text,
        "evidence": dict(step.told.evidence),
    }


__all__ = ["demo"]
