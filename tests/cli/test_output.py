"""Tables and JSON: nothing that a file says can act on a terminal."""

import json

import pytest

from driftpin.cli.output import cell, counted, short_digest, write_json, write_table, write_text


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "-"),
        ("", "-"),
        (True, "yes"),
        (0, "0"),
        ("a\nb\tc", "a\\nb\\tc"),
        ("\x1b[31mred", "\\u{001B}[31mred"),
        ("\u202edesrever", "\\u{202E}desrever"),
        ("\x9b31m", "\\u{009B}31m"),
    ],
)
def test_b5_cell_is_one_visible_line(value: object, shown: str) -> None:
    assert cell(value) == shown


def test_mark_up_in_a_cell_is_text(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(("name",), [("[bold red]x[/]",), (":smile:",)])
    assert capsys.readouterr().out == "name\n[bold red]x[/]\n:smile:\n"


def test_long_cell_is_whole_in_a_pipe(capsys: pytest.CaptureFixture[str]) -> None:
    write_table(("a", "b"), [("x" * 300, "end")])
    assert "x" * 300 + "  end\n" in capsys.readouterr().out


def test_json_is_one_ascii_line(capsys: pytest.CaptureFixture[str]) -> None:
    write_json({"name": "\udcff\x1b\n", "items": (1, None)})
    out = capsys.readouterr().out
    assert out.isascii()
    assert out.count("\n") == 1
    assert json.loads(out)["items"] == [1, None]


def test_text_keeps_its_lines_and_draws_the_rest(capsys: pytest.CaptureFixture[str]) -> None:
    write_text("a\n\tb\x00")
    assert capsys.readouterr().out == "a\n\tb\\u{0000}\n"


def test_small_words() -> None:
    assert counted(1, "chat") == "1 chat"
    assert counted(0, "chat") == "0 chats"
    assert short_digest("sha256:" + "a" * 64) == "a" * 12
    assert short_digest(None) is None


@pytest.mark.parametrize(
    "link",
    ["[here](javascript:alert(1))", "![pixel](https://evil.example/x.png)", "[link=https://x]y[/]"],
)
def test_b18_b19_a_link_in_a_file_is_shown_as_text_and_leads_nowhere(
    link: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_text(link)
    write_table(("text",), [(link,)])
    out = capsys.readouterr().out
    assert out == f"{link}\ntext\n{link}\n"
    assert "\x1b]8" not in out
