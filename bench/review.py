"""What a round of a review costs beside its models, and how much of the context reviewers share."""

import asyncio
import json
import os
import statistics
import subprocess
import tempfile
import threading
import time
from dataclasses import replace
from itertools import takewhile
from pathlib import Path

from bench.product import Running, up
from bench.report import Report
from driftpin.cli.review_run import ReviewRun, ReviewWish
from driftpin.cli.review_spending import Spending
from driftpin.client import Client
from driftpin.clock import SystemClock
from driftpin.review.anchors import source_text
from driftpin.review.claims import Trees
from driftpin.review.cross_check import anchor_claim, cross_check
from driftpin.review.daybook import Daybook
from driftpin.review.examination import Examine, Examined
from driftpin.review.finding import Claim, Place, Severity
from driftpin.review.inputs import Exchange, Read, RoundInputs, Settings
from driftpin.review.panel import Reviewers
from driftpin.review.planning import Task
from driftpin.review.reading.desk import ReadingDesk
from driftpin.review.repository import Repository
from driftpin.review.rounds import Ran
from driftpin.review.shelf import shelf_of
from driftpin.review.spending import parse_limits

CLAIMS = 1_000
FILES = 30
LINES = 98
REVIEWERS = 14
WISH = ReviewWish(
    range_text=None,
    is_staged=False,
    is_worktree=False,
    patch=None,
    directory=Path(),
    name=None,
    model="scripted",
    out=None,
    is_lifted=False,
    as_json=True,
)
# Makes thirteen of the roles take part that look at Python; with the scout that is 14 and 1.
TRIGGERS = "token = 1  # async def, for , execute(\n"


async def run(report: Report) -> None:
    report.section("A review's own share (scripted reviewers)")
    report.at_most(f"cross-check of {CLAIMS} claims", _cross_check_s(), 1.0, " s")
    with tempfile.TemporaryDirectory(prefix="driftpin-bench-review-") as name:
        root = Path(name).resolve()
        _make_change(root / "repo")
        (root / "script.json").write_text(json.dumps(_script()), encoding="utf-8")
        os.environ["DRIFTPIN_SCRIPT"] = str(root / "script.json")
        with up(root / "repo", root / "state") as running:
            ran, timed = await _round(root, running)
            share = await _shared_part(running, ran, root)
    panel = len(ran.report.summary.panel)
    lines = sum(each.size for each in ran.report.inputs.changes)
    detail = f"{panel} reviewers, {lines} lines, {len(ran.report.findings)} findings"
    report.at_most("a round, all but asking", timed.own_s, 5.0, " s", detail)
    reading = f"{timed.desk.reading_s:.2f} s for {timed.desk.calls} calls"
    report.tell("of that, answering what reviewers read", reading)
    report.tell("the same round with asking", f"{timed.whole_s:.2f} s")
    own = (1 - share) * 100
    report.at_most("a reviewer's context that is its own", own, 5.0, " %", "the rest is one prefix")


def _cross_check_s() -> float:
    text = source_text("".join(f"    step_{number}(value)\n" for number in range(2_000)))
    trees = Trees({}, {f"m{index}.py": text for index in range(4)})
    words = ("is never undone", "leaks a handle", "has no test", "is read twice", "says nothing")
    claims = [
        Claim(
            role=f"role-{number % REVIEWERS}",
            severity=Severity.P2,
            place=Place(f"m{number % 4}.py", 1 + number * 7 % 400, 1 + number * 7 % 400),
            category="defect",
            statement=f"the step of value {number % 9} {words[number % 5]}",
            quote="step",
        )
        for number in range(CLAIMS)
    ]
    taken: list[float] = []
    for _ in range(3):
        begun = time.perf_counter()
        groups = cross_check([anchor_claim(each, trees) for each in claims])
        taken.append(time.perf_counter() - begun)
        assert 1 < len(groups) < CLAIMS
    return statistics.median(taken)


def _make_change(repo: Path) -> None:
    repo.mkdir()
    (repo / "AGENTS.md").write_text("# Rules\n\nBe exact.\n" * 100, encoding="utf-8")
    (repo / "gone.py").write_text("x = 1\n", encoding="utf-8")
    _git(repo, "init", "-q", "-b", "main")
    _git(repo, "config", "user.name", "bench")
    _git(repo, "config", "user.email", "bench@example.org")
    _commit(repo)
    _git(repo, "tag", "base")
    (repo / "gone.py").unlink()
    for index in range(FILES):
        body = "".join(
            f"def step_{line}(value):  # line {line} of {index}\n" for line in range(LINES)
        )
        (repo / f"m{index}.py").write_text(TRIGGERS + body, encoding="utf-8")
    _commit(repo)


def _commit(repo: Path) -> None:
    _git(repo, "add", "--all")
    _git(repo, "commit", "-q", "-m", "a step")


def _git(repo: Path, *arguments: str) -> None:
    subprocess.run(["git", *arguments], cwd=repo, check=True)


