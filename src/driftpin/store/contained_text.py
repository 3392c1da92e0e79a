"""A search for text as it stands: no pattern, and ASCII letters of either case are alike.

LIKE would need escapes, and each engine folds other letters; this says the same on both.
"""

from typing import Any

from sqlalchemy import Boolean, Text, bindparam
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.elements import ColumnElement
from sqlalchemy.sql.functions import FunctionElement


class contains_text(FunctionElement[bool]):  # noqa: N801 it stands in statements like a function
    """Whether `column` contains `text`."""

    type = Boolean()
    inherit_cache = True
    name = "contains_text"

    def __init__(self, column: ColumnElement[str], text: str) -> None:
        """Compare ASCII letters without regard to case."""
        lowered = "".join(letter.lower() if letter.isascii() else letter for letter in text)
        super().__init__(column, bindparam(None, lowered, type_=Text()))


@compiles(contains_text, "sqlite")
def _on_sqlite(element: contains_text, compiler: SQLCompiler, **options: Any) -> str:
    column, text = (compiler.process(part, **options) for part in element.clauses)
    return f"(instr(lower({column}), {text}) > 0)"


@compiles(contains_text, "postgresql")
def _on_postgresql(element: contains_text, compiler: SQLCompiler, **options: Any) -> str:
    column, text = (compiler.process(part, **options) for part in element.clauses)
    return f'(strpos(lower({column} COLLATE "C"), {text}) > 0)'


__all__ = ["contains_text"]
