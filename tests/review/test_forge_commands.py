"""Comments of people as commands: what counts, whose word counts, and what becomes of it."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.machine import Machine
from driftpin.cli.options import Reach
from driftpin.cli.review_comments import answer_event
from driftpin.cli.review_run import ReviewWish
from driftpin.errors import DriftpinError
from driftpin.review.github.comments import Reply, RunRound, read_command, read_event
from driftpin.review.github.pull_request import (
    PullRequest,
    forge_at,
    is_pull_request,
    pull_request_of,
    repository_of_remote,
)
from driftpin.review.ledger import Replied, ReplyKind, ReviewState
from driftpin.review.shelf import shelf_of
from review.changes import BAD, BASE, FIXED, MEAN
from review.fake_forge import TOKEN, FakeForge, Pull, open_forge
from review.forge_story import PULL, Story, files_of
from review.world import Repo, Script, answer, claim, ruling

FORGE = forge_at(None, None)


def event(body: str, login: str = "ann", association: str = "MEMBER", **more: Any) -> bytes:
    """A comment on the pull request itself, as the forge tells of it."""
    comment = {
        "id": 1,
        "body": body,
        "created_at": "2026-01-01T00:00:00Z",
        "author_association": association,
        "user": {"login": login, "type": "User"},
    }
    written = {
        "action": "created",
        "comment": {**comment, **more},
        "repository": {"full_name": "octo/repo"},
        "issue": {"number": 7, "pull_request": {}, "user": {"login": "author", "type": "User"}},
        "sender": {"login": login},
    }
    return json.dumps(written).encode()


def in_thread(body: str, thread: int, **more: Any) -> bytes:
    """An answer in a thread."""
    written = json.loads(event(body, in_reply_to_id=thread, **more))
    issue = written.pop("issue")
    return json.dumps({**written, "pull_request": {**issue, "state": "open"}}).encode()


@pytest.mark.parametrize(
    ("body", "is_in_thread", "wanted"),
    [
        ("/driftpin-review", False, RunRound(is_lifted=False)),
        ("/driftpin-review\r\n", False, RunRound(is_lifted=False)),
        ("/driftpin-review --more", False, RunRound(is_lifted=True)),
        (
            "/driftpin-review fixed crf-2 it raises now",
            False,
            Reply(ReplyKind.FIXED, "CRF-2", "it raises now"),
        ),
        ("/driftpin-review contested why", True, Reply(ReplyKind.CONTESTED, "", "why")),
        ("fixed", True, Reply(ReplyKind.FIXED, "", "")),
        (
            "Acknowledged: after\nthe release",
            True,
            Reply(ReplyKind.ACKNOWLEDGED, "", "after\nthe release"),
        ),
        ("fixed", False, None),
        ("fixed-size buffers are better", True, None),
        ("I fixed it", True, None),
        ("please /driftpin-review", False, None),
        ("/driftpin-reviews", False, None),
        ("> /driftpin-review", False, None),
    ],
)
def test_only_what_is_written_exactly_is_a_command(
    body: str, is_in_thread: bool, wanted: object
) -> None:
    assert read_command(body, is_in_thread=is_in_thread) == wanted


@pytest.mark.parametrize(
    "body",
    [
        "/driftpin-review now",
        "/driftpin-review --tokens 1000000000",
        "/driftpin-review fixed",
        "/driftpin-review fixed CRF-0",
        "/driftpin-review acknowledged CRF-1; rm -rf /".replace(" CRF-1;", " all;"),
        "/driftpin-review withdrawn CRF-1",
        "/driftpin-review fixed CRF-1 " + "x" * 5_000,
    ],
)
def test_a_command_that_is_written_wrongly_is_refused(body: str) -> None:
    with pytest.raises(DriftpinError) as refused:
        read_command(body, is_in_thread=False)
    assert refused.value.code == "bad_command"


@pytest.mark.parametrize("association", ["NONE", "CONTRIBUTOR", "FIRST_TIMER", "MANNEQUIN", ""])
def test_strangers_may_not_ask_and_an_author_may_only_claim(association: str) -> None:
    for body in ("/driftpin-review", "/driftpin-review acknowledged CRF-1 ok"):
        for login in ("stranger", "author"):
            with pytest.raises(DriftpinError) as refused:
                read_event(event(body, login, association))
            assert refused.value.code == "not_trusted"
    with pytest.raises(DriftpinError):
        read_event(event("/driftpin-review fixed CRF-1", "stranger", association))
    claimed = read_event(event("/driftpin-review fixed CRF-1", "author", association))
    assert claimed is not None
    assert claimed.login == "author"


@pytest.mark.parametrize(
    "change",
    [
        {"action": "edited"},
        {"issue": {"number": 7}},
        {"comment": None},
    ],
)
def test_what_is_no_new_comment_on_a_pull_request_asks_for_nothing(change: dict[str, Any]) -> None:
    written = {**json.loads(event("/driftpin-review")), **change}
    assert read_event(json.dumps(written).encode()) is None
    robot = event("/driftpin-review", user={"login": "x[bot]", "type": "Bot"})
    assert read_event(robot) is None


@pytest.mark.parametrize("content", [b"", b"[]", b"{", b'{"action": 1}', b"\xff\xfe"])
def test_a_broken_event_is_refused(content: bytes) -> None:
    with pytest.raises(DriftpinError) as refused:
        read_event(content)
    assert refused.value.code == "bad_event"


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("7", PULL),
        ("#7", PULL),
        ("https://github.com/octo/repo/pull/7", PULL),
        ("https://github.com/octo/repo/pull/7/files", PULL),
        ("https://evil.example/octo/repo/pull/7", "other_forge"),
        ("https://github.com@evil.example/octo/repo/pull/7", "other_forge"),
        ("https://github.com/octo/repo/issues/7", "bad_pull_request"),
        ("https://github.com/octo/../repo/pull/7", "bad_pull_request"),
    ],
)
def test_a_pull_request_is_of_the_forge_that_the_token_is_for(
    text: str, wanted: PullRequest | str
) -> None:
    assert is_pull_request(text)
    if isinstance(wanted, PullRequest):
        assert pull_request_of(text, FORGE, "octo/repo") == wanted
        return
    with pytest.raises(DriftpinError) as refused:
        pull_request_of(text, FORGE, "octo/repo")
    assert refused.value.code == wanted


@pytest.mark.parametrize("address", ["http://forge.example", "ftp://x", "https://u:p@x", "x"])
def test_a_token_goes_over_tls_or_to_this_machine_alone(address: str) -> None:
    with pytest.raises(DriftpinError) as refused:
        forge_at(None, address)
    assert refused.value.code == "bad_forge"
    assert not is_pull_request("main..HEAD")


@pytest.mark.parametrize(
    "url",
    [
        "https://github.com/octo/repo",
        "https://github.com/octo/repo.git",
        "https://token@github.com/octo/repo.git/",
        "git@github.com:octo/repo.git",
        "ssh://git@github.com:22/octo/repo",
    ],
)
def test_every_form_of_a_remote_names_its_repository(url: str) -> None:
    assert repository_of_remote(url, FORGE) == "octo/repo"
    assert repository_of_remote(url.replace("github.com", "evil.example"), FORGE) is None


class Desk:
    """A checkout with a recorded review of the pull request, and the forge with its threads."""

    def __init__(self, root: Path, forge: FakeForge, story: Story) -> None:
        self.root, self.forge, self.story = root, forge, story
        self.repo = Repo(root / "repo")
        self.folder = shelf_of(root / "state", self.repo.path).open(PULL.target)
        for each in story.events:
            self.folder.append(each)

    def tell(self, content: bytes) -> ReviewState:
        place = self.root / "event.json"
        place.write_bytes(content)
        reach = Reach(state_dir=str(self.root / "state"))
        answer_event(reach, place, ReviewWish(directory=self.repo.path))
        return self.folder.state()

    def thread(self, finding: str) -> int:
        marked = f"about={finding} "
        found = next(each for each in self.forge.pull.review_comments if marked in each["body"])
        return int(found["id"])


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Desk]:
    serious = claim("a.py", 5, "fifth", "loses data", severity="P1")
    story = Story(claims=[serious, claim("a.py", 30, "line 30", "gone", severity="P3", side="old")])
    first = story.first()
    with open_forge(story.forge(first)) as forge:
        forge.roles = {"ann": "write", "mia": "maintain"}
        story.publish(forge, first)
        monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
        monkeypatch.setenv("GITHUB_API_URL", forge.address)
        yield Desk(tmp_path, forge, story)


def state_in(state: ReviewState, finding: str) -> str:
    return state.findings[finding].state.value  # type: ignore[index] # an id as it is written


def test_an_answer_in_a_thread_is_about_its_finding_and_counts_once(desk: Desk) -> None:
    said = in_thread("contested: it is meant", desk.thread("CRF-2"))
    assert state_in(desk.tell(said), "CRF-2") == "contested"
    desk.tell(said)
    replies = [each for each in desk.folder.events() if isinstance(each, Replied)]
    assert [(each.by, each.text) for each in replies] == [("github:ann", "it is meant")]


def test_only_a_maintainer_acknowledges_what_blocks(desk: Desk) -> None:
    thread = desk.thread("CRF-1")
    for login in ("ann", "eve"):
        with pytest.raises(DriftpinError) as refused:
            desk.tell(in_thread("acknowledged: later", thread, login=login))
        assert refused.value.code == "not_maintainer"
    assert state_in(desk.folder.state(), "CRF-1") == "open"
    told = desk.tell(in_thread("acknowledged: later", thread, login="mia"))
    assert state_in(told, "CRF-1") == "acknowledged"
    less = desk.tell(event("/driftpin-review acknowledged CRF-2 fine"))
    assert state_in(less, "CRF-2") == "acknowledged"


def test_a_thread_that_somebody_else_began_with_our_marker_is_about_nothing(desk: Desk) -> None:
    own = desk.forge.pull.review_comments[0]
    planted = {**own, "id": 9_999, "user": {"login": "mallory", "type": "User"}}
    desk.forge.pull.review_comments.append(planted)
    before = desk.folder.events()
    desk.tell(in_thread("fixed", 9_999))
    desk.tell(in_thread("fixed", 5_555_555))
    assert desk.folder.events() == before


def test_nothing_is_asked_without_a_token(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = len(desk.forge.calls)
    for token in ("", "two\nlines"):
        monkeypatch.setenv("GITHUB_TOKEN", token)
        with pytest.raises(DriftpinError) as refused:
            desk.tell(event("/driftpin-review fixed CRF-1"))
        assert refused.value.code == "no_forge_token"
    assert len(desk.forge.calls) == asked


def test_an_answer_about_what_is_not_there_is_refused(desk: Desk) -> None:
    with pytest.raises(DriftpinError) as refused:
        desk.tell(event("/driftpin-review fixed CRF-99"))
    assert refused.value.code == "no_finding"


def test_a_pull_request_from_the_command_line_and_the_next_round_by_a_comment(
    tmp_path: Path, bytecode: Path
) -> None:
    machine = Machine(tmp_path, bytecode)
    repo, script = Repo(tmp_path / "workspace"), Script(tmp_path / "script.json")
    repo.write(calc=BASE)
    base = repo.commit("base")
    repo.write(calc=BASE + MEAN)
    head = repo.commit("Add mean")
    author = {"login": "author", "type": "User"}
    old, new = {"calc.py": BASE}, {"calc.py": BASE + MEAN}
    pull = Pull(head, base, author, {head: files_of(old, new)}, commits={head})
    with open_forge(FakeForge(pull)) as forge:
        machine.variables |= {
            "DRIFTPIN_SCRIPT": str(script.path),
            "DRIFTPIN_MODEL": "scripted",
            "GITHUB_API_URL": forge.address,
            "GITHUB_REPOSITORY": "octo/repo",
            "GITHUB_TOKEN": TOKEN,
        }
        script.say(1, "scout", answer(BAD))
        first = machine.run("review", "#7", "--publish")
        assert first.code == 1, first.err
        assert "Published to octo/repo#7" in first.err
        assert [each["line"] for each in pull.review_comments] == [6]
        again = machine.run("review", "publish", "7")
        assert (again.code, "0 new" in again.err) == (0, True)
        repo.write(calc=FIXED)
        pull.head = repo.commit("Fix")
        pull.commits.add(pull.head)
        pull.files[pull.head] = files_of(old, {"calc.py": FIXED})
        script.verify(2, "CRF-1", ruling("fixed", "calc.py", 6, "if not values:"))
        said = tmp_path / "event.json"
        said.write_bytes(event("/driftpin-review"))
        second = machine.run("review", "event", str(said))
    assert second.code == 0, second.err
    assert "verified as fixed" in pull.review_comments[-1]["body"]
    assert "APPROVE" in pull.comments[0]["body"]
    assert TOKEN not in first.out + first.err + second.out + second.err
    kept = b"".join(each.read_bytes() for each in machine.state.rglob("*") if each.is_file())
    assert TOKEN.encode() not in kept
