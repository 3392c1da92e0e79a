"""X49: a real git that flips 10,000 files, and one that is held half-way."""

import asyncio
import subprocess
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from agent_runtime.running import RunningAgent, running_agent
from agent_runtime.world import WAIT_S
from driftpin.agent.local_protocol import LocalCall
from driftpin.agent.passes import GIT_LOCK_HELD
from driftpin.agent.schedule import Timing
from driftpin.failpoints import Failpoint
from driftpin.identity import digest_of

FILES = 10_000
SKILL = "---\nname: tidy\ndescription: Tidies\n---\n"


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository with two commits between which every file differs."""
    directory = tmp_path_factory.mktemp("git") / "workspace"
    directory.mkdir()
    git(directory, "init", "-q", "-b", "one")
    write_all(directory, "one")
    commit(directory, "one")
    git(directory, "switch", "-q", "-c", "two")
    write_all(directory, "two")
    commit(directory, "two")
    return directory


def git(directory: Path, *arguments: str) -> None:
    identity = ("-c", "user.name=x", "-c", "user.email=x@x", "-c", "core.fsync=none")
    subprocess.run(["git", *identity, *arguments], cwd=directory, check=True, capture_output=True)


def commit(directory: Path, message: str) -> None:
    git(directory, "add", "-A")
    git(directory, "commit", "-q", "-m", message)


def write_all(directory: Path, text: str) -> None:
    skill = directory / "skills" / "tidy"
    skill.mkdir(parents=True, exist_ok=True)
    (directory / "AGENTS.md").write_text(f"{text}\n", encoding="utf-8")
    (skill / "SKILL.md").write_text(SKILL + text, encoding="utf-8")
    for number in range(60):
        (skill / f"{number}.txt").write_text(f"{text} {number}", encoding="utf-8")
    for number in range(FILES):
        folder = directory / "source" / str(number // 100)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number}.txt").write_text(f"{text} {number}", encoding="utf-8")


@asynccontextmanager
async def settled(
    directory: Path, environment: dict[str, str], timing: Timing | None = None
) -> AsyncIterator[RunningAgent]:
    async with running_agent(directory, environment, timing=timing) as running:
        await running.call(LocalCall.RESYNC)
        yield running


async def test_x49_a_checkout_that_flips_10_000_files_becomes_few_snapshots_and_never_a_mix(
    repository: Path, environment: dict[str, str]
) -> None:
    async with settled(repository, environment) as running:
        before = len(running.server.pushes)
        for branch in ("one", "two"):
            await asyncio.to_thread(git, repository, "switch", "-q", branch)
            await running.wait_for_body(f"{branch}\n")
        await running.call(LocalCall.RESYNC)
        pushes = running.server.pushes[before:]
    assert digest_of(b"two 59") in running.server.blobs
    assert 2 <= len({push.digest for push in pushes}) <= 4


async def test_x49_a_checkout_held_half_way_is_waited_for_and_then_pushed_and_told(
    repository: Path, environment: dict[str, str]
) -> None:
    timing = Timing(git_lock_wait_s=0.5)
    lock = repository / ".git" / "index.lock"
    async with settled(repository, environment, timing) as running:
        lock.touch()
        before = len(running.server.pushes)
        (repository / "AGENTS.md").write_text("half\n", encoding="utf-8")
        await running.wait_for_body("half\n")
        pushed = running.server.pushes[before:]
        assert all(GIT_LOCK_HELD in push.observations["errors"] for push in pushed)  # type: ignore[operator]
        lock.unlink()
        git(repository, "checkout", "-q", "--", "AGENTS.md")
        await running.wait_for_body("two\n")
        await running.call(LocalCall.RESYNC)
    assert running.server.pushes[-1].observations["errors"] == []


class CheckoutBegins:
    """Takes git's lock when a look has read half of what a checkout is about to write."""

    def __init__(self, lock: Path) -> None:
        self._lock = lock
        self.is_due = False
        self.has_begun = asyncio.Event()

    async def __call__(self, failpoint: Failpoint) -> None:
        if failpoint is Failpoint.AGENT_HASH and self.is_due:
            self.is_due = False
            self._lock.touch()
            self.has_begun.set()


async def test_x49_what_was_read_while_a_checkout_began_is_not_handed_on(
    repository: Path, environment: dict[str, str]
) -> None:
    lock = repository / ".git" / "index.lock"
    begins = CheckoutBegins(lock)
    async with running_agent(repository, environment, reach=begins) as running:
        await running.call(LocalCall.RESYNC)
        begins.is_due = True
        (repository / "AGENTS.md").write_text("half\n", encoding="utf-8")
        resync = asyncio.create_task(running.call(LocalCall.RESYNC))
        await asyncio.wait_for(begins.has_begun.wait(), WAIT_S)
        (repository / "AGENTS.md").write_text("whole\n", encoding="utf-8")
        lock.unlink()
        await resync
        await running.wait_for_body("whole\n")
    assert digest_of(b"half\n") not in running.server.blobs
