"""What reviews take: tokens as they were counted, and money as a person said what they cost.

Money is whole millionths of whatever currency the prices are in, so that sums are exact and the
same on every machine. No price is known here by itself: a list of them would be wrong soon.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from driftpin import review_limits
from driftpin.errors import UsageError

MICROS: Final = 1_000_000
# Built in, and run by nobody who could send a bill.
_FREE: Final = frozenset({"offline", "scripted"})
_AMOUNT: Final = re.compile(r"(\d{1,9})(?:\.(\d{1,6}))?")


@dataclass(frozen=True, slots=True)
class Price:
    """What a million tokens of a model cost, in millionths: read, read from a cache, written."""

    model: str
    read: int
    cached: int
    written: int


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens that were taken: all that were read, those of them from a cache, and written ones."""

    read: int = 0
    cached: int = 0
    written: int = 0

    @property
    def tokens(self) -> int:
        """All of them."""
        return self.read + self.written

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(
            self.read + other.read, self.cached + other.cached, self.written + other.written
        )


@dataclass(frozen=True, slots=True)
class Spent:
    """Tokens and what they cost."""

    tokens: int = 0
    money: int = 0

    def __add__(self, other: "Spent") -> "Spent":
        return Spent(self.tokens + other.tokens, self.money + other.money)


class Span(StrEnum):
    """What a limit is for."""

    ROUND = "round"
    REVIEW = "review"
    DAY = "day"


@dataclass(frozen=True, slots=True)
class Budget:
    """How much may be taken, and which limit says so; `money` is None where no limit is on it."""

    tokens: int
    money: int | None
    tokens_span: Span = Span.ROUND
    money_span: Span = Span.ROUND

    def allows(self, spent: Spent) -> bool:
        """Whether that much may be taken."""
        return spent.tokens <= self.tokens and (self.money is None or spent.money <= self.money)

    def span_of(self, spent: Spent) -> Span:
        """Return which limit refuses that much."""
        return self.tokens_span if spent.tokens > self.tokens else self.money_span


@dataclass(frozen=True, slots=True)
class Limits:
    """The limits that were set, in tokens and in money."""

    tokens: Mapping[Span, int]
    money: Mapping[Span, int]

    def budget(self, review: Spent, day: Spent) -> Budget:
        """Return what the next round may take, beside what its review and the day have taken."""
        taken = {Span.ROUND: Spent(), Span.REVIEW: review, Span.DAY: day}
        tokens = [(most - taken[span].tokens, span) for span, most in self.tokens.items()]
        money = [(most - taken[span].money, span) for span, most in self.money.items()]
        least, tokens_span = min(tokens, key=lambda each: each[0])
        if not money:
            return Budget(max(least, 0), None, tokens_span)
        least_money, money_span = min(money, key=lambda each: each[0])
        return Budget(max(least, 0), max(least_money, 0), tokens_span, money_span)


def money_of(usage: Usage, price: Price | None) -> int:
    """Return what that cost, rounded up; nothing without a price."""
    if price is None:
        return 0
    exact = (
        (usage.read - usage.cached) * price.read
        + usage.cached * price.cached
        + usage.written * price.written
    )
    return -(-exact // MICROS)


def unpriced(models: Iterable[str], prices: Iterable[Price]) -> tuple[str, ...]:
    """Return the models that cost something nobody said."""
    known = {price.model for price in prices} | _FREE
    return tuple(sorted(set(models) - known))


def parse_price(text: str) -> Price:
    """Return the price that `MODEL=READ/WRITTEN` or `MODEL=READ/WRITTEN/CACHED` says.

    Raises UsageError (`bad_price`).
    """
    model, _, amounts = text.strip().rpartition("=")
    parts = [_micros(part) for part in amounts.split("/")]
    if not model or len(parts) not in (2, 3) or None in parts:
        raise UsageError(
            f"{text!r} is no price; write MODEL=READ/WRITTEN, or MODEL=READ/WRITTEN/CACHED, for a"
            " million tokens.",
            code="bad_price",
        )
    read, written, *cached = (part or 0 for part in parts)
    return Price(model, read, cached[0] if cached else read, written)


def parse_limits(texts: Iterable[str]) -> Limits:
    """Return the limits that `SPAN=MONEY` and `SPAN-tokens=NUMBER` set; the last of a kind counts.

    A round has a limit of tokens in any case. Raises UsageError (`bad_limit`).
    """
    tokens, money = {Span.ROUND: review_limits.REVIEW_TOKENS_PER_ROUND_MAX}, dict[Span, int]()
    for text in texts:
        name, _, amount = text.strip().partition("=")
        span, is_money = name.removesuffix("-tokens"), not name.endswith("-tokens")
        parsed = _micros(amount) if is_money else _whole(amount)
        if parsed is None or span not in {each.value for each in Span}:
            raise UsageError(
                f"{text!r} is no limit; write round=, review= or day= with an amount of money, or"
                " round-tokens=, review-tokens= or day-tokens= with a number.",
                code="bad_limit",
            )
        (money if is_money else tokens)[Span(span)] = parsed
    return Limits(tokens, money)


def money_text(micros: int) -> str:
    """Return an amount for people: two digits behind the point, more where they say something."""
    whole, part = divmod(micros, MICROS)
    return f"{whole}.{f'{part:06d}'.rstrip('0').ljust(2, '0')}"


def _micros(text: str) -> int | None:
    found = _AMOUNT.fullmatch(text.strip())
    if found is None:
        return None
    return int(found[1]) * MICROS + int((found[2] or "").ljust(6, "0"))


def _whole(text: str) -> int | None:
    found = _AMOUNT.fullmatch(text.strip())
    return int(found[1]) if found is not None and found[2] is None else None


__all__ = [
    "Budget",
    "Limits",
    "Price",
    "Span",
    "Spent",
    "Usage",
    "money_of",
    "money_text",
    "parse_limits",
    "parse_price",
    "unpriced",
]
