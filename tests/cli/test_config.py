"""`config`, and what commands say where nothing is known."""

from pathlib import Path

import pytest

from cli.machine import Machine


def write_config(machine: Machine, text: str) -> Path:
    file = machine.root / "home" / ".config" / "driftpin" / "config.toml"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    return file


def test_config_tells_where_each_value_came_from(machine: Machine) -> None:
    file = write_config(machine, 'port = 1\nlog_level = "error"\ntoken = "geheim"\n')
    machine.variables["DRIFTPIN_LOG_LEVEL"] = "info"
    ended = machine.run("config", "--origin", "--url", "http://flag")
    rows = {line.split()[0]: line for line in ended.out.splitlines()[1:]}
    assert "flag --url" in rows["url"]
    assert "environment DRIFTPIN_LOG_LEVEL" in rows["log_level"]
    assert f"file {file}" in rows["port"]
    assert "default" in rows["model"]
    assert "geheim" not in ended.out


def test_config_as_json_is_for_programs(machine: Machine) -> None:
    told = machine.run("config", "--json").json
    assert told["state_dir"] == {
        "value": str(machine.state),
        "origin": "environment",
        "place": "DRIFTPIN_STATE_DIR",
    }
    assert told["port"]["origin"] == "default"


def test_variable_that_is_no_setting_is_pointed_out(machine: Machine) -> None:
    machine.variables["DRIFTPIN_PROT"] = "1"
    assert "DRIFTPIN_PROT" in machine.run("config").err


def test_wrong_setting_is_2_with_its_origin(machine: Machine) -> None:
    file = write_config(machine, 'port = "many"\n')
    ended = machine.run("config")
    assert ended.code == 2
    assert f"file {file}" in ended.err
    assert "integer" in ended.err


@pytest.mark.parametrize("command", ["status", "show", "diff", "history", "receipt", "refresh"])
def test_without_a_server_every_command_is_3_and_says_how_to_get_one(
    machine: Machine, command: str
) -> None:
    ended = machine.run(command)
    assert (ended.code, ended.out) == (3, "")
    assert "driftpin up" in ended.err


def test_server_that_does_not_answer_is_3(machine: Machine) -> None:
    ended = machine.run("chat", "list", "--all", "--url", "http://127.0.0.1:1", "--token", "x")
    assert ended.code == 3
    assert "Traceback" not in ended.err


def test_fsck_without_a_database_is_2(machine: Machine) -> None:
    ended = machine.run("fsck")
    assert ended.code == 2
    assert "driftpin.db" in ended.err


def test_works_without_a_home(machine: Machine) -> None:
    machine.variables["HOME"] = ""
    assert machine.run("scan").code == 0
    assert machine.run("config").code == 0
