"""What the routes do when all is well."""

import base64
import json
from typing import Any

from sqlalchemy import update

from door import Door, file_entry, open_door, open_services, problem_of, push_body
from driftpin.context.tokens import estimate_tokens
from driftpin.identity import digest_of
from driftpin.server.services import ServerOptions
from driftpin.store.database import Transaction
from driftpin.store.store import Store
from driftpin.store.tables import blobs
from people import People
from stepping import SteppedClock

SKILL = b"---\nname: tidy\ndescription: Tidies.\n---\nSweep.\n"
SCRIPT = b"#!/bin/sh\necho tidy\n"


def skill_entry() -> dict[str, Any]:
    return {
        "kind": "skill",
        "source": "workspace:.agents/skills/tidy",
        "status": "ok",
        "reason": "",
        "name": "tidy",
        "description": "Tidies.",
        "files": [
            {"path": "run.sh", "executable": True, "digest": digest_of(SCRIPT)},
            {"path": "SKILL.md", "executable": False, "digest": digest_of(SKILL)},
        ],
    }


async def push_resources(door: Door, *entries: dict[str, Any], bodies: tuple[bytes, ...]) -> str:
    body = push_body()
    del body["digest"]
    body["manifest"]["resources"] = list(entries)
    body["blobs"] = [
        {"digest": digest_of(content), "data": base64.b64encode(content).decode()}
        for content in bodies
    ]
    response = await door.post(door.people.agent, "/agent/snapshots", body)
    assert response.status_code == 200, response.text
    return str(response.json()["head"]["digest"])


async def test_a_chat_lists_everything_that_is_pinned_with_sizes(greeted: Door) -> None:
    head = await push_resources(
        greeted, file_entry(), skill_entry(), bodies=(b"be kind", SKILL, SCRIPT)
    )
    chat = await greeted.chat()
    context = (await greeted.get(greeted.people.owner, f"/chats/{chat['id']}/context")).json()
    assert (context["snapshot"], context["dirty"], context["complete"]) == (head, False, True)
    file, skill = context["resources"]
    assert (file["source"], file["size_bytes"]) == ("workspace:AGENTS.md", len(b"be kind"))
    assert file["digest"] == digest_of(b"be kind")
    assert skill["size_bytes"] == len(SKILL) + len(SCRIPT)
    assert [listed["path"] for listed in skill["files"]] == ["SKILL.md", "run.sh"]
    assert (file["tokens"], skill["tokens"]) == (
        estimate_tokens(b"be kind"),
        estimate_tokens(f"- {skill['name']}: {skill['description']}\n".encode()),
    )


async def test_tokens_are_one_figure_in_inventories_and_costs(greeted: Door) -> None:
    owner = greeted.people.owner
    await push_resources(greeted, file_entry(), skill_entry(), bodies=(b"be kind", SKILL, SCRIPT))
    chat = await greeted.chat()
    path = f"/chats/{chat['id']}/context"
    listed = (await greeted.get(owner, path)).json()["resources"]
    head = await greeted.get(owner, f"/workspaces/{greeted.people.workspace_id}/context")
    assert head.json()["resources"] == listed
    await greeted.push(seq=2, AGENTS="be very kind\n")
    cost = (await greeted.get(owner, f"{path}/drift?cost=1")).json()["cost"]
    assert cost["tokens_before"] == sum(resource["tokens"] for resource in listed)


async def test_tokens_that_an_earlier_release_did_not_keep_are_counted_when_they_are_shown(
    greeted: Door,
) -> None:
    await push_resources(greeted, file_entry(), skill_entry(), bodies=(b"be kind", SKILL, SCRIPT))
    chat = await greeted.chat()
    path = f"/chats/{chat['id']}/context"
    kept = (await greeted.get(greeted.people.owner, path)).json()

    async def forget(transaction: Transaction) -> None:
        await transaction.connection.execute(update(blobs).values(tokens=None))

    await greeted.services.store.database.write(forget)
    assert (await greeted.get(greeted.people.owner, path)).json() == kept


