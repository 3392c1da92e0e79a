import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.world import World
from driftpin import limits
from driftpin.context.diff import LINE_ENDINGS_ONLY, WHITE_SPACE_ONLY, ResourceDiff, diff
from driftpin.context.hidden_text import HIDDEN_PATTERN
from driftpin.context.resource import Resource
from driftpin.context.unified import NO_FINAL_NEWLINE, Budget, unified_text


def step(world: World, before: list[Resource], after: list[Resource]) -> tuple[ResourceDiff, ...]:
    return diff(world.snapshot(*before), world.snapshot(*after), world.bodies)


def edit(world: World, before: str | bytes, after: str | bytes) -> ResourceDiff:
    (found,) = step(world, [world.instruction(before)], [world.instruction(after)])
    return found


def applied(unified: str, before: str) -> str:
    """Apply hunks as `patch` would, strictly: a line that does not fit is an error."""
    old = before.splitlines(keepends=True)
    new: list[str] = []
    position, mark = 0, ""
    for line in unified.splitlines(keepends=True):
        if line.startswith("@@"):
            start, _, count = line.split()[1].removeprefix("-").partition(",")
            at = int(start) - (0 if count == "0" else 1)
            new += old[position:at]
            position = at
        elif line == NO_FINAL_NEWLINE:
            if mark in " +":
                new[-1] = new[-1].removesuffix("\n")
        else:
            mark, content = line[0], line[1:]
            if mark in " -":
                assert old[position].rstrip("\n") == content.rstrip("\n")
                position += 1
            if mark in " +":
                new.append(content)
    return "".join([*new, *old[position:]])


def test_equal_snapshots_have_no_diff(world: World) -> None:
    assert step(world, [world.instruction("a")], [world.instruction("a")]) == ()


def test_an_edit_is_shown_with_three_lines_around_it(world: World) -> None:
    lines = [f"line {number}\n" for number in range(1, 21)]
    found = edit(world, "".join(lines), "".join([*lines[:9], "new\n", *lines[10:]]))
    assert found.text == (
        "--- workspace:AGENTS.md\n+++ workspace:AGENTS.md\n@@ -7,7 +7,7 @@\n"
        " line 7\n line 8\n line 9\n-line 10\n+new\n line 11\n line 12\n line 13\n"
    )
    assert (found.added_lines, found.removed_lines, found.truncated) == (1, 1, False)


def test_b20_line_endings_alone_are_a_note_and_no_text(world: World) -> None:
    found = edit(world, "a\nb\n", "a\r\nb\r\n")
    assert (found.text, found.notes) == ("", (LINE_ENDINGS_ONLY,))


def test_line_endings_beside_an_edit_do_not_drown_it(world: World) -> None:
    found = edit(world, "a\nb\nc\n", "a\r\nx\r\nc\r\n")
    assert (found.added_lines, found.removed_lines) == (1, 1)
    assert "line endings differ too" in found.notes


def test_white_space_alone_is_noted_and_shown(world: World) -> None:
    found = edit(world, "a b\n", "a  b\n")
    assert WHITE_SPACE_ONLY in found.notes
    assert "+a  b\n" in found.text


def test_b6_hidden_characters_are_drawn(world: World) -> None:
    found = edit(world, "ab\n", "a\u200b\u202eb\U000e0041\x1b\r\n.")
    assert "+a\\u{200B}\\u{202E}b\\u{E0041}\\u{001B}\n" in found.text
    assert "hidden characters are drawn as \\u{…}" in found.notes


def test_a_character_that_some_readers_break_lines_at_hides_no_line(world: World) -> None:
    found = edit(world, "a\n", "a\u2028-b\x0b\x0c\x85c\rd\n")
    assert found.added_lines == 1
    assert "+a\\u{2028}-b\\u{000B}\\u{000C}\\u{0085}c\\u{000D}d\n" in found.text


def test_a_missing_final_newline_is_shown(world: World) -> None:
    found = edit(world, "a\nb\n", "a\nb")
    assert found.text.endswith("-b\n+b\n\\ No newline at end of file\n")


def test_added_and_removed_files_are_shown_whole(world: World) -> None:
    (added,) = step(world, [], [world.instruction("a\nb\n")])
    assert added.text == "--- /dev/null\n+++ workspace:AGENTS.md\n@@ -0,0 +1,2 @@\n+a\n+b\n"
    (removed,) = step(world, [world.instruction("a\n")], [])
    assert removed.text == "--- workspace:AGENTS.md\n+++ /dev/null\n@@ -1 +0,0 @@\n-a\n"


def test_an_added_empty_file_is_told(world: World) -> None:
    (added,) = step(world, [], [world.instruction("")])
    assert (added.text, added.notes) == ("", ("added",))


