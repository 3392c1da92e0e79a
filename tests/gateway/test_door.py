"""Who gets in, what a message may be, and which names lead to a file: over HTTP, in process."""

import json
from contextlib import ExitStack
from typing import Any

import httpx2
import pytest

from door import Door, problem_of, push_body
from driftpin import limits
from driftpin.gateway.uris import find_place, uri_of
from driftpin.identity import Actor, ChatId
from driftpin.operations.revoke_token import revoke_token
from driftpin.operations.share_chat import share_chat
from driftpin.store.values import Access
from seams.hostile_text import INJECTIONS

PLACE = ChatId("01a20e27-361a-7b37-ab97-313eafa7bc7e")
TAKES = {"Accept": "application/json, text/event-stream", "Content-Type": "application/json"}
ODD_NAMES = (
    "a b",
    "%2e%2e%2f",
    "..",
    "../../etc/passwd",
    "a/b/c",
    "a?b#c",
    "é\N{RIGHT-TO-LEFT OVERRIDE}",
    "a\\b",
    "{x}",
    "<script>alert(1)</script>",
    *INJECTIONS,
)


async def send(
    door: Door,
    actor: Actor | None,
    chat_id: str,
    content: bytes,
    headers: dict[str, str] | None = None,
) -> httpx2.Response:
    sent = {**TAKES, **(headers or {})}
    if actor is not None:
        sent["Authorization"] = f"Bearer {await door.token_of(actor)}"
    return await door.http.post(f"/mcp/chats/{chat_id}", content=content, headers=sent)


async def ask(door: Door, actor: Actor, chat_id: str, method: str, **params: Any) -> dict[str, Any]:
    """Send a request; return the whole message that answers it."""
    request = {"jsonrpc": "2.0", "id": 7, "method": method, "params": params}
    response = await send(door, actor, chat_id, json.dumps(request).encode())
    assert response.status_code == 200, response.text
    (line,) = [each for each in response.text.splitlines() if each.startswith("data: {")]
    answer: dict[str, Any] = json.loads(line.removeprefix("data: "))
    assert answer["id"] == 7
    return answer


async def push(door: Door, texts: dict[str, str]) -> None:
    """Push files whose names are no names of Python."""
    body = push_body(**texts)  # type: ignore[arg-type] # none of them is called seq
    response = await door.post(door.people.agent, "/agent/snapshots", body)
    assert response.status_code == 200, response.text


async def names_of(door: Door, actor: Actor, chat_id: str, kind: str) -> list[str]:
    answer = await ask(door, actor, chat_id, f"{kind}/list")
    return [each["name"] for each in answer["result"][kind]]


PING = b'{"jsonrpc":"2.0","id":1,"method":"ping"}'


async def test_h1_h4_h5_only_users_who_may_read_the_chat_get_in(door: Door) -> None:
    people = door.people
    chat_id = (await door.chat())["id"]
    assert problem_of(await send(door, None, chat_id, PING)) == (401, "unauthenticated")
    assert problem_of(await send(door, people.agent, chat_id, PING)) == (403, "wrong_token_type")
    hidden = await send(door, people.other, chat_id, PING)
    missing = await send(door, people.other, PLACE, PING)
    assert (hidden.status_code, hidden.content) == (404, missing.content)
    assert problem_of(await send(door, people.owner, "none", PING)) == (400, "bad_id")


async def test_g10_a_token_in_the_address_is_refused(door: Door) -> None:
    chat_id = (await door.chat())["id"]
    address = f"{chat_id}?token={await door.token_of(door.people.owner)}"
    assert problem_of(await send(door, door.people.owner, address, PING)) == (400, "token_in_url")


async def test_h3_a_revoked_token_is_not_let_in_again(door: Door) -> None:
    owner = door.people.owner
    chat_id = (await door.chat())["id"]
    assert (await send(door, owner, chat_id, PING)).status_code == 200
    for token in await door.services.store.list_tokens(owner):
        if token.user_id == door.people.owner_id:
            await revoke_token(door.services.store, owner, token.id)
    assert problem_of(await send(door, owner, chat_id, PING)) == (401, "unauthenticated")