async def test_an_export_is_the_whole_pin(greeted: Door) -> None:
    head = await push_resources(
        greeted, file_entry(), skill_entry(), bodies=(b"be kind", SKILL, SCRIPT)
    )
    chat = await greeted.chat()
    export = (await greeted.get(greeted.people.owner, f"/chats/{chat['id']}/export")).json()
    assert digest_of(base64.b64decode(export["manifest"])) == export["snapshot"] == head
    contents = {
        (file["source"], file["path"]): base64.b64decode(file["data"]) for file in export["files"]
    }
    assert contents == {
        ("workspace:AGENTS.md", ""): b"be kind",
        ("workspace:.agents/skills/tidy", "SKILL.md"): SKILL,
        ("workspace:.agents/skills/tidy", "run.sh"): SCRIPT,
    }


async def test_a_chat_without_a_pin_has_nothing_to_export(door: Door) -> None:
    chat = await door.chat()
    response = await door.get(door.people.owner, f"/chats/{chat['id']}/export")
    assert problem_of(response) == (409, "no_snapshot")


async def test_drift_comes_with_diff_and_cost_when_they_are_asked_for(greeted: Door) -> None:
    await greeted.push(seq=1, AGENTS="be kind\n")
    chat = await greeted.chat()
    await greeted.push(seq=2, AGENTS="be very kind\n")
    path = f"/chats/{chat['id']}/context/drift"
    plain = (await greeted.get(greeted.people.owner, path)).json()
    assert [entry["change"] for entry in plain["entries"]] == ["modified"]
    assert (plain["severity"], plain["diffs"], plain["cost"]) == ("behavioural", None, None)
    full = (await greeted.get(greeted.people.owner, f"{path}?diff=1&cost=1")).json()
    assert "+be very kind" in full["diffs"][0]["text"]
    assert full["cost"]["tokens_after"] > full["cost"]["tokens_before"] > 0


async def test_a_clean_chat_has_no_drift(greeted: Door) -> None:
    await greeted.push(AGENTS="x")
    chat = await greeted.chat()
    path = f"/chats/{chat['id']}/context/drift?diff=true&cost=true"
    drift = (await greeted.get(greeted.people.owner, path)).json()
    assert (drift["entries"], drift["diffs"], drift["severity"]) == ([], [], None)
    assert drift["pin"] == drift["head"]


async def test_a_dry_run_moves_nothing(greeted: Door) -> None:
    await greeted.push(seq=1, AGENTS="x")
    chat = await greeted.chat()
    await greeted.push(seq=2, AGENTS="y")
    path = f"/chats/{chat['id']}/context"
    tried = await greeted.call(greeted.people.owner, "PUT", path, {"dry_run": True})
    told = tried.json()
    assert (tried.status_code, told["dry_run"], told["moves"], told["revision"]) == (
        200,
        True,
        True,
        2,
    )
    assert [entry["source"] for entry in told["entries"]] == ["workspace:AGENTS.md"]
    kept = (await greeted.call(greeted.people.owner, "GET", path)).json()
    assert (kept["revision"], kept["dirty"]) == (1, True)


async def test_a_roll_back_and_its_history(greeted: Door) -> None:
    first = (await greeted.push(seq=1, AGENTS="x")).json()["head"]["digest"]
    chat = await greeted.chat()
    await greeted.push(seq=2, AGENTS="y")
    path = f"/chats/{chat['id']}/context"
    await greeted.call(greeted.people.owner, "PUT", path, {})
    back = (await greeted.post(greeted.people.owner, f"{path}/rollback", {"to": first})).json()
    assert (back["snapshot"], back["revision"]) == (first, 3)
    moves = (await greeted.get(greeted.people.owner, f"{path}/history")).json()["items"]
    assert [move["verb"] for move in moves] == ["roll_back", "refresh", "hydrate"]
    assert moves[0]["to"] == moves[1]["from"] == first


