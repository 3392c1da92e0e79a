"""What can be set, where each value came from, and what is wrong with one that cannot be used.

A value is looked for as a flag, then in the environment (`DRIFTPIN_<NAME>`), then in the config
file (`driftpin/config.toml` in the user's config directory), then it is the default. Nothing is
merged inside a value: the first place that names a setting decides it, and is remembered with it.
An empty environment variable counts as not set.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Final, Literal

from pydantic import Field, IPvAnyNetwork, SecretStr, ValidationError, field_validator
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    TomlConfigSettingsSource,
)

from driftpin import limits
from driftpin.errors import UsageError
from driftpin.masking import MASK, without_password

ENVIRONMENT_PREFIX: Final = "DRIFTPIN_"
CONFIG_FILE_NAME: Final = "config.toml"
DATABASE_FILE_NAME: Final = "driftpin.db"
DEFAULT_PORT: Final = 7355
_LISTS: Final = (
    *("allowed_hosts", "instruction_files", "review_limits", "review_prices"),
    "trusted_proxies",
)
_SHORTER_FLAGS: Final = {"state_dir": "--state", "database_url": "--database"}


class LogLevel(StrEnum):
    """How much a process says on its standard error."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Origin(StrEnum):
    """The places a value may come from, the strongest first."""

    FLAG = "flag"
    ENVIRONMENT = "environment"
    FILE = "file"
    DEFAULT = "default"


class Settings(BaseSettings):
    """Every setting with its default. Build it with `load_settings`, never directly."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        hide_input_in_errors=True,
    )

    url: Annotated[
        str | None, Field(description="Address of the server, such as http://127.0.0.1:7355")
    ] = None
    token: Annotated[SecretStr | None, Field(description="Your token for the server")] = None
    agent_token: Annotated[
        SecretStr | None, Field(description="Token of the workspace agent that `agent` runs")
    ] = None
    database_url: Annotated[
        SecretStr | None,
        Field(description="sqlite:///PATH or postgresql://…; without it a file in the state dir"),
    ] = None
    state_dir: Annotated[
        Path | None, Field(description="Directory for the database, tokens and what is remembered")
    ] = None
    log_level: Annotated[LogLevel, Field(description="debug, info, warning or error")] = (
        LogLevel.WARNING
    )
    host: Annotated[str, Field(min_length=1, description="Address to listen on")] = "127.0.0.1"
    port: Annotated[
        int, Field(ge=0, le=65_535, description="Port to listen on; 0 takes a free one")
    ] = DEFAULT_PORT
    allowed_hosts: Annotated[
        tuple[str, ...] | None,
        NoDecode,
        Field(max_length=100, description="Names that a Host header may have, beside local ones"),
    ] = None
    trusted_proxies: Annotated[
        tuple[IPvAnyNetwork, ...],
        NoDecode,
        Field(max_length=100, description="Addresses of proxies whose X-Forwarded-* are believed"),
    ] = ()
    model: Annotated[
        str, Field(min_length=1, max_length=200, description="Model of new chats: provider:model")
    ] = "offline"
    instruction_files: Annotated[
        tuple[str, ...] | None,
        NoDecode,
        Field(min_length=1, max_length=50, description="Names to read instead of the usual ones"),
    ] = None
    review_prices: Annotated[tuple[str, ...], NoDecode, Field(description="Prices of models")] = ()
    review_limits: Annotated[tuple[str, ...], NoDecode, Field(description="Reviews' budgets")] = ()
    user_roots: Annotated[
        bool, Field(description="Whether the user's own skills and instructions are read too")
    ] = True
    rescan_interval_s: Annotated[
        float, Field(gt=0, le=86_400, description="Seconds between full looks at the workspace")
    ] = float(limits.RESCAN_INTERVAL_S)
    heads_kept_days: Annotated[
        float, Field(gt=0, le=36_500, description="For how long replaced heads are kept")
    ] = float(limits.HEADS_KEPT_DAYS)
    history_kept_days: Annotated[
        float, Field(gt=0, le=36_500, description="For how long history and receipts keep contents")
    ] = float(limits.HISTORY_KEPT_DAYS)
    events_kept_days: Annotated[
        float, Field(gt=0, le=36_500, description="For how long a stream can be taken up again")
    ] = float(limits.EVENTS_KEPT_DAYS)
    garbage_grace_s: Annotated[
        float, Field(gt=0, le=2_592_000, description="Seconds that unused contents stay")
    ] = float(limits.GRACE_S)
    collection_interval_s: Annotated[
        float, Field(gt=0, le=86_400, description="Seconds between two collections of garbage")
    ] = float(limits.COLLECTION_INTERVAL_S)
    workspace_bytes_max: Annotated[
        int, Field(ge=0, description="Bytes that a workspace may keep; 0 for any number")
    ] = limits.WORKSPACE_BYTES_MAX
    user_bytes_max: Annotated[
        int, Field(ge=0, description="Bytes that all workspaces of a user may keep; 0 for any")
    ] = limits.USER_BYTES_MAX
    drain_s: Annotated[
        float, Field(ge=0, le=limits.DRAIN_S_MAX, description="Seconds to serve on, once stopped")
    ] = 0.0
    agent_refresh: Annotated[
        bool, Field(description="Whether an agent may refresh its owner's chats")
    ] = False

    changed_tools: Annotated[
        Literal["refuse", "warn", "allow"],
        Field(description="What becomes of a call of an MCP tool that is not the pinned one"),
    ] = "refuse"
    review_may_approve: Annotated[
        bool,
        Field(description="Whether a published review approves or requests changes; else comments"),
    ] = False
    tool_timeout_s: Annotated[
        float,
        Field(
            gt=0,
            le=limits.MCP_CALL_LONGEST_S,
            description="Seconds without progress after which a call of an MCP tool is given up",
        ),
    ] = limits.MCP_CALL_TIMEOUT_S

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 the signature is the library's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,  # noqa: ARG003 as above
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003 as above
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003 as above
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Take values only as they are given: `load_settings` has already chosen among places."""
        return (init_settings,)

    @field_validator("url")
    @classmethod
    def _url_is_http(cls, url: str | None) -> str | None:
        if url is not None and not url.startswith(("http://", "https://")):
            raise ValueError("expected an address that starts with http:// or https://")
        return None if url is None else url.rstrip("/")

    @field_validator("database_url")
    @classmethod
    def _database_is_known(cls, url: SecretStr | None) -> SecretStr | None:
        known = ("sqlite:///", "postgresql://", "postgres://")
        if url is not None and not url.get_secret_value().startswith(known):
            raise ValueError("expected sqlite:///PATH or postgresql://USER@HOST/NAME")
        return url

    @field_validator("state_dir")
    @classmethod
    def _state_is_absolute(cls, directory: Path | None) -> Path | None:
        return None if directory is None else directory.expanduser().absolute()

    @field_validator(*_LISTS, mode="before")
    @classmethod
    def _names_between_commas(cls, names: object) -> object:
        return tuple(map(str.strip, names.split(","))) if isinstance(names, str) else names

    @field_validator("instruction_files")
    @classmethod
    def _names_stay_inside(cls, names: tuple[str, ...] | None) -> tuple[str, ...] | None:
        for name in names or ():
            if not name or name.startswith("/") or ".." in name.split("/"):
                raise ValueError(f"expected names below a root, not {name!r}")
        return names


