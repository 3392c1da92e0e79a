"""Pages and their forms over HTTP: who is answered how, and what a broken form is told."""

import httpx2
import pytest

from door import Door, problem_of
from driftpin import limits
from driftpin.identity import digest_of

FORM = {"Content-Type": "application/x-www-form-urlencoded"}
HTML = {"Accept": "text/html"}


async def _page(door: Door, path: str, **headers: str) -> httpx2.Response:
    token = await door.token_of(door.people.owner)
    return await door.http.get(path, headers={"Authorization": f"Bearer {token}", **headers})


async def _send(
    door: Door, path: str, content: bytes, headers: dict[str, str] | None = None
) -> httpx2.Response:
    token = await door.token_of(door.people.owner)
    return await door.http.post(
        path, content=content, headers={"Authorization": f"Bearer {token}", **(headers or FORM)}
    )


async def test_a_page_runs_and_loads_nothing_but_own_files(door: Door) -> None:
    page = await _page(door, "/")
    policy = page.headers["content-security-policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert "http" not in policy
    assert "<style" not in page.text
    assert "style=" not in page.text
    assert page.headers["cache-control"] == "no-store"
    loaded = [part.partition('"')[0] for part in page.text.split('="/assets/')[1:]]
    assert len(set(loaded)) == 6
    for path in set(loaded):
        asset = await door.http.get(f"/assets/{path}")
        assert asset.status_code == 200
        assert "immutable" in asset.headers["cache-control"]


async def test_a_refusal_is_a_page_for_whoever_asked_for_one(door: Door) -> None:
    nobody = await door.http.get("/", headers=HTML)
    assert nobody.status_code == 401
    assert "driftpin login-link" in nobody.text
    missing = await _page(door, "/chats/01890000-0000-7000-8000-000000000000", **HTML)
    assert missing.status_code == 404
    assert "<code>not_found</code>" in missing.text
    nowhere = await _page(door, "/no-such-page", **HTML)
    assert (nowhere.status_code, "text/html" in nowhere.headers["content-type"]) == (404, True)
    program = await door.http.get("/")
    assert problem_of(program) == (401, "unauthenticated")
    api = await door.http.get("/api/v1/chats", headers=HTML)
    assert problem_of(api) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (b"title=%ff", (400, "bad_form")),
        (b"&".join(b"a=1" for _ in range(60)), (400, "bad_form")),
        (b"workspace=x", (400, "bad_id")),
        (b"text=%00", (422, "control_char")),
        (b"x" * (limits.PAGE_FORM_BYTES_MAX + 1), (413, "too_large")),
    ],
)
async def test_a_broken_form_is_refused_with_its_code(
    door: Door, content: bytes, code: tuple[int, str]
) -> None:
    assert problem_of(await _send(door, "/chats", content)) == code


async def test_h11_a_password_of_a_megabyte_is_413_before_hashing(door: Door) -> None:
    refused = await _send(door, "/sign-in", b"name=owner&password=" + b"x" * 1_000_000)
    assert problem_of(refused) == (413, "too_large")


async def test_f16_a_title_is_looked_for_as_it_stands(door: Door) -> None:
    await door.chat(title="100% <b>")
    for text, is_found in (("100%25", True), ("%25%25", False), ("%3Cb%3E", True), ("%00", False)):
        page = await _page(door, f"/?q={text}")
        assert ("100% &lt;b&gt;" in page.text) is is_found, text


async def test_a_form_in_json_is_refused(door: Door) -> None:
    refused = await _send(door, "/chats", b"{}", {"Content-Type": "application/json"})
    assert problem_of(refused)[0] == 415


async def test_f19_a_form_of_a_foreign_page_changes_nothing(door: Door) -> None:
    chat = await door.chat(title="mine")
    link = (await door.post(door.people.owner, "/login-links")).json()["path"]
    own = {"Origin": "http://driftpin.test", "Sec-Fetch-Site": "same-origin"}
    signed_in = await door.http.post(link, headers=own)
    assert signed_in.headers["location"] == "/"
    path = f"/chats/{chat['id']}/settings"
    for foreign in ({"Origin": "http://evil.test"}, {"Origin": "null"}, {}):
        refused = await door.http.post(path, content=b"title=x", headers={**FORM, **foreign})
        assert problem_of(refused) == (403, "csrf")
    changed = await door.http.post(path, content=b"title=x", headers={**FORM, **own})
    assert changed.status_code == 303
    door.http.cookies.clear()
    assert (await door.get(door.people.owner, f"/chats/{chat['id']}")).json()["title"] == "x"


async def test_which_chats_use_a_file_is_told_by_its_digest(door: Door) -> None:
    await door.hello()
    await door.push(AGENTS="be kind")
    chat = await door.chat(title="kind one")
    shown = (await door.get(door.people.owner, f"/chats/{chat['id']}/context")).json()
    digest = shown["resources"][0]["digest"]
    page = await _page(door, f"/digests/{digest}")
    assert "kind one" in page.text
    assert "be kind" in page.text
    uses = (await door.get(door.people.owner, f"/blobs/{digest}/uses")).json()["items"]
    assert [(use["chat_id"], use["source"]) for use in uses] == [
        (chat["id"], "workspace:AGENTS.md")
    ]
    hidden = await door.get(door.people.other, f"/blobs/{digest}/uses")
    assert hidden.json() == {"items": [], "next": None}


async def test_uses_of_a_digest_come_in_pages_without_gap_or_repetition(door: Door) -> None:
    await door.hello()
    await door.push(a="same", b="same")
    chats = [(await door.chat())["id"] for _ in range(2)]
    found: list[tuple[str, str]] = []
    following = f"/blobs/{digest_of(b'same')}/uses?limit=1"
    place = following
    for _ in range(4):
        page = (await door.get(door.people.owner, place)).json()
        found += [(use["chat_id"], use["source"]) for use in page["items"]]
        place = f"{following}&cursor={page['next']}"
    assert page["next"] is None
    sources = ("workspace:a.md", "workspace:b.md")
    assert found == [(chat, source) for chat in sorted(chats, reverse=True) for source in sources]


async def test_turns_are_shown_a_page_at_a_time(
    door: Door, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PAGE_TURNS_MAX", 2)
    chat = await door.chat()
    for number in range(1, 6):
        sent = await door.post(
            door.people.owner, f"/chats/{chat['id']}/messages", {"text": f"number {number}"}
        )
        assert sent.status_code == 201
    newest = (await _page(door, f"/chats/{chat['id']}")).text
    assert ("number 3" in newest, "number 4" in newest, "number 5" in newest) == (False, True, True)
    assert "?first=2" in newest
    earlier = (await _page(door, f"/chats/{chat['id']}?first=2")).text
    assert ("number 2" in earlier, "number 3" in earlier, "number 4" in earlier) == (
        True,
        True,
        False,
    )
    assert "Newest turns" in earlier
