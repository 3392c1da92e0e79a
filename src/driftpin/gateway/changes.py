"""What clients are told when the pin moved: that their lists are to be read again."""

import json
from typing import Final

LISTS: Final = ("resources", "prompts", "tools")


def changed_messages() -> tuple[str, ...]:
    """Return the notifications of one move as the protocol writes them, in their order."""
    return tuple(
        json.dumps({"jsonrpc": "2.0", "method": f"notifications/{each}/list_changed"})
        for each in LISTS
    )


__all__ = ["changed_messages"]
