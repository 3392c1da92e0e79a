"""Fuzz targets at the borders of processes: frames, JSON, pushes, cursors, tokens, addresses."""

import asyncio
import json
import random
from typing import cast

import msgspec
from starlette.websockets import WebSocket

from agent_runtime.running import no_link
from driftpin.agent.link import Link
from driftpin.agent.local_socket import LocalSocket
from driftpin.clock import SystemClock
from driftpin.context.manifest import resources_of, snapshot_of
from driftpin.credentials import TokenKind, mint_token, read_token
from driftpin.errors import DriftpinError, Gone, Malformed, Rejected, Unauthenticated
from driftpin.events.event import Position
from driftpin.identity import AgentId, digest_of
from driftpin.masking import without_password
from driftpin.server.cursors import Cursors, Sealer
from driftpin.server.links import AgentLink
from driftpin.wire.agent import PushRequest
from driftpin.wire.json_text import parse_json
from driftpin.wire.link import LinkReply
from driftpin.wire.push import read_blobs, read_manifest, read_observations
from driftpin.wire.reading import read_shape
from fuzz.target import Target
from stepping import SteppedClock

JSON_WORDS = (
    *(b"{", b"}", b"[", b"]", b":", b",", b'"', b'"a":', b"null", b"true", b"\\u0000", b"\\ud800"),
    *(b"[" * 70, b'{"a":' * 70, b'{"a":1,"a":2}', b"//", b"\\", b'"\\'),
)
FRAME_WORDS = (
    *(b"\x84", b"\xa7jsonrpc", b"\xa32.0", b"\xa2id", b"\xa6method", b"\xa6params", b"\xc1"),
    *(b"\xdf\xff\xff\xff\xff", b"\x91" * 80, b"\x81\x91\x01\x01", b"\xd4\x01\x02"),
)
PUSH_WORDS = (
    *JSON_WORDS,
    *(b'"kind"', b'"source"', b'"status"', b'"reason"', b'"digest"', b'"files"', b'"name"'),
    *(b'"instruction_file"', b'"skill"', b'"mcp_config"', b'"mcp_server"', b'"ok"', b'"invalid"'),
    *(b"workspace:../x", b"mcp:a", b"user:", b'"identity"', b'"catalogue"', b'"tools"'),
    *(b"sha256:" + b"0" * 64, b'"executable"', b'"seq"', b'"incarnation"', b'"blobs"'),
)
SECRET = "5ecret-0f-a-fuzz"
CURSORS = Cursors(Sealer(bytes(range(32))), SteppedClock(), 3)
PURPOSE = "chats of somebody"
PAGE = str(CURSORS.write_page(PURPOSE, "01890000-0000-7000-8000-000000000001"))
EVENT = CURSORS.write_event(Position(7, 8))
TOKEN, _ = mint_token(TokenKind.USER, random.Random(1).randbytes)


def check_frame(frame: bytes) -> None:
    """An agent answers every frame, a server takes or refuses it, a local socket says a line."""
    link = Link(no_link, {}, incarnation=int, on_change=lambda: None, clock=SystemClock())
    reply = asyncio.run(link._reply_to(frame))
    assert reply.error is not None
    assert reply.error.data is not None
    assert reply.error.data["code"] in {"bad_message", "unknown_method"}
    again = msgspec.msgpack.decode(msgspec.msgpack.encode(reply), type=LinkReply)
    assert again == reply
    _check_settled(frame)
    line = asyncio.run(LocalSocket({})._answer(frame))
    assert line.endswith(b"\n")
    assert line.count(b"\n") == 1
    assert json.loads(line)["error"]["code"] in {"invalid_request", "unknown_method"}


def _check_settled(frame: bytes) -> None:
    link = AgentLink(cast("WebSocket", None), AgentId("a"), None, digest_of(b""))
    try:
        link.settle(frame)
    except Rejected as refusal:
        _check_refusal(refusal)


def check_json(body: bytes) -> None:
    """What is read is what every parser reads, and it can be written and read again."""
    try:
        value = parse_json(body)
    except DriftpinError as refusal:
        _check_refusal(refusal)
        return
    assert value == json.loads(body)
    assert parse_json(json.dumps(value).encode()) == value
    json.dumps(value, ensure_ascii=False).encode("utf-8")


def check_push(body: bytes) -> None:
    """A push that passes every check makes the same snapshot out of its own manifest."""
    try:
        request = read_shape(PushRequest, body)
        snapshot = read_manifest(request.manifest, None)
        read_blobs(request.blobs, snapshot)
        read_observations(request.observations)
    except DriftpinError as refusal:
        _check_refusal(refusal)
        return
    assert digest_of(snapshot.manifest) == snapshot.digest
    again = snapshot_of(resources_of(snapshot.manifest))
    assert (again.digest, again.manifest) == (snapshot.digest, snapshot.manifest)
    assert read_manifest(json.loads(snapshot.manifest), snapshot.digest).digest == snapshot.digest


def check_cursor(text: bytes) -> None:
    """Only what was given out is taken back, letter for letter."""
    cursor = text.decode("utf-8", "replace")
    for read, issued in (
        (lambda: CURSORS.read_page(PURPOSE, cursor), PAGE),
        (lambda: CURSORS.read_event(cursor), EVENT),
    ):
        try:
            read()
        except (Malformed, Gone):
            continue
        assert cursor == issued, "another text than was given out is taken for it"


def check_token(text: bytes) -> None:
    """Only a whole token is one; a checksum keeps what was mistyped from the database."""
    token = text.decode("utf-8", "replace")
    try:
        credential = read_token(token)
    except Unauthenticated as refusal:
        _check_refusal(refusal, secret=token)
        return
    assert token == TOKEN
    assert credential.secret_digest == digest_of(TOKEN.encode())


def check_address(text: bytes) -> None:
    """A password in a database's address is masked, wherever an address may hold one."""
    user, _, rest = text.decode("utf-8", "replace").partition("|")
    name = "".join(letter for letter in user if letter not in ":/?#@")
    for address in (
        f"postgresql://{name}:{SECRET}@host/{rest}",
        f"postgresql://{name}:{rest.replace('@', '').replace('/', '')}{SECRET}@host:5432/base",
        f"postgresql://{name}@host/base?{rest.replace('#', '')}&password={SECRET}",
        f"postgres://{name}:{SECRET}@/base?host=/run&{rest}",
        f"postgresql://{name}:{SECRET}/{SECRET}@host/base",
    ):
        shown = without_password(address)
        assert SECRET not in shown, (address, shown)
        assert without_password(shown) == shown


def _check_refusal(refusal: DriftpinError, secret: str = "") -> None:
    assert len(secret) <= len("dp_u_") or secret not in refusal.message
    assert refusal.code
    assert refusal.message
    assert len(refusal.message) < 2_000
    json.dumps(refusal.fields).encode("utf-8")
    refusal.message.encode("utf-8")


TARGETS = (
    Target(
        "frame_decode",
        check_frame,
        (*JSON_WORDS, *FRAME_WORDS),
    ),
    Target("json_prescan", check_json, JSON_WORDS),
    Target("push_validate", check_push, PUSH_WORDS),
    Target("cursor_decode", check_cursor, (b"=", b"-", b"_", b"A", PAGE.encode(), EVENT.encode())),
    Target("token_parse", check_token, (b"dp_u_", b"dp_a_", b"\n", b" ", TOKEN.encode())),
    Target("redact", check_address, (b"|", b"@", b":", b"/", b"?", b"&", b"%40", b"password=")),
)

__all__ = ["PAGE", "TARGETS", "TOKEN"]
