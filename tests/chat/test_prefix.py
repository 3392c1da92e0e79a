"""For a fixed pin the bytes before the messages are the same, whoever renders them and where."""

import base64
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from chat.prefix_main import prefix_digest
from driftpin.context.manifest import snapshot_of
from driftpin.context.resource import Kind, Resource, ServerBody, Status
from driftpin.context.tool_catalogue import read_catalogue
from driftpin.identity import digest_of
from pinned_texts import make_pin

MAIN = Path(__file__).with_name("prefix_main.py")
SKILL = {"SKILL.md": b"---\nname: tidy\ndescription: x\n---\nSweep.\n"}
TOOLS = [
    {
        "name": name,
        "description": f"Asks for {name}, İstanbul and Straße.",
        "inputSchema": {
            "type": "object",
            "properties": {
                "query": {"type": "string", "minLength": 1},
                "limit": {"type": "number"},
            },
            "required": ["query"],
        },
    }
    for name in ("search", "fetch", "list.all/of")
]


def written_pin(tools: list[dict[str, Any]]) -> dict[str, Any]:
    """Write a pin of names that locales order and fold differently, some past the budget."""
    known = read_catalogue("Ask first.", tools)
    server = ServerBody(digest_of(b"{}"), known.catalogue)
    pin = make_pin(
        {
            "zeta:AGENTS.md": "Z" * 3_000,
            "Alpha:AGENTS.md": "Use tabs.\n",
            "user:.claude/CLAUDE.md": "İ I i ß ẞ 1,5 31.12.\n",
            "workspace:AGENTS.md": "\u202eHidden <!-- gone --> text\r\n\r\n\r\n\r\nend\n",
            "workspace:GEMINI.md": "G" * 3_000,
        },
        {f"workspace:.agents/skills/{name}": SKILL for name in ("tidy", "ice", "illicit")},
        (
            Resource(Kind.INSTRUCTION_FILE, "workspace:B.md", Status.INVALID, "not_utf8"),
            Resource(Kind.MCP_SERVER, "mcp:tracker", Status.OK, body=server),
        ),
    )
    bodies = {**pin.bodies, **known.blobs}
    return {
        "manifest": base64.b64encode(snapshot_of(pin.resources).manifest).decode(),
        "bodies": {digest: base64.b64encode(body).decode() for digest, body in bodies.items()},
        "budget_tokens": 800,
    }


@pytest.fixture(scope="module")
def written() -> dict[str, Any]:
    return written_pin(TOOLS)


def test_no_order_of_anything_changes_the_prefix(written: dict[str, Any]) -> None:
    assert len({prefix_digest(written, seed) for seed in range(50)}) == 1


@pytest.mark.parametrize(
    "machine",
    [
        {"PYTHONHASHSEED": "1", "TZ": "Pacific/Kiritimati", "LC_ALL": "C"},
        {"PYTHONHASHSEED": "2", "TZ": "America/Adak", "LC_ALL": "C.utf8", "PYTHONUTF8": "0"},
        {"PYTHONHASHSEED": "random", "LC_ALL": "POSIX", "PYTHONOPTIMIZE": "1"},
    ],
    ids=["seed-1", "seed-2", "seed-random"],
)
def test_no_process_renders_another_prefix(
    written: dict[str, Any], machine: dict[str, str], tmp_path: Path
) -> None:
    ended = subprocess.run(
        [sys.executable, str(MAIN), str(len(machine["LC_ALL"]))],
        input=json.dumps(written),
        env={**os.environ, **machine, "HOME": str(tmp_path), "USER": "another"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert ended.stdout.strip() == prefix_digest(written, 0)


def test_another_pin_gives_another_prefix(written: dict[str, Any]) -> None:
    seen = {prefix_digest(written, 0)}
    seen.add(prefix_digest(written_pin(TOOLS[:2]), 0))
    seen.add(prefix_digest({**written, "budget_tokens": 5_000}, 0))
    assert len(seen) == 3


def test_no_order_of_a_servers_answers_changes_the_prefix(written: dict[str, Any]) -> None:
    turned = [dict(reversed(tool.items())) for tool in reversed(TOOLS)]
    assert written_pin(turned) == written