async def test_f8_a_reader_reads_and_moves_nothing(door: Door) -> None:
    store, people = door.services.store, door.people
    await door.push(AGENTS="first")
    chat_id = ChatId((await door.chat())["id"])
    await share_chat(store, people.owner, chat_id, people.other_id, Access.READ)
    assert await names_of(door, people.other, chat_id, "resources") == ["workspace:AGENTS.md"]
    reading = ["context_diff", "context_status"]
    assert await names_of(door, people.other, chat_id, "tools") == reading
    refused = await ask(
        door, people.other, chat_id, "tools/call", name="context_refresh", arguments={}
    )
    assert refused["error"]["data"]["code"] == "no_tool"
    await share_chat(store, people.owner, chat_id, people.other_id, Access.UPDATE)
    assert "context_refresh" in await names_of(door, people.other, chat_id, "tools")


async def test_f11_an_archived_chat_is_only_read(door: Door) -> None:
    await door.push(AGENTS="first")
    chat_id, owner = (await door.chat())["id"], door.people.owner
    await door.call(owner, "PATCH", f"/chats/{chat_id}", {"archived": True})
    assert await names_of(door, owner, chat_id, "resources") == ["workspace:AGENTS.md"]
    assert await names_of(door, owner, chat_id, "tools") == ["context_diff", "context_status"]


async def test_a_chat_without_a_pin_offers_nothing_but_word_of_it(door: Door) -> None:
    chat_id, owner = (await door.chat())["id"], door.people.owner
    assert await names_of(door, owner, chat_id, "resources") == []
    assert await names_of(door, owner, chat_id, "prompts") == []
    asked = await ask(door, owner, chat_id, "tools/call", name="context_status")
    status = json.loads(asked["result"]["content"][0]["text"])
    assert (status["snapshot"], status["revision"]) == (None, 0)
    asked = await ask(door, owner, chat_id, "tools/call", name="context_diff")
    assert "isError" not in asked["result"] or not asked["result"]["isError"]
    asked = await ask(door, owner, chat_id, "prompts/get", name="tidy")
    assert asked["error"]["data"]["code"] == "skill_not_found"


async def test_a_sub_chat_is_served_its_own_pin(door: Door) -> None:
    owner = door.people.owner
    await door.push(AGENTS="first")
    parent = await door.chat()
    child = await door.chat(parent_id=parent["id"])
    await door.push(seq=2, AGENTS="second")
    await door.call(owner, "PUT", f"/chats/{parent['id']}/context", {})
    uri = uri_of(ChatId(child["id"]), "workspace:AGENTS.md")
    asked = await ask(door, owner, child["id"], "resources/read", uri=uri)
    assert asked["result"]["contents"][0]["text"] == "first"
    other = await ask(door, owner, parent["id"], "resources/read", uri=uri)
    assert other["error"]["data"]["code"] == "file_not_found"


@pytest.mark.parametrize(
    ("content", "headers", "expected"),
    [
        pytest.param(b"{", {}, (400, "bad_json"), id="f1"),
        pytest.param(b"[]", {}, (400, "invalid_request"), id="batch"),
        pytest.param(
            PING, {"Content-Type": "text/plain"}, (415, "unsupported_media_type"), id="f2"
        ),
        pytest.param(b'{"id":1,"id":2}', {}, (400, "duplicate_key"), id="e29"),
        pytest.param(b"[" * 65 + b"]" * 65, {}, (400, "too_deep"), id="e30"),
        pytest.param(PING, {"Mcp-Session-Id": "guess"}, (404, "no_session"), id="session"),
        pytest.param(PING, {"Origin": "https://elsewhere.example"}, (403, "csrf"), id="f19"),
        pytest.param(
            b" " * (limits.GATEWAY_MESSAGE_BYTES_MAX + 1), {}, (413, "too_large"), id="f3"
        ),
    ],
)
async def test_f1_f2_f3_f19_a_message_that_is_none_is_refused(
    content: bytes, headers: dict[str, str], expected: tuple[int, str], door: Door
) -> None:
    chat_id = (await door.chat())["id"]
    response = await send(door, door.people.owner, chat_id, content, headers)
    assert problem_of(response) == expected


