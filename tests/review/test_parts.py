"""The smaller parts: patches, anchors, rosters, scopes, the ledger's files."""

import threading
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from driftpin import review_limits
from driftpin.errors import Conflict, Malformed, Rejected
from driftpin.review.anchors import source_text
from driftpin.review.bundled_roles import bundled_files, roster_with
from driftpin.review.diff import ChangeKind, map_line, numbered, parse_patch, quoted, unquoted_bytes
from driftpin.review.fences import fenced
from driftpin.review.finding import FindingId
from driftpin.review.folder import ReviewFolder
from driftpin.review.ledger import Event, Replied, ReplyKind, event_from_bytes
from driftpin.review.planning import plan
from driftpin.review.roster import Tier, choose_panel, parse_role
from driftpin.review.scope import FileClass, chunks_of, classify
from review.pure import book_of, decided, inputs_of, patch_of, said
from review.world import Repo, answer, claim

WORDS = st.lists(st.sampled_from(["a", "b", "", "--- a", "+++ b", "@@ -1 +1 @@", "diff --git"]))


@given(st.binary(min_size=1))
def test_every_name_is_shown_on_one_line_and_read_back(name: bytes) -> None:
    shown = quoted(name)
    assert shown.isprintable()
    assert unquoted_bytes(shown) == name


@given(WORDS, WORDS)
def test_a_patch_is_read_whatever_its_lines_look_like(before: list[str], after: list[str]) -> None:
    old, new = "\n".join(["x", *before, ""]), "\n".join(["x", *after, ""])
    for change in parse_patch(patch_of({"f": old}, {"f": new})):
        assert [line.text for line in change.added] == [
            new.split("\n")[line.new - 1] for line in change.added
        ]
        assert [line.text for line in change.removed] == [
            old.split("\n")[line.old - 1] for line in change.removed
        ]
        for number, text in enumerate(old.split("\n")[:-1], start=1):
            if all(line.old != number for line in change.removed):
                assert new.split("\n")[map_line(change, number) - 1] == text


def test_names_of_every_kind_come_out_of_real_patches(tmp_path: Path) -> None:
    repo = Repo(tmp_path / "repo")
    names = ["with space.py", 'quo"te.py', "tab\tname.py", "ümlaut.py", "b/a.py", "a b/a b"]
    for name in names:
        repo.put(name, "".join(f"{number}\n" for number in range(20)))
    repo.put("gone.py", "x\n")
    repo.commit()
    for name in names:
        repo.put(name, "".join(f"{number}\n" for number in range(19)) + "new\n")
    (repo.path / "gone.py").unlink()
    (repo.path / "binary").write_bytes(b"\0\1\2")
    (repo.path / "empty file").write_bytes(b"")
    repo.git("mv", "ümlaut.py", "renamed.py")
    repo.commit()
    changes = parse_patch(repo.git("diff", "-M", "HEAD~1", "HEAD") + "\n")
    kinds = {change.path: change.kind for change in changes}
    assert set(kinds) == {*names, "gone.py", "binary", "empty file", "renamed.py"} - {"ümlaut.py"}
    assert kinds["renamed.py"] is ChangeKind.RENAMED
    assert next(each for each in changes if each.path == "binary").is_binary
    assert "   20 +new" in list(numbered(next(each for each in changes if each.path == "a b/a b")))


@pytest.mark.parametrize("text", ["diff --git a/x b/x\n--- a/x\n+++ b/x\n@@ -1,5 +1,5 @@\n x\n"])
def test_a_patch_that_is_cut_is_refused(text: str) -> None:
    with pytest.raises(Rejected) as refused:
        parse_patch(text)
    assert refused.value.code == "bad_patch"


def test_the_innermost_symbol_around_a_line_is_found() -> None:
    text = source_text(
        "class A:\n    x = 1\n\n    async def b(self):\n\n        return 1\n\nc = 2\n"
    )
    assert [text.symbol_at(number) for number in (1, 2, 4, 5, 6, 8)] == [
        "A",
        "A",
        "b",
        "b",
        "b",
        "",
    ]
    assert source_text("export function f(a) {\n  return a;\n}\n").symbol_at(2) == "f"
    assert source_text("func (s *T) Get() {\n\treturn\n}\n").symbol_at(2) == "Get"


@given(st.text())
def test_a_fence_cannot_be_closed_from_inside(content: str) -> None:
    opening, *_, closing = fenced("x", content).split("\n")
    assert closing not in content
    assert opening.split(" ")[1] == closing.split(" ")[1]


