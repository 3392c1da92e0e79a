"""A small mutator: bytes of a corpus, changed by dice that can be thrown again.

It flips bits, cuts, repeats and splices, puts in words of the target's own dictionary, numbers at
the edges of what numbers can be, and letters that text handling stumbles over.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

INPUT_BYTES_MAX: Final = 8_192
STEPS_MAX: Final = 6
NUMBERS: Final = (
    *(b"0", b"-0", b"-1", b"1", b"255", b"256", b"65535", b"65536", b"2147483648"),
    *(b"9223372036854775807", b"9223372036854775808", b"18446744073709551616"),
    *(b"1e400", b"-1e400", b"1.0", b"NaN", b"Infinity", b"9" * 400),
)
LETTERS: Final = tuple(
    letter.encode("utf-8", "surrogatepass")
    for letter in (
        *("\0", "\x07", "\x1b", "\x1b[31m", "\x9b", "\x7f", "\x85", "\r", "\r\n", "\n\n\n\n"),
        *("\u200b", "\u200c", "\u200d", "\u200e", "\u202e", "\u2028", "\u2066", "\u2069", "\ufeff"),
        *("\U000e0041", "\ufe0f", "\u180e", "\u3164", "\u00ad", "\u0130", "\u1e9e", "\ufb03"),
        *("\uff1c", "\ufe64", "\ud800", "\udfff", "\uffff", "\U0010ffff", "e\u0301", "\u0344"),
    )
)
RAW: Final = (b"\xff", b"\xc0\x80", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\x80", b"\xfe\xff")


@dataclass(frozen=True, slots=True)
class Mutator:
    """Makes new inputs of old ones; the same dice give the same inputs."""

    dice: random.Random
    seeds: Sequence[bytes]
    words: Sequence[bytes]

    def next(self) -> bytes:
        """Return a new input, some steps away from a seed."""
        content = self.dice.choice(self.seeds)
        for _ in range(self.dice.randint(1, STEPS_MAX)):
            content = self.dice.choice(STEPS)(self, content)[:INPUT_BYTES_MAX]
        return content

    def place_in(self, content: bytes) -> int:
        """Return some place, the end included."""
        return self.dice.randint(0, len(content))

    def part_of(self, content: bytes) -> bytes:
        """Return some stretch, which may be empty."""
        start, end = sorted((self.place_in(content), self.place_in(content)))
        return content[start:end]

    def put(self, content: bytes, inserted: bytes) -> bytes:
        """Return the content with something put in, over what stood there every other time."""
        place = self.place_in(content)
        covered = len(inserted) if self.dice.random() < 0.5 else 0
        return content[:place] + inserted + content[place + covered :]


def _flip(mutator: Mutator, content: bytes) -> bytes:
    if not content:
        return content
    changed = bytearray(content)
    for _ in range(mutator.dice.randint(1, 3)):
        changed[mutator.dice.randrange(len(changed))] ^= 1 << mutator.dice.randrange(8)
    return bytes(changed)


def _cut(mutator: Mutator, content: bytes) -> bytes:
    start, end = sorted((mutator.place_in(content), mutator.place_in(content)))
    return content[:start] + content[end:]


def _repeat(mutator: Mutator, content: bytes) -> bytes:
    part = mutator.part_of(content)[:64]
    return mutator.put(content, part * mutator.dice.choice((2, 3, 17, 70, 260)))


def _splice(mutator: Mutator, content: bytes) -> bytes:
    other = mutator.dice.choice(mutator.seeds)
    return content[: mutator.place_in(content)] + other[mutator.place_in(other) :]


def _word(mutator: Mutator, content: bytes) -> bytes:
    return mutator.put(content, mutator.dice.choice(mutator.words))


def _number(mutator: Mutator, content: bytes) -> bytes:
    return mutator.put(content, mutator.dice.choice(NUMBERS))


def _letter(mutator: Mutator, content: bytes) -> bytes:
    return mutator.put(content, mutator.dice.choice(LETTERS))


def _raw(mutator: Mutator, content: bytes) -> bytes:
    return mutator.put(content, mutator.dice.choice(RAW))


STEPS: Final[tuple[Callable[[Mutator, bytes], bytes], ...]] = (
    *(_flip, _cut, _repeat, _splice, _word, _word, _number, _letter, _letter, _raw),
)

__all__ = ["INPUT_BYTES_MAX", "Mutator"]
