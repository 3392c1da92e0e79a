"""The HTTP API's answers to bad requests (spec/bad-input.md F)."""

import asyncio
import socket
from collections.abc import AsyncIterator

import httpx2
import pytest

from door import Door, problem_of
from driftpin import limits
from driftpin.server.app import build_app
from driftpin.server.serve import bind
from stepping import SteppedClock

MISSING = "01900000-0000-7abc-8000-000000000000"


@pytest.mark.parametrize("content", [b'{"name": }', b"", b"{", b"\xff"])
async def test_f1_broken_json_is_told_with_its_offset(door: Door, content: bytes) -> None:
    response = await door.call(door.people.owner, "POST", "/workspaces", content=content)
    assert problem_of(response) == (400, "bad_json")
    assert isinstance(response.json()["offset"], int)


@pytest.mark.parametrize(
    "media_type",
    ["text/plain", "application/x-www-form-urlencoded", "application/json; charset=latin-1"],
)
async def test_f2_a_wrong_content_type_is_415(door: Door, media_type: str) -> None:
    response = await door.call(
        door.people.owner,
        "POST",
        "/workspaces",
        content=b'{"name": "x"}',
        headers={"Content-Type": media_type},
    )
    assert problem_of(response) == (415, "unsupported_media_type")


async def test_f2_a_wrong_encoding_is_415(door: Door) -> None:
    response = await door.call(
        door.people.owner, "POST", "/workspaces", {"name": "x"}, headers={"Content-Encoding": "br"}
    )
    assert problem_of(response) == (415, "unsupported_encoding")


async def test_f3_a_body_over_its_cap_is_413(door: Door) -> None:
    content = b" " * (limits.API_BODY_BYTES_MAX + 1)
    response = await door.call(door.people.owner, "POST", "/workspaces", content=content)
    assert problem_of(response) == (413, "too_large")


async def test_f3_a_chunked_body_over_its_cap_is_413_before_its_end(door: Door) -> None:
    sent = 0

    async def endless() -> AsyncIterator[bytes]:
        nonlocal sent
        while True:
            sent += limits.MIB
            yield b" " * limits.MIB

    response = await door.http.post(
        "/api/v1/workspaces",
        content=endless(),
        headers={
            "Authorization": f"Bearer {await door.token_of(door.people.owner)}",
            "Content-Type": "application/json",
        },
    )
    assert problem_of(response) == (413, "too_large")
    assert sent <= limits.API_BODY_BYTES_MAX + 2 * limits.MIB


async def test_f4_headers_over_16_kib_are_431(door: Door) -> None:
    large = {"X-Large": "x" * limits.API_HEADER_BYTES_MAX}
    response = await door.call(door.people.owner, "GET", "/me", headers=large)
    assert problem_of(response) == (431, "headers_too_large")


async def test_f5_an_unknown_route_is_404(door: Door) -> None:
    assert problem_of(await door.get(door.people.owner, "/nothing")) == (404, "not_found")


async def test_f5_a_wrong_method_is_405_and_told_the_right_ones(door: Door) -> None:
    response = await door.call(door.people.owner, "DELETE", "/chats")
    assert problem_of(response) == (405, "method_not_allowed")
    assert response.headers["allow"] == "GET, POST"


@pytest.mark.parametrize("bad", ["x", MISSING.upper(), MISSING + "0", "%00", "..%2f..", "-1"])
@pytest.mark.parametrize(
    "path", ["/chats/{}", "/workspaces/{}", "/agents/{}", "/chats?workspace={}"]
)
async def test_f6_what_is_no_id_is_a_bad_id(door: Door, path: str, bad: str) -> None:
    status, code = problem_of(await door.get(door.people.owner, path.format(bad)))
    # A path with more parts is another route, which there is not.
    assert (status, code) in {(400, "bad_id"), (404, "not_found")}
    if "%2f" not in bad:
        assert code == "bad_id"


async def test_f7_anothers_chat_is_as_missing_as_a_missing_one(door: Door) -> None:
    chat = await door.chat()
    for suffix in ("", "/context", "/context/drift", "/context/history", "/messages", "/export"):
        hidden = await door.get(door.people.other, f"/chats/{chat['id']}{suffix}")
        missing = await door.get(door.people.other, f"/chats/{MISSING}{suffix}")
        assert problem_of(hidden) == (404, "not_found")
        assert (hidden.content, hidden.headers) == (missing.content, missing.headers)


async def test_f8_a_viewer_may_not_refresh(greeted: Door) -> None:
    await greeted.push(AGENTS="x")
    chat = await greeted.chat()
    share = {"user_id": greeted.people.other_id, "access": "read"}
    path = f"/chats/{chat['id']}"
    assert (
        await greeted.call(greeted.people.owner, "PUT", f"{path}/shares", share)
    ).status_code == 200
    assert (await greeted.get(greeted.people.other, path)).status_code == 200
    refused = await greeted.call(greeted.people.other, "PUT", f"{path}/context", {})
    assert problem_of(refused) == (403, "forbidden")


