"""D11: literal secrets in arguments and addresses are noticed; ordinary ones are left alone."""

import pytest

from driftpin.context.literal_secrets import has_secret_argument, has_secret_in_url

RANDOM = "q7Rk2ZtV9mXw4LpA8sDf3GhJ"


@pytest.mark.parametrize(
    "args",
    [
        ["--api-key", RANDOM],
        ["--api-key=hunter2"],
        ["--token", "hunter2"],
        ["--githubToken=x1"],
        ["-password", "p"],
        ["API_KEY=abc"],
        ["Authorization: Bearer abc"],
        ["--header", "Authorization: Bearer abc"],
        ["ghp_0123456789abcdefghij"],
        ["--config", '{"key":"sk-proj-0123456789"}'],
        [RANDOM],
        ["postgresql://user:hunter2@host/db"],
        ["https://host/mcp?token=hunter2"],
        [f"https://host/{RANDOM}/mcp"],
        ["%67hp_0123456789abcdefghij"],
        ["9f86d081884c7d659a2feaa0c55ad015a3bf4f1b"],
    ],
)
def test_d11_literal_secrets_in_arguments_are_noticed(args: list[str]) -> None:
    assert has_secret_argument(args)


@pytest.mark.parametrize(
    "args",
    [
        [],
        ["-y", "@modelcontextprotocol/server-filesystem@2026.1.14", "/home/me/Projects/My-Thing_2"],
        ["--api-key", "${API_KEY}"],
        ["--api-key=${API_KEY}"],
        ["--header", "Authorization: Bearer ${TOKEN}"],
        ["--token", "--verbose"],
        ["--auth=none", "--keyboard", "us"],
        ["--port", "8080", "--log-level=debug"],
        ["postgresql://${USER}:${PASSWORD}@host/db", "postgresql://user@host/db"],
        ["ServerConfigurationForDevelopment2"],
        ["/usr/local/lib/python3.11/site-packages/mcp_server_time/__main__.py"],
        ["--directory=/opt/tools/monkey", "com.example.SomeVeryLongJavaClassName"],
        ["0123456789012345678901234567890123456789"],
        ["--from", "git+https://host/o/r@9f86d081884c7d659a2feaa0c55ad015a3bf4f1b", "tool"],
        [
            "run",
            "-i",
            "image@sha256:9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08",
        ],
        ["feature/ABC-1234-some-branch-name-for-work", "2026-11-24T08:48:45Z-nightly-build"],
    ],
)
def test_ordinary_arguments_are_left_alone(args: list[str]) -> None:
    assert not has_secret_argument(args)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://host/mcp", False),
        ("https://host/mcp?version=2026-07-28&region=eu", False),
        ("https://host/mcp?api_key=${KEY}", False),
        ("https://host/mcp?api_key=abc", True),
        ("https://host/mcp#access_token=abc", True),
        (f"https://host/s/{RANDOM}/mcp", True),
        ("https://host/%73k-proj-0123456789/mcp", True),
    ],
)
def test_d11_literal_secrets_in_addresses_are_noticed(url: str, *, expected: bool) -> None:
    assert has_secret_in_url(url) == expected
