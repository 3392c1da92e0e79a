"""What reviews may take here: limits and prices of flags and settings, and the book of the day."""

from dataclasses import dataclass, replace

from driftpin.clock import SystemClock
from driftpin.review.daybook import Daybook
from driftpin.review.folder import ReviewFolder
from driftpin.review.inputs import Settings
from driftpin.review.ledger import ReviewState
from driftpin.review.rounds import round_name
from driftpin.review.shelf import Shelf
from driftpin.review.spending import Limits, Price, parse_limits, parse_price
from driftpin.settings import Settings as Loaded


@dataclass(frozen=True, slots=True)
class Spending:
    """What reviews may take, and what they took today."""

    limits: Limits
    daybook: Daybook

    def within(self, settings: Settings, folder: ReviewFolder, before: ReviewState) -> Settings:
        """Return the settings of the next round with what is left for it."""
        name = round_name(folder, before.round + 1)
        budget = self.limits.budget(before.spent, self.daybook.taken(beside=name))
        return replace(
            settings,
            tokens_max=budget.tokens,
            money_max=budget.money,
            tokens_span=budget.tokens_span,
            money_span=budget.money_span,
        )


def prices_of(loaded: Loaded) -> tuple[Price, ...]:
    """Return what models cost; UsageError (`bad_price`) for what is no price."""
    return tuple(map(parse_price, loaded.review_prices))


def spending_of(loaded: Loaded, round_tokens: int | None, shelf: Shelf) -> Spending:
    """Return what may be taken; UsageError (`bad_limit`) for what is no limit."""
    own = () if round_tokens is None else (f"round-tokens={round_tokens}",)
    limits = parse_limits((*loaded.review_limits, *own))
    return Spending(limits, Daybook(shelf.path.parent / "spent", SystemClock()))


__all__ = ["Spending", "prices_of", "spending_of"]