async def test_a_session_is_of_one_caller_and_one_chat(door: Door) -> None:
    people = door.people
    first, second = [(await door.chat())["id"] for _ in range(2)]
    hello = {
        "protocolVersion": "2025-06-18",
        "capabilities": {},
        "clientInfo": {"name": "a", "version": "1"},
    }
    request = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": hello}
    opened = await send(door, people.owner, first, json.dumps(request).encode())
    named = {"Mcp-Session-Id": opened.headers["mcp-session-id"]}
    assert (await send(door, people.owner, first, PING, named)).status_code == 200
    elsewhere = await send(door, people.owner, second, PING, named)
    assert problem_of(elsewhere) == (404, "no_session")
    await share_chat(
        door.services.store, people.owner, ChatId(first), people.other_id, Access.UPDATE
    )
    of_another = await send(door, people.other, first, PING, named)
    assert problem_of(of_another) == (404, "no_session")


async def test_g8_one_long_call_too_many_for_a_caller(door: Door) -> None:
    chat_id, owner = (await door.chat())["id"], door.people.owner
    call = {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": "x"}}
    with ExitStack() as held:
        for _ in range(limits.STREAMS_PER_CALLER_MAX):
            held.enter_context(door.services.gate.stream(owner))
        response = await send(door, owner, chat_id, json.dumps(call).encode())
        assert problem_of(response) == (429, "too_many_streams")


@pytest.mark.parametrize("name", ["rules-", "\N{LATIN SMALL LETTER E WITH ACUTE}" * 400])
async def test_f14_long_lists_come_in_pages_whose_cursors_cannot_be_made_up(
    name: str, door: Door
) -> None:
    owner = door.people.owner
    await push(door, {f"{name}{number:03}": str(number) for number in range(450)})
    chat_id = (await door.chat())["id"]
    pages: list[list[str]] = []
    place: dict[str, str] = {}
    while not pages or place:
        page = (await ask(door, owner, chat_id, "resources/list", **place))["result"]
        pages.append([each["uri"] for each in page["resources"]])
        place = {"cursor": page["nextCursor"]} if "nextCursor" in page else {}
    assert [len(page) for page in pages] == [200, 200, 50]
    assert len({uri for page in pages for uri in page}) == 450
    for bad in ("guess", "MTIz"):
        answer = await ask(door, owner, chat_id, "resources/list", cursor=bad)
        assert answer["error"]["data"]["code"] == "bad_cursor"


@pytest.mark.parametrize("name", ODD_NAMES)
@pytest.mark.parametrize("path", ["", "SKILL.md", "a/b c.txt", "%2e%2e/x"])
def test_an_address_leads_to_its_place_and_to_no_other(name: str, path: str) -> None:
    uri = uri_of(PLACE, f"workspace:{name}", path)
    assert uri.isascii()
    assert not set(uri) & set(' <>"\\?#{}')
    assert find_place(uri, PLACE) == (f"workspace:{name}", path)
    assert find_place(uri, ChatId(PLACE.replace("0", "1"))) is None


async def test_a30_a31_a32_an_address_outside_the_pin_is_not_found(door: Door) -> None:
    await push(door, {"AGENTS": "first", "a b": "second", "%2e%2e": "third"})
    chat_id, owner = ChatId((await door.chat())["id"]), door.people.owner
    for source, text in (("a b.md", "second"), ("%2e%2e.md", "third")):
        uri = uri_of(chat_id, f"workspace:{source}")
        asked = await ask(door, owner, chat_id, "resources/read", uri=uri)
        assert asked["result"]["contents"][0]["text"] == text
    begin = f"driftpin://chats/{chat_id}/"
    for odd in (
        "file:///etc/passwd",
        begin,
        f"{begin}../workspace%3AAGENTS.md",
        f"{begin}workspace%3AAGENTS.md/../../etc/passwd",
        f"{begin}workspace%253AAGENTS.md",
        f"{begin}workspace%3A..%2F..%2Fetc%2Fpasswd",
    ):
        answer = await ask(door, owner, chat_id, "resources/read", uri=odd)
        assert answer["error"]["data"]["code"] == "file_not_found"
