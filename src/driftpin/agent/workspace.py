"""The roots of one workspace, as the declared sources are right now, and the pass over them."""

import logging
from collections.abc import Callable
from pathlib import Path

from driftpin.agent.explain import Explanation, explain
from driftpin.agent.kept_roots import KeptRoots
from driftpin.agent.mcp_configs import Catalogues
from driftpin.agent.resolve import Resolution, Resolver, ScanSettings
from driftpin.agent.roots import DeclaredSource, Root, declared_root, list_roots
from driftpin.agent.sources import SourceFile
from driftpin.clock import Clock
from driftpin.errors import DriftpinError

_log = logging.getLogger(__name__)


class Workspace:
    """Resolves a workspace; what was declared or taken back since counts from the next pass on.

    `home` is None when the user's own directories are left out. `notes` are snapshot errors that
    no pass can see.
    """

    def __init__(
        self,
        directory: Path,
        source_file: SourceFile,
        *,
        home: Path | None,
        clock: Clock,
        settings: ScanSettings | None = None,
        catalogues: Callable[[], Catalogues] = dict,
    ) -> None:
        # Found once: what is replaced by a link after the start is not followed (`agent.roots`).
        self._own_roots = list_roots(directory, home=home)
        self._declared_roots: dict[DeclaredSource, Root] = {}
        self._source_file = source_file
        self._clock = clock
        self._settings = settings or ScanSettings()
        self._kept = KeptRoots(clock, self._settings.root_held_s)
        self._catalogues = catalogues
        self._declared: tuple[DeclaredSource, ...] = ()
        self._resolver = self._build()
        self._last: Resolution | None = None
        self.notes: tuple[str, ...] = ()

    @property
    def roots(self) -> tuple[Root, ...]:
        """The roots of the last pass, in order of precedence."""
        return self._resolver.roots

    def resolve(self) -> Resolution:
        """Return what the roots bring now. Blocks; one call at a time."""
        declared = self._read_declared()
        if declared != self._declared:
            self._declared = declared
            self._resolver = self._build()
        self._last = self._resolver.resolve()
        return self._last

    def hand_on(self) -> None:
        """The last resolution is what others get to see: what a root that goes away is held to."""
        self._kept.hand_on()

    def let_go(self) -> None:
        """Hold nothing of roots that are gone: its bytes cannot be had any more."""
        self._kept.let_go()

    def is_relevant(self, changed: Path) -> bool:
        """Whether a change there can matter: at a root, below one, or on the way to one."""
        return any(
            changed.is_relative_to(root.path) or root.path.is_relative_to(changed)
            for root in self.roots
        )

    def explain(self, path: Path) -> Explanation:
        """Tell why the path is, or is not, in what the last pass found; there must be one."""
        assert self._last is not None, "explained before the first pass"
        return explain(
            path, self.roots, self._last, instruction_names=self._settings.instruction_names
        )

    def _read_declared(self) -> tuple[DeclaredSource, ...]:
        try:
            declared = self._source_file.list()
        except (DriftpinError, OSError):
            # What was declared before stays in the context until the file can be read again.
            _log.warning("the list of declared sources cannot be read", exc_info=True)
            self.notes = ("bad_state_file",)
            return self._declared
        self.notes = ()
        return declared

    def _build(self) -> Resolver:
        known = self._declared_roots
        self._declared_roots = {
            source: known.get(source) or declared_root(source) for source in self._declared
        }
        roots = (*self._declared_roots.values(), *self._own_roots)
        return Resolver(
            roots,
            self._settings,
            clock=self._clock,
            kept=self._kept,
            catalogues=self._catalogues,
        )


__all__ = ["Workspace"]