async def test_all_dirty_chats_of_a_workspace_are_refreshed_at_once(greeted: Door) -> None:
    await greeted.push(seq=1, AGENTS="x")
    made = {(await greeted.chat())["id"] for _ in range(3)}
    await greeted.push(seq=2, AGENTS="y")
    path = f"/workspaces/{greeted.people.workspace_id}/context/refresh"
    outcomes = (await greeted.post(greeted.people.owner, path)).json()["items"]
    assert {outcome["chat_id"] for outcome in outcomes} == made
    assert all(outcome["result"] == "refreshed" for outcome in outcomes)
    assert all(outcome["context"]["dirty"] is False for outcome in outcomes)


async def test_agents_may_not_refresh_unless_the_server_lets_them(greeted: Door) -> None:
    response = await greeted.post(greeted.people.agent, "/agent/context/refresh")
    assert problem_of(response) == (403, "agent_refresh_off")


async def test_an_agent_that_may_refresh_leaves_what_weighs_to_a_person(
    store: Store, people: People, clock: SteppedClock
) -> None:
    services = await open_services(store, clock, ServerOptions(agents_may_refresh=True))
    door = open_door(services, people)
    await door.hello()
    await door.push(seq=1, AGENTS="be kind")
    chat = await door.chat()
    await door.push(seq=2, AGENTS="be kind ")
    light = (await door.post(people.agent, "/agent/context/refresh")).json()["items"]
    await door.push(seq=3, AGENTS="be cruel")
    heavy = (await door.post(people.agent, "/agent/context/refresh")).json()["items"]
    await door.http.aclose()
    assert [(each["chat_id"], each["result"]) for each in light] == [(chat["id"], "refreshed")]
    assert [(each["result"], each["code"]) for each in heavy] == [("skipped", "needs_a_person")]


async def test_snapshots_and_blobs_are_served_byte_for_byte(greeted: Door) -> None:
    first = (await greeted.push(seq=1, AGENTS="x")).json()["head"]["digest"]
    chat = await greeted.chat()
    second = (await greeted.push(seq=2, AGENTS="y")).json()["head"]["digest"]
    owner = greeted.people.owner
    manifest = await greeted.get(owner, f"/snapshots/{first}")
    assert digest_of(manifest.content) == first
    blob = await greeted.get(owner, f"/blobs/{digest_of(b'x')}")
    assert (blob.content, blob.headers["content-disposition"]) == (b"x", "attachment")
    between = (await greeted.get(owner, f"/snapshots/{first}/diff/{second}")).json()
    assert [entry["source"] for entry in between["entries"]] == ["workspace:AGENTS.md"]
    assert "+y" in between["diffs"][0]["text"]
    assert chat["context"]["snapshot"] == first


async def test_a_digest_that_is_none_is_a_bad_hash(door: Door) -> None:
    for path in ("/snapshots/x", "/blobs/sha256:abc", f"/snapshots/x/diff/{digest_of(b'')}"):
        assert problem_of(await door.get(door.people.owner, path)) == (400, "bad_hash")


async def test_a_chat_can_be_created_on_an_imported_snapshot(greeted: Door) -> None:
    body = push_body(AGENTS="imported")
    imported = {"manifest": body["manifest"], "blobs": body["blobs"]}
    path = f"/workspaces/{greeted.people.workspace_id}/snapshots"
    stored = await greeted.post(greeted.people.owner, path, imported)
    assert stored.status_code == 201
    chat = await greeted.chat(snapshot=stored.json()["digest"])
    assert chat["context"]["snapshot"] == stored.json()["digest"]


async def test_what_an_agent_saw_is_for_its_owner_only(greeted: Door) -> None:
    body = {**push_body(AGENTS="x"), "observations": {"degraded": "no watches left"}}
    await greeted.post(greeted.people.agent, "/agent/snapshots", body)
    agent = (await greeted.get(greeted.people.owner, f"/agents/{greeted.people.agent_id}")).json()
    assert agent["observations"] == {"degraded": "no watches left"}
    assert agent["is_current"] is True
    other = await greeted.get(greeted.people.other, f"/agents/{greeted.people.agent_id}")
    assert problem_of(other) == (404, "not_found")


