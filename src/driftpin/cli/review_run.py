"""`driftpin review RANGE`: one round, from the command line to the exit code."""

import asyncio
import sys
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from driftpin import limits
from driftpin.cli import output
from driftpin.cli.exits import Finished, say
from driftpin.cli.options import Reach
from driftpin.cli.places import get_directory
from driftpin.cli.review_base import BaseTree, dirty_since, resolve_base
from driftpin.cli.review_forge import find_pull, open_github, publish_round, pull_resolver
from driftpin.cli.review_server import reviewing_client
from driftpin.cli.review_spending import Spending, prices_of, spending_of
from driftpin.client import Client
from driftpin.errors import NotFound, UsageError
from driftpin.identity import Digest
from driftpin.review.admission import Admitted, Pinned, admit
from driftpin.review.bundled_roles import roster_with
from driftpin.review.folder import ReviewFolder, write_file
from driftpin.review.github.api import GitHub
from driftpin.review.inputs import RoundInputs, Settings
from driftpin.review.known_answers import known_answers
from driftpin.review.ledger import ReviewState, state_of
from driftpin.review.panel import Reviewers, SubChats
from driftpin.review.reading.desk import ReadingDesk
from driftpin.review.repository import Range, Repository
from driftpin.review.roster import without_adjudicator
from driftpin.review.rounds import (
    Ran,
    RoundRun,
    refuse_unaffordable,
    refuse_unpriced,
)
from driftpin.review.shelf import Shelf, shelf_of
from driftpin.review.showing import show_on_server
from driftpin.review.verdict import ReviewExit, exit_of
from driftpin.settings import load_settings, state_directory
from driftpin.wire.api import CreateChatRequest, CreateWorkspaceRequest

_NAME_CHARACTERS_MAX = 200
Connect = Callable[[], AbstractAsyncContextManager[Client]]


@dataclass(frozen=True, slots=True)
class ReviewWish:
    """What to review and how; exactly one of the first four is set. A range may be a pull request.

    `is_published` posts the round on its pull request.
    """

    range_text: str | None = None
    is_staged: bool = False
    is_worktree: bool = False
    patch: Path | None = None
    directory: Path = Path()
    name: str | None = None
    model: str | None = None
    tokens_max: int | None = None
    prices: tuple[str, ...] = ()
    limits: tuple[str, ...] = ()
    out: Path | None = None
    is_lifted: bool = False
    as_json: bool = False
    is_published: bool = False
    is_adjudicated: bool = True


def review(reach: Reach, wish: ReviewWish) -> None:
    """Run one round and end with the code of its verdict."""
    repository = Repository(get_directory(wish.directory))
    pull = find_pull(repository, wish.range_text)
    if pull is None:
        if wish.is_published:
            raise UsageError("--publish is for a pull request.")
        run_review(reach, wish, repository, _resolver(repository, wish))
    with open_github(pull) as github:
        resolve = pull_resolver(repository, github)
        run_review(reach, wish, repository, resolve, github if wish.is_published else None)


def run_review(
    reach: Reach,
    wish: ReviewWish,
    repository: Repository,
    resolve: Callable[[], Range],
    github: GitHub | None = None,
) -> NoReturn:
    """Run one round, publish it where it is to be, and end with the code of its verdict."""
    own = {"review_prices": wish.prices or None, "review_limits": wish.limits or None}
    loaded = load_settings({**reach.flags(), **own}).settings
    shelf = shelf_of(state_directory(loaded), repository.directory)
    wanted = resolve()
    settings = Settings(wish.model or loaded.model, prices=prices_of(loaded))
    spending = spending_of(loaded, wish.tokens_max, shelf)
    run = ReviewRun(repository, wanted, lambda: resolve().head, shelf, settings, spending, wish)
    ran = asyncio.run(run.run(lambda: reviewing_client(reach)))
    _show(ran, wish)
    if github is not None:
        publish_round(github, ran.artefacts["review.json"].encode(), loaded)
    raise Finished(exit_of(ran.report.summary.verdict, ran.report.decided.gaps))


def _resolver(repository: Repository, wish: ReviewWish) -> Callable[[], Range]:
    ways: list[Callable[[], Range]] = []
    if wish.range_text is not None:
        text = wish.range_text
        ways.append(lambda: repository.range_of(text))
    if wish.is_staged:
        ways.append(repository.staged)
    if wish.is_worktree:
        ways.append(repository.worktree)
    if wish.patch is not None:
        patch = wish.patch
        ways.append(lambda: repository.patched(patch))
    if len(ways) != 1:
        raise UsageError("Name one of BASE..HEAD, --staged, --worktree and --patch FILE.")
    return ways[0]


