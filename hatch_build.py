"""Copies the two htmx files of the page out of django-htmx into the package.

They are built in and not kept in the repository: no code of others is in it, and nothing of Django
is there when the product runs.
"""

from importlib.metadata import distribution
from pathlib import Path
from typing import Any, Final

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

VENDOR: Final = Path("src/driftpin/web/static/vendor")
# Under the names that the page asks for.
COPIED: Final = {
    "htmx.js": "django_htmx/static/django_htmx/htmx-4.min.js",
    "hx-sse.js": "django_htmx/static/django_htmx/ext/hx-sse-4.min.js",
}


class CopiedScripts(BuildHookInterface):
    """Runs before every build, that of an editable install too."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:  # noqa: ARG002 the names of the hook's interface
        """Write the files anew."""
        vendor = Path(self.root) / VENDOR
        vendor.mkdir(parents=True, exist_ok=True)
        wheel = distribution("django-htmx")
        for name, source in COPIED.items():
            (vendor / name).write_bytes(Path(str(wheel.locate_file(source))).read_bytes())
