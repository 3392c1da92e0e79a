"""Who is let in (spec/bad-input.md H1-H6, H10, G10)."""

import pytest

from door import Door, problem_of
from driftpin.credentials import TokenKind, mint_token, read_token
from driftpin.identity import NOBODY, WORKER, TokenId
from driftpin.operations.create_login_link import create_login_link
from driftpin.operations.create_user_token import create_user_token
from driftpin.operations.revoke_token import revoke_token
from driftpin.operations.use_login_link import use_login_link
from driftpin.store.database import Database
from stepping import SteppedClock


async def me(door: Door, *authorizations: str | bytes) -> tuple[int, str, bytes]:
    headers = [
        (b"Authorization", value if isinstance(value, bytes) else value.encode())
        for value in authorizations
    ]
    response = await door.http.get("/api/v1/me", headers=headers)
    status, code = problem_of(response)
    return status, code, response.content


async def test_h1_no_token_is_401_and_told_how(door: Door) -> None:
    response = await door.get(None, "/me")
    assert problem_of(response) == (401, "unauthenticated")
    assert response.headers["www-authenticate"].startswith("Bearer")


@pytest.mark.parametrize(
    "sent",
    [
        "Bearer x",
        "Bearer",
        "Bearer ",
        "Basic dXNlcjpwYXNz",
        "dp_u_" + "a" * 48,
        "Bearer dp_u_" + "a" * 48,
        "Bearer dp_x_" + "a" * 48,
        "Bearer  {token}",
        "Bearer {token} ",
        "Bearer {token}x",
        "Bearer {token}\t",
        "Bearer é",
    ],
)
async def test_h2_a_bad_shape_or_checksum_is_401_without_a_look_up(
    door: Door, database: Database, sent: str
) -> None:
    token = await door.token_of(door.people.owner)
    # A database that cannot be opened any more would answer 503.
    await database.close()
    door.services.store.database = Database(
        "postgresql://nobody@127.0.0.1:1/none", clock=door.services.clock, ids=database._ids
    )
    status, code, _ = await me(door, sent.format(token=token).encode("utf-8"))
    assert (status, code) == (401, "unauthenticated")


async def test_h3_expired_and_revoked_and_unknown_are_told_the_same(
    door: Door, clock: SteppedClock
) -> None:
    store, owner_id = door.services.store, door.people.owner_id
    expires_at = clock.now().replace(second=30)
    _, expiring = await create_user_token(store, WORKER, owner_id, "short", expires_at)
    row, revoked = await create_user_token(store, WORKER, owner_id, "gone")
    await revoke_token(store, door.people.owner, TokenId(row.id))
    unknown, _ = mint_token(TokenKind.USER)
    clock.step(31)
    answers = [await me(door, f"Bearer {token}") for token in (expiring, revoked, unknown)]
    assert answers[0][:2] == (401, "unauthenticated")
    assert len(set(answers)) == 1


async def test_h4_a_token_of_the_other_kind_is_the_wrong_type(door: Door) -> None:
    people = door.people
    as_user = await door.get(people.agent, "/me")
    as_agent = await door.post(people.owner, "/agent/hello", {"run_id": "r"})
    assert problem_of(as_user) == (403, "wrong_token_type")
    assert problem_of(as_agent) == (403, "wrong_token_type")


async def test_h5_an_agent_finds_nothing_of_another_agent(greeted: Door) -> None:
    await greeted.push(AGENTS="x")
    foreign = greeted.people.foreign_agent
    hello = (await greeted.post(foreign, "/agent/hello", {"run_id": "r"})).json()
    assert hello["agent_id"] == greeted.people.foreign_agent_id
    assert hello["head"] is None


async def test_h6_two_credentials_are_ambiguous(door: Door) -> None:
    token = await door.token_of(door.people.owner)
    one = f"Bearer {token}"
    assert (await me(door, one, one))[:2] == (400, "ambiguous_auth")
    assert (await me(door, f"{one}, {one}"))[:2] == (400, "ambiguous_auth")


async def test_h10_a_trailing_newline_is_not_trimmed(door: Door) -> None:
    token = await door.token_of(door.people.owner)
    assert (await me(door, f"Bearer {token}\n".encode()))[:2] == (401, "unauthenticated")


@pytest.mark.parametrize("name", ["token", "access_token", "TOKEN"])
async def test_g10_a_token_in_the_url_is_refused(door: Door, name: str) -> None:
    token = await door.token_of(door.people.owner)
    for query in (f"{name}={token}", f"x={token}"):
        response = await door.get(door.people.owner, f"/me?{query}")
        assert problem_of(response) == (400, "token_in_url")
        assert token not in response.text


async def _session(door: Door) -> str:
    """Return the secret of a session of the owner's, begun without a password."""
    store, owner = door.services.store, door.people.owner
    code, _ = await create_login_link(store, owner)
    return (await use_login_link(store, NOBODY, read_token(code).secret_digest)).secret


async def _with_cookies(door: Door, *secrets: str, bearer: str | None = None) -> tuple[int, str]:
    headers = [("X-Driftpin-Client", "1")]
    headers += [("Cookie", f"driftpin={secret}") for secret in secrets]
    headers += [("Authorization", f"Bearer {bearer}")] if bearer else []
    return problem_of(await door.http.get("/api/v1/me", headers=headers))


async def test_a_session_signs_in_its_user(door: Door) -> None:
    cookie = {"Cookie": f"driftpin={await _session(door)}"}
    response = await door.call(None, "GET", "/me", headers=cookie)
    by_token = await door.get(door.people.owner, "/me")
    assert (response.status_code, response.json()) == (200, by_token.json())


async def test_h6_a_session_beside_another_credential_is_ambiguous(door: Door) -> None:
    session, token = await _session(door), await door.token_of(door.people.owner)
    assert await _with_cookies(door, session, session) == (400, "ambiguous_auth")
    assert await _with_cookies(door, session, bearer=token) == (400, "ambiguous_auth")


async def test_each_credential_is_good_only_where_its_kind_is_sent(door: Door) -> None:
    session, token = await _session(door), await door.token_of(door.people.owner)
    assert await _with_cookies(door, token) == (401, "unauthenticated")
    assert (await me(door, f"Bearer {session}"))[:2] == (401, "unauthenticated")
    assert await _with_cookies(door) == (401, "unauthenticated")


async def test_signing_out_ends_the_session_it_came_with(door: Door) -> None:
    ended, kept = await _session(door), await _session(door)
    page = {"Origin": "http://driftpin.test", "Sec-Fetch-Site": "same-origin"}
    with_cookie = {**page, "Cookie": f"driftpin={ended}"}
    assert (await door.call(None, "POST", "/sign-out", headers=with_cookie)).status_code == 204
    assert await _with_cookies(door, ended) == (401, "unauthenticated")
    still = await door.call(None, "GET", "/me", headers={"Cookie": f"driftpin={kept}"})
    assert still.status_code == 200
    by_token = await door.call(door.people.owner, "POST", "/sign-out")
    assert problem_of(by_token) == (400, "no_session")
