"""A way to PostgreSQL on which only the word of commits is lost, doubled or late.

Frames of the protocol are told apart (a type byte and a length), so everything else passes as it
is. Notifications are frames of type `A`.
"""

import asyncio
import struct
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from sqlalchemy import make_url

from tcp_proxy import Plan, Target, TcpProxy

NOTIFICATION = ord("A")


class Fate(StrEnum):
    """What becomes of a notification."""

    PASSED = "passed"
    DROPPED = "dropped"
    DOUBLED = "doubled"
    LATE = "late"


@dataclass(slots=True)
class Notifications:
    """What happens to notifications on every connection, and how many met it."""

    fate: Fate = Fate.PASSED
    met: int = 0
    released: asyncio.Event = field(default_factory=asyncio.Event)

    def plan(self) -> Plan:
        """Return the plan of one connection."""
        return _NotifyPlan(self)


@dataclass(slots=True)
class _NotifyPlan(Plan):
    rules: Notifications
    _rest: bytes = b""

    async def to_client(self, chunk: bytes) -> bytes:
        """Return whole frames, notifications as the rules say."""
        self._rest += chunk
        passed = b""
        while (frame := self._take()) is not None:
            passed += await self._treat(frame) if frame[0] == NOTIFICATION else frame
        return passed

    def _take(self) -> bytes | None:
        if len(self._rest) < 5:
            return None
        length = 1 + struct.unpack(">I", self._rest[1:5])[0]
        if len(self._rest) < length:
            return None
        frame, self._rest = self._rest[:length], self._rest[length:]
        return frame

    async def _treat(self, frame: bytes) -> bytes:
        if self.rules.fate is Fate.PASSED:
            return frame
        self.rules.met += 1
        match self.rules.fate:
            case Fate.DROPPED:
                return b""
            case Fate.DOUBLED:
                return frame + frame
            case _:
                await self.rules.released.wait()
                return frame


def socket_of(url: str) -> Target:
    """Return the Unix socket that a URL of a test's own PostgreSQL names."""
    directory = make_url(url).query["host"]
    assert isinstance(directory, str)
    return Path(directory) / ".s.PGSQL.5432"


def url_through(proxy: TcpProxy, url: str) -> str:
    """Return the same database behind a proxy."""
    through = make_url(url).set(host="127.0.0.1", port=proxy.port, query={"ssl": "disable"})
    return through.render_as_string(hide_password=False)
