"""What is drawn, without a browser: rows of a diff, Markdown, and words that are being said."""

import gzip

import pytest

from driftpin.chat.messages import Message, Role, TextPart
from driftpin.context.unified import Budget, unified_text
from driftpin.store.turn_values import ChunkRow
from driftpin.web.assets import read_assets
from driftpin.web.chat_views import unsaid
from driftpin.web.diff_rows import Row, side_by_side, unified
from driftpin.web.markdown import Markdown
from driftpin.web.reveal import revealed

ALL_BYTES_MAX = 300 * 1024


def _rows(before: str, after: str, work: int = 1_000_000) -> tuple[Row, ...]:
    text = "--- a\n+++ b\n" + unified_text(before, after, Budget()).text
    return side_by_side(text, Budget(work=work))


def test_both_sides_have_their_numbers_and_the_words_that_differ() -> None:
    hunk, same, changed, added = _rows("a\nuse tabs\n", "a\nuse spaces\nmore\n")
    assert hunk.note.startswith("@@ -1,2 +1,3 @@")
    assert (same.old, same.new) == (same.new, same.old)
    assert changed.old is not None
    assert changed.new is not None
    assert (changed.old.number, changed.old.words) == (2, "use <del>tabs</del>")
    assert (changed.new.number, changed.new.words) == (2, "use <ins>spaces</ins>")
    assert added.old is None
    assert added.new is not None
    assert (added.new.number, added.new.words) == (3, "more")


def test_unified_lines_show_in_each_change_what_went_before_what_came() -> None:
    rows = _rows("one\ntwo\nend", "eins\nzwei\nend")
    lines = [(line.mark, line.note) for line in unified(rows)]
    assert [mark for mark, _ in lines] == ["", "-", "-", "+", "+", " ", ""]
    assert lines[-1][1] == "No newline at end of file"


@pytest.mark.parametrize(
    ("before", "after", "old", "new"),
    [
        ("a b", "a x b", "a b", "a <ins>x </ins>b"),
        ("a x x b", "a x b", "a x <del>x </del>b", "a x b"),
        ("a b c", "a c d c", "a <del>b</del> c", "a <ins>c d</ins> c"),
        ("a b", "c d", "<del>a</del> <del>b</del>", "<ins>c</ins> <ins>d</ins>"),
    ],
)
def test_equal_ends_of_a_line_are_unmarked(before: str, after: str, old: str, new: str) -> None:
    changed = _rows(before + "\n", after + "\n")[-1]
    assert changed.old is not None
    assert changed.new is not None
    assert (changed.old.words, changed.new.words) == (old, new)


def test_words_are_compared_for_as_long_as_the_work_lasts() -> None:
    changed = _rows("use tabs\n", "use spaces\n", work=0)[-1]
    assert changed.old is not None
    assert changed.old.words == "use tabs"


def test_what_looks_like_a_header_inside_of_a_file_is_a_line_of_it() -> None:
    rows = _rows("-- a\n", "++ b\n@@ -9,9 +9,9 @@\n")
    assert [str(row.new.words) for row in rows if row.new] == [
        "<ins>++</ins> <ins>b</ins>",
        "@@ -9,9 +9,9 @@",
    ]


def test_a_diff_is_escaped_and_hidden_characters_are_marked() -> None:
    changed = _rows("<b>\n", "<b>\u200b<script>\n")[-1]
    assert changed.new is not None
    assert "&lt;script&gt;" in changed.new.words or "&gt;" in changed.new.words
    assert "<script" not in changed.new.words
    assert '<mark class="hidden">\\u{200B}</mark>' in changed.new.words


@pytest.mark.parametrize(
    ("written", "drawn"),
    [
        ("**bold**", "<p><strong>bold</strong></p>\n"),
        ("<script>x</script>", "<p>&lt;script&gt;x&lt;/script&gt;</p>\n"),
        ("[x](javascript:alert(1))", "<p>[x](javascript:alert(1))</p>\n"),
        ("a\u202eb", "<p>a\\u{202E}b</p>\n"),
        ("| a |\n|---|\n| b |", None),
    ],
)
def test_markdown_draws_words_and_nothing_that_acts(written: str, drawn: str | None) -> None:
    html = Markdown().html(written)
    assert html == drawn if drawn else "<table>" in html


def test_b18_a_remote_picture_stands_as_a_link_and_is_not_loaded() -> None:
    html = Markdown().html("![far](http://evil.test/p.png)")
    assert "<img" not in html
    assert 'rel="noopener noreferrer nofollow"' in html


def test_code_is_coloured_by_classes_alone() -> None:
    html = Markdown().html('```python\ndef f(): return "<b>"\n```')
    assert '<span class="k">def</span>' in html
    assert "style=" not in html
    assert "<b>" not in html


def test_a_hidden_character_in_a_name_is_drawn_and_the_name_escaped() -> None:
    assert revealed("<a>\u200b") == '&lt;a&gt;<mark class="hidden">\\u{200B}</mark>'


def _chunk(text: str, offset: int, attempt: int = 1) -> ChunkRow:
    return ChunkRow(turn=1, attempt=attempt, offset=offset, content={"text": text})


def _answer(text: str) -> Message:
    return Message(Role.ASSISTANT, (TextPart(text),))


def test_words_that_are_in_a_message_are_not_shown_as_being_said() -> None:
    chunks = [_chunk("I look. ", 0), _chunk("Done", 8)]
    assert unsaid(chunks, []) == "I look. Done"
    assert unsaid(chunks, [_answer("I look. ")]) == "Done"
    assert unsaid(chunks, [_answer("I look. "), _answer("Done")]) == ""


def test_a_turn_that_was_taken_over_shows_the_words_of_its_newest_attempt() -> None:
    chunks = [_chunk("I look. Do", 0), _chunk("Now done", 0, attempt=2)]
    assert unsaid(chunks, [_answer("I look. ")]) == "Now done"


def test_all_that_pages_load_is_small() -> None:
    assets = read_assets()
    sizes = [len(gzip.compress(asset.content)) for asset in assets.by_name.values()]
    assert sum(sizes) < ALL_BYTES_MAX
