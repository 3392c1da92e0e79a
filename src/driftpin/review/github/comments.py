"""What people write on a pull request, as commands: an event of the forge in, a wish out.

Only what is written exactly is a command; everything else is talk. Who wrote it decides whether it
counts, and a text can wish for nothing but what is listed here.
"""

import re
from dataclasses import dataclass
from typing import Final

import msgspec

from driftpin import review_limits
from driftpin.errors import Forbidden, Malformed, UsageError
from driftpin.review.github.api import User
from driftpin.review.github.pull_request import PullRequest, repository_name
from driftpin.review.ledger import ReplyKind

COMMAND: Final = "/driftpin-review"
# What the forge calls people who may write to the repository, or belong to its owner.
TRUSTED: Final = frozenset({"OWNER", "MEMBER", "COLLABORATOR"})
# Roles that may accept a finding that blocks.
MAINTAINERS: Final = frozenset({"admin", "maintain"})
_FINDING: Final = re.compile(r"CRF-[1-9][0-9]{0,8}", re.IGNORECASE)
_THREAD_REPLY: Final = re.compile(
    r"(fixed|contested|acknowledged)(?::[ \t]*(.*))?", re.IGNORECASE | re.DOTALL
)
_USAGE: Final = (
    f"`{COMMAND}` takes nothing, `--more`, or `fixed`, `contested` or `acknowledged` with a CRF-n "
    "and words"
)


class _Issue(msgspec.Struct, frozen=True):
    number: int
    state: str = "open"
    pull_request: dict[str, object] | None = None
    user: User | None = None


class _Pull(msgspec.Struct, frozen=True):
    number: int
    state: str = "open"
    user: User | None = None


class _Comment(msgspec.Struct, frozen=True):
    id: int
    body: str
    created_at: str
    author_association: str
    user: User | None
    in_reply_to_id: int | None = None


class _Repository(msgspec.Struct, frozen=True):
    full_name: str


class _Event(msgspec.Struct, frozen=True):
    action: str
    comment: _Comment | None = None
    repository: _Repository | None = None
    issue: _Issue | None = None
    pull_request: _Pull | None = None


@dataclass(frozen=True, slots=True)
class RunRound:
    """Run the next round; `is_lifted` goes on past the last one."""

    is_lifted: bool


@dataclass(frozen=True, slots=True)
class Reply:
    """Answer a finding; `finding` is empty where the thread says which."""

    kind: ReplyKind
    finding: str
    text: str


@dataclass(frozen=True, slots=True)
class Wish:
    """What somebody wrote, and where: `thread` is the comment that a reply answers."""

    pull: PullRequest
    login: str
    at: str
    thread: int | None
    command: RunRound | Reply


def read_event(content: bytes) -> Wish | None:
    """Return what an event wishes for; None where it is nobody's command.

    Raises Malformed (`bad_event`), UsageError (`bad_command`) for a command that is
    written wrongly, and Forbidden (`not_trusted`) for one of somebody whose word does not count.
    """
    if len(content) > review_limits.FORGE_EVENT_BYTES_MAX:
        raise Malformed("The event is too large.", code="bad_event")
    try:
        event = msgspec.json.decode(content, type=_Event)
    except (msgspec.MsgspecError, UnicodeDecodeError) as failure:
        raise Malformed(f"The event cannot be read: {failure}.", code="bad_event") from None
    return _wish(event)


def _wish(event: _Event) -> Wish | None:
    comment, place = event.comment, event.pull_request or event.issue
    if comment is None or comment.user is None or place is None or event.repository is None:
        return None
    is_on_pull = event.pull_request is not None or (
        event.issue is not None and event.issue.pull_request is not None
    )
    if event.action != "created" or not is_on_pull or comment.user.type == "Bot":
        return None
    command = read_command(comment.body, is_in_thread=comment.in_reply_to_id is not None)
    if command is None:
        return None
    is_author = place.user is not None and place.user.login == comment.user.login
    _check_trusted(comment, command, is_author=is_author)
    owner, name = repository_name(event.repository.full_name)
    pull = PullRequest(owner, name, place.number)
    return Wish(pull, comment.user.login, comment.created_at, comment.in_reply_to_id, command)


def _check_trusted(comment: _Comment, command: RunRound | Reply, *, is_author: bool) -> None:
    """Refuse strangers; whoever wrote the change may say that it is fixed, or contest."""
    if comment.author_association in TRUSTED:
        return
    is_claim = isinstance(command, Reply) and command.kind is not ReplyKind.ACKNOWLEDGED
    if not (is_author and is_claim):
        assert comment.user is not None
        raise Forbidden(f"{comment.user.login!r} may not ask for this here.", code="not_trusted")


def read_command(body: str, *, is_in_thread: bool) -> RunRound | Reply | None:
    """Return what a comment asks for; None for talk, UsageError (`bad_command`) for a bad one."""
    text = body.replace("\r\n", "\n").strip()
    if text != COMMAND and not text.startswith((f"{COMMAND} ", f"{COMMAND}\n")):
        return _thread_reply(text) if is_in_thread else None
    words = text.removeprefix(COMMAND).strip()
    if words in {"", "--more"}:
        return RunRound(is_lifted=words == "--more")
    kind, _, rest = words.partition(" ")
    finding, _, said = rest.strip().partition(" ")
    if is_in_thread and _FINDING.fullmatch(finding) is None:
        finding, said = "", rest
    is_named = is_in_thread if not finding else _FINDING.fullmatch(finding) is not None
    if kind not in set(ReplyKind) or not is_named:
        raise UsageError(f"{_USAGE}; not {words[:80]!r}.", code="bad_command")
    return _reply(kind, finding, said)


def _thread_reply(text: str) -> Reply | None:
    found = _THREAD_REPLY.fullmatch(text)
    return None if found is None else _reply(found[1], "", found[2] or "")


def _reply(kind: str, finding: str, said: str) -> Reply:
    words = said.strip()
    if len(words) > review_limits.FORGE_REPLY_CHARACTERS_MAX:
        most = review_limits.FORGE_REPLY_CHARACTERS_MAX
        raise UsageError(f"A reply has at most {most} characters.", code="bad_command")
    return Reply(ReplyKind(kind.lower()), finding.upper(), words)


__all__ = [
    "COMMAND",
    "MAINTAINERS",
    "TRUSTED",
    "Reply",
    "RunRound",
    "Wish",
    "read_command",
    "read_event",
]