def test_files_have_their_classes() -> None:
    assert classify("src/a.py") is FileClass.SOURCE
    assert classify("tests/a.py") is classify("src/test_a.py") is FileClass.TEST
    assert classify("vendor/x/a.go") is FileClass.VENDORED
    assert classify("uv.lock") is FileClass.GENERATED
    assert classify("docs/a.md") is FileClass.PROSE


def test_a_large_change_is_shown_in_parts_that_own_every_line() -> None:
    head = {
        f"m{index}.py": "".join(f"v_{index}_{number} = {number}\n" for number in range(900))
        for index in range(4)
    }
    inputs = inputs_of(head)
    chunks = chunks_of(inputs.changes)
    assert len(chunks) > 8
    shown = [line for chunk in chunks for change in chunk.changes for line in change.lines]
    assert len(shown) == 3_600
    assert len({line.text for line in shown}) == 3_600
    assert all(
        sum(len(each.lines) for each in chunk.changes) <= review_limits.REVIEW_CHUNK_LINES_MAX
        for chunk in chunks
    )
    scouts = {task.subject for task in plan(book_of(inputs, [])).tasks}
    assert len(scouts) == len(chunks)
    ran = decided(inputs, [said("scout.scout.part-1", answer())])
    assert set(ran.gaps.not_given) == set(head)


def test_a_small_change_needs_the_scout_alone() -> None:
    inputs = inputs_of({"a.py": "x = 1\n"})
    ran = decided(inputs, [said("scout.scout", answer())])
    assert (ran.event.summary.panel, ran.event.summary.verdict.value) == ((), "APPROVE")


def test_a_team_changes_adds_and_switches_off_roles() -> None:
    own = {
        "roles/edge-cases.md": "---\nslug: edge-cases\ntier: off\n---\n",
        "roles/billing.md": "---\nslug: billing\ntier: triggered\npaths: billing/*\n---\nMoney.\n",
    }
    roster = roster_with(own)
    changes = inputs_of({"billing/a.py": "x = 1\n"}).changes
    slugs = [role.slug for role in choose_panel(roster, changes, round_number=1).roles]
    assert "billing" in slugs
    assert "edge-cases" not in slugs
    cut = choose_panel(roster, changes, round_number=1, roles_max=3)
    assert len(cut.roles) == 3
    assert {role.tier for role in cut.roles[:2]} == {Tier.CORE}
    assert any("billing" in text for text in cut.not_run)


@pytest.mark.parametrize(
    "text",
    ["no header", "---\nslug: ../x\ntier: core\n---\n", "---\nslug: a\ntier: king\n---\n",
     "---\nslug: a\nrun: rm\n---\n", "---\ntier: core\n---\n"],
)  # fmt: skip
def test_a_bad_role_is_refused(text: str) -> None:
    with pytest.raises(Rejected):
        parse_role("a.md", text)


def test_the_bundled_roles_are_whole() -> None:
    slugs = {role.slug for role in roster_with({})}
    assert {f"roles/{slug}.md" for slug in slugs} | {"SKILL.md"} == set(bundled_files())


def test_an_event_is_added_once_and_a_broken_one_is_told(tmp_path: Path) -> None:
    folder = ReviewFolder(tmp_path / "review")
    reply = Replied(FindingId("CRF-1"), ReplyKind.FIXED, "x", "me", "now")
    barrier = threading.Barrier(4)
    lost: list[str] = []

    def add() -> None:
        barrier.wait(5)
        try:
            folder.append_behind(0, reply)
        except Conflict as conflict:
            lost.append(conflict.code)

    threads = [threading.Thread(target=add) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert lost == ["ledger_moved"] * 3
    assert [path.name for path in (folder.path / "events").iterdir()] == ["000001.json"]
    with pytest.raises(Malformed):
        event_from_bytes(b'{"kind": "round", "event": {}}')


def test_ids_are_never_given_twice() -> None:
    """A round's event holds ids and counter together, so whatever is recorded is consistent."""
    text = "".join(f"line {number}\n" for number in range(1, 200))
    events: list[Event] = []
    seen: list[str] = []
    last: dict[str, str] | None = None
    for number in range(1, 5):
        head = {"a.py": text, f"b{number}.py": f"own {number}\n"}
        new = claim(f"b{number}.py", 1, f"own {number}", f"thing {number} breaks", severity="P1")
        ran = decided(
            inputs_of(head, last=last, number=number),
            [said("panel.structure", answer(new))],
            events,
        )
        seen += ran.event.summary.new
        events.append(ran.event)
        last = head
    assert seen == ["CRF-1", "CRF-2", "CRF-3", "CRF-4"]
