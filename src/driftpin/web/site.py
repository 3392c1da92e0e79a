"""Draws views: one set of templates for all pages, escaped by default, and the files they load."""

from dataclasses import dataclass
from typing import Final

from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from driftpin.web import wording
from driftpin.web.assets import Assets, read_assets
from driftpin.web.markdown import Markdown
from driftpin.web.reveal import revealed
from driftpin.web.review_views import tone


@dataclass(frozen=True, slots=True)
class Shell:
    """What stands around a page.

    `events` is where what happens is heard of, empty where nothing is. A page that `tells` says
    that it is out of date; any other one shows itself anew.
    """

    title: str
    here: str = "/"
    section: str = ""
    events: str = ""
    tells: bool = False
    is_signed_in: bool = True


def _environment(assets: Assets) -> Environment:
    made = Environment(
        loader=PackageLoader("driftpin.web"),
        autoescape=select_autoescape(default=True),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
    )
    made.globals["asset"] = assets.path
    made.globals["counted"] = wording.counted
    for say in (
        wording.short,
        wording.size,
        wording.number,
        wording.instant,
        wording.kind,
        wording.plain,
        revealed,
        tone,
    ):
        made.filters[say.__name__] = say
    return made


class Site:
    """Everything that pages are drawn with; one for each server."""

    def __init__(self) -> None:
        """Read what every page loads; templates are read when they are first drawn."""
        self.assets: Final = read_assets()
        self.markdown: Final = Markdown()
        self._templates = _environment(self.assets)

    def draw(self, template: str, shell: Shell, view: object) -> str:
        """Return a page, or a piece of one."""
        return self._templates.get_template(template).render(shell=shell, view=view)


__all__ = ["Shell", "Site"]
