"""The pinned inputs of a round: all that its outcome depends on beside the models' answers."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from typing import Final, NewType

import msgspec
import rfc8785

from driftpin import review_limits
from driftpin.errors import Malformed
from driftpin.identity import Digest, digest_of
from driftpin.review.anchors import SourceText, source_text
from driftpin.review.claims import Trees
from driftpin.review.diff import ChangeKind, FileChange, parse_patch
from driftpin.review.roster import RoleCard
from driftpin.review.spending import Budget, Price, Span, Spent, Usage, money_of

ExchangeKey = NewType("ExchangeKey", str)
# Exchanges with nobody: what became known at a round's end, and is kept among its answers.
_END: Final = "end."


@dataclass(frozen=True, slots=True)
class Settings:
    """What a person may set for a round. What is not set of the last four is not written down.

    `tokens_max` and `money_max` are what was left when it began, and the spans which limit left it.
    """

    model: str
    tokens_max: int = review_limits.REVIEW_TOKENS_PER_ROUND_MAX
    panel_max: int = review_limits.REVIEW_REVIEWERS_MAX
    money_max: int | None = None
    prices: tuple[Price, ...] = ()
    tokens_span: Span = Span.ROUND
    money_span: Span = Span.ROUND

    @property
    def budget(self) -> Budget:
        """How much the round may take."""
        return Budget(self.tokens_max, self.money_max, self.tokens_span, self.money_span)

    def price_of(self, model: str) -> Price | None:
        """Return what a model costs; None where nobody said."""
        return next((each for each in self.prices if each.model == model), None)


_WRITTEN_ALWAYS: Final = frozenset({"model", "tokens_max", "panel_max"})


@dataclass(frozen=True, slots=True)
class FileTexts:
    """Both versions of a file that the round needs; None where there is none that is text."""

    path: str
    old_path: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class Looked:
    """How much was looked at whole before: so many rounds, and what came since the last of them."""

    rounds: int
    delta: str | None


@dataclass(frozen=True)
class Seen:
    """What came since the head of an earlier round that looked at everything."""

    round: int
    delta: str

    @cached_property
    def lines(self) -> Mapping[str, frozenset[int]]:
        """The lines of each file that came since."""
        return added_lines(parse_patch(self.delta))


def added_lines(changes: Iterable[FileChange]) -> Mapping[str, frozenset[int]]:
    """Return the lines of each file that a change adds."""
    return {each.path: frozenset(line.new for line in each.added) for each in changes}


@dataclass(frozen=True)
class RoundInputs:
    """A round's inputs. Hashed whole, they are its manifest.

    `patch` is the whole range, `delta` what came since the head of the last round (None in the
    first). `files` are those of the change and those that findings are tied to. `looked` is set,
    and written, where not every round before was looked at whole; `seen` where there is more than
    one earlier round: those before the last. `reading` names the reading tools, `submission`
    those by which reviewers answer; rounds from before there were any have none. `dirty_since` when
    the base has got another context since.
    """

    number: int
    target: str
    tool_version: str
    prompts: Digest
    snapshot: Digest
    base: str
    merge_base: str
    head: str
    range_text: str
    messages: tuple[str, ...]
    patch: str
    delta: str | None
    files: tuple[FileTexts, ...]
    roster: tuple[RoleCard, ...]
    settings: Settings
    looked: Looked | None = None
    reading: Digest | None = None
    seen: tuple[Seen, ...] = ()
    dirty_since: str = ""
    submission: Digest | None = None

    @property
    def look(self) -> int:
        """The number of the round among those that looked at everything that they were to."""
        return self.number if self.looked is None else self.looked.rounds + 1

    @cached_property
    def changes(self) -> tuple[FileChange, ...]:
        """The files of the whole range."""
        return parse_patch(self.patch)

    @cached_property
    def delta_changes(self) -> tuple[FileChange, ...]:
        """The files of the range that changed since they were looked at; all in a first look."""
        delta = self.delta if self.looked is None else self.looked.delta
        if delta is None:
            return self.changes
        mine = {each.path for each in self.changes} | {each.old_path for each in self.changes}
        return tuple(each for each in parse_patch(delta) if each.path in mine)

    @cached_property
    def renames(self) -> Mapping[str, str]:
        """Where files went since the last round's head."""
        moved = parse_patch(self.delta or "")
        return {each.old_path: each.path for each in moved if each.kind is ChangeKind.RENAMED}

    @cached_property
    def trees(self) -> Trees:
        """The texts of both versions; the old ones by their own paths and by the new ones."""
        old = {each.old_path: source_text(each.old) for each in self.files if each.old is not None}
        new = {each.path: source_text(each.new) for each in self.files if each.new is not None}
        return Trees(old, new)

    @cached_property
    def added_lines(self) -> Mapping[str, frozenset[int]]:
        """The lines of each file that the range adds."""
        return added_lines(self.changes)

    @cached_property
    def delta_lines(self) -> Mapping[str, frozenset[int]]:
        """The lines of each file that the delta adds."""
        return added_lines(self.delta_changes)

    @cached_property
    def digest(self) -> Digest:
        """The digest over everything here."""
        return digest_of(self.to_bytes())

    def to_bytes(self) -> bytes:
        """Return the manifest as it is kept and hashed: canonical JSON."""
        written = msgspec.to_builtins(self)
        unset = msgspec.to_builtins(Settings(""))
        written["settings"] = {
            name: value
            for name, value in written["settings"].items()
            if name in _WRITTEN_ALWAYS or value != unset[name]
        }
        for name in ("looked", "reading", "seen", "dirty_since", "submission"):
            if not written.get(name):
                written.pop(name, None)
        return rfc8785.dumps({"v": 1, "round": written})

    def model_of(self, slug: str) -> str:
        """Return the model that a role is asked on."""
        named = (role.model for role in self.roster if role.slug == slug and role.model)
        return next(named, self.settings.model)

    def spent_on(self, exchange: "Exchange") -> Spent:
        """Return what an exchange took."""
        price = self.settings.price_of(self.model_of(exchange.role))
        return Spent(exchange.tokens, money_of(exchange.usage, price))


