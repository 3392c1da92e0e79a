"""The story of the demo, step by step, each checked against what really came back."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from driftpin.cli.demo_workspace import (
    NEW_RULE,
    NEW_SCRIPT_LINE,
    DemoWorkspace,
    resolve_workspace,
)
from driftpin.cli.output import counted, short_digest
from driftpin.cli.talking import ask
from driftpin.client import Client
from driftpin.context.resource import Kind, Status
from driftpin.wire.api import ContextShape, CreateChatRequest, RefreshRequest, RollbackRequest
from driftpin.wire.drift import DriftShape

EVENT_WAIT_S: Final = 10.0
QUESTION: Final = "For the driftpin demo: do you say which files you changed?"


@dataclass(frozen=True, slots=True)
class Told:
    """What came back in a step, in words and in values, and whether it is what had to.

    `quoted` are lines of it that a reader may want to see with his own eyes.
    """

    text: str
    is_ok: bool
    evidence: Mapping[str, object] = field(default_factory=dict)
    quoted: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Step:
    """One step that was played."""

    name: str
    told: Told
    took_s: float


class Story:
    """Plays the story on one workspace of one server; each step builds on those before it."""

    def __init__(self, client: Client, workspace: DemoWorkspace, workspace_id: str) -> None:
        """Prepare the story of a workspace whose agent has pushed."""
        self._client = client
        self._workspace = workspace
        self._workspace_id = workspace_id
        self._first = ""
        self._chat_id = ""
        self._old_answer = ""
        self._drift: DriftShape | None = None

    @property
    def length(self) -> int:
        """How many steps a story has that holds."""
        return len(self._steps())

    async def play(self) -> AsyncIterator[Step]:
        """Give each step when it has ended; after one that did not hold there is none."""
        for name, act in self._steps().items():
            began_s = time.monotonic()
            told = await act()
            yield Step(name, told, time.monotonic() - began_s)
            if not told.is_ok:
                return

    def _steps(self) -> Mapping[str, Callable[[], Awaitable[Told]]]:
        return {
            "scan": self._scan,
            "snapshot": self._see_snapshot,
            "chat pinned": self._pin_chat,
            "question answered": self._ask_first,
            "files edited, chat dirty": self._edit,
            "diff": self._see_diff,
            "same question, old bytes": self._ask_while_dirty,
            "refresh": self._refresh,
            "same question, new bytes": self._ask_after_refresh,
            "edit reverted": self._revert,
            "rolled back, chat clean": self._roll_back,
            "history": self._see_history,
        }

    async def _scan(self) -> Told:
        found = await asyncio.to_thread(resolve_workspace, self._workspace.directory)
        resources = found.snapshot.resources
        usable = [each for each in resources if each.status is Status.OK]
        kinds = {each.kind for each in usable}
        self._first = found.snapshot.digest
        return Told(
            f"{counted(len(resources), 'resource')}, {len(usable)} ok, digest"
            f" {short_digest(self._first)}",
            {Kind.INSTRUCTION_FILE, Kind.SKILL} <= kinds,
            {"snapshot": self._first, "sources": [each.source for each in resources]},
        )

    async def _see_snapshot(self) -> Told:
        held = await self._client.get_workspace_context(self._workspace_id)
        return Told(
            f"the server computed {short_digest(held.snapshot)} itself from the agent's push",
            held.snapshot == self._first,
            {"snapshot": held.snapshot},
        )

    async def _pin_chat(self) -> Told:
        request = CreateChatRequest(
            workspace_id=self._workspace_id, title="driftpin demo", model="offline"
        )
        chat = await self._client.create_chat(request)
        self._chat_id = chat.id
        return _context_told(
            chat.context, chat.context.snapshot == self._first and not chat.context.dirty
        )

    async def _ask_first(self) -> Told:
        self._old_answer = await self._ask()
        return Told(
            f"{counted(len(self._old_answer.splitlines()), 'line')} out of the pin",
            bool(self._old_answer) and not _has_new_bytes(self._old_answer),
            {"answer": self._old_answer},
            tuple(self._old_answer.splitlines()),
        )

    async def _edit(self) -> Told:
        async def edit() -> None:
            self._workspace.rules.edit()
            self._workspace.script.edit()

        self._drift = await self._change_and_wait(edit, self._both_in)
        chat = await self._client.get_chat(self._chat_id)
        return _context_told(chat.context, chat.context.dirty and bool(chat.context.severity))

    async def _see_diff(self) -> Told:
        assert self._drift is not None, "the edit was waited for"
        shown = "\n".join(diff.text for diff in self._drift.diffs or ())
        changed = [f"{entry.change} {entry.source}" for entry in self._drift.entries]
        return Told(
            ", ".join(changed),
            f"+{NEW_RULE}" in shown and f"+{NEW_SCRIPT_LINE}" in shown,
            {"diff": shown},
            tuple(shown.splitlines()),
        )

    async def _ask_while_dirty(self) -> Told:
        answer = await self._ask()
        return Told(
            "word for word as before" if answer == self._old_answer else "it differs",
            answer == self._old_answer,
            {"answer": answer},
        )

    async def _refresh(self) -> Told:
        assert self._drift is not None, "the edit was waited for"
        request = RefreshRequest(to=self._drift.head)
        context = await self._client.refresh_context(self._chat_id, request)
        return _context_told(context, context.snapshot == self._drift.head and not context.dirty)

    async def _ask_after_refresh(self) -> Told:
        answer = await self._ask()
        is_new = NEW_RULE in answer and NEW_SCRIPT_LINE in answer
        return Told(
            "with what was edited" if is_new else "the edited bytes are not in it",
            is_new,
            {"answer": answer},
            tuple(line for line in answer.splitlines() if _has_new_bytes(line)),
        )

    async def _revert(self) -> Told:
        async def revert() -> None:
            self._workspace.rules.revert()
            self._workspace.script.revert()

        drift = await self._change_and_wait(revert, lambda drift: drift.head == self._first)
        return Told(
            f"the workspace is {short_digest(drift.head)} again, byte for byte",
            drift.head == self._first,
            {"head": drift.head},
        )

    async def _roll_back(self) -> Told:
        context = await self._client.roll_back_context(
            self._chat_id, RollbackRequest(to=self._first)
        )
        return _context_told(context, context.snapshot == self._first and not context.dirty)

    async def _see_history(self) -> Told:
        moves = await self._client.list_history(self._chat_id)
        ordered = sorted(moves, key=lambda move: move.revision)
        verbs = [move.verb for move in ordered]
        return Told(
            ", ".join(f"{move.revision} {move.verb}" for move in ordered),
            verbs == ["hydrate", "refresh", "roll_back"],
            {"verbs": verbs},
        )

    async def _ask(self) -> str:
        """Ask about the rules and about the script; return both answers without the revision."""
        script = self._workspace.script
        path = script.path.relative_to(self._workspace.directory / script.source.partition(":")[2])
        about_rules = await ask(self._client, self._chat_id, QUESTION)
        about_script = await ask(
            self._client, self._chat_id, f"What does {path} of {script.source} do?"
        )
        return f"{about_rules}\n{about_script}"

    async def _change_and_wait(
        self, change: Callable[[], Awaitable[None]], is_there: Callable[[DriftShape], bool]
    ) -> DriftShape:
        """Change files and return the drift that comes of it; events only say when to look."""
        async with asyncio.timeout(EVENT_WAIT_S):
            async with self._client.watch_events(chat_id=self._chat_id) as events:
                await change()
                async for _event in events:
                    drift = await self._client.get_drift(self._chat_id, has_diff=True)
                    if is_there(drift):
                        return drift
        raise AssertionError("a stream of events ends with an error only")

    def _both_in(self, drift: DriftShape) -> bool:
        wanted = {self._workspace.rules.source, self._workspace.script.source}
        return wanted <= {entry.source for entry in drift.entries}


def _has_new_bytes(answer: str) -> bool:
    return NEW_RULE in answer or NEW_SCRIPT_LINE in answer


def _context_told(context: ContextShape, is_ok: bool) -> Told:
    state = f"dirty, {context.severity}" if context.dirty else "clean"
    return Told(
        f"pin {short_digest(context.snapshot)}, revision {context.revision}, {state}",
        is_ok,
        {"snapshot": context.snapshot, "revision": context.revision, "dirty": context.dirty},
    )


__all__ = ["Step", "Story", "Told"]