def test_every_changed_file_of_a_skill_is_shown_and_no_other(world: World) -> None:
    before = world.skill({"run.sh": "echo 1\n", "same.md": "x", "old.md": "x\n"})
    after = world.skill({"run.sh": "echo 2\n", "same.md": "x"}, executable=["run.sh"])
    found = step(world, [before], [after])
    assert [part.path for part in found] == ["old.md", "run.sh"]
    assert found[1].notes == ("executable",)
    assert "--- workspace:skills/tidy/run.sh\n" in found[1].text


def test_binary_files_show_digests_and_sizes_only(world: World) -> None:
    before, after = world.skill({"a.png": b"\x00\x01"}), world.skill({"a.png": b"\xff\x00\x02"})
    (found,) = step(world, [before], [after])
    assert found.text == ""
    (note,) = found.notes
    assert "(2 bytes) → sha256:" in note
    assert note.endswith("(3 bytes)")


def test_a_rename_says_whence_and_shows_the_edit_only(world: World) -> None:
    body = "".join(f"rule {number}\n" for number in range(9))
    note, text = step(
        world,
        [world.instruction(body, "workspace:AGENTS.md")],
        [world.instruction(body + "more\n", "workspace:CLAUDE.md")],
    )
    assert note.notes == ("renamed from workspace:AGENTS.md",)
    assert text.text.startswith("--- workspace:AGENTS.md\n+++ workspace:CLAUDE.md\n")
    assert (text.added_lines, text.removed_lines) == (1, 0)


def test_a_file_that_became_unusable_says_why(world: World) -> None:
    source = "workspace:AGENTS.md"
    found = step(world, [world.instruction("a\n")], [world.broken(source, "not_utf8")])
    assert found[0].notes == ("status: ok → invalid/not_utf8",)


def test_servers_are_told_in_notes(world: World) -> None:
    before = world.server({"gone": "1", "same": "1", "other": '{"description":"a"}', "old": "3"})
    after = world.server(
        {"new": "2", "same": "1", "other": '{"description":"b"}', "young": "3"},
        launch="x",
        instructions="Hi",
    )
    (found,) = step(world, [before], [after])
    assert found.notes[0].startswith("identity: sha256:")
    assert found.notes[1:] == (
        "server instructions changed",
        "tool removed: gone",
        "tool added: new",
        "tool modified: other",
        "  description: a → b",
        "tool renamed: old → young",
    )


def test_a_text_past_the_bound_of_work_is_shown_as_replaced_and_still_applies() -> None:
    old = "".join(f"{number}\n" for number in range(40))
    new = old.replace("5\n", "five\n")
    found = unified_text(old, new, Budget(work=10))
    assert applied(found.text, old) == new
    assert found.removed_lines > 4


def test_a_diff_that_does_not_fit_is_cut_and_says_so(world: World) -> None:
    found = edit(world, "", "x\n" * (limits.DIFF_LINES_MAX + 1))
    assert found.truncated
    assert found.text.endswith("… cut here\n")
    assert "cut: longer than a diff may be" in found.notes
    assert found.added_lines == limits.DIFF_LINES_MAX + 1


def test_all_texts_of_a_diff_share_one_bound(world: World) -> None:
    half = "x\n" * (limits.DIFF_LINES_MAX // 2)
    resources = [world.instruction(half + str(n), f"workspace:{n}.md") for n in range(3)]
    found = step(world, [], resources)
    assert [part.truncated for part in found] == [False, True, True]
    assert all(part.added_lines for part in found)


LINES = st.lists(st.sampled_from(["", "a", "b", "c", "  ", "-x", "+y", "@@"]), max_size=30)


@given(LINES, LINES, st.booleans(), st.booleans(), st.sampled_from([0, limits.DIFF_WORK_MAX]))
def test_applying_the_text_to_the_old_gives_the_new(
    old: list[str], new: list[str], old_ends: bool, new_ends: bool, work: int
) -> None:
    before = "\n".join(old) + ("\n" if old_ends else "")
    after = "\n".join(new) + ("\n" if new_ends else "")
    found = unified_text(before, after, Budget(work=work))
    assert applied(found.text, before) == after
    assert (found.text == "") == (before == after)


ANY_TEXT = st.text(alphabet=st.sampled_from("ab \n\r\t\u200b\u202e\ufe0f\U000e0041\x1b\u2028"))


@given(ANY_TEXT, ANY_TEXT)
def test_no_diff_contains_a_raw_hidden_character_and_every_change_is_told(
    shared_world: World, before: str, after: str
) -> None:
    found = step(
        shared_world, [shared_world.instruction(before)], [shared_world.instruction(after)]
    )
    assert bool(found) == (before != after)
    for part in found:
        shown = part.text + "".join(part.notes)
        assert HIDDEN_PATTERN.search(shown) is None
        assert "\r" not in shown
        assert shown


@pytest.mark.parametrize("description", ["Tidies.", "Other"])
def test_a_skill_whose_description_alone_changed_says_so(world: World, description: str) -> None:
    found = step(world, [world.skill({})], [world.skill({}, description=description)])
    expected = () if description == "Tidies." else (("description changed",),)
    assert tuple(part.notes for part in found) == expected
