"""Which server a command talks to, and with which token.

An address that was set wins, then the server that was signed in to, then the one that `driftpin up`
started from this state directory. A remembered token goes to no address but its own.
"""

from dataclasses import dataclass
from typing import Final

from driftpin.cli.options import Reach
from driftpin.cli.remembered import KnownServer, Remembered
from driftpin.errors import Unauthenticated, Unreachable
from driftpin.settings import LoadedSettings, load_settings, state_directory

_LOGIN: Final = "login"
_UP: Final = "up"


@dataclass(frozen=True, slots=True)
class Target:
    """A server's address and a token for it; `told_by` says which place named the address."""

    url: str
    token: str
    told_by: str


def get_target(reach: Reach) -> Target:
    """Return the server to talk to; Unreachable without one, Unauthenticated without a token."""
    loaded = load_settings(reach.flags())
    remembered = Remembered(state_directory(loaded.settings))
    known = _known_servers(remembered)
    url = loaded.settings.url
    if url is not None:
        stored = next((server.token for _, server in known if server.url == url), None)
        return Target(url, _token(loaded, stored), str(loaded.sources["url"]))
    if not known:
        raise Unreachable(
            "No server is known here. Start one with `driftpin up`, sign in to one with"
            " `driftpin login URL`, or set DRIFTPIN_URL."
        )
    told_by, server = known[0]
    return Target(server.url, _token(loaded, server.token), told_by)


def _known_servers(remembered: Remembered) -> list[tuple[str, KnownServer]]:
    found = ((_LOGIN, remembered.find_login()), (_UP, remembered.find_server()))
    return [(told_by, server) for told_by, server in found if server is not None]


def _token(loaded: LoadedSettings, stored: str | None) -> str:
    if loaded.settings.token is not None:
        return loaded.settings.token.get_secret_value()
    if stored is None:
        raise Unauthenticated
    return stored


__all__ = ["Target", "get_target"]
