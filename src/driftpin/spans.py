"""Spans of work, for whoever traces a deployment; without a tracer they cost nothing.

Names and attributes are taken from the code alone: no body, token, file name or text of a user's.
"""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final, Protocol


class Span(Protocol):
    """Work under way."""

    def rename(self, name: str) -> None:
        """Call the span by the name that has become known meanwhile."""

    def tell(self, name: str, value: str | int) -> None:
        """Give the span an attribute."""


class Spans(Protocol):
    """Where spans are begun."""

    def span(self, name: str) -> AbstractContextManager[Span]:
        """Give a span for as long as the context is entered, inside the one that is open."""


class _NoSpan:
    def rename(self, name: str) -> None:
        """Do nothing."""

    def tell(self, name: str, value: str | int) -> None:
        """Do nothing."""


class NoSpans:
    """Traces nothing."""

    _span: Final = _NoSpan()

    @contextmanager
    def span(self, name: str) -> Iterator[Span]:  # noqa: ARG002 nobody is told
        """Give a span that nobody sees."""
        yield self._span


NO_SPANS: Final = NoSpans()

__all__ = ["NO_SPANS", "NoSpans", "Span", "Spans"]
