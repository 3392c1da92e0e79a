"""The commands that talk to a server, against one that really runs."""

import json
import os
import re
import subprocess
from pathlib import Path

import pytest

from cli.machine import DRIFTPIN, RULES, Machine
from driftpin import limits
from driftpin.identity import digest_of


@pytest.fixture
def chat(served: Machine) -> str:
    """A chat that is pinned to the workspace as it was made."""
    served.edit_rules(RULES)
    return str(served.run("chat", "new", "a chat", "--json").json["id"])


def test_edit_is_seen_diffed_refused_refreshed_and_undone(served: Machine, chat: str) -> None:
    clean = served.run("status")
    assert (clean.code, "dirty," in clean.out) == (0, False)

    served.edit_rules(RULES + "Use spaces.\n")
    dirty = served.run("status", "--json")
    assert dirty.code == 1
    assert dirty.json["dirty"] >= 1
    shown = served.run("diff", chat)
    assert shown.code == 1
    assert "+Use spaces." in shown.out
    assert "behavioural" in shown.out

    refused = served.run("refresh", chat)
    assert refused.code == 2
    assert "--yes" in refused.err
    dry = served.run("refresh", chat, "--dry-run")
    assert dry.code == 1
    assert served.run("show", chat, "--json").json["revision"] == 1

    moved = served.run("refresh", chat, "--yes")
    assert moved.code == 0
    assert "+Use spaces." in moved.out
    assert served.run("diff", chat).code == 0
    back = served.run("rollback", chat, "--json").json["context"]
    assert (back["revision"], back["dirty"]) == (3, True)
    verbs = [move["verb"] for move in served.run("history", chat, "--json").json]
    assert verbs == ["hydrate", "refresh", "roll_back"]

    served.edit_rules(RULES)
    assert served.run("diff", chat).code == 0


def test_which_chats_run_on_some_bytes_is_told_for_a_file_and_for_a_digest(
    served: Machine, chat: str
) -> None:
    by_file = served.run("used-by", "AGENTS.md", "--json").json
    assert by_file["digest"] == digest_of(RULES.encode())
    assert chat in [use["chat_id"] for use in by_file["uses"]]
    shown = served.run("used-by", by_file["digest"])
    assert (shown.code, chat in shown.out) == (0, True)
    assert served.run("used-by", "sha256:" + "0" * 64, "--json").json["uses"] == []
    assert served.run("used-by", "nothing.md").code == 2


def test_refresh_of_a_clean_chat_moves_nothing(served: Machine, chat: str) -> None:
    ended = served.run("refresh", chat)
    assert ended.code == 0
    assert served.run("show", chat, "--json").json["revision"] == 1


def test_refresh_to_a_head_that_has_moved_on_is_refused(served: Machine, chat: str) -> None:
    served.edit_rules(RULES + "One.\n")
    seen = served.run("diff", chat, "--json").json["head"]
    served.edit_rules(RULES + "Two.\n")
    ended = served.run("refresh", chat, "--yes", "--to", seen)
    assert ended.code == 1
    assert served.run("show", chat, "--json").json["revision"] == 1


def test_rollback_to_a_named_snapshot(served: Machine, chat: str) -> None:
    first = served.run("show", chat, "--json").json["snapshot"]
    served.edit_rules(RULES + "Three.\n")
    assert served.run("refresh", chat, "--yes").code == 0
    assert served.run("rollback", chat, "--to", first[7:19]).code == 0
    assert served.run("show", chat, "--json").json["snapshot"] == first
    unknown = served.run("rollback", chat, "--to", "0" * 12)
    assert unknown.code == 2
    assert "driftpin history" in unknown.err


def test_policies_are_set_foreseen_and_cleared(served: Machine, chat: str) -> None:
    served.edit_rules(RULES + "Four.\n")
    dry = served.run("policies", "set", "follow", "--chat", chat, "--dry-run")
    assert dry.code == 0
    assert f"chat {chat} (follow): its next turn takes: workspace:AGENTS.md" in dry.err
    assert served.run("policies", "show", "--chat", chat, "--json").json["policy"] == "pin"
    skills = served.run("policies", "set", "follow", "--kind", "skill", "--chat", chat)
    assert re.search(r"skill\s+follow\s+-\s+follow", skills.out)
    assert served.run("policies", "set", "freeze", "--chat", chat).code == 0
    shown = served.run("policies", "show", "--chat", chat, "--json").json
    assert (shown["chat"]["policy"], shown["in_force"]["skill"]) == ("freeze", "follow")
    assert "frozen" in served.run("status").out
    many = served.run("refresh", "--all", "--dry-run", "--json").json
    told = {each["chat_id"]: (each["result"], each["code"]) for each in many}
    assert told[chat] == ("skipped", "frozen")
    assert served.run("policies", "clear", "--kind", "skill", "--chat", chat).code == 0
    assert served.run("policies", "clear", "--chat", chat).code == 0
    cleared = served.run("policies", "show", "--chat", chat, "--json").json
    assert cleared["chat"] == {"policy": None, "kinds": {}}
    assert "pin" in served.run("policies", "show").out
    assert served.run("policies", "set", "always").code == 2
    served.edit_rules(RULES)


