"""What web pages of others get: nothing (spec/bad-input.md F18-F21, G9; spec/trust.md T24, T25)."""

from collections.abc import AsyncIterator
from dataclasses import replace

import httpx2
import pytest

from door import Door, problem_of
from driftpin.server.app import build_app
from driftpin.server.hosts import HostRule, host_rule
from driftpin.server.secure_headers import SECURE_HEADERS
from driftpin.server.services import Services
from driftpin.store.database import EngineKind
from people import People

LOCAL = "http://127.0.0.1:7355"
EVIL = "http://evil.test"
COOKIE = {"Cookie": "driftpin=whatever"}
OWN_PAGE = {"Origin": LOCAL, "Sec-Fetch-Site": "same-origin"}


def _door(services: Services, people: People, rule: HostRule, url: str) -> Door:
    served = replace(services, options=replace(services.options, hosts=rule))
    app = build_app(served)
    return Door(
        served, app, httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url=url), people
    )


@pytest.fixture(params=[EngineKind.SQLITE], ids=str)
def engine_kind(request: pytest.FixtureRequest) -> EngineKind:
    """One engine: who is kept out here never comes as far as a database."""
    kind: EngineKind = request.param
    return kind


@pytest.fixture
async def local(services: Services, people: People) -> AsyncIterator[Door]:
    """The door of a server that listens on 127.0.0.1."""
    opened = _door(services, people, host_rule("127.0.0.1", None), LOCAL)
    yield opened
    await opened.http.aclose()


@pytest.mark.parametrize(
    "host", ["localhost", "LOCALHOST:1", "127.0.0.1", "127.0.0.1:9999", "[::1]", "[::1]:7355"]
)
async def test_f18_a_local_server_answers_to_its_own_names(local: Door, host: str) -> None:
    response = await local.http.get("/api/v1", headers={"Host": host})
    assert response.status_code == 200


@pytest.mark.parametrize(
    "host",
    [
        "evil.test",
        "evil.test:7355",
        "127.0.0.1.evil.test",
        "localhost.evil.test",
        "localhost@evil.test",
        "127.0.0.1:7355:1",
        "10.0.0.1",
        "localhost.",
        "",
        "[::2]",
    ],
)
@pytest.mark.parametrize("path", ["/api/v1/me", "/api/v1", "/healthz", "/mcp/chats/x", "/nothing"])
async def test_f18_a_foreign_host_is_misdirected(local: Door, host: str, path: str) -> None:
    token = await local.token_of(local.people.owner)
    headers = {"Host": host, "Authorization": f"Bearer {token}"}
    response = await local.http.get(path, headers=headers)
    assert problem_of(response) == (421, "misdirected")
    assert "evil" not in response.text


async def test_f18_two_hosts_are_refused(local: Door) -> None:
    headers = [(b"Host", b"localhost"), (b"Host", b"evil.test")]
    response = await local.http.get("/api/v1", headers=headers)
    assert problem_of(response) == (400, "repeated_header")


@pytest.mark.parametrize(
    ("listens_on", "allowed", "host", "is_own"),
    [
        ("0.0.0.0", None, "anything.test", True),
        ("0.0.0.0", ("driftpin.test",), "driftpin.test:443", True),
        ("0.0.0.0", ("driftpin.test",), "Driftpin.Test", True),
        ("0.0.0.0", ("driftpin.test",), "evil.test", False),
        ("0.0.0.0", ("driftpin.test",), "127.0.0.1:7355", True),
        ("0.0.0.0", ("driftpin.test:8443",), "driftpin.test:8443", True),
        ("0.0.0.0", ("driftpin.test:8443",), "driftpin.test", False),
        ("0.0.0.0", ("*",), "anything.test", True),
        ("::1", None, "[::1]:1", True),
        ("localhost", None, "evil.test", False),
        ("127.0.0.1", ("driftpin.test",), "driftpin.test", True),
        ("192.0.2.7", ("driftpin.test",), "192.0.2.7:7355", True),
    ],
)
def test_f18_a_server_is_told_its_names(
    listens_on: str, allowed: tuple[str, ...] | None, host: str, *, is_own: bool
) -> None:
    assert host_rule(listens_on, allowed).is_own_host(host) is is_own


async def test_health_and_metrics_are_told_under_any_name_where_a_balancer_may_ask(
    services: Services, people: People
) -> None:
    rule = host_rule("0.0.0.0", ("driftpin.test",))
    opened = _door(services, people, rule, "http://10.1.2.3")
    for path in ("/healthz", "/readyz", "/metrics"):
        assert (await opened.http.get(path)).status_code != 421
    assert problem_of(await opened.http.get("/api/v1")) == (421, "misdirected")
    await opened.http.aclose()


@pytest.mark.parametrize(
    "origin", [EVIL, "null", "http://localhost:3000", "http://127.0.0.1", f"{LOCAL}.evil.test"]
)
@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE", "GET"])
async def test_f19_a_foreign_origin_with_a_cookie_is_csrf(
    local: Door, origin: str, method: str
) -> None:
    headers = {**COOKIE, "Origin": origin, "X-Driftpin-Client": "1"}
    response = await local.http.request(method, "/api/v1/chats", headers=headers)
    assert problem_of(response) == (403, "csrf")


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
async def test_f19_no_origin_with_a_cookie_changes_nothing(local: Door, method: str) -> None:
    response = await local.http.request(method, "/api/v1/chats", headers=COOKIE)
    assert problem_of(response) == (403, "csrf")


