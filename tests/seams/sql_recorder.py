"""What an attempt asks of a database: every statement, in order, and whether it brings rows.

Two attempts that asked the same statements did the same work; what a statement brought is found by
asking it again, with the same parameters, of the same database.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from sqlalchemy import event

from driftpin.store.database import Database, EngineKind


@dataclass(frozen=True, slots=True)
class Statement:
    """One statement as the driver got it; `values` are its parameters before the driver's types."""

    text: str
    parameters: Any
    values: tuple[object, ...]

    @property
    def is_read(self) -> bool:
        """Whether it asks for rows of a table; a transaction's own number is nobody's."""
        text = self.text.upper()
        return text.lstrip().startswith(("SELECT", "WITH")) and "FROM" in text.split()


@dataclass(slots=True)
class Recorder:
    """Notes the statements that a database runs while it is `on` and not `aside`."""

    database: Database
    statements: list[Statement] = field(default_factory=list)
    is_on: bool = False

    @contextmanager
    def on(self) -> Iterator[list[Statement]]:
        """Note statements until this is left; gives the list that they go to."""
        self.statements = []
        engines = [engine.sync_engine for engine in self._engines()]
        for engine in engines:
            event.listen(engine, "before_cursor_execute", self._note)
        self.is_on = True
        try:
            yield self.statements
        finally:
            self.is_on = False
            for engine in engines:
                event.remove(engine, "before_cursor_execute", self._note)

    @contextmanager
    def aside(self) -> Iterator[None]:
        """Note nothing until this is left: what prepares an attempt is no part of it."""
        was_on, self.is_on = self.is_on, False
        try:
            yield
        finally:
            self.is_on = was_on

    async def rows_of(self, statement: Statement) -> int:
        """Return how many rows a read brings."""
        with self.aside():
            async with self.database.read() as connection:
                found = await connection.exec_driver_sql(statement.text, statement.parameters)
                return len(found.all())

    def _engines(self) -> Sequence[Any]:
        # On PostgreSQL the reader is the writer under other options, and shares its events.
        if self.database.engine_kind is EngineKind.POSTGRESQL:
            return (self.database._writer,)
        return (self.database._writer, self.database._reader)

    def _note(
        self,
        _connection: Any,
        _cursor: Any,
        text: str,
        parameters: Any,
        context: Any,
        _is_many: bool,
    ) -> None:
        if self.is_on:
            compiled = getattr(context, "compiled_parameters", None) or ()
            values = tuple(_leaves([each.values() for each in compiled]))
            self.statements.append(Statement(text, parameters, values))


def _leaves(value: object) -> Iterator[object]:
    if isinstance(value, Iterable) and not isinstance(value, str | bytes):
        for each in value:
            yield from _leaves(each)
    else:
        yield value


__all__ = ["Recorder", "Statement"]