def test_dry_runs_say_what_would_move(served: Machine, chat: str) -> None:
    sub = served.run("chat", "new", "below", "--parent", chat, "--json").json["id"]
    served.edit_rules(RULES + "Five.\n")
    dry = served.run("refresh", chat, "--cascade", "--dry-run")
    assert "would be pinned, revision 2" in dry.err
    assert f"chat {sub}: would be pinned to" in dry.err
    assert served.run("refresh", chat, "--cascade", "--yes").code == 0
    back = served.run("rollback", chat, "--dry-run")
    assert f"chat {chat}: would be pinned to" in back.err
    assert "nothing to move" in served.run("rebind", chat, "--dry-run").err
    assert served.run("show", chat, "--json").json["revision"] == 2
    served.edit_rules(RULES)


def test_question_is_answered_out_of_the_pin(served: Machine, chat: str) -> None:
    told = served.run("chat", "ask", "--chat", chat, "Are tabs used?")
    assert told.code == 0
    assert "> Use tabs." in told.out
    piped = served.run("chat", "send", "--chat", chat, "-", "--json", said="Tabs?\n")
    assert piped.json["turn"]["state"] == "done"
    messages = served.run("chat", "show", chat, "--json").json["messages"]
    assert [message["role"] for message in messages] == ["user", "assistant"] * 2

    receipt = served.run("receipt", chat, "1", "--prompt", "--json").json
    assert receipt["is_chain_whole"] is True
    assert "Use tabs." in receipt["prompt"]
    assert served.run("receipt", chat).code == 0


def test_receipts_are_exported_and_verified_without_a_server(served: Machine, chat: str) -> None:
    assert served.run("chat", "ask", "--chat", chat, "Are tabs used?").code == 0
    file, key_file = served.root / "receipts.jsonl", served.root / "key.pem"
    written = served.run("receipts", "export", chat, "--output", str(file))
    assert (written.code, written.out) == (0, "")
    assert "2 entries" in written.err
    key = served.run("receipts", "key")
    key_file.write_text(key.out, encoding="utf-8")

    alone = Machine(served.root / "elsewhere", served.bytecode)
    alone.workspace.mkdir(parents=True)
    sure = alone.run("receipts", "verify", str(file), "--key-file", str(key_file), "--json")
    assert (sure.code, sure.json["findings"], sure.json["is_key_compared"]) == (0, [], True)
    assert sure.json["fingerprint"] in key.err

    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join([lines[0], *lines[2:]]))
    dropped = alone.run("receipts", "verify", str(file), "--key", "0" * 64)
    assert dropped.code == 1
    assert [line.split()[0] for line in dropped.out.splitlines()[1:]] == [
        "foreign_key",
        "bad_signature",
        "dropped_entry",
    ]


def test_turn_that_fails_is_a_finding(served: Machine, chat: str) -> None:
    other = served.run("chat", "new", "--model", "anthropic:x", "--json").json
    ended = served.run("chat", "ask", "--chat", other["id"], "hello")
    assert ended.code == 1
    assert "ANTHROPIC_API_KEY" in ended.err
    assert served.run("chat", "ask", "--chat", chat, "  ").code == 2


def test_failed_turn_is_resumed_and_asked_again_with_another_text(
    served: Machine, chat: str
) -> None:
    other = served.run("chat", "new", "--model", "anthropic:x", "--json").json["id"]
    assert served.run("chat", "ask", "--chat", other, "hello").code == 1
    ended = served.run("chat", "resume", other)
    assert (ended.code, "model_key_missing" in ended.err) == (1, True)
    assert served.run("chat", "retry", other, "--text", "hello there").code == 1
    turns = served.run("chat", "show", other, "--json").json["messages"]
    assert [message["content"]["parts"][0]["text"] for message in turns] == ["hello there"]
    assert served.run("chat", "retry", chat).code == 2


