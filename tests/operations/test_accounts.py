from datetime import timedelta

import pytest
from sqlalchemy import select

from driftpin.credentials import TokenKind, read_token
from driftpin.errors import Conflict, Gone, NotFound, PushOutdated, Rejected, Unauthenticated
from driftpin.identity import NOBODY, WORKER, Actor, AgentId, digest_of
from driftpin.operations.create_user import create_user
from driftpin.operations.create_user_token import create_user_token
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.delete_agent import delete_agent
from driftpin.operations.delete_workspace import delete_workspace
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.hold_link import hold_link
from driftpin.operations.keep_deployment_fact import keep_deployment_fact
from driftpin.operations.revoke_token import revoke_token
from driftpin.operations.rotate_agent_token import rotate_agent_token
from driftpin.operations.say_hello import say_hello
from driftpin.store.store import Store
from driftpin.store.tables import audit, tokens
from driftpin.store.values import HelloOutcome
from people import People
from stepping import SteppedClock


async def resolve(store: Store, secret: str) -> Actor:
    return await store.resolve_token(NOBODY, read_token(secret).secret_digest)


async def hello(store: Store, agent: Actor, run_id: str) -> HelloOutcome:
    return await say_hello(
        store,
        agent,
        run_id=run_id,
        hostname="laptop",
        os="linux",
        version="0.1",
        roots={"workspace": "/home/me/code"},
    )


async def test_a_user_token_signs_in_its_user(store: Store, people: People) -> None:
    row, secret = await create_user_token(store, people.owner, people.owner_id, "laptop")
    assert await resolve(store, secret) == people.owner
    assert (row.kind, row.user_id, row.agent_id) == (TokenKind.USER, people.owner_id, None)
    assert row in await store.list_tokens(people.owner)


async def test_an_administrator_signs_in_as_one(store: Store, people: People) -> None:
    administrator_id = people.administrator.user_id
    assert administrator_id is not None
    _, secret = await create_user_token(store, people.administrator, administrator_id, "")
    assert await resolve(store, secret) == people.administrator


async def test_an_agent_token_signs_in_its_agent(store: Store, people: People) -> None:
    agent, secret = await enrol_agent(store, people.owner, people.workspace_id, "second")
    actor = await resolve(store, secret)
    assert (actor.agent_id, actor.workspace_id) == (agent.id, people.workspace_id)


async def test_h3_expired_revoked_and_unknown_tokens_are_refused_in_the_same_words(
    store: Store, people: People, clock: SteppedClock
) -> None:
    expires_at = clock.now() + timedelta(seconds=60)
    _, expiring = await create_user_token(store, people.owner, people.owner_id, "short", expires_at)
    revoked_row, revoked = await create_user_token(store, people.owner, people.owner_id, "lost")
    await resolve(store, expiring)
    clock.step(60)
    await revoke_token(store, people.owner, revoked_row.id)
    words = set()
    for secret in (expiring, revoked):
        with pytest.raises(Unauthenticated) as refusal:
            await resolve(store, secret)
        words.add(refusal.value.message)
    with pytest.raises(Unauthenticated) as refusal:
        await store.resolve_token(NOBODY, digest_of(b"unknown"))
    assert words == {refusal.value.message}


async def test_no_secret_is_stored(store: Store, people: People) -> None:
    _, secret = await create_user_token(store, people.owner, people.owner_id, "laptop")
    async with store.database.read() as connection:
        rows = (await connection.execute(select(tokens))).all()
    assert secret not in str(rows)
    assert secret.removeprefix("dp_u_") not in str(rows)


async def test_a_token_that_would_be_over_already_is_refused(
    store: Store, people: People, clock: SteppedClock
) -> None:
    with pytest.raises(Rejected) as refusal:
        await create_user_token(store, people.owner, people.owner_id, "", clock.now())
    assert refusal.value.code == "expired"


async def test_revoking_again_changes_nothing(
    store: Store, people: People, clock: SteppedClock
) -> None:
    row, _ = await create_user_token(store, people.owner, people.owner_id, "laptop")
    await revoke_token(store, people.owner, row.id)
    before = await store.list_tokens(people.owner)
    clock.step(10)
    await revoke_token(store, people.owner, row.id)
    assert await store.list_tokens(people.owner) == before


async def test_h8_a_rotated_token_ends_after_its_grace_time(
    store: Store, people: People, clock: SteppedClock
) -> None:
    agent, old = await enrol_agent(store, people.owner, people.workspace_id, "second")
    _, new = await rotate_agent_token(store, people.owner, agent.id)
    assert await resolve(store, old) == await resolve(store, new)
    clock.step(3_600)
    with pytest.raises(Unauthenticated):
        await resolve(store, old)
    await resolve(store, new)


