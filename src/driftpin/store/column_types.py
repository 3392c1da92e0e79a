"""Column types that mean the same on SQLite and on PostgreSQL.

SQLite tables are STRICT, so every type must become INTEGER, TEXT or BLOB there. Python sees the
same values on both engines: ids and digests as text, instants as aware UTC datetimes.
"""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from sqlalchemy import BigInteger, Boolean, DateTime, Dialect, Integer, LargeBinary, Text, Uuid
from sqlalchemy.dialects.sqlite import BLOB, INTEGER, TEXT
from sqlalchemy.types import TypeDecorator, TypeEngine

from driftpin.identity import Digest

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
DIGEST_PREFIX: Final = "sha256:"


class Id(TypeDecorator[str]):
    """A UUID: native on PostgreSQL, its canonical text on SQLite."""

    impl = Text
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the engine's own type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(TEXT())
        return dialect.type_descriptor(Uuid(as_uuid=False))


class Sha256(TypeDecorator[Digest]):
    """A digest: 32 raw bytes in the database, `sha256:<hex>` in Python."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the engine's own type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BLOB())
        return dialect.type_descriptor(LargeBinary())

    def bind_processor(self, dialect: Dialect) -> Callable[[Digest | None], bytes | None]:  # noqa: ARG002 the signature is SQLAlchemy's
        """Write the 32 bytes that a text stands for, without the steps of a general type."""
        return _bytes_of

    def result_processor(
        self,
        dialect: Dialect,  # noqa: ARG002 the signature is SQLAlchemy's
        coltype: object,  # noqa: ARG002 likewise
    ) -> Callable[[bytes | None], Digest | None]:
        """Return the text form, without the steps of a general type: lists have one per line."""
        return _digest_from


def _bytes_of(digest: Digest | None) -> bytes | None:
    return None if digest is None else bytes.fromhex(digest.removeprefix(DIGEST_PREFIX))


def _digest_from(value: bytes | None) -> Digest | None:
    return None if value is None else Digest(DIGEST_PREFIX + value.hex())


class Instant(TypeDecorator[datetime]):
    """An instant to the microsecond: timestamptz, or integer microseconds since 1970."""

    impl = DateTime
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the engine's own type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(INTEGER())
        return dialect.type_descriptor(DateTime(timezone=True))

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> datetime | int | None:
        """Write an aware datetime."""
        if value is None or dialect.name != "sqlite":
            return value
        return (value - EPOCH) // timedelta(microseconds=1)

    def process_result_value(self, value: Any, dialect: Dialect) -> datetime | None:
        """Return an aware datetime in UTC."""
        if value is None:
            return None
        if dialect.name == "sqlite":
            return EPOCH + timedelta(microseconds=value)
        instant: datetime = value
        return instant.astimezone(UTC)


class Bytes(TypeDecorator[bytes]):
    """Bytes, exactly as they came."""

    impl = LargeBinary
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the engine's own type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(BLOB())
        return dialect.type_descriptor(LargeBinary())

    def result_processor(self, dialect: Dialect, coltype: object) -> None:
        """Take what comes: both drivers give bytes."""


class Flag(TypeDecorator[bool]):
    """Yes or no: boolean on PostgreSQL, 0 or 1 on SQLite."""

    impl = Boolean
    cache_ok = True

    def load_dialect_impl(self, dialect: Dialect) -> TypeEngine[Any]:
        """Choose the engine's own type."""
        if dialect.name == "sqlite":
            return dialect.type_descriptor(INTEGER())
        return dialect.type_descriptor(Boolean())

    def process_bind_param(self, value: bool | None, dialect: Dialect) -> bool | int | None:  # noqa: FBT001 the signature is SQLAlchemy's
        """Write 0 or 1 where there is no boolean."""
        return int(value) if value is not None and dialect.name == "sqlite" else value

    def process_result_value(self, value: Any, dialect: Dialect) -> bool | None:  # noqa: ARG002 the signature is SQLAlchemy's
        """Return a bool."""
        return None if value is None else bool(value)


Number = BigInteger().with_variant(Integer(), "sqlite")

__all__ = ["Bytes", "Flag", "Id", "Instant", "Number", "Sha256"]
