"""A repository, a server with the scripted model, and rounds on them: all of it real."""

import asyncio
import json
import os
import signal
import subprocess
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from driftpin.cli.review_run import ReviewRun, ReviewWish
from driftpin.cli.review_spending import Spending
from driftpin.client import Client
from driftpin.clock import Clock
from driftpin.errors import Unreachable
from driftpin.identity import digest_of
from driftpin.models.port import Model
from driftpin.models.registry import get_model
from driftpin.models.scripted import load_script
from driftpin.review.daybook import Daybook
from driftpin.review.examination import Examine
from driftpin.review.folder import ReviewFolder
from driftpin.review.inputs import Exchange, Said, Settings
from driftpin.review.ledger import Replied, ReplyKind, ReviewState, check_reply
from driftpin.review.panel import BAD_ANSWER, TOO_MANY_CALLS
from driftpin.review.planning import Task
from driftpin.review.prompts import repair_text
from driftpin.review.reading.desk import ReadingDesk
from driftpin.review.repository import Range, Repository
from driftpin.review.rounds import Ran
from driftpin.review.shelf import Shelf, shelf_of
from driftpin.review.sitting import Sitting
from driftpin.review.spending import Usage, parse_limits, parse_price
from driftpin.runner.worker import TurnWorker
from driftpin.server.agent_calls import AgentCalls
from driftpin.server.bootstrap import ensure_first_user
from driftpin.store.store import Store
from served import open_server
from stepping import SteppedClock

Claim = dict[str, Any]
# Tokens that every answer of a played reviewer has.
WRITTEN = 100
NONE_SAME = json.dumps({"result": "adjudicated", "same": []})
NOTHING = json.dumps({"claims": [], "complete": {}})
WISH = ReviewWish(model="scripted", as_json=True)


def claim(path: str, line: int, quote: str, statement: str, **more: Any) -> Claim:
    """A claim as a reviewer writes it, with everything that a P2 needs."""
    return {
        "severity": "P2",
        "path": path,
        "line": line,
        "category": "defect",
        "statement": statement,
        "quote": quote,
        "evidence": "It is there.",
        "trigger": "a call",
        "outcome": "a crash",
        **more,
    }


def answer(*claims: Claim, **more: Any) -> str:
    """A reviewer's whole answer, with words around it."""
    return "I looked. " + json.dumps({"claims": claims, "complete": {}, **more}) + " Done."


def calling(*calls: tuple[str, Claim]) -> dict[str, Any]:
    """A step that calls tools with these arguments."""
    return {"calls": [{"name": name, "arguments": given} for name, given in calls]}


def ruling(result: str, path: str = "", line: int = 0, quote: str = "") -> str:
    """The answer of a verifier or a refuter."""
    return json.dumps({"result": result, "path": path, "line": line, "quote": quote, "why": "seen"})


def adjudication(*pairs: tuple[str, str], why: str = "one root cause") -> str:
    """The answer of an adjudicator."""
    same = [{"one": one, "other": other, "why": why} for one, other in pairs]
    return json.dumps({"result": "adjudicated", "same": same})


@dataclass
class Repo:
    """A git repository with one branch of work on top of `base`."""

    path: Path

    def __post_init__(self) -> None:
        self.path.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Author")
        self.git("config", "user.email", "author@example.org")

    def git(self, *arguments: str) -> str:
        ended = subprocess.run(
            ["git", *arguments], cwd=self.path, capture_output=True, text=True, check=True
        )
        return ended.stdout.strip()

    def write(self, **files: str) -> None:
        for name, text in files.items():
            self.put(name.replace("__", "/") + ".py", text)

    def put(self, path: str, text: str) -> None:
        place = self.path / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text(text, encoding="utf-8")

    def commit(self, message: str = "a step") -> str:
        self.git("add", "--all")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


@dataclass
class Script:
    """The file that the scripted model plays: who says what in which round."""

    path: Path
    cases: list[dict[str, Any]] = field(default_factory=list)

    def say(self, number: int, role: str, *answers: str) -> None:
        """Let a role answer in a round; later answers are for what is sent back."""
        self.play(number, f"`{role}`", *({"text": text} for text in answers))

    def fail(self, number: int, role: str) -> None:
        """Let a role die in a round."""
        self.play(number, f"`{role}`", {"fail": "refused_by_script", "times": 99})

    def verify(self, number: int, finding: str, said: str) -> None:
        """Let the verifier of a finding answer."""
        self.play(number, f"for {finding}.", {"text": said})

    def play(self, number: int, piece: str, *steps: dict[str, Any]) -> None:
        """Let whoever is told a piece of text in a round take these steps."""
        self.cases.append({"contains": [f"Round {number}", piece], "steps": list(steps)})
        self.write()

    def write(self) -> None:
        others = [
            {"contains": ["`refuter`"], "steps": [{"text": ruling("stands")}]},
            {"contains": ["`adjudicator`"], "steps": [{"text": NONE_SAME}]},
            {"contains": ["`verifier`"], "steps": [{"text": ruling("cannot_tell")}]},
        ]
        written = {"cases": [*self.cases, *others], "steps": [{"text": NOTHING}]}
        self.path.write_text(json.dumps(written), encoding="utf-8")


