"""Where a review is kept: its events, and of every round what it was built from and came to.

    events/000001.json …     the ledger; an event is put in place whole, and only if it is the next
    rounds/<n>/manifest.json the inputs of a round
    rounds/<n>/exchanges/    what was said with each reviewer
    rounds/<n>/review.*      the reports

Two processes cannot add the same event: a name is taken once.
"""

import os
import tempfile
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from driftpin.errors import Conflict
from driftpin.review.inputs import (
    Exchange,
    ExchangeKey,
    RoundInputs,
    exchange_from_bytes,
    exchange_to_bytes,
    inputs_from_bytes,
)
from driftpin.review.ledger import (
    Event,
    ReviewState,
    RoundRecorded,
    event_from_bytes,
    event_to_bytes,
    state_of,
)


@dataclass(frozen=True, slots=True)
class ReviewFolder:
    """The folder of one review. Made when something is first written."""

    path: Path

    def events(self) -> tuple[Event, ...]:
        """Return every event in order."""
        files = sorted((self.path / "events").glob("*.json"))
        return tuple(event_from_bytes(file.read_bytes()) for file in files)

    def state(self) -> ReviewState:
        """Return what the events add up to."""
        return state_of(self.events())

    def state_before(self, number: int) -> ReviewState:
        """Return the state with which a round began; the present one before it is recorded."""
        return state_of(_until(self.events(), number))

    def append(self, event: Event) -> None:
        """Add an event; Conflict (`ledger_moved`) when another process added one meanwhile."""
        count = len(list((self.path / "events").glob("*.json")))
        self.append_behind(count, event)

    def append_behind(self, count: int, event: Event) -> None:
        """Add an event as number `count` + 1; Conflict (`ledger_moved`) if that is taken."""
        place = self.path / "events" / f"{count + 1:06d}.json"
        if not _write_new(place, event_to_bytes(event)):
            raise Conflict("Another run added to this review meanwhile.", code="ledger_moved")

    def round(self, number: int) -> "RoundFolder":
        """Return the folder of a round."""
        return RoundFolder(self.path / "rounds" / str(number))


@dataclass(frozen=True, slots=True)
class RoundFolder:
    """The folder of one round."""

    path: Path

    def read_inputs(self) -> RoundInputs | None:
        """Return the manifest, None where none was written."""
        try:
            return inputs_from_bytes((self.path / "manifest.json").read_bytes())
        except FileNotFoundError:
            return None

    def begin(self, inputs: RoundInputs) -> None:
        """Write the manifest; exchanges stay, and are used where they answer the same request."""
        write_file(self.path / "manifest.json", inputs.to_bytes())

    def exchanges(self) -> Mapping[ExchangeKey, Exchange]:
        """Return every exchange by its key."""
        files = sorted((self.path / "exchanges").glob("*.json"))
        read = (exchange_from_bytes(file.read_bytes()) for file in files)
        return {each.key: each for each in read}

    def keep_exchange(self, exchange: Exchange) -> None:
        """Keep what was said with one reviewer."""
        write_file(self.path / "exchanges" / f"{exchange.key}.json", exchange_to_bytes(exchange))

    def forget_others(self, kept: Collection[ExchangeKey]) -> None:
        """Remove the exchanges that an earlier try left and this round did not use."""
        for file in (self.path / "exchanges").glob("*.json"):
            if file.stem not in kept:
                file.unlink()

    def keep_artefacts(self, artefacts: Mapping[str, str]) -> None:
        """Write the reports by their names."""
        for name, text in artefacts.items():
            write_file(self.path / name, text.encode("utf-8", "replace"))

    def artefact(self, name: str) -> bytes | None:
        """Return a report's bytes, None where it was not written."""
        try:
            return (self.path / name).read_bytes()
        except FileNotFoundError:
            return None


def _until(events: tuple[Event, ...], number: int) -> Iterator[Event]:
    for event in events:
        if isinstance(event, RoundRecorded) and event.summary.number >= number:
            return
        yield event


def write_file(place: Path, content: bytes) -> None:
    """Put a file in place whole."""
    temporary = _written(place, content)
    temporary.replace(place)


def _write_new(place: Path, content: bytes) -> bool:
    """Put a file in place whole unless there is one; return whether it was put there."""
    temporary = _written(place, content)
    try:
        os.link(temporary, place)
    except FileExistsError:
        return False
    finally:
        temporary.unlink()
    _sync_directory(place.parent)
    return True


def _written(place: Path, content: bytes) -> Path:
    place.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=".", dir=place.parent)
    with os.fdopen(handle, "wb") as opened:
        opened.write(content)
        opened.flush()
        os.fsync(opened.fileno())
    return Path(temporary)


def _sync_directory(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


__all__ = ["ReviewFolder", "RoundFolder", "write_file"]