def inputs_from_bytes(content: bytes) -> RoundInputs:
    """Return the inputs that were kept, or raise Malformed `bad_manifest`."""
    try:
        return msgspec.convert(msgspec.json.decode(content)["round"], RoundInputs)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise Malformed(f"The manifest cannot be read: {error}.", code="bad_manifest") from None


@dataclass(frozen=True, slots=True)
class Read:
    """One call of a tool and what it gave; `paths` are the files that it showed."""

    tool: str
    arguments: str
    result: str
    paths: tuple[str, ...] = ()
    is_error: bool = False


@dataclass(frozen=True, slots=True)
class Said:
    """One request to a reviewer and its answer; the request by its digest.

    `reads` are the calls that it made before it answered.
    """

    request: Digest
    answer: str
    reads: tuple[Read, ...] = ()


@dataclass(frozen=True, slots=True)
class Exchange:
    """Everything that was said with one reviewer. `failure` is a code, empty when it answered.

    `outside` are texts at the head that its claims name and that are not part of the change.
    `model` was asked; `of_round` is the earlier round whose answer it is, 0 for an own one.
    `tokens` are all that it took, those `cached` and `written` among them, and those of earlier
    tries under this key whose answers are not used.
    """

    key: ExchangeKey
    said: tuple[Said, ...]
    failure: str = ""
    tokens: int = 0
    chat_id: str = ""
    outside: tuple[FileTexts, ...] = field(default=())
    cached: int = 0
    written: int = 0
    model: str = ""
    of_round: int = 0

    @property
    def role(self) -> str:
        """Who was asked."""
        return self.key.split(".")[1]

    @property
    def reads(self) -> tuple[Read, ...]:
        """Every call of a tool, in order."""
        return tuple(read for said in self.said for read in said.reads)

    @property
    def usage(self) -> Usage:
        """The tokens that it took."""
        return Usage(self.tokens - self.written, self.cached, self.written)

    def with_usage(self, more: Usage) -> "Exchange":
        """Return the exchange as one that took that much more."""
        usage = self.usage + more
        return replace(self, tokens=usage.tokens, cached=usage.cached, written=usage.written)

    @property
    def answer(self) -> str:
        """The last answer, or nothing."""
        return self.said[-1].answer if self.said and not self.failure else ""


def exchange_to_bytes(exchange: Exchange) -> bytes:
    """Return an exchange as it is kept."""
    return rfc8785.dumps({"v": 1, "exchange": msgspec.to_builtins(exchange)})


def exchange_from_bytes(content: bytes) -> Exchange:
    """Return the exchange that was kept, or raise Malformed `bad_exchange`."""
    try:
        return msgspec.convert(msgspec.json.decode(content)["exchange"], Exchange)
    except (msgspec.MsgspecError, KeyError, TypeError) as error:
        raise Malformed(f"An exchange cannot be read: {error}.", code="bad_exchange") from None


def is_end(key: ExchangeKey) -> bool:
    """Whether an exchange was with nobody."""
    return key.startswith(_END)


def with_outside(trees: Trees, exchanges: Mapping[ExchangeKey, Exchange]) -> Trees:
    """Return the texts together with those that answers reached out for."""
    new: dict[str, SourceText] = {}
    for key in sorted(exchanges):
        for each in exchanges[key].outside:
            if each.new is not None:
                new[each.path] = source_text(each.new)
    return Trees(trees.old, {**new, **trees.new})


__all__ = [
    "Exchange",
    "ExchangeKey",
    "FileTexts",
    "Read",
    "RoundInputs",
    "Said",
    "Seen",
    "Settings",
    "exchange_from_bytes",
    "exchange_to_bytes",
    "inputs_from_bytes",
    "is_end",
    "with_outside",
]