def test_chat_is_made_with_tools_of_its_own_and_a_call_that_waits_for_nobody_is_refused(
    served: Machine, chat: str
) -> None:
    assert chat
    tools = served.workspace / "tools.json"
    tools.write_text('[{"name": "note", "parameters": {"type": "object"}}]', encoding="utf-8")
    made = served.run(
        "chat", "new", "--tools", str(tools), "--spawn", "--role", "a clerk", "--json"
    )
    assert (made.json["may_spawn"], made.json["role"]) == (True, "a clerk")
    told = served.run("chat", "ask", "--chat", made.json["id"], "Which tools?")
    (offered,) = [line for line in told.out.splitlines() if line.startswith("Tools: ")]
    assert {"note", "read_skill", "read_skill_file", "spawn"} < set(re.findall(r"\w+", offered))
    assert served.run("chat", "calls", made.json["id"]).code == 0
    assert served.run("chat", "answer", "c1", "done", "--chat", made.json["id"]).code == 2
    tools.write_text("{}", encoding="utf-8")
    assert served.run("chat", "new", "--tools", str(tools)).code == 2


def test_chat_is_named_by_id_part_or_last(served: Machine, chat: str) -> None:
    for name in (chat, chat[-8:], chat[:-4], "last", "."):
        assert served.run("show", name, "--json").json["chat_id"] == chat
    assert served.run("show", "abc").code == 2
    assert served.run("show", "zzzzzzzz").code == 2
    served.run("chat", "new", "another")
    ambiguous = served.run("show", chat[:6])
    assert ambiguous.code == 2
    assert "fits" in ambiguous.err
    below = served.workspace / ".agents"
    assert served.run("show", "last", "--json", at=below).json["chat_id"] != chat
    elsewhere = served.run("show", "last", at=served.root)
    assert elsewhere.code == 2
    assert "not pinned" in elsewhere.err


def test_archived_chat_is_put_away_and_comes_back(served: Machine, chat: str) -> None:
    assert served.run("chat", "archive", chat).code == 0
    listed = [each["id"] for each in served.run("chat", "list", "--json").json]
    assert chat not in listed
    archived = served.run("chat", "list", "--archived", "--json").json
    assert chat in [each["id"] for each in archived]
    served.edit_rules(RULES + "While away.\n")
    refused = served.run("refresh", chat, "--yes")
    assert refused.code == 2
    assert "unarchive" in refused.err
    assert served.run("chat", "unarchive", chat).code == 0
    assert chat in served.run("chat", "list", "--json").out


def test_fork_carries_the_pin_of_the_turn(served: Machine, chat: str) -> None:
    assert served.run("chat", "ask", "--chat", chat, "Tabs?").code == 0
    before = served.run("show", chat, "--json").json["snapshot"]
    served.edit_rules(RULES + "Four.\n")
    assert served.run("refresh", chat, "--yes").code == 0
    fork = served.run("chat", "fork", chat, "1", "--json").json
    assert fork["context"]["snapshot"] == before


def test_delete_asks_and_then_the_chat_is_gone(served: Machine, chat: str) -> None:
    assert served.run("chat", "delete", chat).code == 2
    assert served.run("chat", "delete", chat, "--yes").code == 0
    gone = served.run("show", chat)
    assert (gone.code, gone.out) == (2, "")


def test_share_with_nobody_is_refused(served: Machine, chat: str) -> None:
    nobody = "01a20402-4cb5-7302-9333-1b4b3747d536"
    assert served.run("chat", "share", chat, nobody).code == 2


@pytest.mark.parametrize(
    "arguments",
    [
        ("chat", "share", "last", "bob"),
        ("rebind", "last", "--agent", "bogus"),
        ("chat", "new", "x" * 300),
        ("chat", "new", "a\x01b"),
        ("chat", "new", "a\udcff"),
        ("chat", "ask", "a\udcff"),
    ],
)
def test_what_no_request_can_carry_is_wrong_usage(
    served: Machine, chat: str, arguments: tuple[str, ...]
) -> None:
    assert chat
    ended = served.run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Traceback" not in ended.err


def test_roll_back_to_an_unknown_snapshot_points_to_the_history(served: Machine, chat: str) -> None:
    ended = served.run("rollback", chat, "--to", "ffff")
    assert ended.code == 2
    assert "driftpin history" in ended.err
    assert "published" not in ended.err


def test_rebind_to_the_present_agent_changes_nothing(served: Machine, chat: str) -> None:
    ended = served.run("rebind", chat, "--json")
    assert ended.code == 0
    assert ended.json["context"]["revision"] == 1