async def test_f19_an_own_page_comes_as_far_as_its_credential(local: Door) -> None:
    response = await local.http.post("/api/v1/chats", headers={**COOKIE, **OWN_PAGE})
    assert problem_of(response) == (401, "unauthenticated")


@pytest.mark.parametrize(
    ("host", "origin", "scheme", "is_own"),
    [
        ("driftpin.test", "https://driftpin.test", "https", True),
        ("driftpin.test", "https://driftpin.test", "http", True),
        ("driftpin.test", "http://driftpin.test", "https", False),
        ("driftpin.test:443", "https://driftpin.test", "https", True),
        ("10.0.0.3:7355", "https://public.test", "http", True),
        ("10.0.0.3:7355", "https://public.test:8443", "http", False),
        ("10.0.0.3:7355", "https://other.test", "http", False),
        ("driftpin.test", "https://driftpin.test@evil.test", "http", False),
        ("driftpin.test", "file://driftpin.test", "http", False),
        ("driftpin.test", "", "http", False),
    ],
)
def test_a_page_is_own_by_the_host_that_it_asks_or_by_a_name_that_was_told(
    host: str, origin: str, scheme: str, *, is_own: bool
) -> None:
    rule = host_rule("0.0.0.0", ("public.test", "driftpin.test"))
    assert rule.is_own_origin(origin, host, scheme) is is_own


@pytest.mark.parametrize("site", ["cross-site", "same-site"])
@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/api/v1/chats"),
        ("PUT", "/api/v1/chats"),
        ("GET", "/api/v1/events"),
        ("GET", "/api/v1/me"),
        ("GET", "/healthz"),
    ],
)
async def test_f20_a_foreign_site_is_csrf(local: Door, site: str, method: str, path: str) -> None:
    response = await local.http.request(method, path, headers={"Sec-Fetch-Site": site})
    assert problem_of(response) == (403, "csrf")


async def test_f20_a_form_that_navigates_from_a_foreign_site_is_csrf(local: Door) -> None:
    step = {
        "Sec-Fetch-Site": "cross-site",
        "Sec-Fetch-Mode": "navigate",
        "Sec-Fetch-Dest": "document",
    }
    assert problem_of(await local.http.post("/api/v1/chats", headers=step)) == (403, "csrf")
    framed = {**step, "Sec-Fetch-Dest": "iframe"}
    assert problem_of(await local.http.get("/api/v1", headers=framed)) == (403, "csrf")
    assert (await local.http.get("/api/v1", headers=step)).status_code == 200


async def test_f20_a_program_shows_itself_by_a_header_that_pages_cannot_send(local: Door) -> None:
    foreign = {"Sec-Fetch-Site": "cross-site"}
    told = await local.http.get("/api/v1", headers={**foreign, "X-Driftpin-Client": "1"})
    assert told.status_code == 200
    assert (
        await local.call(local.people.owner, "GET", "/me", headers={**foreign, "Origin": EVIL})
    ).status_code == 200


async def test_no_page_of_another_origin_is_ever_allowed(local: Door) -> None:
    asked = {"Origin": EVIL, "Access-Control-Request-Method": "POST"}
    preflight = await local.http.options("/api/v1/chats", headers=asked)
    assert problem_of(preflight) == (403, "csrf")
    own = await local.http.options("/api/v1/chats", headers={"Origin": LOCAL})
    assert problem_of(own) == (405, "method_not_allowed")
    answered = await local.call(local.people.owner, "GET", "/me", headers={"Origin": EVIL})
    for response in (preflight, own, answered):
        assert not [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    "path",
    [
        "/static/..%2f..%2fetc/passwd",
        "/static/%2e%2e/%2e%2e/etc/passwd",
        "/static/..%5c..%5cetc/passwd",
        "/..%2fetc/passwd",
        "/api/v1/..%2f..%2fhealthz",
        "/api/v1/%2e%2e/v1/me",
        "/healthz%2f",
    ],
)
async def test_f21_a_path_that_climbs_is_not_found(local: Door, path: str) -> None:
    url = httpx2.URL(LOCAL).copy_with(raw_path=path.encode())
    response = await local.http.get(url)
    assert problem_of(response) == (404, "not_found")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/api/v1"), ("GET", "/api/v1/me"), ("GET", "/nothing"), ("DELETE", "/api/v1")],
)
async def test_every_answer_says_that_nothing_of_it_runs_or_is_kept(
    local: Door, method: str, path: str
) -> None:
    response = await local.http.request(method, path)
    assert {name: response.headers.get(name) for name in SECURE_HEADERS} == dict(SECURE_HEADERS)


async def test_bytes_of_a_workspace_are_neither_rendered_nor_kept(local: Door) -> None:
    await local.hello()
    await local.push(AGENTS="<script>alert(1)</script>")
    chat = await local.chat()
    context = (await local.get(local.people.owner, f"/chats/{chat['id']}/context")).json()
    digest = context["resources"][0]["digest"]
    response = await local.get(local.people.owner, f"/blobs/{digest}")
    assert response.headers["content-disposition"] == "attachment"
    assert "sandbox" in response.headers["content-security-policy"]
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-content-type-options"] == "nosniff"
