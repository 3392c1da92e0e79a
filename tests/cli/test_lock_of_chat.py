"""`driftpin lock --chat`: the lock of what a chat runs on, from a server that really runs."""

import json

from cli.machine import RULES, Machine


def test_the_lock_of_a_clean_chat_is_the_lock_of_its_workspace_and_stays_with_its_pin(
    served: Machine,
) -> None:
    own = served.root / "home" / ".config" / "driftpin"
    own.mkdir(parents=True)
    servers = {"mcpServers": {"mine": {"command": "mine"}}}
    (own / ".mcp.json").write_text(json.dumps(servers), encoding="utf-8")
    (own / "AGENTS.md").write_text("mine\n", encoding="utf-8")
    listed = {"mcpServers": {"ours": {"command": "ours"}}}
    (served.workspace / ".mcp.json").write_text(json.dumps(listed), encoding="utf-8")
    served.edit_rules(RULES)
    chat = served.run("chat", "new", "a chat", "--json").json["id"]
    of_chat, of_directory = served.root / "chat.lock", served.root / "directory.lock"
    written = served.run("lock", "--chat", chat, "--output", str(of_chat), "--json")
    assert written.code == 0, written.err
    assert served.run("lock", "--output", str(of_directory)).code == 0
    assert of_chat.read_bytes() == of_directory.read_bytes()
    assert '"mcp:ours"' in of_chat.read_text("ascii")
    served.edit_rules("# Other rules\n")
    assert served.run("lock", "--chat", chat, "--output", str(of_chat), "--json").json == {
        **written.json,
        "changed": False,
    }
    ended = served.run("verify", "--frozen", str(of_chat), "--dir", ".", "--json")
    assert (ended.code, [each["source"] for each in ended.json["entries"]]) == (
        1,
        ["workspace:AGENTS.md"],
    )
    served.run("lock", "--chat", chat, "--user", "--output", str(of_chat))
    wider = json.loads(of_chat.read_text("ascii"))
    assert {"mcp:mine", "user:.config/driftpin/AGENTS.md"} < wider["resources"].keys()
