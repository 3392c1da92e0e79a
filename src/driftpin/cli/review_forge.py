"""A pull request on the command line: which one is meant, its range, and publishing to it.

The token is read from the environment here, and goes into the client and nowhere else.
"""

import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Final

from driftpin.cli.exits import say
from driftpin.clock import SystemClock
from driftpin.errors import UsageError
from driftpin.review.github.api import GitHub
from driftpin.review.github.calls import GitHubCalls
from driftpin.review.github.publishing import Publisher
from driftpin.review.github.pull_request import (
    Forge,
    PullRequest,
    forge_at,
    is_pull_request,
    pull_request_of,
    repository_of_remote,
)
from driftpin.review.repository import Range, Repository
from driftpin.settings import Settings
from driftpin.wire.reviews import read_review

TOKEN_VARIABLE: Final = "GITHUB_TOKEN"  # noqa: S105 the name of a variable
_DEFAULT_REMOTE: Final = "origin"


def forge_in_use() -> Forge:
    """Return the forge that the environment names, as its own jobs do."""
    return forge_at(
        os.environ.get("GITHUB_SERVER_URL") or None, os.environ.get("GITHUB_API_URL") or None
    )


def find_pull(repository: Repository, text: str | None) -> PullRequest | None:
    """Return the pull request that is meant, None where a range is."""
    if text is None or not is_pull_request(text):
        return None
    forge = forge_in_use()
    known = (repository_of_remote(url, forge) for url in repository.remotes().values())
    own = next((each for each in known if each), None)
    return pull_request_of(text, forge, own or os.environ.get("GITHUB_REPOSITORY"))


@contextmanager
def open_github(pull: PullRequest) -> Iterator[GitHub]:
    """Give the forge's side of a pull request; UsageError (`no_forge_token`) without a token."""
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    if not token or not token.isascii() or not token.isprintable():
        raise UsageError(f"Set {TOKEN_VARIABLE} to a token of the forge.", code="no_forge_token")
    calls = GitHubCalls(forge_in_use().api, token, SystemClock(), time.sleep)
    try:
        yield GitHub(calls, pull)
    finally:
        calls.close()


def pull_resolver(repository: Repository, github: GitHub) -> Callable[[], Range]:
    """Return what asks the forge for the pull request's range, and brings its commits here."""

    def resolve() -> Range:
        now = github.get()
        number = github.pull.number
        _bring(repository, github.pull, now.head.sha, f"refs/pull/{number}/head")
        _bring(repository, github.pull, now.base.sha, now.base.sha)
        base = repository.merge_base(now.base.sha, now.head.sha)
        return Range(now.base.sha, base, now.head.sha, f"#{number}", github.pull.target)

    return resolve


def _bring(repository: Repository, pull: PullRequest, commit: str, name: str) -> None:
    if repository.has(f"{commit}^{{commit}}"):
        return
    own = f"{pull.owner}/{pull.repository}".lower()
    forge = forge_in_use()
    remotes = repository.remotes()
    named = (
        remote
        for remote, url in remotes.items()
        if (repository_of_remote(url, forge) or "").lower() == own
    )
    repository.fetch(next(named, _DEFAULT_REMOTE), name)
    repository.resolve(commit)


def publish_round(github: GitHub, review: bytes, settings: Settings) -> None:
    """Post a recorded round on its pull request, and say what was done."""
    may_approve = settings.review_may_approve
    done = Publisher(github, read_review(review), may_approve=may_approve).publish()
    moved = "; the head moved, so nothing is approved" if done.has_moved else ""
    where = f"{github.pull.owner}/{github.pull.repository}#{github.pull.number}"
    say(f"Published to {where}: {done.posted} new{moved}.")


__all__ = ["find_pull", "forge_in_use", "open_github", "publish_round", "pull_resolver"]
