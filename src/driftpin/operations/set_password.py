"""Give a user a password, or another one."""

from driftpin import limits
from driftpin.errors import Forbidden, Rejected
from driftpin.identity import WORKER, Actor, Digest, UserId
from driftpin.passwords import Passwords
from driftpin.store.access import require_user
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.writing.audit import record_audit
from driftpin.store.writing.passwords import find_password_hash, keep_password
from driftpin.store.writing.sessions import drop_sessions


async def set_password(
    store: Store,
    actor: Actor,
    passwords: Passwords,
    user_id: UserId,
    password: str,
    *,
    present: str | None = None,
    kept_session: Digest | None = None,
) -> None:
    """Keep the password and end every session of the user but `kept_session`.

    For the user, who shows the `present` one where there is one, and for administrators. Raises
    Forbidden (`wrong_password`), and Rejected (`bad_password`) for too short or too long a one.
    """
    require_user(actor)
    user = await store.get_user(actor, user_id)
    _check_length(password)
    found = await store.find_password(WORKER, user.name)
    before = None if found is None else found.password_hash
    needs_present = actor.user_id == user_id and before is not None
    if needs_present and not await passwords.is_right(before, present or ""):
        raise _wrong_password()
    fresh = await passwords.hash(password)

    async def operation(transaction: Transaction) -> None:
        if needs_present and await find_password_hash(transaction, user_id) != before:
            raise _wrong_password()
        await keep_password(transaction, user_id, fresh)
        await drop_sessions(transaction, user_id, kept_session)
        await record_audit(transaction, actor, "set_password", f"user:{user_id}")

    await store.database.write(operation)


def _check_length(password: str) -> None:
    least, most = limits.PASSWORD_CHARACTERS_MIN, limits.PASSWORD_CHARACTERS_MAX
    if not least <= len(password) <= most:
        raise Rejected(
            f"A password has {least} to {most} characters.",
            code="bad_password",
            field="password",
            characters_min=least,
            characters_max=most,
        )


def _wrong_password() -> Forbidden:
    return Forbidden("The present password is wrong.", code="wrong_password")


__all__ = ["set_password"]
