"""A comment on a pull request, as a command: a round that is run, or an answer for the ledger."""

from dataclasses import replace
from pathlib import Path

from driftpin.cli.exits import say
from driftpin.cli.options import Reach
from driftpin.cli.places import get_directory
from driftpin.cli.review_forge import find_pull, open_github, publish_round, pull_resolver
from driftpin.cli.review_run import ReviewWish, run_review
from driftpin.errors import Forbidden, NotFound, UsageError
from driftpin.review.finding import BLOCKING
from driftpin.review.folder import ReviewFolder
from driftpin.review.github.api import GitHub
from driftpin.review.github.comments import MAINTAINERS, Reply, RunRound, Wish, read_event
from driftpin.review.github.markers import Kind, find_marker, key_of_target
from driftpin.review.ledger import Replied, ReplyKind, check_reply
from driftpin.review.repository import Repository
from driftpin.review.shelf import shelf_of
from driftpin.settings import load_settings, state_directory


def answer_event(reach: Reach, file: Path, wish: ReviewWish) -> None:
    """Do what a comment asks for, if it asks for anything."""
    asked = read_event(file.read_bytes())
    if asked is None:
        say("The event asks for nothing.")
        return
    repository = Repository(get_directory(wish.directory))
    with open_github(asked.pull) as github:
        match asked.command:
            case RunRound(is_lifted):
                told = replace(wish, is_lifted=is_lifted, is_published=True)
                resolve = pull_resolver(repository, github)
                run_review(reach, told, repository, resolve, github)
            case Reply():
                _take_reply(_folder(reach, repository, asked.pull.target), github, asked)


def publish_last(reach: Reach, directory: Path, name: str | None, text: str) -> None:
    """Post the last recorded round of a review on a pull request; what is there stays."""
    repository = Repository(get_directory(directory))
    pull = find_pull(repository, text)
    if pull is None:
        raise UsageError(f"{text!r} is no pull request.", code="bad_pull_request")
    folder = _folder(reach, repository, name or pull.target)
    content = folder.round(folder.state().round).artefact("review.json")
    if content is None:
        raise NotFound("This review has no recorded round yet.", code="no_round")
    with open_github(pull) as github:
        publish_round(github, content, load_settings(reach.flags()).settings)


def _folder(reach: Reach, repository: Repository, name: str) -> ReviewFolder:
    settings = load_settings(reach.flags()).settings
    return shelf_of(state_directory(settings), repository.directory).find(name)


def _take_reply(folder: ReviewFolder, github: GitHub, wish: Wish) -> None:
    reply = wish.command
    assert isinstance(reply, Reply)
    finding = reply.finding or _finding_of_thread(github, wish)
    if not finding:
        say("The thread is not about a finding.")
        return
    events = folder.events()
    by = f"github:{wish.login}"
    said = {(each.id, each.kind, each.by, each.at) for each in events if isinstance(each, Replied)}
    if (finding, reply.kind, by, wish.at) in said:
        say(f"The answer about {finding} is known already.")
        return
    about = check_reply(folder.state(), finding)
    if reply.kind is ReplyKind.ACKNOWLEDGED and about.severity in BLOCKING:
        _check_maintainer(github, wish.login)
    folder.append_behind(len(events), Replied(about.id, reply.kind, reply.text, by, wish.at))
    say(f"{about.id} is {folder.state().findings[about.id].state.value}.")


def _finding_of_thread(github: GitHub, wish: Wish) -> str:
    """Return the finding that a thread is about: one that the publisher itself began."""
    if wish.thread is None:
        raise UsageError("Say which finding is meant.", code="bad_command")
    first = github.find_review_comment(wish.thread)
    marker = None if first is None else find_marker(first.text)
    if first is None or marker is None or marker.kind is not Kind.FINDING:
        return ""
    is_own = marker.key == key_of_target(wish.pull.target) and github.author().wrote(first)
    return marker.about[0] if is_own else ""


def _check_maintainer(github: GitHub, login: str) -> None:
    role = github.role_of(login)
    if role not in MAINTAINERS:
        raise Forbidden(
            f"Only somebody with the role maintain or admin may acknowledge a P0 or P1; "
            f"{login!r} has {role!r}.",
            code="not_maintainer",
        )


__all__ = ["answer_event", "publish_last"]
