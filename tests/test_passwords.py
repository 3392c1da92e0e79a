"""How passwords are kept (spec/trust.md T15)."""

import subprocess
import sys

import pytest
from argon2 import PasswordHasher, Type, extract_parameters
from argon2.profiles import RFC_9106_LOW_MEMORY

from driftpin import limits
from driftpin.errors import RateLimited
from driftpin.passwords import Passwords


async def test_t15_what_is_kept_is_no_weaker_than_what_is_recommended() -> None:
    kept = extract_parameters(await Passwords().hash("correct horse"))
    assert kept.type is Type.ID
    assert kept.time_cost >= RFC_9106_LOW_MEMORY.time_cost
    assert kept.memory_cost >= RFC_9106_LOW_MEMORY.memory_cost
    assert kept.parallelism >= RFC_9106_LOW_MEMORY.parallelism
    assert kept.salt_len >= 16
    assert kept.hash_len >= 32


async def test_only_the_password_itself_is_right_and_two_are_kept_differently() -> None:
    passwords = Passwords()
    first, second = [await passwords.hash("correct horse") for _ in range(2)]
    assert first != second
    assert "horse" not in first
    assert await passwords.is_right(first, "correct horse")
    for wrong in ("correct hors", "Correct horse", "", "correct horse "):
        assert not await passwords.is_right(first, wrong)


async def test_the_same_letters_of_another_keyboard_are_right() -> None:
    passwords = Passwords()
    kept = await passwords.hash("pass\N{LATIN SMALL LETTER O WITH DIAERESIS}rd")
    assert await passwords.is_right(kept, "passo\N{COMBINING DIAERESIS}rd")


async def test_nothing_is_right_where_nothing_is_kept() -> None:
    passwords = Passwords()
    assert not await passwords.is_right(None, "")
    assert not await passwords.is_right(None, passwords._nobodys or "")


async def test_t15_what_was_kept_with_weaker_parameters_is_outdated() -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash("correct horse")
    passwords = Passwords()
    assert passwords.is_outdated(weaker)
    assert await passwords.is_right(weaker, "correct horse")
    assert not passwords.is_outdated(await passwords.hash("correct horse"))


async def test_passwords_that_wait_are_bounded() -> None:
    passwords = Passwords()
    passwords._under_way = limits.PASSWORD_CHECKS_WAITING_MAX
    with pytest.raises(RateLimited):
        await passwords.hash("correct horse")


def test_a_process_that_sees_no_password_loads_no_argon2() -> None:
    asked = "import driftpin.server.app, sys; sys.exit('argon2' in sys.modules)"
    ended = subprocess.run([sys.executable, "-c", asked], check=False, timeout=60)
    assert ended.returncode == 0