async def test_a_user_name_is_taken_once(store: Store, people: People) -> None:
    with pytest.raises(Conflict) as refusal:
        await create_user(store, WORKER, "owner")
    assert refusal.value.code == "name_taken"


async def test_a_deleted_agent_is_gone_for_its_tokens_and_lists(
    store: Store, people: People
) -> None:
    agent, secret = await enrol_agent(store, people.owner, people.workspace_id, "second")
    actor = await resolve(store, secret)
    await delete_agent(store, people.owner, agent.id)
    with pytest.raises(Gone) as refusal:
        await resolve(store, secret)
    assert refusal.value.code == "agent_gone"
    assert agent.id not in {
        row.id for row in await store.list_agents(people.owner, people.workspace_id)
    }
    assert (await store.get_agent(people.owner, agent.id)).deleted_at is not None
    with pytest.raises(NotFound):
        await hold_link(store, actor, incarnation=None, holder="here", lease_s=15)
    with pytest.raises(NotFound):
        await delete_agent(store, people.owner, agent.id)


async def test_a_deleted_workspace_is_not_found_and_its_agents_are_gone(
    store: Store, people: People
) -> None:
    _, secret = await enrol_agent(store, people.owner, people.workspace_id, "second")
    await delete_workspace(store, people.owner, people.workspace_id)
    with pytest.raises(NotFound):
        await store.get_workspace(people.owner, people.workspace_id)
    with pytest.raises(NotFound):
        await enrol_agent(store, people.owner, people.workspace_id, "third")
    assert (await store.list_workspaces(people.owner, limit=10)).items == ()
    with pytest.raises(Gone):
        await resolve(store, secret)


async def test_a_new_run_gets_the_next_incarnation_and_fences_the_one_before(
    store: Store, people: People
) -> None:
    first = await hello(store, people.agent, "run-1")
    assert (first.incarnation, first.head, first.head_seq) == (1, None, 0)
    assert (await hello(store, people.agent, "run-1")).incarnation == 1
    assert (await hello(store, people.agent, "run-2")).incarnation == 2
    with pytest.raises(PushOutdated) as refusal:
        await hello(store, people.agent, "run-1")
    assert refusal.value.code == "fenced"
    row = await store.get_agent(people.owner, people.agent_id)
    assert (row.run_id, row.incarnation) == ("run-2", 2)
    assert row.hello == {
        "hostname": "laptop",
        "os": "linux",
        "version": "0.1",
        "roots": {"workspace": "/home/me/code"},
    }


async def test_a_fact_is_kept_once(store: Store) -> None:
    assert await store.get_deployment(WORKER, "signing_key") is None
    assert await keep_deployment_fact(store, WORKER, "signing_key", "one") == "one"
    assert await keep_deployment_fact(store, WORKER, "signing_key", "two") == "one"
    assert await store.get_deployment(WORKER, "signing_key") == "one"


async def test_an_administrator_leaves_its_name_in_the_audit(store: Store, people: People) -> None:
    async with store.database.read() as connection:
        before = (await connection.execute(select(audit))).all()
    await rotate_agent_token(store, people.owner, people.agent_id)
    await rotate_agent_token(store, people.administrator, people.agent_id)
    async with store.database.read() as connection:
        rows = (await connection.execute(select(audit).order_by(audit.c.id))).all()[len(before) :]
    assert [(row.actor, row.action, row.subject) for row in rows] == [
        (people.administrator.name, "rotate_agent_token", f"agent:{people.agent_id}")
    ]


async def test_pages_of_workspaces_neither_skip_nor_repeat(store: Store, people: People) -> None:
    made = [people.workspace_id]
    made += [(await create_workspace(store, people.owner, f"w{n}")).id for n in range(4)]
    seen: list[str] = []
    after = None
    while True:
        page = await store.list_workspaces(people.owner, after=after, limit=2)
        seen += [row.id for row in page.items]
        if page.next is None:
            break
        after = page.next
    assert seen == sorted(made)


async def test_f7_another_users_workspace_is_refused_as_a_missing_one_is(
    store: Store, people: People
) -> None:
    refusals = []
    missing_id = AgentId("00000000-0000-7000-8000-000000000000")
    for agent_id in (people.foreign_agent_id, missing_id):
        with pytest.raises(NotFound) as refusal:
            await store.get_agent(people.owner, agent_id)
        refusals.append((refusal.value.code, refusal.value.message, refusal.value.fields))
    assert refusals[0] == refusals[1]


@pytest.mark.parametrize(
    ("name", "code"),
    [("", "empty"), (" ", "empty"), ("a\0b", "control_char"), ("x" * 201, "too_long")],
)
async def test_bad_names_are_refused(store: Store, people: People, name: str, code: str) -> None:
    with pytest.raises(Rejected) as refusal:
        await create_workspace(store, people.owner, name)
    assert refusal.value.code == code
