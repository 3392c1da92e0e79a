"""A proxy's plan that cuts a connection to PostgreSQL around a COMMIT."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum

from tcp_proxy import Cut, Plan

COMMIT = b"COMMIT;"


def pass_over() -> None:
    """Do nothing more at a cut."""


class Moment(StrEnum):
    """When the connection is cut."""

    BEFORE_IT_IS_SENT = "before it is sent"
    BEFORE_ITS_REPLY = "before its reply"


@dataclass(slots=True)
class CommitCutter:
    """Makes plans for a proxy; while `is_armed` the next COMMIT costs its connection."""

    moment: Moment
    is_armed: bool = False
    cuts: Counter[Moment] = field(default_factory=Counter)
    on_cut: Callable[[], None] = pass_over

    def plan(self) -> Plan:
        """Return the plan of one connection."""
        return _CommitPlan(self)

    def cut(self) -> Cut:
        """Use the one cut up."""
        self.is_armed = False
        self.cuts[self.moment] += 1
        self.on_cut()
        return Cut()


@dataclass(slots=True)
class _CommitPlan(Plan):
    cutter: CommitCutter
    has_sent: bool = False

    async def to_server(self, chunk: bytes) -> bytes:
        if COMMIT in chunk and self.cutter.is_armed:
            if self.cutter.moment is Moment.BEFORE_IT_IS_SENT:
                raise self.cutter.cut()
            self.has_sent = True
        return chunk

    async def to_client(self, chunk: bytes) -> bytes:
        # Any reply behind the COMMIT is the reply to it; its bytes never arrive.
        if self.has_sent:
            raise self.cutter.cut()
        return chunk


__all__ = ["CommitCutter", "Moment"]
