"""How many tokens a text takes: an estimate beforehand, the provider's own count afterwards."""

from dataclasses import dataclass
from typing import Final

# A count by the provider's own table would need that table, and a network to fetch it. Four bytes
# of UTF-8 a token is what English prose and source code come to; budgets leave room for the error.
TOKEN_BYTES: Final = 4


def estimate_tokens(text: str) -> int:
    """Return about how many tokens `text` takes; the same text always gives the same number."""
    return -(-len(text.encode("utf-8", "surrogatepass")) // TOKEN_BYTES)


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """What one model request took, as its provider counted.

    `input_tokens` are all tokens read, those from and into the provider's cache included.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_written_tokens: int = 0
    output_tokens: int = 0


__all__ = ["TOKEN_BYTES", "TokenCounts", "estimate_tokens"]
