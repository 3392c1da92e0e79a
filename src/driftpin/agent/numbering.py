"""Which number a push gets: (incarnation, seq) is the order of an agent's states."""

from dataclasses import dataclass

from driftpin.identity import Digest
from driftpin.wire.agent import HelloReply


@dataclass(frozen=True, slots=True)
class Content:
    """What makes two pushes the same: the manifest's digest, and the observations as sent."""

    digest: Digest
    observations: str


class Numbering:
    """The numbers that one process uses under one incarnation.

    A number stays with its content until the server has answered. So the same content sent again
    after a lost answer is a `duplicate`, and one number never stands for two contents.
    """

    def __init__(self, incarnation: int, last_seq: int) -> None:
        self.incarnation = incarnation
        self._last_seq = last_seq
        self._in_doubt: Content | None = None

    @classmethod
    def after_hello(cls, reply: HelloReply, before: "Numbering | None") -> "Numbering":
        """Go on after the server's head if that is of this incarnation, else begin at 1.

        A process that says hello again keeps its incarnation and the numbers `before`: what it sent
        under them may still arrive.
        """
        head = reply.head
        is_own = head is not None and head.incarnation == reply.incarnation
        head_seq = head.seq if head is not None and is_own else 0
        if before is None or before.incarnation != reply.incarnation:
            return cls(reply.incarnation, head_seq)
        before.catch_up(head_seq)
        return before

    def seq_for(self, content: Content) -> int:
        """Return the number to send this content under."""
        if self._in_doubt != content:
            self._last_seq += 1
            self._in_doubt = content
        return self._last_seq

    def settle(self) -> None:
        """The server has answered: the next push takes a fresh number, whatever it holds."""
        self._in_doubt = None

    def catch_up(self, head_seq: int) -> None:
        """Go on after the server's head if it is further than this process knew."""
        if head_seq > self._last_seq:
            self.adopt(head_seq)

    def adopt(self, head_seq: int) -> None:
        """The number in doubt was taken, or overtaken; go on after the server's head."""
        self._last_seq = max(self._last_seq, head_seq)
        self._in_doubt = None


__all__ = ["Content", "Numbering"]
