"""What is taken out of the words of a server: every secret of it, however it is written."""

import base64
from urllib.parse import quote

import pytest

from driftpin import limits
from driftpin.agent.mcp_redaction import REMOVED, Redactor
from driftpin.context.launch import Launch, Transport

SECRET = "s3cret/with+odd chars"
LAUNCH = Launch(
    Transport.STDIO,
    command="run",
    args=("--token=from-argument", "positional-secret"),
    env=(("LITERAL", "literal-value"), ("SHORT", "on"), ("NAMED", "${KEY}")),
)
REMOTE = Launch(
    Transport.HTTP,
    url="https://host.test/path-secret/mcp?key=query-secret",
    headers=(("X-Key", "Bearer header-secret"), ("X-Other", "${KEY}")),
)


def cleaned(text: str, launch: Launch = LAUNCH) -> str:
    return Redactor(launch, {"KEY": SECRET, "OTHER": "not-referred-to"}).clean(text)


@pytest.mark.parametrize(
    "written",
    [
        SECRET,
        quote(SECRET, safe=""),
        SECRET.encode().hex(),
        SECRET.encode().hex().upper(),
        base64.b64encode(SECRET.encode()).decode(),
        base64.urlsafe_b64encode(SECRET.encode()).decode().rstrip("="),
        repr(SECRET)[1:-1],
        "from-argument",
        "positional-secret",
        "literal-value",
    ],
)
def test_d17_a_secret_goes_in_every_form(written: str) -> None:
    assert cleaned(f"bad {written} here").replace("=", "") == f"bad {REMOVED} here"


@pytest.mark.parametrize(
    "written", ["header-secret", "Bearer header-secret", "path-secret", "query-secret"]
)
def test_d17_a_secret_of_an_address_or_a_header_goes(written: str) -> None:
    assert written not in cleaned(f"bad {written} here", REMOTE)


def test_d17_addresses_lose_who_signs_in_and_what_is_asked() -> None:
    said = "at https://me:pass@other.test/x?token=abc&b=1 and #frag https://u.test/?q"
    text = cleaned(said)
    assert not any(secret in text for secret in ("me:pass", "token", "abc"))
    assert "https://" in text


def test_short_words_and_what_is_no_secret_stay() -> None:
    assert cleaned("it is on, not-referred-to") == "it is on, not-referred-to"


def test_a_longer_secret_goes_before_a_part_of_it() -> None:
    launch = Launch(Transport.STDIO, command="run", env=(("A", "abcd"), ("B", "abcdefgh")))
    assert Redactor(launch, {}).clean("abcdefgh abcd") == f"{REMOVED} {REMOVED}"


def test_what_remains_is_printable_and_short() -> None:
    assert cleaned("a\x1b[31mred\x00\r\nb") == "a[31mred\nb"
    assert "\u202e" not in cleaned("turned \u202e around")
    long = "x" * (2 * limits.MCP_STDERR_KEPT_BYTES_MAX) + "end"
    assert len(cleaned(long)) == limits.MCP_STDERR_KEPT_BYTES_MAX
    assert cleaned(long).endswith("end")
