"""How many tokens one model request took, as its provider counted."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenCounts:
    """What one model request took.

    `input_tokens` are all tokens read, those from and into the provider's cache included.
    """

    input_tokens: int = 0
    cache_read_tokens: int = 0
    cache_written_tokens: int = 0
    output_tokens: int = 0


__all__ = ["TokenCounts"]