def _script() -> dict[str, object]:
    """Let every reviewer read, and raise twenty claims, some of which others raise too."""
    claims = [
        {
            "severity": "P3",
            "path": f"m{number}.py",
            "line": 10 + number,
            "category": "defect",
            "statement": f"step number {number} is never undone",
            "quote": f"def step_{8 + number}(value)",
            "evidence": "It has no other end.",
            "trigger": "a call",
            "outcome": "it stays",
        }
        for number in range(20)
    ]
    said = json.dumps({"claims": claims, "complete": {}})
    stands = json.dumps({"result": "stands", "why": "so"})
    calls = [
        {"name": "search", "arguments": {"text": "def step_7("}},
        {"name": "read_file", "arguments": {"path": "m7.py"}},
        {"name": "list_files", "arguments": {}},
        {"name": "diff", "arguments": {"path": "m3.py"}},
        {"name": "blame", "arguments": {"path": "m5.py"}},
    ]
    return {
        "cases": [{"contains": ["`refuter`"], "steps": [{"text": stands}]}],
        "steps": [{"calls": calls}, {"text": said}],
    }


class _TimedDesk(ReadingDesk):
    """Answers calls of reading tools, with the time in which any of them was being answered."""

    def __init__(self, repository: Repository, inputs: RoundInputs) -> None:
        super().__init__(repository, inputs)
        self.calls = 0
        self.reading_s = 0.0
        self._under_way = 0
        self._since = 0.0
        self._lock = threading.Lock()

    def answer(self, tool: str, arguments: str) -> Read:
        with self._lock:
            self.calls += 1
            self._under_way += 1
            if self._under_way == 1:
                self._since = time.perf_counter()
        try:
            return super().answer(tool, arguments)
        finally:
            with self._lock:
                self._under_way -= 1
                if self._under_way == 0:
                    self.reading_s += time.perf_counter() - self._since


class _Timed:
    """Reviewers, with the time in which any of them was being asked, less what we did meanwhile."""

    def __init__(self, reviewers: Reviewers, desk: _TimedDesk) -> None:
        self.reviewers = reviewers
        self.desk = desk
        self.under_way = 0
        self.asking_s = 0.0
        self.examining_s = 0.0
        self.whole_s = 0.0
        self._since = 0.0

    @property
    def own_s(self) -> float:
        return self.whole_s - self.asking_s + self.examining_s + self.desk.reading_s

    async def ask(self, task: Task, examine: Examine) -> Exchange:
        if self.under_way == 0:
            self._since = time.perf_counter()
        self.under_way += 1
        try:
            return await self.reviewers.ask(task, lambda *given: self._examine(examine, *given))
        finally:
            self.under_way -= 1
            if self.under_way == 0:
                self.asking_s += time.perf_counter() - self._since

    def _examine(self, examine: Examine, task: Task, answer: str) -> Examined:
        begun = time.perf_counter()
        try:
            return examine(task, answer)
        finally:
            self.examining_s += time.perf_counter() - begun


async def _round(root: Path, running: Running) -> tuple[Ran, _Timed]:
    repository = Repository(root / "repo")
    wanted = repository.range_of("base..HEAD")
    begun_s = time.perf_counter()
    order = ReviewRun(
        repository=repository,
        wanted=wanted,
        head_now=lambda: repository.range_of("base..HEAD").head,
        shelf=shelf_of(root / "reviews", root / "repo"),
        settings=Settings("scripted"),
        spending=Spending(parse_limits(()), Daybook(root / "spent", SystemClock())),
        wish=WISH,
    )
    begun = order.begin()
    async with Client(running.url, running.token) as client:
        desk = _TimedDesk(repository, begun.inputs)
        timed = _Timed(await order.seat(replace(begun, desk=desk), client), desk)
        ran = await begun.run(timed)
    timed.whole_s = time.perf_counter() - begun_s
    return ran, timed


async def _shared_part(running: Running, ran: Ran, root: Path) -> float:
    """Return the least share of a panel member's context that is the same bytes for all."""
    folder = shelf_of(root / "reviews", root / "repo").find(None)
    chats = [
        each.chat_id
        for key, each in folder.round(ran.report.summary.number).exchanges().items()
        if key.startswith("panel.")
    ]
    async with Client(running.url, running.token) as client:
        contexts = await asyncio.gather(*(_context(client, chat_id) for chat_id in chats))
    pairs = zip(min(contexts), max(contexts), strict=False)
    shared = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    return min(shared / len(context) for context in contexts)


async def _context(client: Client, chat_id: str) -> bytes:
    """Return all that a reviewer's model was sent first: the rendered prefix, then the message."""
    receipt = await client.get_receipt(chat_id, 1, has_prompt=True)
    messages = await client.list_messages(chat_id)
    first = json.dumps(messages[0].content, ensure_ascii=False)
    return (receipt.prompt or "").encode() + first.encode()
