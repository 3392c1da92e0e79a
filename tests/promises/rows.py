"""The rows of the list of bad input that this release answers: hostile input, one row, one test.

A: files and paths. B: text. C: skills and YAML. D: MCP configs, servers and tools. E: the push
protocol. F: the HTTP API. G: streams. H: authentication. A test carries its row in its name
(`test_a14_…`), in an id or in its docstring.
"""

from collections.abc import Iterator
from typing import Final

LAST_ROWS: Final = {"A": 37, "B": 20, "C": 21, "D": 46, "E": 30, "F": 26, "G": 11, "H": 12}


def rows() -> Iterator[str]:
    """Yield every promised row."""
    for section, last in LAST_ROWS.items():
        for number in range(1, last + 1):
            yield f"{section}{number}"
