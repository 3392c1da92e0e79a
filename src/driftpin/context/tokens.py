"""What text costs a model, estimated; and what a refresh costs, before it is made.

There is one estimate, and every figure before something is sent comes from it: inventories, the
budget of a prompt, the cost of a refresh. No tokenizer is asked: each provider has its own, and the
figure only has to tell cheap from dear.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from driftpin.context.manifest import Snapshot
from driftpin.context.resource import Kind, Resource, SkillBody, blobs_of, precedence
from driftpin.identity import Digest, digest_of

# Thousandths of a token for each word between white space, and for each byte of a class besides.
# Fitted to what two published tokenizers make of prose, code and data (docs/reference/tokens.md).
_WORD: Final = 370
_SIGN: Final = 570
_WEIGHTS: Final = (
    (b"abcdefghijklmnopqrstuvwxyz", 130),
    (b"ABCDEFGHIJKLMNOPQRSTUVWXYZ", 150),
    (b"0123456789", 800),
    (b" \t\r", 100),
    (b"\n", 900),
    # Beyond ASCII the first byte of a character tells its script's width, the others count nothing:
    # letters with accents, Greek, Cyrillic; then Chinese, Japanese, Korean; then emoji.
    (bytes(range(0x80, 0xC0)), 0),
    (bytes(range(0xC0, 0xE0)), 350),
    (bytes(range(0xE0, 0xF0)), 850),
    (bytes(range(0xF0, 0x100)), 2200),
)
# Every byte as white space or as part of a word: a word ends where the second stands before the
# first. Counting those is several times cheaper than splitting.
_WORD_SHAPE: Final = bytes(ord(" ") if byte in b" \t\n\r\v\f" else ord("x") for byte in range(256))

TokenReader = Callable[[Digest], int]


def estimate_tokens(text_bytes: bytes) -> int:
    """Return about how many tokens the UTF-8 text takes: the same bytes, the same number.

    Words and bytes are weighed by their class, and the sum is rounded up. Longer text never costs
    less. How far off that is for prose, code and data: docs/reference/tokens.md.
    """
    rest = text_bytes
    shape = text_bytes.translate(_WORD_SHAPE)
    thousandths = (shape.count(b"x ") + shape.endswith(b"x")) * _WORD
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
    """Return the pieces of a snapshot in prompt order: tools, instruction files, skills."""
    ordered = sorted(snapshot.resources, key=_place_in_prompt)
    return tuple(piece for resource in ordered for piece in pieces_of(resource, tokens_of))


def pieces_of(resource: Resource, tokens_of: TokenReader) -> tuple[PromptPiece, ...]:
    """Return what the resource puts before every message of a chat; nothing if it is not ok.

    Of a skill only its name and description stand in the prompt; of a server its launch does not.
    """
    if isinstance(resource.body, SkillBody):
        line = f"- {resource.body.name}: {resource.body.description}\n".encode()
        return (PromptPiece(resource.source, "", digest_of(line), estimate_tokens(line)),)
    return tuple(
        PromptPiece(blob.source, blob.path, blob.digest, tokens_of(blob.digest))
        for blob in blobs_of(resource)
        if blob.path != "launch"
    )


def _place_in_prompt(resource: Resource) -> tuple[int, str, int, str]:
    kinds = (Kind.MCP_SERVER, Kind.INSTRUCTION_FILE, Kind.SKILL, Kind.MCP_CONFIG)
    name = resource.body.name if isinstance(resource.body, SkillBody) else ""
    return (kinds.index(resource.kind), name, *precedence(resource.source))


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
    "pieces_of",
    "prompt_pieces",
]
