"""`driftpin review` as a person runs it: real processes, a real repository, a server of its own."""

from pathlib import Path

from cli.machine import Machine
from review.changes import BAD, BASE, FIXED, MEAN
from review.world import Repo, Script, answer, ruling


def test_two_rounds_from_the_command_line(tmp_path: Path, bytecode: Path) -> None:
    machine = Machine(tmp_path, bytecode)
    repo = Repo(tmp_path / "workspace")
    script = Script(tmp_path / "script.json")
    machine.variables["DRIFTPIN_SCRIPT"] = str(script.path)
    repo.write(calc=BASE)
    repo.commit("base")
    repo.git("branch", "base")
    repo.write(calc=BASE + MEAN)
    repo.commit("Add mean")
    script.say(1, "scout", answer(BAD, good=["It is short."]))
    first = machine.run("review", "base..HEAD", "--model", "scripted", "--out", str(tmp_path / "o"))
    assert first.code == 1, first.err
    assert "# COMMENT: round 1" in first.out
    assert "CRF-1" in first.out
    assert "scout.scout: answered" in first.err
    written = sorted(path.name for path in (tmp_path / "o").iterdir())
    assert written == ["review.html", "review.json", "review.md", "review.sarif"]
    blocked = machine.run("review", "base..HEAD", "--model", "scripted")
    assert blocked.code == 4
    assert machine.run("review", "reply", "crf-1", "fixed", "now 0").code == 0
    repo.write(calc=FIXED)
    repo.commit("Fix")
    script.verify(2, "CRF-1", ruling("fixed", "calc.py", 6, "if not values:"))
    second = machine.run("review", "base..HEAD", "--model", "scripted", "--json")
    assert second.code == 0, second.err
    assert second.json["verdict"] == "APPROVE"
    assert second.json["verified"] == ["CRF-1"]
    shown = machine.run("review", "compare", "1", "2", "--json").json
    assert [(each["id"], each["round 2"]) for each in shown] == [("CRF-1", "verified")]
    assert machine.run("review", "replay", "2").code == 0


def test_what_is_used_wrongly_ends_with_its_own_code(tmp_path: Path, bytecode: Path) -> None:
    machine = Machine(tmp_path, bytecode)
    machine.workspace.mkdir()
    ended = machine.run("review", "main..HEAD")
    assert (ended.code, "not in a git repository" in ended.err) == (5, True)
