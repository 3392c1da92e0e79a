"""Policies and dry runs as the API tells of them."""

from typing import Any

import pytest

from door import Door, problem_of

HIDDEN = "be kind\u200b"


async def put(door: Door, path: str, **body: Any) -> dict[str, Any]:
    response = await door.call(door.people.owner, "PUT", path, body)
    assert response.status_code == 200, response.text
    shown: dict[str, Any] = response.json()
    return shown


async def got(door: Door, path: str) -> dict[str, Any]:
    shown: dict[str, Any] = (await door.get(door.people.owner, path)).json()
    return shown


async def test_policies_are_set_in_full_shown_and_left_to_the_workspace(greeted: Door) -> None:
    await greeted.push(AGENTS="be kind")
    path = f"/chats/{(await greeted.chat())['id']}"
    workspace = f"/workspaces/{greeted.people.workspace_id}/policies"
    assert await got(greeted, workspace) == {
        "workspace": {"policy": "pin", "kinds": {}},
        "outcomes": None,
        "dry_run": False,
    }
    await put(greeted, workspace, policy="auto_add", kinds={"skill": "follow"})
    await put(greeted, f"{path}/policies", kinds={"mcp_server": "freeze"})
    shown = await got(greeted, f"{path}/policies")
    assert shown["policy"] == "auto_add"
    assert shown["in_force"] == {
        "instruction_file": "auto_add",
        "skill": "follow",
        "mcp_config": "auto_add",
        "mcp_server": "freeze",
    }
    assert shown["chat"] == {"policy": None, "kinds": {"mcp_server": "freeze"}}
    owner = greeted.people.owner
    changed = await greeted.call(owner, "PATCH", path, {"policy": "follow"})
    assert changed.json()["policy"] == "follow"
    assert (await got(greeted, f"{path}/policies"))["chat"] == {
        "policy": "follow",
        "kinds": {"mcp_server": "freeze"},
    }
    left = (await greeted.call(owner, "DELETE", f"{path}/policies")).json()
    assert (left["chat"], left["policy"]) == ({"policy": None, "kinds": {}}, "auto_add")
    back = (await greeted.call(owner, "DELETE", workspace)).json()
    assert back["workspace"] == {"policy": "pin", "kinds": {}}


async def test_a_dry_run_of_policies_tells_of_each_dirty_chat_and_sets_nothing(
    greeted: Door,
) -> None:
    await greeted.push(AGENTS="be kind")
    chat = (await greeted.chat())["id"]
    await greeted.push(seq=2, AGENTS="be kind", NEW="new")
    workspace = f"/workspaces/{greeted.people.workspace_id}/policies"
    told = await put(greeted, workspace, policy="auto_add", dry_run=True)
    assert (told["dry_run"], told["workspace"]["policy"]) == (True, "pin")
    assert told["outcomes"] == [
        {
            "chat_id": chat,
            "policy": "auto_add",
            "next_turn": "moves",
            "sources": ["workspace:NEW.md"],
            "severity": "behavioural",
        }
    ]
    await greeted.push(seq=3, AGENTS=HIDDEN)
    told = await put(greeted, f"/chats/{chat}/policies", policy="follow")
    assert [(each["next_turn"], each["sources"]) for each in told["outcomes"]] == [("blocked", [])]
    assert told["blocked"]
    context = (await got(greeted, f"/chats/{chat}"))["context"]
    assert (context["policy_blocked"], context["badge"]) == (True, True)
    await put(greeted, f"/chats/{chat}/policies", policy="freeze")
    context = (await got(greeted, f"/chats/{chat}"))["context"]
    assert (context["dirty"], context["badge"]) == (True, False)