async def test_a_message_is_stored_with_the_turn_that_will_answer_it(door: Door) -> None:
    chat = await door.chat()
    path = f"/chats/{chat['id']}"
    sent = (await door.post(door.people.owner, f"{path}/messages", {"text": "hello"})).json()
    assert (sent["message"]["role"], sent["turn"]["state"]) == ("user", "waiting")
    messages = (await door.get(door.people.owner, f"{path}/messages")).json()["items"]
    assert json.dumps(messages[0]["content"]).count("hello") == 1
    turns = (await door.get(door.people.owner, f"{path}/turns")).json()["items"]
    assert [turn["number"] for turn in turns] == [sent["turn"]["number"]]


async def test_tokens_are_shown_once_and_revoked(door: Door) -> None:
    created = (await door.post(door.people.owner, "/tokens", {"label": "laptop"})).json()
    listed = (await door.get(door.people.owner, "/tokens")).json()["items"]
    assert created["id"] in {token["id"] for token in listed}
    assert created["token"] not in json.dumps(listed)
    gone = await door.call(door.people.owner, "DELETE", f"/tokens/{created['id']}")
    assert gone.status_code == 204
    headers = {"Authorization": f"Bearer {created['token']}"}
    assert problem_of(await door.call(None, "GET", "/me", headers=headers))[0] == 401


async def test_a_source_that_goes_back_and_forth_is_marked_as_flapping(greeted: Door) -> None:
    texts = ("be kind", "be quick", "be kind", "be quick", "be kind")
    chat = await greeted.chat()
    for seq, text in enumerate(texts, start=1):
        await push_text(greeted, seq, text)
    owner, path = greeted.people.owner, f"/chats/{chat['id']}/context/drift"
    assert (await greeted.get(owner, path)).json()["entries"] == []
    await push_text(greeted, 6, "be quick")
    (entry,) = (await greeted.get(owner, path)).json()["entries"]
    assert entry["flapping"] is True


async def test_one_edit_is_not_flapping(greeted: Door) -> None:
    await push_text(greeted, 1, "be kind")
    chat = await greeted.chat()
    await push_text(greeted, 2, "be quick")
    path = f"/chats/{chat['id']}/context/drift"
    (entry,) = (await greeted.get(greeted.people.owner, path)).json()["entries"]
    assert entry["flapping"] is False


async def push_text(door: Door, seq: int, text: str) -> None:
    body = push_body(seq=seq, AGENTS=text)
    response = await door.post(door.people.agent, "/agent/snapshots", body)
    assert response.status_code == 200, response.text


async def test_an_administrator_gives_a_new_user_a_token(door: Door) -> None:
    administrator = door.people.administrator
    user = (await door.post(administrator, "/users", {"name": "newcomer"})).json()
    token = (await door.post(administrator, "/tokens", {"user_id": user["id"]})).json()["token"]
    headers = {"Authorization": f"Bearer {token}"}
    me = await door.call(None, "GET", "/me", headers=headers)
    assert me.json()["user"] == user


async def test_nobody_else_makes_a_token_for_another_user(door: Door) -> None:
    other = {"user_id": door.people.administrator.user_id}
    assert problem_of(await door.post(door.people.owner, "/tokens", other)) == (404, "not_found")


async def test_a_workspace_and_a_chat_need_no_name(door: Door) -> None:
    workspace = await door.post(door.people.owner, "/workspaces", {})
    assert (workspace.status_code, workspace.json()["name"]) == (201, "workspace")
    assert (await door.chat(title=None))["title"] == ""


async def test_a_fork_at_a_turn_beyond_every_number_is_refused(door: Door) -> None:
    chat = await door.chat()
    response = await door.post(door.people.owner, f"/chats/{chat['id']}/fork", {"turn": 10**20})
    assert problem_of(response) == (400, "invalid_request")
