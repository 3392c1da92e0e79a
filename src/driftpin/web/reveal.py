r"""Drawing what a reader would not see: hidden characters stand as marked `\u{…}`."""

import re
from collections.abc import Iterator
from typing import Final

from markupsafe import Markup, escape

from driftpin.context.hidden_text import escape as drawn_form
from driftpin.context.hidden_text import hidden_runs

DRAWN: Final = re.compile(r"\\u\{[0-9A-F]{1,6}\}")


def reveal(text: str) -> str:
    r"""Return the text with every character drawn that has no ordinary reason to be hidden."""
    return "".join(_revealed(text))


def _revealed(text: str) -> Iterator[str]:
    end = 0
    for run in hidden_runs(text):
        yield text[end : run.start]
        yield "".join(drawn_form(character) for character in run.text)
        end = run.start + len(run.text)
    yield text[end:]


def mark_drawn(text: str) -> Markup:
    """Return the text as HTML in which every drawn character is marked."""
    if "\\u{" not in text:
        return escape(text)
    pieces: list[Markup] = []
    end = 0
    for found in DRAWN.finditer(text):
        pieces.append(escape(text[end : found.start()]))
        pieces.append(Markup('<mark class="hidden">{}</mark>').format(found.group()))
        end = found.end()
    return Markup("").join([*pieces, escape(text[end:])])


def revealed(text: str) -> Markup:
    """Return the text as HTML, with hidden characters drawn and marked."""
    return mark_drawn(reveal(text))


__all__ = ["mark_drawn", "reveal", "revealed"]
