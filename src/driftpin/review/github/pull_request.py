"""Which pull request is meant, and at which addresses its forge is reached."""

import re
from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

from driftpin.errors import UsageError

_NAME: Final = r"[A-Za-z0-9][A-Za-z0-9._-]{0,99}"
_REPOSITORY: Final = re.compile(rf"({_NAME})/({_NAME})")
_NUMBER: Final = re.compile(r"#?([1-9][0-9]{0,9})")
_PATH: Final = re.compile(rf"/({_NAME})/({_NAME})/pull/([1-9][0-9]{{0,9}})(?:/[a-z]+)?/?")
# The forms in which git knows a repository of a forge: https, ssh, and ssh in short.
_REMOTE: Final = re.compile(
    rf"(?:https://(?:[^/@]+@)?|ssh://(?:[^/@]+@)?|[^/@:]+@)([^/:]+)(?::\d+)?[/:]"
    rf"({_NAME})/({_NAME}?)(?:\.git)?/?"
)
_LOOPBACK: Final = frozenset({"127.0.0.1", "localhost", "::1"})
_PUBLIC_SITE: Final = "https://github.com"
_PUBLIC_API: Final = "https://api.github.com"


@dataclass(frozen=True, slots=True)
class Forge:
    """The addresses of one GitHub: where people look, and where programs ask."""

    site: str
    api: str

    @property
    def host(self) -> str:
        """The host in addresses of pull requests and of remotes."""
        return urlsplit(self.site).hostname or ""


def forge_at(site: str | None, api: str | None) -> Forge:
    """Return the forge that the environment names, or the public one.

    Raises UsageError (`bad_forge`) unless a token may be sent there: over TLS, or to this machine.
    """
    found = Forge((site or _PUBLIC_SITE).rstrip("/"), (api or _PUBLIC_API).rstrip("/"))
    for address in (found.site, found.api):
        parts = urlsplit(address)
        is_safe = parts.scheme == "https" or parts.hostname in _LOOPBACK
        if not is_safe or not parts.hostname or parts.username or parts.query:
            raise UsageError(f"{address!r} is no address that a token goes to.", code="bad_forge")
    return found


@dataclass(frozen=True, slots=True)
class PullRequest:
    """One pull request of one repository."""

    owner: str
    repository: str
    number: int

    @property
    def target(self) -> str:
        """The name under which its review is kept. Names are compared without case, as there."""
        return f"github:{self.owner}/{self.repository}#{self.number}".lower()

    @property
    def path(self) -> str:
        """The beginning of its repository's calls."""
        return f"/repos/{self.owner}/{self.repository}"


def is_pull_request(text: str) -> bool:
    """Whether a text names a pull request, and not a range."""
    return text.startswith("https://") or _NUMBER.fullmatch(text) is not None


def pull_request_of(text: str, forge: Forge, repository: str | None) -> PullRequest:
    """Return the pull request that an address or a number names.

    `repository` is the `owner/name` that a bare number is of. An address of another host than the
    forge's is refused (UsageError `other_forge`): the token is not for it.
    """
    numbered = _NUMBER.fullmatch(text)
    if numbered is not None:
        owner, name = repository_name(repository or "")
        return PullRequest(owner, name, int(numbered[1]))
    parts = urlsplit(text)
    if (parts.hostname or "").lower() != forge.host.lower():
        raise UsageError(
            f"{text!r} is not on {forge.host}; GITHUB_SERVER_URL and GITHUB_API_URL name another.",
            code="other_forge",
        )
    found = _PATH.fullmatch(parts.path)
    if found is None:
        raise UsageError(f"{text!r} is no pull request.", code="bad_pull_request")
    return PullRequest(found[1], found[2], int(found[3]))


def repository_name(text: str) -> tuple[str, str]:
    """Return owner and name; UsageError (`bad_pull_request`) where it is not known."""
    found = _REPOSITORY.fullmatch(text)
    if found is None:
        raise UsageError(
            "Which repository is the number of? Write its address, or add a remote of the forge.",
            code="bad_pull_request",
        )
    return found[1], found[2]


def repository_of_remote(url: str, forge: Forge) -> str | None:
    """Return the `owner/name` that a remote's address means on this forge."""
    found = _REMOTE.fullmatch(url)
    if found is None or found[1].lower() != forge.host.lower():
        return None
    return f"{found[2]}/{found[3]}"


__all__ = [
    "Forge",
    "PullRequest",
    "forge_at",
    "is_pull_request",
    "pull_request_of",
    "repository_name",
    "repository_of_remote",
]