async def test_f9_an_old_tag_is_412_with_the_current_one(greeted: Door) -> None:
    await greeted.push(seq=1, AGENTS="x")
    chat = await greeted.chat()
    path = f"/chats/{chat['id']}/context"
    old = (await greeted.get(greeted.people.owner, path)).headers["etag"]
    await greeted.push(seq=2, AGENTS="y")
    moved = await greeted.call(greeted.people.owner, "PUT", path, {}, headers={"If-Match": old})
    assert moved.status_code == 200
    refused = await greeted.call(greeted.people.owner, "PUT", path, {}, headers={"If-Match": old})
    assert problem_of(refused) == (412, "precondition_failed")
    assert refused.headers["etag"] == moved.headers["etag"] != old


async def test_a_refresh_to_a_head_that_moved_on_names_both(greeted: Door) -> None:
    await greeted.push(seq=1, AGENTS="x")
    chat = await greeted.chat()
    shown = (await greeted.push(seq=2, AGENTS="y")).json()["head"]["digest"]
    head = (await greeted.push(seq=3, AGENTS="z")).json()["head"]["digest"]
    response = await greeted.call(
        greeted.people.owner, "PUT", f"/chats/{chat['id']}/context", {"to": shown}
    )
    assert problem_of(response) == (412, "head_moved")
    assert (response.json()["shown"], response.json()["head"]) == (shown, head)


async def test_f10_a_refresh_before_any_push_is_no_snapshot(greeted: Door) -> None:
    chat = await greeted.chat()
    response = await greeted.call(greeted.people.owner, "PUT", f"/chats/{chat['id']}/context", {})
    assert problem_of(response) == (409, "no_snapshot")


async def test_f11_an_archived_chat_is_not_refreshed(greeted: Door) -> None:
    await greeted.push(AGENTS="x")
    chat = await greeted.chat()
    path = f"/chats/{chat['id']}"
    archived = await greeted.call(greeted.people.owner, "PATCH", path, {"archived": True})
    assert archived.json()["archived"] is True
    response = await greeted.call(greeted.people.owner, "PUT", f"{path}/context", {})
    assert problem_of(response) == (409, "chat_archived")


async def test_f12_two_refreshes_at_once_move_the_pin_once(greeted: Door) -> None:
    await greeted.push(seq=1, AGENTS="x")
    chat = await greeted.chat()
    await greeted.push(seq=2, AGENTS="y")
    path = f"/chats/{chat['id']}/context"
    both = await asyncio.gather(
        *(greeted.call(greeted.people.owner, "PUT", path, {}) for _ in range(2))
    )
    assert [response.status_code for response in both] == [200, 200]
    assert {response.json()["revision"] for response in both} == {2}
    history = (await greeted.get(greeted.people.owner, f"{path}/history")).json()["items"]
    assert [move["verb"] for move in history] == ["refresh", "hydrate"]


async def test_f13_a_key_with_another_body_is_a_mismatch(door: Door) -> None:
    key = {"Idempotency-Key": "once"}
    first = await door.call(door.people.owner, "POST", "/workspaces", {"name": "a"}, headers=key)
    again = await door.call(door.people.owner, "POST", "/workspaces", {"name": "a"}, headers=key)
    other = await door.call(door.people.owner, "POST", "/workspaces", {"name": "b"}, headers=key)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert problem_of(other) == (422, "idempotency_mismatch")


async def test_a_key_is_not_an_answer_to_what_was_a_secret(door: Door) -> None:
    key = {"Idempotency-Key": "once"}
    path = f"/workspaces/{door.people.workspace_id}/agents"
    first = await door.call(door.people.owner, "POST", path, {"name": "a"}, headers=key)
    again = await door.call(door.people.owner, "POST", path, {"name": "a"}, headers=key)
    assert first.json()["token"].startswith("dp_a_")
    assert problem_of(again) == (409, "already_created")
    agents = (await door.get(door.people.owner, path)).json()["items"]
    assert len(agents) == 2


@pytest.mark.parametrize("key", ["", "x" * 201, "a b"])
async def test_a_key_that_is_no_key_is_refused(door: Door, key: str) -> None:
    response = await door.call(
        door.people.owner, "POST", "/workspaces", {"name": "a"}, headers={"Idempotency-Key": key}
    )
    assert problem_of(response) == (400, "bad_idempotency_key")


async def _second_page(door: Door) -> str:
    for _ in range(3):
        await door.chat()
    page = (await door.get(door.people.owner, "/chats?limit=1")).json()
    return str(page["next"])