@dataclass(frozen=True, slots=True)
class Source:
    """Where one value came from; `place` is the flag, the variable or the file, else empty."""

    origin: Origin
    place: str = ""

    def __str__(self) -> str:
        return f"{self.origin.value} {self.place}".rstrip()


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """The settings in force, and for each of them its origin."""

    settings: Settings
    sources: Mapping[str, Source]
    unknown_variables: tuple[str, ...] = ()

    def shown(self, name: str) -> str | int | float | bool | list[str] | None:
        """Return one value as it may be shown to anybody: secrets are masked."""
        if name == "database_url":
            return without_password(database_address(self.settings))
        value = state_directory(self.settings) if name == "state_dir" else self._value(name)
        match value:
            case SecretStr():
                return MASK
            case Path() | StrEnum():
                return str(value)
            case tuple():
                return [str(item) for item in value]
            case None | str() | int() | float():
                return value
            case _:
                raise AssertionError(f"{name} has a value of no known kind")

    def _value(self, name: str) -> object:
        value: object = getattr(self.settings, name)
        return value


def load_settings(flags: Mapping[str, object] | None = None) -> LoadedSettings:
    """Return the settings in force; a flag that is None was not given.

    Raises UsageError (`bad_setting`, `unknown_setting`, `bad_config_file`) that names the setting,
    where it came from, and what was expected. Never shows the value of a secret.
    """
    file = config_file()
    from_file = _file_values(file)
    from_environment = EnvSettingsSource(Settings)()
    from_flags = {name: value for name, value in (flags or {}).items() if value is not None}
    sources = {
        **dict.fromkeys(Settings.model_fields, Source(Origin.DEFAULT)),
        **dict.fromkeys(from_file, Source(Origin.FILE, str(file))),
        **{name: Source(Origin.ENVIRONMENT, variable_of(name)) for name in from_environment},
        **{name: Source(Origin.FLAG, flag_of(name)) for name in from_flags},
    }
    values = {**from_file, **from_environment, **from_flags}
    return LoadedSettings(_validated(values, sources), sources, _unknown_variables())


