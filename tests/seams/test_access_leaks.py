"""What one user does shows nowhere in what another one is told: no count, no page, no number."""

import base64
import json

from door import Door
from driftpin.context.manifest import snapshot_of
from driftpin.context.resource import InstructionBody, Kind, Resource, Status
from driftpin.identity import Digest, digest_of
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.say_hello import say_hello
from driftpin.operations.store_blobs import store_blobs
from seams.access_world import World
from seams.asgi_caller import Answer, ask

LISTS = (
    "/users",
    "/users?limit=1",
    "/tokens",
    "/workspaces",
    "/workspaces?limit=1",
    "/chats",
    "/chats?limit=1",
    "/chats?dirty=true",
    "/chats?dirty=false&archived=all",
    "/chats?q=secret&sort=-updated",
)
BYSTANDERS = 12


async def _ask(
    world: World, door: Door, actor_name: str, target: str, *, body: object = None
) -> tuple[Answer, list[str]]:
    actor = getattr(world.people, actor_name)
    headers = {
        "Authorization": f"Bearer {await door.token_of(actor)}",
        "Content-Type": "application/json",
    }
    with world.recorder.on() as statements:
        answer = await ask(
            door.app,
            "GET" if body is None else "POST",
            f"/api/v1{target}",
            headers=headers,
            content=None if body is None else json.dumps(body).encode(),
        )
    return answer, [each.text for each in statements]


async def _be_busy(world: World) -> None:
    """Let the owner make much of everything that a list could count."""
    for number in range(BYSTANDERS):
        await world.drifted_chat()
        await create_workspace(world.store, world.people.owner, f"secret {number}")
        await world.fresh_token()


async def test_lists_are_the_same_whatever_others_do(world: World, door: Door) -> None:
    other = world.people.other
    own = await create_workspace(world.store, other, "own")
    for _ in range(2):
        await create_chat(world.store, other, own.id, title="a secret of one's own")
    before = [await _ask(world, door, "other", target) for target in LISTS]
    await _be_busy(world)
    after = [await _ask(world, door, "other", target) for target in LISTS]
    assert before == after


async def test_an_event_cursor_says_nothing_of_how_much_happened(world: World, door: Door) -> None:
    quiet, _ = await _ask(world, door, "other", "/events")
    await _be_busy(world)
    busy, _ = await _ask(world, door, "other", "/events")
    assert len(quiet.body) == len(busy.body)
    first, last = (_cursor_of(each) for each in (quiet, busy))
    position = await world.store.first_and_last_position(world.people.other)
    written = {str(position[1].number), str(position[1].transaction_id)}
    assert not [each for each in written if len(each) > 2 and each in last]
    # Sealed texts: two neighbours share no more than two strangers would.
    alike = sum(one == two for one, two in zip(first, last, strict=True))
    assert alike < len(first) // 2


def _cursor_of(answer: Answer) -> str:
    line = next(line for line in answer.body.decode().splitlines() if line.startswith("id:"))
    return line.removeprefix("id:").strip()


def _push_of(digest: Digest) -> dict[str, object]:
    resource = Resource(
        Kind.INSTRUCTION_FILE, "workspace:AGENTS.md", Status.OK, body=InstructionBody(digest)
    )
    manifest = json.loads(snapshot_of([resource]).manifest)
    return {"incarnation": 1, "seq": 1, "manifest": manifest}


async def test_e21_a_blob_of_another_tenant_is_as_unknown_as_one_that_nobody_has(
    world: World, door: Door
) -> None:
    stranger = world.people.foreign_agent
    await say_hello(world.store, stranger, run_id="run", hostname="", os="", version="", roots={})
    body = b"what only the owner's workspace holds"
    push = _push_of(digest_of(body))
    unknown = await _ask(world, door, "foreign_agent", "/agent/snapshots", body=push)
    await store_blobs(world.store, world.people.agent, [(digest_of(body), body)])
    foreign = await _ask(world, door, "foreign_agent", "/agent/snapshots", body=push)
    assert unknown[0].status == 409
    assert b'"need_blobs"' in unknown[0].body
    assert unknown == foreign


async def test_bringing_bytes_that_another_tenant_has_is_the_same_work(
    world: World, door: Door
) -> None:
    held, new = b"held by the owner", b"held by nobody..."
    await store_blobs(world.store, world.people.agent, [(digest_of(held), held)])
    # The first bytes of a workspace begin its count of them, which says nothing of others.
    await _ask(world, door, "foreign_agent", "/agent/blobs", body=_upload_of(b"the first bytes."))
    answers = [
        await _ask(world, door, "foreign_agent", "/agent/blobs", body=_upload_of(content))
        for content in (new, held)
    ]
    told = [
        answer.body.replace(digest_of(content).encode(), b"D")
        for (answer, _), content in zip(answers, (new, held), strict=True)
    ]
    assert told[0] == told[1]
    assert answers[0][1] == answers[1][1]


def _upload_of(content: bytes) -> dict[str, object]:
    sent = {"digest": digest_of(content), "data": base64.b64encode(content).decode()}
    return {"blobs": [sent]}


async def test_what_was_kept_for_one_caller_is_never_given_to_another(
    world: World, door: Door
) -> None:
    """Kept answers, kept drifts and tags are looked up behind the check of who asks."""
    await world.drifted_chat()
    path = f"/chats/{world.chat_id}/context/drift?diff=true"
    kept, _ = await _ask(world, door, "owner", path)
    assert kept.status == 200
    refused, _ = await _ask(world, door, "other", path)
    assert refused.status == 404
    again = {"Idempotency-Key": "one-key"}
    first = await door.call(world.people.owner, "POST", "/workspaces", {"name": "a"}, headers=again)
    second = await door.call(
        world.people.other, "POST", "/workspaces", {"name": "a"}, headers=again
    )
    assert (first.status_code, second.status_code) == (201, 201)
    assert first.json()["id"] != second.json()["id"]
    assert "Idempotency-Replayed" not in second.headers


async def test_what_is_of_one_caller_is_marked_as_not_for_shared_caches(
    world: World, door: Door
) -> None:
    for path in ("/chats", f"/chats/{world.chat_id}/context", f"/snapshots/{world.head}"):
        answer = await door.get(world.people.owner, path)
        assert answer.status_code == 200
        assert "public" not in answer.headers.get("Cache-Control", "")
        assert "s-maxage" not in answer.headers.get("Cache-Control", "")
