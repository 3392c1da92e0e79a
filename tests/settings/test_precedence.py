"""Where a value comes from: flag, environment, config file, default; and what a wrong one says."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from driftpin.errors import UsageError
from driftpin.masking import without_password
from driftpin.settings import (
    LogLevel,
    Origin,
    Settings,
    config_file,
    database_address,
    load_settings,
    state_directory,
    variable_of,
)

WriteConfig = Callable[[str], Path]


@pytest.fixture(autouse=True)
def _own_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in list(os.environ):
        if name.startswith("DRIFTPIN_"):
            monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))


@pytest.fixture
def write_config() -> WriteConfig:
    def write(text: str) -> Path:
        file = config_file()
        assert file is not None
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8")
        return file

    return write


@pytest.mark.parametrize("has_flag", [True, False], ids=["flag", "no-flag"])
@pytest.mark.parametrize("has_variable", [True, False], ids=["variable", "no-variable"])
@pytest.mark.parametrize("has_file", [True, False], ids=["file", "no-file"])
@pytest.mark.parametrize(
    ("name", "of_flag", "of_variable", "of_file"),
    [
        ("url", "http://flag", "http://variable", '"http://file"'),
        ("token", "flag", "variable", '"file"'),
        ("agent_token", "flag", "variable", '"file"'),
        ("database_url", "sqlite:///flag", "postgresql://variable/x", '"sqlite:///file"'),
        ("state_dir", "/flag", "/variable", '"/file"'),
        ("log_level", "debug", "error", '"info"'),
        ("port", "1", "2", "3"),
        ("user_roots", "false", "0", "false"),
    ],
    ids=["url", "token", "agent", "database", "state", "log", "port", "roots"],
)
def test_first_place_that_names_a_setting_decides_it(
    name: str,
    of_flag: str,
    of_variable: str,
    of_file: str,
    *,
    has_file: bool,
    has_variable: bool,
    has_flag: bool,
    write_config: WriteConfig,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if has_file:
        write_config(f"{name} = {of_file}\n")
    if has_variable:
        monkeypatch.setenv(variable_of(name), of_variable)
    loaded = load_settings({name: of_flag if has_flag else None})

    expected, expected_text = Origin.DEFAULT, None
    if has_file:
        expected, expected_text = Origin.FILE, of_file.strip('"')
    if has_variable:
        expected, expected_text = Origin.ENVIRONMENT, of_variable
    if has_flag:
        expected, expected_text = Origin.FLAG, of_flag
    assert loaded.sources[name].origin is expected
    if expected_text is not None:
        alone = load_settings({name: expected_text}).settings
        assert getattr(loaded.settings, name) == getattr(alone, name)


def test_every_setting_has_an_origin_and_a_meaning() -> None:
    loaded = load_settings()
    assert set(loaded.sources) == set(Settings.model_fields)
    assert all(field.description for field in Settings.model_fields.values())


def test_place_of_a_value_is_told(
    write_config: WriteConfig, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = write_config("port = 1\n")
    monkeypatch.setenv("DRIFTPIN_LOG_LEVEL", "debug")
    sources = load_settings({"state_dir": "/x"}).sources
    assert sources["port"].place == str(file)
    assert sources["log_level"].place == "DRIFTPIN_LOG_LEVEL"
    assert sources["state_dir"].place == "--state"
    assert str(sources["model"]) == "default"


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("port", "many", "integer"),
        ("port", "65536", "65535"),
        ("port", "-1", "0"),
        ("log_level", "loud", "'debug'"),
        ("url", "ftp://x", "http://"),
        ("database_url", "mysql://x", "sqlite:///PATH"),
        ("user_roots", "perhaps", "boolean"),
        ("rescan_interval_s", "0", "greater than 0"),
        ("instruction_files", "AGENTS.md,../x", "below a root"),
    ],
)
def test_wrong_value_names_setting_origin_and_what_was_expected(
    name: str, text: str, expected: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable_of(name), text)
    with pytest.raises(UsageError) as refused:
        load_settings()
    assert refused.value.code == "bad_setting"
    assert refused.value.fields["setting"] == name
    assert refused.value.fields["origin"] == f"environment {variable_of(name)}"
    assert expected in refused.value.message


def test_names_below_a_root_are_taken_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTPIN_INSTRUCTION_FILES", "AGENTS.md, docs/..rules.md")
    assert load_settings().settings.instruction_files == ("AGENTS.md", "docs/..rules.md")


@pytest.mark.parametrize("names", ["/AGENTS.md", "docs/../AGENTS.md", "AGENTS.md,", ".."])
def test_names_that_may_lead_out_of_a_root_are_refused(
    names: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DRIFTPIN_INSTRUCTION_FILES", names)
    with pytest.raises(UsageError) as refused:
        load_settings()
    assert refused.value.fields["setting"] == "instruction_files"


def test_wrong_secret_is_never_repeated(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTPIN_DATABASE_URL", "mysql://root:hunter2@db/x")
    with pytest.raises(UsageError) as refused:
        load_settings()
    assert "hunter2" not in refused.value.message


def test_empty_variable_counts_as_not_set(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTPIN_LOG_LEVEL", "")
    loaded = load_settings()
    assert loaded.settings.log_level is LogLevel.WARNING
    assert loaded.sources["log_level"].origin is Origin.DEFAULT


def test_unknown_setting_in_the_file_is_refused_with_the_nearest_name(
    write_config: WriteConfig,
) -> None:
    write_config('databse_url = "sqlite:///x"\n')
    with pytest.raises(UsageError, match="did you mean 'database_url'") as refused:
        load_settings()
    assert refused.value.code == "unknown_setting"


def test_broken_file_is_named(write_config: WriteConfig) -> None:
    file = write_config("port = = 1\n")
    with pytest.raises(UsageError, match="Expected TOML") as refused:
        load_settings()
    assert refused.value.fields["file"] == str(file)


def test_variable_that_is_no_setting_is_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DRIFTPIN_PROT", "1")
    assert load_settings().unknown_variables == ("DRIFTPIN_PROT",)


def test_without_a_home_everything_but_the_state_directory_still_works(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def no_home() -> Path:
        raise RuntimeError("Could not determine home directory.")

    for name in ("HOME", "XDG_CONFIG_HOME", "XDG_STATE_HOME"):
        monkeypatch.delenv(name)
    monkeypatch.setattr(Path, "home", no_home)
    assert config_file() is None
    settings = load_settings({"port": 5}).settings
    assert settings.port == 5
    with pytest.raises(UsageError, match="--state or DRIFTPIN_STATE_DIR"):
        state_directory(settings)
    assert state_directory(load_settings({"state_dir": "/s"}).settings) == Path("/s")


def test_database_is_a_file_in_the_state_directory_unless_it_was_named() -> None:
    assert database_address(load_settings({"state_dir": "/s"}).settings) == (
        "sqlite:////s/driftpin.db"
    )
    named = load_settings({"state_dir": "/s", "database_url": "postgresql://h/d"}).settings
    assert database_address(named) == "postgresql://h/d"


def test_relative_state_directory_means_the_present_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load_settings({"state_dir": "here"}).settings.state_dir == tmp_path / "here"


def test_relative_xdg_directory_is_ignored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", "relative")
    assert state_directory(load_settings().settings) == tmp_path / ".local/state/driftpin"


@pytest.mark.parametrize(
    ("url", "shown"),
    [
        ("sqlite:////s/x.db", "sqlite:////s/x.db"),
        ("postgresql://u:p@h:1/d", "postgresql://u:********@h:1/d"),
        ("postgresql://u@h/d?password=p&a=b", "postgresql://u@h/d?password=********&a=b"),
        ("postgresql://u:p:q@w@h/d", "postgresql://u:********@h/d"),
        ("postgresql://u@h:1/d", "postgresql://u@h:1/d"),
        ("sqlite:////s/a:b@c.db", "sqlite:////s/a:b@c.db"),
    ],
    ids=["file", "password", "parameter", "odd-password", "no-password", "odd-file"],
)
def test_password_in_a_database_url_is_masked(url: str, shown: str) -> None:
    assert without_password(url) == shown


def test_secrets_are_masked_when_shown() -> None:
    loaded = load_settings({"token": "geheim", "agent_token": "geheim", "state_dir": "/s"})
    shown = {name: loaded.shown(name) for name in Settings.model_fields}
    assert "geheim" not in repr(shown)
    assert "geheim" not in repr(loaded)
    assert shown["token"] == "********"