@pytest.mark.parametrize(
    "body",
    [
        {"policy": "always"},
        {"policy": "PIN"},
        {"kinds": {"tool": "pin"}},
        {"kinds": {"skill": None}},
        {"kinds": ["skill"]},
        {"policy": 1},
        {"policies": "pin"},
    ],
    ids=str,
)
async def test_what_is_no_policy_is_refused_and_changes_nothing(
    greeted: Door, body: dict[str, Any]
) -> None:
    chat = (await greeted.chat())["id"]
    places = (f"/workspaces/{greeted.people.workspace_id}/policies", f"/chats/{chat}/policies")
    for path in places:
        before = await got(greeted, path)
        refused = await greeted.call(greeted.people.owner, "PUT", path, body)
        assert problem_of(refused)[0] in (400, 422), refused.text
        assert await got(greeted, path) == before


async def test_a_sub_chat_has_no_policy_of_its_own(greeted: Door) -> None:
    await greeted.push(AGENTS="be kind")
    parent = (await greeted.chat())["id"]
    child = (await greeted.chat(parent_id=parent))["id"]
    owner = greeted.people.owner
    refusals = [
        await greeted.call(owner, "PUT", f"/chats/{child}/policies", {"policy": "follow"}),
        await greeted.call(owner, "DELETE", f"/chats/{child}/policies"),
        await greeted.call(owner, "PATCH", f"/chats/{child}", {"policy": "follow"}),
    ]
    assert [problem_of(refused) for refused in refusals] == [(409, "sub_chat")] * 3
    shown = await got(greeted, f"/chats/{child}/policies")
    assert (shown["policy"], shown["overruled"]) == ("freeze", "sub_chat")


async def test_dry_runs_and_moves_name_every_pin_that_moves(greeted: Door) -> None:
    first = (await greeted.push(AGENTS="be kind")).json()["head"]["digest"]
    parent = (await greeted.chat())["id"]
    child = (await greeted.chat(parent_id=parent))["id"]
    head = (await greeted.push(seq=2, AGENTS="be quick")).json()["head"]["digest"]
    path = f"/chats/{parent}/context"
    dry = await put(greeted, path, cascade=True, dry_run=True)
    told = {"verb": "refresh", "moved": True, "to": head, "revision": 2}
    assert dry["below"] == [{"chat_id": child, **told}]
    for each in (parent, child):
        assert (await got(greeted, f"/chats/{each}"))["context"]["revision"] == 1
    moved = await put(greeted, path, cascade=True)
    assert moved["moves"] == [{"chat_id": each, **told} for each in (parent, child)]
    assert (moved["dry_run"], moved["snapshot"]) == (False, head)
    body = {"to": first, "dry_run": True}
    back = (await greeted.post(greeted.people.owner, f"{path}/rollback", body)).json()
    assert (back["dry_run"], back["snapshot"], back["revision"]) == (True, head, 2)
    assert back["moves"] == [
        {"chat_id": parent, "verb": "roll_back", "moved": True, "to": first, "revision": 3}
    ]
    rebound = (await greeted.post(greeted.people.owner, f"{path}/rebind", {"dry_run": True})).json()
    assert (rebound["dry_run"], rebound["moves"][0]["moved"]) == (True, False)


async def test_a_refresh_of_many_has_one_outcome_each_and_a_dry_run(greeted: Door) -> None:
    first = (await greeted.push(AGENTS="be kind")).json()["head"]["digest"]
    plain, frozen = [(await greeted.chat())["id"] for _ in range(2)]
    await put(greeted, f"/chats/{frozen}/policies", policy="freeze")
    head = (await greeted.push(seq=2, AGENTS="be quick")).json()["head"]["digest"]
    path = f"/workspaces/{greeted.people.workspace_id}/context/refresh"
    told = {plain: ("refreshed", None, head), frozen: ("skipped", "frozen", None)}
    for body, pinned in (({"dry_run": True}, first), ({}, head)):
        items = (await greeted.post(greeted.people.owner, path, body)).json()["items"]
        assert {
            each["chat_id"]: (each["result"], each["code"], each["to"]) for each in items
        } == told
        assert (await got(greeted, f"/chats/{plain}"))["context"]["snapshot"] == pinned
    assert (await got(greeted, f"/chats/{frozen}"))["context"]["snapshot"] == first
