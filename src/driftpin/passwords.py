"""Passwords: argon2id, away from the event loop, a few at a time.

Checking one takes as long, and does the same work, whether there is a password to check or not.
"""

import asyncio
import secrets
import unicodedata
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from driftpin import limits
from driftpin.errors import RateLimited

if TYPE_CHECKING:
    from argon2 import PasswordHasher

Result = TypeVar("Result")


class Passwords:
    """Hashes and checks passwords; one per process, so that its bounds hold."""

    def __init__(self) -> None:
        """Start without having loaded anything: most processes never see a password."""
        self._places = asyncio.Semaphore(limits.PASSWORD_CHECKS_AT_ONCE_MAX)
        self._under_way = 0
        self._nobodys: str | None = None

    async def hash(self, password: str) -> str:
        """Return what is kept of a password; raises RateLimited when too many wait."""
        return await self._carry_out(lambda: hasher().hash(_written(password)))

    async def is_right(self, kept: str | None, password: str) -> bool:
        """Whether this is the password of which `kept` was kept; never for None.

        Raises RateLimited when too many wait.
        """
        return await self._carry_out(lambda: self._is_right(kept, password))

    def is_outdated(self, kept: str) -> bool:
        """Whether `kept` was made with other parameters than would be used now."""
        return hasher().check_needs_rehash(kept)

    def _is_right(self, kept: str | None, password: str) -> bool:
        from argon2.exceptions import VerificationError

        if self._nobodys is None:
            self._nobodys = hasher().hash(secrets.token_hex())
        try:
            hasher().verify(self._nobodys if kept is None else kept, _written(password))
        except VerificationError:
            return False
        return kept is not None

    async def _carry_out(self, work: Callable[[], Result]) -> Result:
        if self._under_way >= limits.PASSWORD_CHECKS_WAITING_MAX:
            raise RateLimited("Too many passwords are being checked; try again shortly.")
        self._under_way += 1
        try:
            async with self._places:
                return await asyncio.to_thread(work)
        finally:
            self._under_way -= 1


def hasher() -> "PasswordHasher":
    """Return argon2id with the parameters in `limits`."""
    from argon2 import PasswordHasher, Type

    return PasswordHasher(
        time_cost=limits.PASSWORD_TIME_COST,
        memory_cost=limits.PASSWORD_MEMORY_KIB,
        parallelism=limits.PASSWORD_LANES,
        type=Type.ID,
    )


def _written(password: str) -> str:
    # Two keyboards may write the same letters in two ways.
    return unicodedata.normalize("NFC", password)


__all__ = ["Passwords", "hasher"]
