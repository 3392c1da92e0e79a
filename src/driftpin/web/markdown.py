"""Markdown of a model or a person as HTML that can do nothing.

No HTML of its own gets through, no picture is loaded, and of links only those to the web and to
mail. What comes out is cleaned once more by a list of tags, should the first rule ever fail.
"""

from dataclasses import dataclass, field
from typing import Final

import nh3
from markdown_it import MarkdownIt
from markupsafe import Markup, escape
from pygments import highlight
from pygments.formatters import HtmlFormatter
from pygments.lexers import get_lexer_by_name
from pygments.util import ClassNotFound

from driftpin import limits
from driftpin.web.reveal import reveal

TAGS: Final = frozenset(
    {"a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li"}
    | {"ol", "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul"}
)
ATTRIBUTES: Final = {"a": {"href", "title"}, "code": {"class"}, "ol": {"start"}, "span": {"class"}}
SCHEMES: Final = frozenset({"http", "https", "mailto"})
# Whoever follows a link tells nobody where it stood.
LINK_REL: Final = "noopener noreferrer nofollow"


def _colour(code: str, language: str, _attributes: str) -> str:
    """Return code with its words in spans of a class; empty leaves it to be escaped as it is."""
    if not language or len(code) > limits.PAGE_COLOURED_CHARACTERS_MAX:
        return ""
    try:
        lexer = get_lexer_by_name(language)
    except ClassNotFound:
        return ""
    return highlight(code, lexer, HtmlFormatter(nowrap=True))


def _parser() -> MarkdownIt:
    options = {"html": False, "highlight": _colour}
    return MarkdownIt("commonmark", options).enable(["table", "strikethrough"]).disable("image")


@dataclass(frozen=True, slots=True)
class Markdown:
    """Turns text into HTML; one parser for all of it."""

    _parser: MarkdownIt = field(default_factory=_parser)

    def html(self, text: str) -> Markup:
        """Return the text as HTML; what is too long to be worth it stands as it was written."""
        shown = reveal(text)
        if len(shown) > limits.PAGE_TEXT_CHARACTERS_MAX:
            return Markup("<pre>{}</pre>").format(escape(shown))
        return Markup(  # noqa: S704 it was cleaned just now
            nh3.clean(
                self._parser.render(shown),
                tags=set(TAGS),
                attributes={tag: set(names) for tag, names in ATTRIBUTES.items()},
                url_schemes=set(SCHEMES),
                link_rel=LINK_REL,
            )
        )


__all__ = ["Markdown"]
