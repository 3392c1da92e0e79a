"""What is read of an account beside what anybody may see of it."""

from dataclasses import dataclass

from driftpin.store.values import UserRow


@dataclass(frozen=True, slots=True)
class UserPassword:
    """A user with what is kept of its password, None if it has none."""

    user: UserRow
    password_hash: str | None


__all__ = ["UserPassword"]
