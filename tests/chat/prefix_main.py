"""Renders the prefix of a pin that comes over the standard input, and says its digest."""

import base64
import json
import random
import sys
import time
from typing import Any

from driftpin.chat.mcp_tools import mcp_tools
from driftpin.chat.pinned import PinnedContext
from driftpin.chat.prompt import render_prompt
from driftpin.chat.skill_tools import TOOLS
from driftpin.chat.tools import canonical_tools, sorted_tools
from driftpin.chat.workspace_tools import WORKSPACE_TOOLS
from driftpin.context.manifest import resources_of, snapshot_of
from driftpin.identity import Digest, digest_of


def prefix_digest(written: dict[str, Any], seed: int) -> Digest:
    """Return the digest of tools and prompt, taking everything in an order of the seed's own."""
    draw = random.Random(seed)
    resources = list(resources_of(base64.b64decode(written["manifest"])))
    draw.shuffle(resources)
    snapshot = snapshot_of(resources)
    bodies = shuffled(written["bodies"], draw)
    context = PinnedContext(
        snapshot.digest,
        snapshot.prompt_digest,
        seed,
        tuple(resources),
        {Digest(digest): base64.b64decode(body) for digest, body in bodies.items()},
    )
    tools = [*TOOLS, *WORKSPACE_TOOLS, *(tool.offered for tool in mcp_tools(context))]
    draw.shuffle(tools)
    prompt = render_prompt(context, budget_tokens=written["budget_tokens"])
    return digest_of(canonical_tools(sorted_tools(tools)) + prompt.text.encode())


def shuffled(bodies: dict[str, str], draw: random.Random) -> dict[str, str]:
    """Return the same in another order."""
    keys = list(bodies)
    draw.shuffle(keys)
    return {key: bodies[key] for key in keys}


if __name__ == "__main__":
    time.tzset()
    sys.stdout.write(prefix_digest(json.load(sys.stdin), int(sys.argv[1])))
