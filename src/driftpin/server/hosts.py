"""Which Host headers and Origins are a server's own.

A web page can make a browser call this server under a name that the page's author owns (DNS
rebinding), and then reads the answers as its own. A name that is ours cannot be owned by a page.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass
from typing import Final

LOCAL_NAMES: Final = frozenset({"localhost", "127.0.0.1", "[::1]"})
ANY: Final = "*"
AUTHORITY: Final = re.compile(r"(\[[0-9a-f:.]{2,45}\]|[a-z0-9._-]{1,253})(?::([0-9]{1,5}))?")
ORIGIN: Final = re.compile(r"(https?)://([^/?#@]+)")
DEFAULT_PORTS: Final = {"http": "80", "https": "443"}


@dataclass(frozen=True, slots=True)
class HostRule:
    """The names that a server answers to.

    `names` are accepted with any port and `authorities` as they stand; None accepts every name.
    Pages of the Host that a request names may call, and those of `authorities`.
    """

    names: frozenset[str] | None = None
    authorities: frozenset[str] = frozenset()
    is_local: bool = False

    def is_own_host(self, host: str) -> bool:
        """Whether a request with this Host header is meant for us."""
        matched = AUTHORITY.fullmatch(host.lower())
        if matched is None:
            return False
        is_known = host.lower() in self.authorities
        return self.names is None or is_known or matched.group(1) in self.names

    def is_own_origin(self, origin: str, host: str, scheme: str) -> bool:
        """Whether a page of this Origin is one of ours, for a request with this Host header."""
        matched = ORIGIN.fullmatch(origin.lower())
        if matched is None or (scheme == "https" and matched.group(1) != "https"):
            return False
        suffix = ":" + DEFAULT_PORTS[matched.group(1)]
        authority = matched.group(2).removesuffix(suffix)
        return authority == host.lower().removesuffix(suffix) or authority in self.authorities


EVERY_HOST: Final = HostRule()


def host_rule(host: str, allowed: tuple[str, ...] | None) -> HostRule:
    """Return the rule of a server that listens on `host`; `allowed` adds names, `*` every one.

    A server that listens for this machine alone answers to the machine's own names. Another one
    answers to every name unless it was told its own: a proxy in front may name it anyhow, and each
    of its answers takes a credential that a page of another name does not have.
    """
    told = frozenset(name.lower() for name in allowed or ())
    is_local = is_loopback(host)
    if ANY in told or (not is_local and not told):
        return HostRule(authorities=told - {ANY}, is_local=is_local)
    own = {_written(host.lower()), socket.gethostname().lower()}
    return HostRule(frozenset(LOCAL_NAMES | own | told), told, is_local)


def is_loopback(host: str) -> bool:
    """Whether an address to listen on is reached from this machine alone."""
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def _written(host: str) -> str:
    return f"[{host}]" if ":" in host else host


__all__ = ["EVERY_HOST", "HostRule", "host_rule", "is_loopback"]
