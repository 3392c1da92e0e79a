"""What Amazon Bedrock asks for beside a name: a region, and a key in one of two forms.

All of it comes from the environment of the server, under the names that everybody uses. Profiles
and other files in `~/.aws`, and what a machine in a cloud gives out by itself, are not looked at:
whom a turn is charged to is said, never found.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

BEARER: Final = "AWS_BEARER_TOKEN_BEDROCK"
KEY_ID: Final = "AWS_ACCESS_KEY_ID"
SECRET: Final = "AWS_SECRET_ACCESS_KEY"  # noqa: S105 (the name of a variable)
SESSION_TOKEN: Final = "AWS_SESSION_TOKEN"  # noqa: S105 (the same)
REGIONS: Final = ("AWS_REGION", "AWS_DEFAULT_REGION")
URLS: Final = ("AWS_ENDPOINT_URL_BEDROCK_RUNTIME", "AWS_ENDPOINT_URL")


@dataclass(frozen=True, slots=True)
class AwsAccess:
    """A region, and an API key or else a signing key; never shown, so it has no readable form."""

    region: str
    api_key: str = ""
    key_id: str = ""
    secret: str = ""
    session_token: str = ""

    def __repr__(self) -> str:
        return f"AwsAccess({self.region})"


def missing_variable(environment: Mapping[str, str]) -> str:
    """Return the variable that should be set and is not, or nothing. An API key needs no other."""
    if not environment.get(BEARER):
        for name in (KEY_ID, SECRET):
            if not environment.get(name):
                return name
    return "" if _first(REGIONS, environment) else REGIONS[0]


def aws_access(environment: Mapping[str, str]) -> AwsAccess:
    """Return the access; nothing may be missing. An API key goes before a signing key."""
    region = _first(REGIONS, environment)
    if api_key := environment.get(BEARER):
        return AwsAccess(region, api_key=api_key)
    return AwsAccess(
        region,
        key_id=environment[KEY_ID],
        secret=environment[SECRET],
        session_token=environment.get(SESSION_TOKEN, ""),
    )


def endpoint_url(environment: Mapping[str, str]) -> str | None:
    """Return where Bedrock is asked instead of at the region's own address."""
    return _first(URLS, environment) or None


def _first(names: tuple[str, ...], environment: Mapping[str, str]) -> str:
    return next((environment[name] for name in names if environment.get(name)), "")


__all__ = [
    "BEARER",
    "KEY_ID",
    "REGIONS",
    "SECRET",
    "SESSION_TOKEN",
    "URLS",
    "AwsAccess",
    "aws_access",
    "endpoint_url",
    "missing_variable",
]
