"""The calls of GitHub's REST API that publishing needs, each with what is read of its answer.

Only what is used is read, and checked as it is read; a field that is missing raises Unreachable
(`forge_unexpected_answer`).
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeVar

import msgspec

from driftpin.errors import DriftpinError, Forbidden, NotFound, Unreachable
from driftpin.review.github.calls import GitHubCalls
from driftpin.review.github.pull_request import PullRequest

Value = TypeVar("Value")
_BOT: Final = "Bot"


class User(msgspec.Struct, frozen=True):
    """Who wrote something; `type` is `User`, `Bot` or another."""

    login: str
    type: str = "User"


class Posted(msgspec.Struct, frozen=True):
    """A comment, a comment on code, or a review. A user who is gone is none."""

    id: int
    body: str | None = ""
    user: User | None = None
    in_reply_to_id: int | None = None

    @property
    def text(self) -> str:
        """What was written."""
        return self.body or ""


class _Side(msgspec.Struct, frozen=True):
    sha: str


class Pull(msgspec.Struct, frozen=True):
    """A pull request as it stands now."""

    number: int
    state: str
    head: _Side
    base: _Side
    user: User | None = None


class ChangedFile(msgspec.Struct, frozen=True):
    """A file of the forge's own diff; without a patch for what is binary or too large."""

    filename: str
    status: str
    previous_filename: str = ""
    patch: str = ""


class _Permission(msgspec.Struct, frozen=True):
    permission: str
    role_name: str = ""


@dataclass(frozen=True, slots=True)
class Author:
    """Whom the token writes as. An app may not ask, and is known to be a bot, and no more."""

    login: str | None

    def wrote(self, posted: Posted) -> bool:
        """Whether something is the publisher's own."""
        if posted.user is None:
            return False
        if self.login is None:
            return posted.user.type == _BOT
        return posted.user.login.lower() == self.login.lower()


class GitHub:
    """One pull request through the API."""

    def __init__(self, calls: GitHubCalls, pull: PullRequest) -> None:
        """Ask about `pull`."""
        self._calls = calls
        self.pull = pull
        self._own = f"{pull.path}/pulls/{pull.number}"
        self._issue = f"{pull.path}/issues/{pull.number}"

    def wait(self, seconds: float) -> None:
        """Wait before something is tried again."""
        self._calls.wait(seconds)

    def author(self) -> Author:
        """Return whom the token writes as."""
        try:
            return Author(_as(User, self._calls.get("/user")).login)
        except (Forbidden, NotFound):
            return Author(None)

    def get(self) -> Pull:
        """Return the pull request."""
        return _as(Pull, self._calls.get(self._own))

    def files(self, pinned: str, now: Pull) -> tuple[ChangedFile, ...]:
        """Return the diff of the pinned head, as the forge shows it."""
        if now.head.sha == pinned:
            found = self._calls.pages(f"{self._own}/files")
        else:
            compared = f"{self.pull.path}/compare/{now.base.sha}...{pinned}"
            found = iter(self._calls.get(compared).get("files") or ())
        return tuple(_as(ChangedFile, each) for each in found)

    def reviews(self) -> Iterator[Posted]:
        """Yield every review."""
        return _each(Posted, self._calls.pages(f"{self._own}/reviews"))

    def review_comments(self) -> Iterator[Posted]:
        """Yield every comment on code, answers among them."""
        return _each(Posted, self._calls.pages(f"{self._own}/comments"))

    def comments(self) -> Iterator[Posted]:
        """Yield every comment on the pull request itself."""
        return _each(Posted, self._calls.pages(f"{self._issue}/comments"))

    def find_review_comment(self, comment_id: int) -> Posted | None:
        """Return one comment on code, None where it is gone."""
        try:
            return _as(Posted, self._calls.get(f"{self.pull.path}/pulls/comments/{comment_id}"))
        except NotFound:
            return None

    def make_review(
        self, body: str, event: str, commit: str | None, comments: Sequence[Mapping[str, object]]
    ) -> None:
        """Post one review with everything that belongs to a line."""
        written: dict[str, object] = {"body": body, "event": event}
        if commit is not None:
            written["commit_id"] = commit
        if comments:
            written["comments"] = [dict(each) for each in comments]
        self._calls.make(f"{self._own}/reviews", written)

    def make_file_comment(self, body: str, commit: str, path: str) -> None:
        """Post a comment on a file as a whole."""
        written = {"body": body, "commit_id": commit, "path": path, "subject_type": "file"}
        self._calls.make(f"{self._own}/comments", written)

    def answer(self, comment_id: int, body: str) -> None:
        """Answer in the thread that a comment began."""
        self._calls.make(f"{self._own}/comments/{comment_id}/replies", {"body": body})

    def make_comment(self, body: str) -> None:
        """Post a comment on the pull request itself."""
        self._calls.make(f"{self._issue}/comments", {"body": body})

    def rewrite_comment(self, comment_id: int, body: str) -> None:
        """Rewrite a comment on the pull request itself."""
        self._calls.put_in_place(f"{self.pull.path}/issues/comments/{comment_id}", {"body": body})

    def role_of(self, login: str) -> str:
        """Return the role of a person in the repository, such as `write`; `none` without one."""
        try:
            path = f"{self.pull.path}/collaborators/{login}/permission"
            found = _as(_Permission, self._calls.get(path))
        except NotFound:
            return "none"
        return found.role_name or found.permission


def _each(kind: type[Value], items: Iterator[Any]) -> Iterator[Value]:
    return (_as(kind, each) for each in items)


def _as(kind: type[Value], answer: Any) -> Value:
    try:
        return msgspec.convert(answer, kind)
    except msgspec.ValidationError as failure:
        raise _unexpected(failure) from None


def _unexpected(failure: Exception) -> DriftpinError:
    return Unreachable(
        f"The forge answers in another way than its documentation says: {failure}.",
        code="forge_unexpected_answer",
    )


__all__ = ["Author", "ChangedFile", "GitHub", "Posted", "Pull", "User"]
