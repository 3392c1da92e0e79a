"""Commands that take a part of a change, hold the rest, and let go of it, against a real server."""

from cli.machine import RULES, Machine

MORE = "# More\n\nBe quick.\n"
BOTH = ("workspace:AGENTS.md", "workspace:CLAUDE.md")


def test_a_part_is_foreseen_taken_held_listed_and_released(served: Machine) -> None:
    served.edit_rules(RULES)
    (served.workspace / "CLAUDE.md").write_text(MORE, encoding="utf-8")
    assert served.run("resync").code == 0
    chat = str(served.run("chat", "new", "a part", "--json").json["id"])
    served.edit_rules(RULES + "Use spaces.\n")
    (served.workspace / "CLAUDE.md").write_text(MORE + "Be slow.\n", encoding="utf-8")
    assert served.run("resync").code == 0

    typo = served.run("refresh", chat, "--accept", "AGENT.md", "--hold", BOTH[1], "--yes")
    assert (typo.code, "\n  AGENT.md\n" in typo.err) == (2, True)

    dry = served.run("refresh", chat, "--accept", BOTH[0], "--dry-run", "--json")
    assert dry.code == 1
    foreseen = dry.json["foreseen"]
    assert [entry["source"] for entry in foreseen["entries"]] == [BOTH[0]]
    assert [entry["source"] for entry in foreseen["held"]] == [BOTH[1]]
    assert (foreseen["moves"], foreseen["revision"]) == (True, 2)

    taken = served.run("refresh", chat, "--accept", BOTH[0], "--yes")
    assert (taken.code, "1 held" in taken.err) == (0, True)
    shown = served.run("show", chat, "--json").json
    assert (shown["snapshot"], shown["dirty"]) == (foreseen["snapshot"], False)
    diff = served.run("diff", chat)
    assert diff.code == 0
    assert f"held: {BOTH[1]}" in diff.err

    (held,) = served.run("holds", chat, "--json").json["holds"]
    assert (held["source"], held["in_force"]) == (BOTH[1], True)
    assert BOTH[1] in served.run("holds", chat).out
    unheld = served.run("release", chat, BOTH[0])
    assert (unheld.code, "driftpin holds" in unheld.err) == (2, True)
    assert served.run("release", chat, BOTH[1]).code == 0
    assert served.run("diff", chat).code == 1
    (served.workspace / "CLAUDE.md").unlink()