@dataclass(frozen=True, slots=True)
class ReviewRun:
    """One round from admission to record; `head_now` tells what the range means by now."""

    repository: Repository
    wanted: Range
    head_now: Callable[[], str]
    shelf: Shelf
    settings: Settings
    spending: Spending
    wish: ReviewWish

    def begin(self) -> "BegunRun":
        """Admit the round; nothing is spent before. May raise Finished where it is blocked."""
        base = resolve_base(self.repository, self.wanted.merge_base)
        folder = self.shelf.open(self.wish.name or self.wanted.target)
        events = folder.events()
        before = state_of(events)
        admitted = admit(
            self.repository,
            self.wanted,
            self._pinned(base),
            self.spending.within(self.settings, folder, before),
            before,
            is_lifted=self.wish.is_lifted,
        )
        _refuse_blocked(admitted, as_json=self.wish.as_json)
        refuse_unpriced(admitted.inputs)
        known = known_answers(folder, admitted.inputs, before)
        say(refuse_unaffordable(admitted.inputs, before, known))
        desk = ReadingDesk(self.repository, admitted.inputs)
        return BegunRun(self, base, folder, admitted.inputs, len(events), before, desk)

    def _pinned(self, base: BaseTree) -> Pinned:
        roster, wanted = roster_with(base.roles), self.wanted
        since = dirty_since(self.repository, wanted.merge_base, wanted.base, base.digest)
        roster = roster if self.wish.is_adjudicated else without_adjudicator(roster)
        return Pinned(Digest(base.digest), roster, since)

    async def run(self, connect: Connect) -> Ran:
        """Run it; a server is asked for only once the round may run. May raise Finished."""
        begun = self.begin()
        async with connect() as client:
            ran = await begun.run(await self.seat(begun, client))
            await show_on_server(client, self.shelf.workspace(), begun.folder, say)
            return ran

    async def seat(self, begun: "BegunRun", client: Client) -> SubChats:
        """Return reviewers who work on the pinned base: in sub-chats of a new chat."""
        workspace_id = await self._workspace(client)
        snapshot = await client.import_snapshot(workspace_id, begun.base.request)
        parent = await client.create_chat(
            CreateChatRequest(
                workspace_id=workspace_id,
                title=begun.title,
                snapshot=snapshot.digest,
                model=self.settings.model,
            )
        )
        return SubChats(client, parent.id, workspace_id, self.settings.model, begun.desk)

    async def _workspace(self, client: Client) -> str:
        """Return the workspace of this repository's reviews, made if it is not there."""
        known = self.shelf.workspace()
        if known:
            try:
                return (await client.get_workspace(known)).id
            except NotFound:
                pass
        readable = self.repository.directory.name.encode("ascii", "replace").decode("ascii")
        name = f"reviews of {readable}"[:_NAME_CHARACTERS_MAX]
        made = await client.create_workspace(CreateWorkspaceRequest(name=name))
        self.shelf.keep_workspace(made.id)
        return made.id


@dataclass(frozen=True, slots=True)
class BegunRun:
    """A round that may run."""

    order: ReviewRun
    base: BaseTree
    folder: ReviewFolder
    inputs: RoundInputs
    events_before: int
    before: ReviewState
    desk: ReadingDesk

    @property
    def title(self) -> str:
        """What its chat is called."""
        title = f"review of {self.folder.path.name}, round {self.inputs.number}"
        return title[: limits.TITLE_CHARACTERS_MAX]

    async def run(self, reviewers: Reviewers) -> Ran:
        """Ask the reviewers, decide and record."""
        run = RoundRun(
            repository=self.order.repository,
            folder=self.folder,
            inputs=self.inputs,
            events_before=self.events_before,
            before=self.before,
            reviewers=reviewers,
            head_now=self.order.head_now,
            tell=say,
            daybook=self.order.spending.daybook,
        )
        return await run.run()


def _refuse_blocked(admitted: Admitted, *, as_json: bool) -> None:
    if not admitted.blocked:
        return
    if as_json:
        output.write_json({"verdict": "BLOCKED", "waits_for": list(admitted.blocked)})
    else:
        output.write_text("BLOCKED: nothing was asked and nothing was spent.")
        for reason in admitted.blocked:
            output.write_text(f"  {reason}")
    raise Finished(ReviewExit.BLOCKED)


def _show(ran: Ran, wish: ReviewWish) -> None:
    if wish.out is not None:
        for name, text in ran.artefacts.items():
            write_file(wish.out / name, text.encode("utf-8", "replace"))
    if wish.as_json:
        sys.stdout.write(ran.artefacts["review.json"])
        sys.stdout.flush()
    else:
        write_markdown(ran.artefacts["review.md"])


def write_markdown(text: str) -> None:
    """Write a report for people: laid out on a terminal, as it is into a pipe."""
    if not sys.stdout.isatty():
        output.write_text(text.rstrip("\n"))
        return
    from rich.console import Console
    from rich.markdown import Markdown

    Console().print(Markdown(text, hyperlinks=False))


__all__ = [
    "BegunRun",
    "Connect",
    "ReviewRun",
    "ReviewWish",
    "review",
    "run_review",
    "write_markdown",
]