async def test_pages_hold_everything_once(door: Door) -> None:
    made = [(await door.chat())["id"] for _ in range(5)]
    seen: list[str] = []
    cursor: str | None = ""
    while cursor is not None:
        page = (await door.get(door.people.owner, f"/chats?limit=2{cursor}")).json()
        seen += [chat["id"] for chat in page["items"]]
        cursor = None if page["next"] is None else f"&cursor={page['next']}"
    assert sorted(seen) == sorted(made)


async def test_f14_an_altered_cursor_is_bad(door: Door) -> None:
    cursor = await _second_page(door)
    for altered in (cursor[:-2] + "AA", "x", cursor + "A", "é", "%00"):
        response = await door.get(door.people.owner, f"/chats?cursor={altered}")
        assert problem_of(response) == (400, "bad_cursor")


async def test_f14_a_cursor_of_another_list_or_caller_is_bad(door: Door) -> None:
    cursor = await _second_page(door)
    for caller, path in (
        (door.people.owner, "/workspaces?"),
        (door.people.owner, "/chats?q=x&"),
        (door.people.other, "/chats?"),
    ):
        response = await door.get(caller, f"{path}cursor={cursor}")
        assert problem_of(response) == (400, "bad_cursor")


async def test_f14_an_old_cursor_is_gone(door: Door, clock: SteppedClock) -> None:
    cursor = await _second_page(door)
    clock.step(25 * 3_600)
    response = await door.get(door.people.owner, f"/chats?cursor={cursor}")
    assert problem_of(response) == (410, "cursor_expired")


@pytest.mark.parametrize("limit", ["-1", "0", "1000000000", "abc", "1.0", "", "%C2%B2", "501"])
async def test_f15_what_is_no_limit_is_a_bad_limit(door: Door, limit: str) -> None:
    response = await door.get(door.people.owner, f"/chats?limit={limit}")
    assert problem_of(response) == (400, "bad_limit")


async def test_f16_quotes_in_a_filter_are_taken_as_they_stand(door: Door) -> None:
    titles = ["it's", "100%", "a_b", "' OR 1=1 --", "plain"]
    for title in titles:
        await door.chat(title=title)
    for title in titles:
        response = await door.http.get(
            "/api/v1/chats",
            params={"q": title},
            headers={"Authorization": f"Bearer {await door.token_of(door.people.owner)}"},
        )
        assert [chat["title"] for chat in response.json()["items"]] == [title]


@pytest.mark.parametrize("sort", ["nothing", "created;DROP", "id", "", "-"])
async def test_f16_an_unknown_sort_is_a_bad_sort(door: Door, sort: str) -> None:
    response = await door.get(door.people.owner, f"/chats?sort={sort}")
    assert problem_of(response) == (400, "bad_sort")


async def test_f17_a_title_of_10_mb_is_too_long(door: Door) -> None:
    body = {"workspace_id": door.people.workspace_id, "title": "x" * 10_000_000}
    assert problem_of(await door.post(door.people.owner, "/chats", body)) == (422, "too_long")


@pytest.mark.parametrize("title", ["a\0b", "a\x1bb", "a\nb", "a\x9fb"])
async def test_f17_a_title_with_controls_is_refused(door: Door, title: str) -> None:
    body = {"workspace_id": door.people.workspace_id, "title": title}
    assert problem_of(await door.post(door.people.owner, "/chats", body)) == (422, "control_char")


async def test_f17_html_in_a_title_is_only_text(door: Door) -> None:
    title = "<script>alert(1)</script>"
    chat = await door.chat(title=title)
    response = await door.get(door.people.owner, f"/chats/{chat['id']}")
    assert response.json()["title"] == title
    assert response.headers["content-type"] == "application/json"


@pytest.mark.plants_fault
async def test_f26_a_fault_of_our_own_shows_an_opaque_id_only(
    door: Door, no_fault: list[str]
) -> None:
    app = build_app(door.services)

    @app.get("/broken")
    async def broken() -> None:
        raise RuntimeError("secret")

    quiet = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
    async with httpx2.AsyncClient(transport=quiet, base_url="http://x") as http:
        response = await http.get("/broken")
    assert problem_of(response) == (500, "internal_error")
    assert "secret" not in response.text
    assert len(response.json()["fault_id"]) == 16
    assert len(no_fault) == 1
    assert "RuntimeError" in no_fault[0]


async def test_an_unknown_field_of_a_request_is_named(door: Door) -> None:
    response = await door.post(door.people.owner, "/workspaces", {"name": "x", "owner": "me"})
    assert problem_of(response) == (400, "unknown_field")
    assert response.json()["pointer"] == "/owner"


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/api/v1"])
async def test_open_routes_need_no_token(door: Door, path: str) -> None:
    assert (await door.http.get(path)).status_code == 200


def test_no_half_of_an_answer_waits_for_word_of_the_other() -> None:
    with bind("127.0.0.1", 0) as listener, socket.create_connection(listener.getsockname()):
        accepted, _ = listener.accept()
        with accepted:
            assert accepted.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
