"""What text costs a model, estimated; and what a refresh costs, before it is made.

No tokenizer is asked: each provider has its own, and the figure only has to tell cheap from dear.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from driftpin.context.manifest import Snapshot
from driftpin.context.resource import Kind, SkillBody, blobs_of
from driftpin.identity import Digest, digest_of

# Thousandths of a token for each byte of a class. English prose comes to about 1.3 tokens a word,
# source code to about one in three bytes, Chinese and Japanese (three bytes) to one a character.
_LETTER: Final = 250
_DIGIT: Final = 400
_SPACE: Final = 60
_LINE_END: Final = 350
_SIGN: Final = 550
_BEYOND_ASCII: Final = 340

_LETTERS: Final = b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
_DIGITS: Final = b"0123456789"
_SPACES: Final = b" \t\r"
_ALL_BEYOND_ASCII: Final = bytes(range(0x80, 0x100))
_WEIGHTS: Final = (
    (_LETTERS, _LETTER),
    (_DIGITS, _DIGIT),
    (_SPACES, _SPACE),
    (b"\n", _LINE_END),
    (_ALL_BEYOND_ASCII, _BEYOND_ASCII),
)

TokenReader = Callable[[Digest], int]


def estimate_tokens(text_bytes: bytes) -> int:
    """Return about how many tokens the UTF-8 text takes: the same bytes, the same number.

    Bytes are weighed by their class, and the sum is rounded up. Longer text never costs less. For
    prose and code expect a quarter more or less than a provider counts.
    """
    rest = text_bytes
    thousandths = 0
    for members, weight in _WEIGHTS:
        without = rest.translate(None, members)
        thousandths += (len(rest) - len(without)) * weight
        rest = without
    thousandths += len(rest) * _SIGN
    return -(-thousandths // 1000)


def estimate_text_tokens(text: str) -> int:
    """Return about how many tokens a text takes, lone surrogates included."""
    return estimate_tokens(text.encode("utf-8", "surrogatepass"))


@dataclass(frozen=True, slots=True)
class PromptPiece:
    """One thing that stands in a prompt: pieces with one digest in one place are the same bytes."""

    source: str
    path: str
    digest: Digest
    tokens: int


@dataclass(frozen=True, slots=True)
class RefreshCost:
    """Estimated tokens; `forfeited` is what of the pinned prefix a provider's cache cannot serve.

    The messages of a chat stand behind the prefix: when anything is forfeited, they are too.
    """

    tokens_before: int
    tokens_after: int
    gained: int
    lost: int
    forfeited: int


def cost_of_refresh(pin: Sequence[PromptPiece], head: Sequence[PromptPiece]) -> RefreshCost:
    """Return what the step from one prompt to the other costs; pieces come in prompt order.

    Everything from the first piece that differs on is forfeited, also what comes after it
    unchanged: a provider's cache holds a prefix and nothing else.
    """
    before, after = set(pin), set(head)
    kept = _equal_pieces(pin, head)
    return RefreshCost(
        tokens_before=sum(piece.tokens for piece in pin),
        tokens_after=sum(piece.tokens for piece in head),
        gained=sum(piece.tokens for piece in head if piece not in before),
        lost=sum(piece.tokens for piece in pin if piece not in after),
        forfeited=sum(piece.tokens for piece in pin[kept:]),
    )


def prompt_pieces(snapshot: Snapshot, tokens_of: TokenReader) -> tuple[PromptPiece, ...]:
    """Return the pieces of a snapshot in prompt order: tools, instruction files, skills.

    Of a skill only its name and description stand in the prompt; of a server its launch does not.
    Inside a kind the order is the manifest's.
    """
    order = (Kind.MCP_SERVER, Kind.INSTRUCTION_FILE)
    return tuple(
        PromptPiece(blob.source, blob.path, blob.digest, tokens_of(blob.digest))
        for kind in order
        for resource in snapshot.resources
        if resource.kind is kind
        for blob in blobs_of(resource)
        if blob.path != "launch"
    ) + tuple(_skill_lines(snapshot))


def _skill_lines(snapshot: Snapshot) -> Iterator[PromptPiece]:
    for resource in snapshot.resources:
        if isinstance(resource.body, SkillBody):
            line = f"- {resource.body.name}: {resource.body.description}\n".encode()
            yield PromptPiece(resource.source, "", digest_of(line), estimate_tokens(line))


def _equal_pieces(pin: Sequence[PromptPiece], head: Sequence[PromptPiece]) -> int:
    """Return with how many equal pieces both begin."""
    for index, (before, after) in enumerate(zip(pin, head, strict=False)):
        if before != after:
            return index
    return min(len(pin), len(head))


__all__ = [
    "PromptPiece",
    "RefreshCost",
    "TokenReader",
    "cost_of_refresh",
    "estimate_text_tokens",
    "estimate_tokens",
    "prompt_pieces",
]