def test_export_writes_the_pin_and_not_the_workspace(
    served: Machine, chat: str, tmp_path: Path
) -> None:
    served.edit_rules(RULES + "Five.\n")
    tree = tmp_path / "tree"
    told = served.run("export", chat, str(tree), "--json").json
    assert (tree / "AGENTS.md").read_text(encoding="utf-8") == RULES
    assert digest_of((tree / ".driftpin" / "manifest.json").read_bytes()) == told["snapshot"]
    assert (tree / ".agents/skills/tidy/run.sh").exists()
    assert served.run("export", chat, str(tree)).code == 2
    own = {**served.variables}
    served.variables["DRIFTPIN_USER_ROOTS"] = "false"
    assert served.run("scan", str(tree), "--json").json["snapshot"] == told["snapshot"]
    served.variables = own


def test_login_checks_before_it_remembers(served: Machine) -> None:
    known = json.loads((served.state / "server.json").read_text(encoding="utf-8"))
    served.variables["DRIFTPIN_STATE_DIR"] = str(served.root / "elsewhere")
    try:
        wrong = served.run("login", known["url"], said="dp_u_wrong\n")
        assert wrong.code == 4
        assert not (served.root / "elsewhere" / "login.json").exists()
        right = served.run("login", known["url"], said=known["token"] + "\n")
        assert right.code == 0
        file = served.root / "elsewhere" / "login.json"
        assert file.stat().st_mode & 0o777 == 0o600
        assert served.run("chat", "list", "--all").code == 0
        other = served.run("chat", "list", "--all", "--url", "http://127.0.0.1:1")
        assert other.code == 4
        assert served.run("login", "--forget").code == 0
        assert served.run("chat", "list", "--all").code == 3
    finally:
        del served.variables["DRIFTPIN_STATE_DIR"]


def test_wrong_token_is_denied(served: Machine) -> None:
    ended = served.run("chat", "list", "--all", "--token", "dp_u_wrong")
    assert (ended.code, ended.out) == (4, "")
    assert "driftpin login" in ended.err


def test_resync_is_a_barrier(served: Machine) -> None:
    served.rules.write_text(RULES + "Six.\n", encoding="utf-8")
    head = served.run("resync", "--json").json["head"]["digest"]
    assert head == served.run("scan", "--json").json["snapshot"]


def test_sources_reach_the_running_agent(served: Machine) -> None:
    shared = served.root / "shared"
    shared.mkdir()
    (shared / "AGENTS.md").write_text("shared\n", encoding="utf-8")
    assert served.run("sources", "add", "team", str(shared)).code == 0
    assert served.run("resync").code == 0
    chat = served.run("chat", "new", "--json").json["id"]
    assert "team:AGENTS.md" in served.run("show", chat).out
    assert served.run("sources", "list", "--json").json == [{"name": "team", "path": str(shared)}]
    assert served.run("sources", "remove", "team").code == 0


def test_store_of_a_running_server_is_sound(served: Machine) -> None:
    ended = served.run("fsck", "--json")
    assert (ended.code, ended.json) == (0, {"findings": []})


def test_b5_hostile_bytes_in_a_diff_are_drawn(served: Machine, chat: str) -> None:
    served.edit_rules(RULES + "\x1b]0;owned\x07 \u202ebidi\n")
    for arguments in (["diff", chat], ["refresh", chat, "--yes"], ["show", chat]):
        ended = served.run(*arguments)
        assert "\x1b" not in ended.out + ended.err
        assert "\u202e" not in ended.out + ended.err
    served.edit_rules(RULES)


def test_closed_reader_ends_a_command_quietly(served: Machine, chat: str) -> None:
    reading, writing = os.pipe()
    os.close(reading)
    ended = subprocess.run(
        [*DRIFTPIN, "show", chat],
        cwd=served.workspace,
        env=served.environment,
        stdout=writing,
        stderr=subprocess.PIPE,
        text=True,
        timeout=60,
        check=False,
    )
    os.close(writing)
    assert "Traceback" not in ended.stderr
    assert ended.returncode != 0


def test_usage_shows_what_is_kept_of_what_may_be(served: Machine, chat: str) -> None:
    shown = served.run("usage", "--json").json
    (workspace,) = shown["workspaces"]
    assert shown["used_bytes"] == workspace["used_bytes"] > len(RULES)
    assert workspace["used_bytes_max"] == limits.WORKSPACE_BYTES_MAX
    assert shown["used_bytes_max"] == limits.USER_BYTES_MAX
    ended = served.run("usage")
    assert ended.code == 0
    assert "all of yours" in ended.out
    assert "32768.0 MiB" in ended.out
