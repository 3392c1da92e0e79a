"""What a process counts: the right figures, for the right callers, naming nobody."""

import re
import sqlite3
from contextlib import closing

import httpx2
import pytest

from driftpin.errors import DriftpinError, Forbidden, Unauthenticated
from driftpin.identity import digest_of
from driftpin.server.metrics import Metrics
from driftpin.store.database import sqlite_path
from driftpin.wire.api import (
    CreateTokenRequest,
    CreateUserRequest,
    RebindRequest,
    RefreshRequest,
    RollbackRequest,
)
from driftpin.wire.problem import error_from
from served import Site

UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


async def read_metrics(url: str, token: str | None) -> str:
    headers = {} if token is None else {"Authorization": f"Bearer {token}"}
    async with httpx2.AsyncClient(trust_env=False) as http:
        response = await http.get(f"{url}/metrics", headers=headers)
    if response.status_code != 200:
        raise error_from(response.status_code, response.json())
    assert response.headers["content-type"].startswith("text/plain")
    return response.text


def figure(text: str, sample: str) -> float:
    """Return the value of one sample, 0 for one that was never counted."""
    for line in text.splitlines():
        name, _, value = line.rpartition(" ")
        if name == sample:
            return float(value)
    return 0.0


async def test_what_happens_is_counted(site: Site) -> None:
    await site.hello()
    await site.push(AGENTS="one")
    chat = await site.chat()
    await site.push(AGENTS="two")
    await site.push(AGENTS="two")
    await site.client.refresh_context(chat.id, RefreshRequest())
    await site.client.rebind_chat(chat.id, RebindRequest())
    for refused in (
        site.client.roll_back_context(chat.id, RollbackRequest(to=digest_of(b"elsewhere"))),
        site.client.resync_agent(site.agent_id),
    ):
        with pytest.raises(DriftpinError):
            await refused
    async with site.client.watch_events():
        text = await read_metrics(site.url, site.token)
    assert figure(text, 'driftpin_pushes_total{result="accepted"}') == 2
    assert figure(text, 'driftpin_pushes_total{result="unchanged"}') == 1
    assert figure(text, "driftpin_push_seconds_count") == 3
    assert figure(text, 'driftpin_refreshes_total{result="ok"}') == 1
    assert figure(text, 'driftpin_rebinds_total{result="ok"}') == 1
    assert 'driftpin_pin_failures_total{code="' in text
    assert figure(text, 'driftpin_unavailable_total{code="agent_offline"}') == 1
    assert figure(text, 'driftpin_agent_calls_total{outcome="agent_offline"}') == 1
    assert figure(text, "driftpin_streams_open") == 1
    assert figure(text, "driftpin_links_open") == 0
    assert figure(text, "driftpin_blob_bytes") > 6
    assert figure(text, 'driftpin_turns{state="waiting"}') == 0
    assert figure(text, "driftpin_database_connections_max") >= 1
    counted = 'driftpin_requests_total{method="GET",route="/healthz",status="200"}'
    assert figure(text, counted) == 0


async def test_labels_are_templates_and_codes_and_never_somebodys(site: Site) -> None:
    await site.hello()
    await site.push(AGENTS="a secret of somebody's")
    chat = await site.chat()
    await site.client.get_chat(chat.id)
    async with httpx2.AsyncClient(trust_env=False) as http:
        for path in ("/nowhere", f"/api/v1/chats/{chat.id}/nowhere", "/api/v1/me"):
            await http.get(f"{site.url}{path}")
    text = await read_metrics(site.url, site.token)
    routes = set(re.findall(r'route="([^"]*)"', text))
    assert "/api/v1/chats/{chat_id}" in routes
    assert "none" in routes
    assert not any("nowhere" in route for route in routes)
    assert UUID.search(text) is None
    assert "dp_u_" not in text
    assert "dp_a_" not in text
    assert "secret" not in text
    assert set(re.findall(r"(\w+)=", text)) <= {
        *("method", "route", "status", "result", "verb", "code", "outcome", "kind", "state", "le")
    }


async def test_x12_the_log_that_a_reader_of_another_process_keeps_growing_is_shown(
    site: Site,
) -> None:
    path = sqlite_path(site.server.services.store.database.url)
    await site.hello()
    if path is None:
        await site.push(AGENTS="one")
        shown = figure(await read_metrics(site.url, site.token), "driftpin_sqlite_log_bytes")
        assert shown == 0
        return
    with closing(sqlite3.connect(path)) as reader:
        reader.execute("BEGIN")
        reader.execute("SELECT count(*) FROM blobs").fetchone()
        for number in range(3):
            await site.push(AGENTS=f"{number}" * 9_000)
        shown = figure(await read_metrics(site.url, site.token), "driftpin_sqlite_log_bytes")
        # It only grows while somebody reads, and others may write too.
        assert 3 * 9_000 < shown <= path.with_name(f"{path.name}-wal").stat().st_size


async def test_only_administrators_read_metrics(site: Site) -> None:
    user = await site.client.create_user(CreateUserRequest(name="somebody"))
    token = await site.client.create_token(CreateTokenRequest(user_id=user.id))
    with pytest.raises(Forbidden):
        await read_metrics(site.url, token.token)
    with pytest.raises(Forbidden):
        await read_metrics(site.url, site.agent_token)
    with pytest.raises(Unauthenticated):
        await read_metrics(site.url, None)


def test_two_servers_in_one_process_count_apart() -> None:
    first, second = Metrics(), Metrics()
    first.count_call("done")
    stock = first.stock
    assert b'outcome="done"' in first.as_text(stock)
    assert b'outcome="done"' not in second.as_text(stock)
