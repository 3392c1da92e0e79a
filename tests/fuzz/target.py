"""What a fuzz target is: something that takes bytes of strangers, and what must hold of it."""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

CORPUS = Path(__file__).parent / "corpus"
# Names one of the promises that a check found broken.
Check = Callable[[bytes], None]


@dataclass(frozen=True, slots=True)
class Target:
    """`check` raises AssertionError for a broken property; anything else it raises is a crash.

    Expected refusals are no business of the caller: `check` takes them. `around` gives the check
    within what it needs, such as a directory.
    """

    name: str
    check: Check
    words: Sequence[bytes] = (b"x",)
    around: Callable[[Check], AbstractContextManager[Check]] = field(default=nullcontext)

    @property
    def corpus(self) -> Path:
        """Where its seeds are, and where its crashes go."""
        return CORPUS / self.name

    def seeds(self) -> tuple[bytes, ...]:
        """Return the corpus, in the order of its names."""
        return tuple(path.read_bytes() for path in sorted(self.corpus.iterdir()))


__all__ = ["CORPUS", "Check", "Target"]
