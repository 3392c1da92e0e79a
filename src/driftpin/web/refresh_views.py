"""What a refresh of many chats would do to each of them, or has done."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from driftpin.context.drift import Drift
from driftpin.identity import ChatId, Digest, WorkspaceId
from driftpin.store.values import ChatView, PinMove, WorkspaceRow
from driftpin.web.chat_views import title_of
from driftpin.web.wording import plain

Pair = tuple[Digest | None, Digest | None]


@dataclass(frozen=True, slots=True)
class RefreshedChat:
    """One chat; `held` counts the differences that it keeps out and a refresh takes all the same.

    `left` says why it stays as it is, empty for one that moves.
    """

    id: ChatId
    title: str
    held: int
    left: str


@dataclass(frozen=True, slots=True)
class ChangeLine:
    """One source that would be another."""

    source: str
    kind: str
    change: str
    severity: str


@dataclass(frozen=True, slots=True)
class AlikeChats:
    """Chats on one pin that move to one head, and so get the same."""

    before: Digest | None
    after: Digest | None
    severity: str
    changes: tuple[ChangeLine, ...]
    chats: tuple[RefreshedChat, ...]


@dataclass(frozen=True, slots=True)
class RefreshShown:
    """A refresh of every dirty chat of a workspace.

    `unlisted` are those of its chats that are too many to be told one by one. `shown` are the heads
    that they move to.
    """

    workspace_id: WorkspaceId
    name: str
    groups: tuple[AlikeChats, ...]
    left: tuple[RefreshedChat, ...]
    moving: int
    unlisted: int
    shown: str
    is_done: bool


@dataclass(frozen=True, slots=True)
class Seen:
    """The dirty chats of a workspace before a refresh, and what lies between pins and heads."""

    workspace: WorkspaceRow
    chats: tuple[ChatView, ...]
    drifts: Mapping[Pair, Drift]


def pair_of(view: ChatView) -> Pair:
    """Return the digests of a chat's pin and of the head beside it."""
    pin, head = view.context.snapshot, view.context.head
    return (None if pin is None else pin.digest, None if head is None else head.digest)


def refresh_shown(seen: Seen, moves: Sequence[PinMove], *, is_done: bool) -> RefreshShown:
    """Return what a refresh does to the chats that were seen, or did: one outcome for each."""
    views = {view.chat.id: view for view in seen.chats}
    alike: defaultdict[Pair, list[ChatView]] = defaultdict(list)
    for move in moves:
        if move.moved and move.chat_id in views:
            alike[pair_of(views[move.chat_id])].append(views[move.chat_id])
    return RefreshShown(
        workspace_id=seen.workspace.id,
        name=seen.workspace.name,
        groups=tuple(_group(pair, found, seen.drifts.get(pair)) for pair, found in alike.items()),
        left=tuple(
            _chat(views[move.chat_id], move.reason)
            for move in moves
            if not move.moved and move.chat_id in views
        ),
        moving=sum(move.moved for move in moves),
        unlisted=sum(move.chat_id not in views for move in moves),
        shown=" ".join(sorted({move.snapshot.digest for move in moves if move.snapshot})),
        is_done=is_done,
    )


def _group(pair: Pair, views: Sequence[ChatView], drift: Drift | None) -> AlikeChats:
    """Return chats that move alike, with everything that they get if it was looked at."""
    entries = () if drift is None else drift.entries
    ordered = sorted(entries, key=lambda entry: entry.severity, reverse=True)
    severity = views[0].context.severity if drift is None else drift.severity
    return AlikeChats(
        *pair,
        severity="" if severity is None else severity.value,
        changes=tuple(
            ChangeLine(entry.source, entry.kind.value, entry.change.value, entry.severity.value)
            for entry in ordered
        ),
        chats=tuple(_chat(view) for view in views),
    )


def _chat(view: ChatView, reason: str = "") -> RefreshedChat:
    return RefreshedChat(view.chat.id, title_of(view.chat), view.context.held, plain(reason))


__all__ = [
    "AlikeChats",
    "ChangeLine",
    "Pair",
    "RefreshShown",
    "RefreshedChat",
    "Seen",
    "pair_of",
    "refresh_shown",
]
