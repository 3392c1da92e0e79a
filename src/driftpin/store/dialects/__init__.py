"""Where the two engines differ: one module each, with the same functions, and nowhere else.

Row locks need no place here: SQLAlchemy leaves FOR UPDATE out on SQLite, whose writing transactions
run one at a time from their first statement.
"""

from driftpin.store.dialects.choice import Dialect, dialect_for, dialect_of

__all__ = ["Dialect", "dialect_for", "dialect_of"]