@dataclass
class Played:
    """Reviewers without a server: the scripted model's answers, under the rules of sub-chats.

    One whose key is in `lost` finds the server gone; one in `costs` takes so many tokens.
    The process dies where a key begins with `fatal`.
    """

    script: Script
    lost: set[str] = field(default_factory=set)
    costs: Mapping[str, int] = field(default_factory=dict)
    fatal: str = ""
    desk: ReadingDesk | None = None
    under_way: int = 0
    most_at_once: int = 0

    async def ask(self, task: Task, examine: Examine) -> Exchange:
        self.under_way += 1
        self.most_at_once = max(self.most_at_once, self.under_way)
        try:
            # Let the others begin too.
            await asyncio.get_running_loop().run_in_executor(None, int)
            return self._answer(task, examine)
        finally:
            self.under_way -= 1

    def _die_at(self, place: str) -> None:
        if self.fatal and place.startswith(self.fatal):
            os.kill(os.getpid(), signal.SIGKILL)

    def _answer(self, task: Task, examine: Examine) -> Exchange:
        self._die_at(task.key)
        if task.key in self.lost:
            raise Unreachable
        assert self.desk is not None
        steps = load_script(self.script.path).steps_for(task.text)
        said: list[Said] = []
        text, sitting = task.text, Sitting(task, examine, self.desk.visit())
        for step in steps:
            if step.fail:
                return Exchange(task.key, (), failure=step.fail)
            if step.calls:
                sitting.begin_request()
            for call in step.calls:
                self._die_at(f"read.{task.key}")
                sitting.answer(call.name, call.arguments)
                if sitting.is_over:
                    said.append(Said(digest_of(text.encode()), "", sitting.take()))
                    return Exchange(task.key, tuple(said), TOO_MANY_CALLS)
            if step.calls:
                continue
            spoken = sitting.document or step.text
            said.append(Said(digest_of(text.encode()), spoken, sitting.take()))
            examined = sitting.examine(spoken)
            if not examined.errors:
                break
            text = repair_text(examined.errors)
        failure = "" if examined.is_answer else BAD_ANSWER
        answered = Exchange(task.key, tuple(said), failure, outside=examined.outside)
        read = self.costs.get(task.key, task.usage.read)
        return answered.with_usage(Usage(read, 0, WRITTEN))


@dataclass
class World:
    """A repository under review; on a server that runs, where there is a client."""

    repo: Repo
    script: Script
    state: Path
    client: Client | None = None
    url: str = ""
    store: Store | None = None
    lost: set[str] = field(default_factory=set)
    fatal: str = ""
    played: Played | None = None
    prices: Sequence[str] = ()
    costs: dict[str, int] = field(default_factory=dict)
    clock: SteppedClock = field(default_factory=SteppedClock)
    wish: ReviewWish = WISH
    model: str = "scripted"

    @property
    def daybook(self) -> Daybook:
        return Daybook(self.shelf.path.parent / "spent", self.clock)

    @property
    def repository(self) -> Repository:
        return Repository(self.repo.path)

    @property
    def shelf(self) -> Shelf:
        return shelf_of(self.state, self.repo.path)

    @property
    def folder(self) -> ReviewFolder:
        return self.shelf.find(None)

    def ledger(self) -> ReviewState:
        return self.folder.state()

    async def round(self, wanted: Range | str = "base..HEAD", *, limits: Sequence[str] = ()) -> Ran:
        """Run a round. May raise Finished where it is blocked."""
        repository = self.repository

        def resolve() -> Range:
            return repository.range_of(wanted) if isinstance(wanted, str) else wanted

        def head_now() -> str:
            if self.fatal == "end":
                os.kill(os.getpid(), signal.SIGKILL)
            return resolve().head

        settings = Settings(self.model, prices=tuple(map(parse_price, self.prices)))
        spending = Spending(parse_limits(limits), self.daybook)
        run = ReviewRun(repository, resolve(), head_now, self.shelf, settings, spending, self.wish)
        if self.client is not None:
            return await run.run(self._connect)
        begun = run.begin()
        self.played = Played(self.script, self.lost, self.costs, self.fatal, begun.desk)
        return await begun.run(self.played)

    @asynccontextmanager
    async def _connect(self) -> AsyncIterator[Client]:
        assert self.client is not None
        yield self.client

    def reply(self, finding: str, kind: ReplyKind, text: str = "done") -> None:
        folder = self.folder
        about = check_reply(folder.state(), finding)
        folder.append(Replied(about.id, kind, text, "author", "2026-01-01T00:00:00Z"))


def make_world(root: Path) -> World:
    """A world without a server."""
    script = Script(root / "script.json")
    script.write()
    return World(Repo(root / "repo"), script, root / "state")


@asynccontextmanager
async def open_world(database_url: str, root: Path) -> AsyncIterator[World]:
    """Give a world whose server plays the script that it is given."""
    world = make_world(root)
    models = _Models({"DRIFTPIN_SCRIPT": str(world.script.path)})

    def make_workers(store: Store, clock: Clock, _calls: AgentCalls) -> TurnWorker:
        return TurnWorker(store, models, clock, name="worker")

    async with open_server(database_url, make_workers=make_workers) as (url, server, _serving):
        _, token = await ensure_first_user(server.services.store, None)
        async with Client(url, token) as client:
            world.client, world.url, world.store = client, url, server.services.store
            yield world


@dataclass(frozen=True)
class _Models:
    """Models with the environment of a test."""

    environment: Mapping[str, str]

    def get(self, name: str) -> Model:
        return get_model(name, self.environment)


def ids(findings: Sequence[Any]) -> list[str]:
    return [each.id for each in findings]