def variable_of(name: str) -> str:
    """Return the environment variable of a setting."""
    return ENVIRONMENT_PREFIX + name.upper()


def flag_of(name: str) -> str:
    """Return the flag of a setting, for the commands that have one."""
    return _SHORTER_FLAGS.get(name, "--" + name.replace("_", "-"))


def config_file() -> Path | None:
    """Return where the config file would be; None when the user has no directory for it."""
    directory = user_directory("XDG_CONFIG_HOME", ".config")
    return None if directory is None else directory / "driftpin" / CONFIG_FILE_NAME


def user_directory(variable: str, below_home: str) -> Path | None:
    """Return a directory of the XDG base directories; None without it and without a home."""
    named = Path(os.environ.get(variable, ""))
    if named.is_absolute():
        return named
    try:
        return Path.home() / below_home
    except RuntimeError:
        return None


def state_directory(settings: Settings) -> Path:
    """Return the directory for state, which may not exist yet; UsageError without a home."""
    if settings.state_dir is not None:
        return settings.state_dir
    directory = user_directory("XDG_STATE_HOME", ".local/state")
    if directory is None:
        raise UsageError(
            "There is no home directory for state; give one with --state or DRIFTPIN_STATE_DIR.",
            code="bad_setting",
            setting="state_dir",
        )
    return directory / "driftpin"


def database_address(settings: Settings) -> str:
    """Return the URL of the database: the one that was set, or the file in the state directory."""
    if settings.database_url is not None:
        return settings.database_url.get_secret_value()
    return f"sqlite:///{state_directory(settings) / DATABASE_FILE_NAME}"


def _file_values(file: Path | None) -> dict[str, object]:
    if file is None:
        return {}
    try:
        values = dict(TomlConfigSettingsSource(Settings, file)())
    except (OSError, ValueError) as failure:
        raise UsageError(
            f"The config file {str(file)!r} cannot be read: {failure}. Expected TOML.",
            code="bad_config_file",
            file=str(file),
        ) from failure
    for name in values:
        if name not in Settings.model_fields:
            raise _unknown_setting(name, file)
    return values


def _unknown_setting(name: str, file: Path) -> UsageError:
    near = get_close_matches(name, Settings.model_fields, n=1)
    hint = f"; did you mean {near[0]!r}?" if near else "; see `driftpin config` for what there is."
    return UsageError(
        f"The config file {str(file)!r} sets {name!r}, which is no setting{hint}",
        code="unknown_setting",
        setting=name,
        origin=str(Source(Origin.FILE, str(file))),
    )


def _unknown_variables() -> tuple[str, ...]:
    known = {variable_of(name) for name in Settings.model_fields}
    return tuple(
        sorted(
            name
            for name in os.environ
            if name.upper().startswith(ENVIRONMENT_PREFIX) and name.upper() not in known
        )
    )


def _validated(values: Mapping[str, object], sources: Mapping[str, Source]) -> Settings:
    try:
        return Settings.model_validate(dict(values))
    except ValidationError as failure:
        first = failure.errors(include_url=False, include_input=False)[0]
        name = str(first["loc"][0])
        raise _bad_setting(name, sources[name], _expectation(first)) from failure


def _expectation(error: ErrorDetails) -> str:
    message = error["msg"].removeprefix("Value error, ")
    return message[:1].lower() + message[1:]


def _bad_setting(name: str, source: Source, expectation: str) -> UsageError:
    return UsageError(
        f"The setting {name!r} from {source} cannot be used: {expectation}.",
        code="bad_setting",
        setting=name,
        origin=str(source),
        expected=expectation,
    )


__all__ = [
    "CONFIG_FILE_NAME",
    "DATABASE_FILE_NAME",
    "DEFAULT_PORT",
    "ENVIRONMENT_PREFIX",
    "LoadedSettings",
    "LogLevel",
    "Origin",
    "Settings",
    "Source",
    "config_file",
    "database_address",
    "flag_of",
    "load_settings",
    "state_directory",
    "user_directory",
    "variable_of",
]
