"""What many commands take: where the server is, whose state directory, and in which form to show.

Nothing here imports more than Typer; whatever a command needs it imports when it runs.
"""

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import Annotated, Concatenate, ParamSpec

import typer

Parameters = ParamSpec("Parameters")

JsonFlag = Annotated[bool, typer.Option("--json", help="Write JSON, for programs.")]
YesFlag = Annotated[bool, typer.Option("--yes", "-y", help="Do it without asking.")]
UrlOption = Annotated[str | None, typer.Option(help="Address of the server.")]
TokenOption = Annotated[
    str | None, typer.Option(help="Your token; others can see it there, so prefer DRIFTPIN_TOKEN.")
]
StateOption = Annotated[
    str | None, typer.Option("--state", help="State directory.", metavar="STATE_DIR")
]
LogOption = Annotated[
    str | None, typer.Option("--log-level", help="debug, info, warning or error.")
]
DirectoryArgument = Annotated[Path, typer.Argument(help="The workspace's directory.")]
ChatArgument = Annotated[
    str,
    typer.Argument(
        help="An id, its unique beginning or end, or `last` for this directory's newest chat.",
        metavar="CHAT",
    ),
]


@dataclass(frozen=True, slots=True)
class Reach:
    """Which server, which token and which state directory the flags named; None if none did."""

    url: str | None = None
    token: str | None = None
    state_dir: str | None = None
    log_level: str | None = None

    def flags(self) -> dict[str, object]:
        """Return the flags by the names of their settings."""
        return {
            "url": self.url,
            "token": self.token,
            "state_dir": self.state_dir,
            "log_level": self.log_level,
        }


_REACH_OPTIONS = {
    "url": UrlOption,
    "token": TokenOption,
    "state_dir": StateOption,
    "log_level": LogOption,
}


def reaching(
    command: Callable[Concatenate[Reach, Parameters], None],
) -> Callable[..., None]:
    """Give a command `--url`, `--token`, `--state` and `--log-level`, as its first argument."""

    @wraps(command)
    def with_options(*arguments: Parameters.args, **options: Parameters.kwargs) -> None:
        named = {name: options.pop(name, None) for name in _REACH_OPTIONS}
        texts = {name: None if text is None else str(text) for name, text in named.items()}
        command(Reach(**texts), *arguments, **options)

    signature = inspect.signature(command)
    own = list(signature.parameters.values())[1:]
    added = [
        inspect.Parameter(name, inspect.Parameter.KEYWORD_ONLY, default=None, annotation=option)
        for name, option in _REACH_OPTIONS.items()
    ]
    with_options.__signature__ = signature.replace(  # type: ignore[attr-defined] # read by Typer
        parameters=[*own, *added]
    )
    with_options.__annotations__ = {
        parameter.name: parameter.annotation for parameter in (*own, *added)
    }
    return with_options


__all__ = [
    "ChatArgument",
    "DirectoryArgument",
    "JsonFlag",
    "LogOption",
    "Reach",
    "StateOption",
    "TokenOption",
    "UrlOption",
    "YesFlag",
    "reaching",
]
