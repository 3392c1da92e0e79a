"""How many sockets a server holds, in all and from one address, and how long a request may take."""

import resource
from collections import Counter
from dataclasses import dataclass, field
from ipaddress import IPv4Network, IPv6Network, ip_address

from driftpin import limits
from driftpin.errors import DriftpinError, RateLimited, Unavailable

Network = IPv4Network | IPv6Network


@dataclass(frozen=True, slots=True)
class Pace:
    """How slow a sender may be."""

    head_s: float = limits.REQUEST_HEAD_TIMEOUT_S
    body_pause_s: float = limits.REQUEST_BODY_PAUSE_MAX_S
    body_s: float = limits.REQUEST_BODY_TIMEOUT_S


@dataclass(slots=True)
class Sockets:
    """The open sockets of one server; those of `proxies` are counted in all only."""

    proxies: tuple[Network, ...] = ()
    pace: Pace = Pace()
    at_once_max: int = limits.CONNECTIONS_MAX
    per_address_max: int = limits.CONNECTIONS_PER_ADDRESS_MAX
    # Those that were refused, and stay until their sender has read that.
    lingering: int = 0
    _open: Counter[str] = field(default_factory=Counter)
    _count: int = 0

    @property
    def count(self) -> int:
        """How many sockets are open."""
        return self._count

    def enter(self, address: str) -> DriftpinError | None:
        """Count a socket that was opened, or return why it is to be closed again."""
        if self._count >= min(self.at_once_max, _handles() - limits.HANDLES_KEPT):
            return Unavailable("Too many connections are open.", code="too_many_connections")
        if self._open[address] >= self.per_address_max and not self._is_proxy(address):
            return RateLimited(
                "Too many connections are open from there.", code="too_many_connections"
            )
        self._open[address] += 1
        self._count += 1
        return None

    def leave(self, address: str) -> None:
        """Count a socket that was closed."""
        self._open[address] -= 1
        self._count -= 1
        if not self._open[address]:
            del self._open[address]

    def _is_proxy(self, address: str) -> bool:
        try:
            return any(ip_address(address) in network for network in self.proxies)
        except ValueError:
            return False


def _handles() -> int:
    # Asked every time: whoever runs the server may change it, and storage needs some of them.
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def take_all_handles() -> None:
    """Let this process open as many files as the system allows it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


__all__ = ["Network", "Pace", "Sockets", "take_all_handles"]
