"""Signing in without a token (spec/bad-input.md F19, G9, H6, H7, H11, H12; spec/trust.md §3)."""

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import httpx2
import pytest
from argon2 import PasswordHasher
from sqlalchemy import event

from door import Door, open_door, problem_of
from driftpin import limits
from driftpin.credentials import read_token
from driftpin.passwords import Passwords, hasher
from driftpin.server.services import Services
from driftpin.store.database import Database, Transaction
from driftpin.store.tables import metadata
from driftpin.store.writing.passwords import find_password_hash, keep_password
from people import People
from stepping import SteppedClock

PASSWORD = "correct horse"
OWN = "http://driftpin.test"
PAGE = {"Origin": OWN, "Sec-Fetch-Site": "same-origin"}
FOREIGN: tuple[dict[str, str], ...] = ({"Origin": "http://evil.test"}, {"Origin": "null"}, {})


class Counted(Passwords):
    """The real ones, noting what is asked of argon2."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []

    async def hash(self, password: str) -> str:
        self.asked.append("hash")
        return await super().hash(password)

    async def is_right(self, kept: str | None, password: str) -> bool:
        self.asked.append("check")
        return await super().is_right(kept, password)


def _counts(door: Door) -> list[str]:
    passwords = door.services.passwords
    assert isinstance(passwords, Counted)
    return passwords.asked


@contextmanager
def counted_statements(database: Database) -> Iterator[list[str]]:
    """Note the statements that reads and writes send to the database."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_rest: Any) -> None:
        seen.append(statement)

    engines = {database._reader.sync_engine, database._writer.sync_engine}
    for engine in engines:
        event.listen(engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        for engine in engines:
            event.remove(engine, "before_cursor_execute", note)


@pytest.fixture
async def door(services: Services, people: People) -> AsyncIterator[Door]:
    opened = open_door(replace(services, passwords=Counted()), people)
    yield opened
    await opened.http.aclose()


@pytest.fixture(scope="session")
def kept_password() -> str:
    """What is kept of the password; made once, for it takes long by design."""
    return hasher().hash(PASSWORD)


@pytest.fixture
async def people_of_a_page(door: Door, database: Database, kept_password: str) -> Door:
    """A door whose owner and administrator have a password."""

    async def keep(transaction: Transaction) -> None:
        for user in (door.people.owner, door.people.administrator):
            assert user.user_id is not None
            await keep_password(transaction, user.user_id, kept_password)

    await database.write(keep)
    return door


async def _sign_in(door: Door, name: str = "owner", password: str = PASSWORD) -> httpx2.Response:
    return await door.post(None, "/sign-in", {"name": name, "password": password})


async def _session(door: Door, name: str = "owner") -> dict[str, str]:
    """Return the header of a browser that has signed in."""
    response = await _sign_in(door, name)
    assert response.status_code == 200, response.text
    door.http.cookies.clear()
    return {"Cookie": response.headers["set-cookie"].partition(";")[0]}


async def _status(door: Door, cookie: dict[str, str], path: str = "/me") -> tuple[int, str]:
    response = await door.call(None, "GET", path, headers=cookie)
    return (200, "") if response.status_code == 200 else problem_of(response)


async def test_a_person_signs_in_reads_changes_and_signs_out(people_of_a_page: Door) -> None:
    door = people_of_a_page
    response = await _sign_in(door)
    door.http.cookies.clear()
    assert response.json()["user"]["name"] == "owner"
    attributes = response.headers["set-cookie"].lower().split("; ")
    assert {"httponly", "samesite=strict", "path=/"} <= set(attributes)
    assert "secure" not in attributes
    cookie = {"Cookie": response.headers["set-cookie"].partition(";")[0]}
    assert (await _status(door, cookie))[0] == 200
    made = await door.call(
        None, "POST", "/workspaces", {"name": "mine"}, headers={**cookie, **PAGE}
    )
    assert made.json()["owner_id"] == door.people.owner_id
    ended = await door.call(None, "POST", "/sign-out", headers={**cookie, **PAGE})
    assert ended.status_code == 204
    assert "max-age=0" in ended.headers["set-cookie"].lower()
    assert await _status(door, cookie) == (401, "unauthenticated")


async def test_over_tls_the_cookie_is_of_this_host_alone(people_of_a_page: Door) -> None:
    door = people_of_a_page
    body = {"name": "owner", "password": PASSWORD}
    response = await door.http.post("https://driftpin.test/api/v1/sign-in", json=body)
    set_cookie = response.headers["set-cookie"]
    assert set_cookie.startswith("__Host-driftpin=")
    assert {"secure", "httponly", "samesite=strict", "path=/"} <= set(
        set_cookie.lower().split("; ")
    )
    assert "domain" not in set_cookie.lower()
    door.http.cookies.clear()
    renamed = {"Cookie": set_cookie.partition(";")[0].removeprefix("__Host-")}
    told = await door.http.get("https://driftpin.test/api/v1/me", headers=renamed)
    assert problem_of(told) == (401, "unauthenticated")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_f19_a_session_changes_nothing_for_a_foreign_page(
    people_of_a_page: Door, method: str
) -> None:
    door = people_of_a_page
    cookie = await _session(door)
    chat = await door.chat()
    for foreign in FOREIGN:
        response = await door.call(
            None, method, f"/chats/{chat['id']}", {"title": "x"}, headers={**cookie, **foreign}
        )
        assert problem_of(response) == (403, "csrf")
    assert (await door.get(door.people.owner, f"/chats/{chat['id']}")).json() == chat


async def test_g9_a_browsers_stream_is_for_an_own_page_alone(people_of_a_page: Door) -> None:
    door = people_of_a_page
    cookie = await _session(door)
    chat = await door.chat()
    for path in ("/events?cursor=x", f"/chats/{chat['id']}/stream?turn=9"):
        for foreign in (*FOREIGN, {"Sec-Fetch-Site": "cross-site"}):
            response = await door.call(None, "GET", path, headers={**cookie, **foreign})
            assert problem_of(response) == (403, "csrf")
        for own in ({"Sec-Fetch-Site": "same-origin"}, {"Origin": OWN}):
            response = await door.call(None, "GET", path, headers={**cookie, **own})
            assert response.status_code in (400, 404)


async def test_h6_a_session_and_a_token_are_ambiguous(people_of_a_page: Door) -> None:
    door = people_of_a_page
    cookie = await _session(door)
    both = await door.call(door.people.owner, "GET", "/me", headers=cookie)
    assert problem_of(both) == (400, "ambiguous_auth")
    twice = {"Cookie": f"{cookie['Cookie']}; {cookie['Cookie']}"}
    assert await _status(door, twice) == (400, "ambiguous_auth")


async def test_a_session_is_no_token_and_a_token_no_session(people_of_a_page: Door) -> None:
    door = people_of_a_page
    secret = (await _session(door))["Cookie"].partition("=")[2]
    as_token = await door.http.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"})
    assert problem_of(as_token) == (401, "unauthenticated")
    token = await door.token_of(door.people.owner)
    assert await _status(door, {"Cookie": f"driftpin={token}"}) == (401, "unauthenticated")
    in_url = await door.http.get(f"/api/v1/me?x={secret}")
    assert problem_of(in_url) == (400, "token_in_url")


async def test_a_session_ends_by_itself(people_of_a_page: Door, clock: SteppedClock) -> None:
    cookie = await _session(people_of_a_page)
    clock.step(limits.SESSION_LIFETIME_S - 1)
    assert (await _status(people_of_a_page, cookie))[0] == 200
    clock.step(1)
    assert await _status(people_of_a_page, cookie) == (401, "unauthenticated")


async def test_sessions_are_listed_and_revoked_like_tokens(people_of_a_page: Door) -> None:
    door = people_of_a_page
    cookie = await _session(door)
    tokens = (await door.get(door.people.owner, "/tokens")).json()["items"]
    (session,) = [each for each in tokens if each["kind"] == "session"]
    revoked = await door.call(door.people.owner, "DELETE", f"/tokens/{session['id']}")
    assert revoked.status_code == 204
    assert await _status(door, cookie) == (401, "unauthenticated")


async def test_too_many_sessions_of_a_user_end_the_oldest(
    people_of_a_page: Door, clock: SteppedClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "SESSIONS_PER_USER_MAX", 2)
    cookies = []
    for _ in range(3):
        clock.step(1)
        cookies.append(await _session(people_of_a_page))
    statuses = [(await _status(people_of_a_page, cookie))[0] for cookie in cookies]
    assert statuses == [401, 200, 200]


async def test_another_password_ends_every_other_session(people_of_a_page: Door) -> None:
    door = people_of_a_page
    mine, elsewhere = await _session(door), await _session(door)
    path = f"/users/{door.people.owner_id}/password"
    body = {"password": "battery staple", "present": PASSWORD}
    changed = await door.call(None, "PUT", path, body, headers={**mine, **PAGE})
    assert changed.status_code == 204
    assert (await _status(door, mine))[0] == 200
    assert await _status(door, elsewhere) == (401, "unauthenticated")
    assert problem_of(await _sign_in(door)) == (401, "wrong_password")
    assert (await _sign_in(door, password="battery staple")).status_code == 200


async def test_an_own_password_is_changed_by_whoever_knows_it(people_of_a_page: Door) -> None:
    door, people = people_of_a_page, people_of_a_page.people
    path = f"/users/{people.owner_id}/password"
    for body in ({"password": "battery staple"}, {"password": "battery", "present": "a guess"}):
        refused = await door.call(people.owner, "PUT", path, {**body, "password": "long enough"})
        assert problem_of(refused) == (403, "wrong_password")
    for short in ("", "short"):
        body = {"password": short, "present": PASSWORD}
        refused = await door.call(people.owner, "PUT", path, body)
        assert problem_of(refused) == (422, "bad_password")
    by_administrator = {"password": "battery staple"}
    told = await door.call(people.administrator, "PUT", path, by_administrator)
    assert told.status_code == 204
    hidden = await door.call(people.other, "PUT", path, by_administrator)
    assert problem_of(hidden) == (404, "not_found")


@pytest.mark.parametrize("path", ["/sign-in", "/users/{owner}/password"])
async def test_h11_a_password_of_a_megabyte_is_413_before_hashing(
    people_of_a_page: Door, path: str
) -> None:
    door = people_of_a_page
    before = list(_counts(door))
    body = {"name": "owner", "password": "x" * 1_000_000}
    method = "POST" if path == "/sign-in" else "PUT"
    path = path.format(owner=door.people.owner_id)
    response = await door.call(door.people.owner, method, path, body)
    assert problem_of(response) == (413, "too_large")
    assert list(_counts(door)) == before


async def test_h12_a_wrong_name_and_a_wrong_password_get_the_same_after_the_same_work(
    people_of_a_page: Door, database: Database
) -> None:
    door = people_of_a_page
    answers, works = [], []
    # The other user has no password, and nobody has the last name.
    for name in ("owner", "other", "nobody"):
        _counts(door).clear()
        with counted_statements(database) as statements:
            response = await _sign_in(door, name, "a wrong password")
        assert problem_of(response) == (401, "wrong_password")
        answers.append((response.content, response.headers))
        works.append((list(_counts(door)), len(statements)))
    assert answers[0] == answers[1] == answers[2]
    assert works[0] == works[1] == works[2]
    assert works[0][0] == ["check"]


async def test_h7_many_bad_passwords_are_429_before_hashing(people_of_a_page: Door) -> None:
    door = people_of_a_page
    for number in range(limits.BAD_CREDENTIALS_BURST_MAX - 1):
        door.services.gate.count_bad_password("127.0.0.1", f"name {number}")
    assert problem_of(await _sign_in(door, "nobody", "guess")) == (401, "wrong_password")
    _counts(door).clear()
    refused = await _sign_in(door)
    assert problem_of(refused) == (429, "rate_limited")
    assert int(refused.headers["retry-after"]) >= 1
    assert _counts(door) == []


async def test_h7_one_name_is_not_guessed_from_many_addresses(people_of_a_page: Door) -> None:
    gate = people_of_a_page.services.gate
    for number in range(limits.BAD_PASSWORDS_PER_NAME_BURST_MAX):
        gate.count_bad_password(f"192.0.2.{number}", "owner")
    assert problem_of(await _sign_in(people_of_a_page)) == (429, "rate_limited")
    assert (await _sign_in(people_of_a_page, "administrator")).status_code == 200


async def test_t15_a_password_kept_with_weaker_parameters_is_kept_anew(
    people_of_a_page: Door, database: Database
) -> None:
    weaker = PasswordHasher(time_cost=1, memory_cost=1024, parallelism=1).hash(PASSWORD)
    owner_id = people_of_a_page.people.owner_id

    async def weaken(transaction: Transaction) -> None:
        await keep_password(transaction, owner_id, weaker)

    async def kept(transaction: Transaction) -> str | None:
        return await find_password_hash(transaction, owner_id)

    await database.write(weaken)
    assert (await _sign_in(people_of_a_page)).status_code == 200
    renewed = await database.write(kept)
    assert renewed is not None
    assert not people_of_a_page.services.passwords.is_outdated(renewed)
    people_of_a_page.http.cookies.clear()
    assert (await _sign_in(people_of_a_page)).status_code == 200


async def _link(door: Door) -> str:
    made = await door.post(door.people.owner, "/login-links")
    assert made.status_code == 201
    path: str = made.json()["path"]
    return path


async def test_a_link_signs_a_browser_in_once(door: Door) -> None:
    path = await _link(door)
    page = await door.http.get(path)
    assert page.headers["content-type"].startswith("text/html")
    assert "script" not in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert "dp_l_" not in page.text
    signed_in = await door.http.post(path, headers=PAGE)
    assert (signed_in.status_code, signed_in.headers["location"]) == (303, "/")
    cookie = {"Cookie": signed_in.headers["set-cookie"].partition(";")[0]}
    door.http.cookies.clear()
    assert (await _status(door, cookie))[0] == 200
    again = await door.http.post(path, headers=PAGE)
    assert problem_of(again) == (401, "unauthenticated")
    assert "set-cookie" not in again.headers


async def test_a_link_is_good_for_a_short_while_and_for_nothing_else(
    door: Door, clock: SteppedClock
) -> None:
    path = await _link(door)
    secret = path.rpartition("/")[2]
    bearer = await door.http.get("/api/v1/me", headers={"Authorization": f"Bearer {secret}"})
    assert problem_of(bearer) == (401, "unauthenticated")
    assert await _status(door, {"Cookie": f"driftpin={secret}"}) == (401, "unauthenticated")
    token = await door.token_of(door.people.owner)
    assert problem_of(await door.http.post(f"/sign-in/{token}"))[0] == 404
    clock.step(limits.LOGIN_LINK_LIFETIME_S)
    assert problem_of(await door.http.post(path, headers=PAGE))[0] == 401


async def test_a_foreign_page_cannot_sign_a_browser_in(people_of_a_page: Door) -> None:
    door = people_of_a_page
    foreign = {"Origin": "http://evil.test", "Sec-Fetch-Site": "cross-site"}
    path = await _link(door)
    assert problem_of(await door.http.post(path, headers=foreign)) == (403, "csrf")
    body = {"name": "owner", "password": PASSWORD}
    told = await door.call(None, "POST", "/sign-in", body, headers=foreign)
    assert problem_of(told) == (403, "csrf")


async def test_what_is_kept_holds_no_secret_of_a_browser(
    people_of_a_page: Door, database: Database
) -> None:
    secret = (await _session(people_of_a_page))["Cookie"].partition("=")[2]
    code = (await _link(people_of_a_page)).rpartition("/")[2]
    async with database.read() as connection:
        rows = [
            str(tuple(row))
            for table in metadata.sorted_tables
            for row in await connection.execute(table.select())
        ]
    kept = "\n".join(rows)
    assert read_token(secret).secret_digest in kept
    for each in (secret, code, PASSWORD):
        assert each not in kept
