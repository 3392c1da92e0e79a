"""From roots to a snapshot: one pass over what a workspace brings.

A pass is deterministic: the same tree gives the same manifest, whatever the order in which the
file system lists it. Bad files become resources with a status; nothing that a file does makes a
pass fail. When nothing has changed since the last pass, that is found out by stats alone and its
result is returned again.
"""

import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from driftpin.agent.beneath import Opener, detected_opener
from driftpin.agent.candidate import Candidate
from driftpin.agent.caps import Capped, Ranked, apply_caps
from driftpin.agent.file_blobs import FileBlobs
from driftpin.agent.instruction_files import (
    INSTRUCTION_NAMES,
    find_instruction_files,
    find_not_recognised,
    find_unsupported_files,
)
from driftpin.agent.kept_roots import Brought, KeptRoots
from driftpin.agent.mcp_configs import Catalogues, FoundServer, find_mcp_candidates
from driftpin.agent.names import shown_name
from driftpin.agent.reading import Listing, Reader
from driftpin.agent.root_view import ReadStats, RootView
from driftpin.agent.roots import Root, RootProblem, open_root
from driftpin.agent.skills import find_skills
from driftpin.agent.stat_cache import StatCache
from driftpin.agent.trace import Trace
from driftpin.clock import Clock, SystemClock
from driftpin.context.manifest import Snapshot, snapshot_of
from driftpin.context.resource import Observation, Observations
from driftpin.limits import (
    AGENT_OBSERVATIONS_BYTES_MAX,
    NOT_RECOGNISED_MAX,
    ROOT_HELD_S,
    SCAN_DIRECTORY_ENTRIES_MAX,
    SCAN_ENTRIES_MAX,
)

_FINDING_BYTES: Final = 160


@dataclass(frozen=True, slots=True)
class ScanSettings:
    """What a pass looks for and how much it may list.

    `is_strict` also refuses hard links and files of another mount. A root that is gone goes on
    bringing what it brought for `root_held_s`.
    """

    instruction_names: tuple[str, ...] = INSTRUCTION_NAMES
    is_strict: bool = False
    directory_entries_max: int = SCAN_DIRECTORY_ENTRIES_MAX
    entries_max: int = SCAN_ENTRIES_MAX
    root_held_s: float = ROOT_HELD_S


@dataclass(frozen=True, slots=True)
class Resolution:
    """What one pass found. `blobs` are read when asked for (`agent.file_blobs`).

    `watch` are the directories in which a change may change the result; `servers` are the MCP
    servers that are listed as usable.
    """

    snapshot: Snapshot
    blobs: FileBlobs
    observations: Observations
    watch: frozenset[Path]
    read_stats: ReadStats
    servers: tuple[FoundServer, ...] = field(repr=False)
    traces: tuple[Trace, ...] = field(repr=False)
    reader: Reader = field(repr=False)

    @property
    def is_settled(self) -> bool:
        """Whether stats alone can tell if it still holds: nothing that was read was too fresh."""
        return all(trace.is_settled for trace in self.traces)

    def is_still_current(self) -> bool:
        """Whether everything that the snapshot was made of is as it was when it was read."""
        return all(trace.still_holds(self.reader, with_listing=False) for trace in self.traces)

    def still_holds(self) -> bool:
        """Whether another pass would find the same, observations included, without a doubt."""
        return self.is_settled and all(
            trace.still_holds(self.reader, with_listing=True) for trace in self.traces
        )


@dataclass(slots=True)
class _Pass:
    """What is gathered while the roots are looked at, one after the other."""

    ranked: list[Ranked] = field(default_factory=list)
    traces: list[Trace] = field(default_factory=list)
    errors: list[str] = field(default_factory=list)
    not_recognised: list[str] = field(default_factory=list)
    watch: set[Path] = field(default_factory=set)
    identities: set[tuple[int, int]] = field(default_factory=set)
    stats: ReadStats = field(default_factory=ReadStats)


class Resolver:
    """Resolves the same roots again and again; one call at a time, from any thread."""

    def __init__(
        self,
        roots: Sequence[Root],
        settings: ScanSettings | None = None,
        *,
        clock: Clock | None = None,
        reader: Reader | None = None,
        opener: Opener | None = None,
        kept: KeptRoots | None = None,
        catalogues: Callable[[], Catalogues] = dict,
    ) -> None:
        """Look at these roots in this order of precedence; `kept` is what they brought before.

        `catalogues` gives what is known of MCP servers at this moment; any thread may ask.
        """
        clock = clock or SystemClock()
        self._roots = tuple(roots)
        self._settings = settings or ScanSettings()
        self._reader = reader or Reader(opener or detected_opener(), self._settings.is_strict)
        self._cache = StatCache(clock)
        self._kept = kept or KeptRoots(clock, self._settings.root_held_s)
        self._catalogues = catalogues
        self._known: Catalogues = {}
        self._last: Resolution | None = None

    @property
    def roots(self) -> tuple[Root, ...]:
        """The roots, in order of precedence."""
        return self._roots

    def resolve(self) -> Resolution:
        """Return what the roots bring now.

        If nothing changed since the last call its parts are the very same objects, and nothing was
        read. OSError is raised only for a lack of descriptors or memory.
        """
        last, before = self._last, self._known
        self._known = self._catalogues()
        if last is not None and self._known == before and last.still_holds():
            self._last = replace(last, read_stats=ReadStats())
        else:
            self._last = self._look_again(last)
        return self._last

    def _look_again(self, last: Resolution | None) -> Resolution:
        gathered = _Pass()
        self._kept.begin_look(self._roots)
        with ExitStack() as stack:
            for rank, root in enumerate(self._roots):
                self._look_at(root, rank, gathered, stack)
        self._cache.end_pass()
        capped = apply_caps(gathered.ranked)
        if capped.is_cut:
            gathered.errors.append("listing_cut")
        places = {place.digest: place for each in capped.candidates for place in each.blobs}
        return Resolution(
            snapshot=_snapshot(capped, last),
            blobs=FileBlobs(places, self._reader),
            observations=self._observations(capped, gathered),
            watch=frozenset(gathered.watch),
            read_stats=gathered.stats,
            servers=tuple(_servers(capped)),
            traces=tuple(gathered.traces),
            reader=self._reader,
        )

    def _look_at(self, root: Root, rank: int, gathered: _Pass, stack: ExitStack) -> None:
        handle = open_root(root.path)
        if isinstance(handle, RootProblem):
            gathered.traces.append(Trace(root, handle))
            gathered.watch.add(_nearest_directory(root.path))
            if handle is not RootProblem.MISSING or not root.is_optional:
                self._hold(root, rank, gathered, handle)
            return
        stack.callback(os.close, handle)
        found = os.fstat(handle)
        identity = (found.st_dev, found.st_ino)
        trace = Trace(root, identity)
        gathered.traces.append(trace)
        if self._is_unmounted(root, handle, found.st_dev):
            gathered.watch.add(root.path)
            self._hold(root, rank, gathered, RootProblem.UNMOUNTED)
            return
        self._kept.saw(root, Brought((), found.st_dev))
        if identity in gathered.identities:
            return
        gathered.identities.add(identity)
        view = RootView(
            root,
            handle,
            reader=self._reader,
            cache=self._cache,
            trace=trace,
            stats=gathered.stats,
            entries_max=self._settings.entries_max,
        )
        self._gather(view, rank, gathered)

    def _hold(self, root: Root, rank: int, gathered: _Pass, problem: RootProblem) -> None:
        # How long it is held is a matter of time alone, which no stat tells.
        gathered.traces[-1].is_settled = False
        gathered.errors.append(f"{problem}:{root.name}")
        gathered.ranked.extend(Ranked(rank, each) for each in self._kept.held(root))

    def _is_unmounted(self, root: Root, handle: int, device: int) -> bool:
        """Whether what is seen is the empty place that a file system was mounted on."""
        known = self._kept.known(root)
        if known is None or known.device == device:
            return False
        listing = self._reader.list_directory(handle, "", entries_max=1)
        return isinstance(listing, Listing) and not listing.names and not listing.is_cut

    def _gather(self, view: RootView, rank: int, gathered: _Pass) -> None:
        names = self._settings.instruction_names
        entries_max = self._settings.directory_entries_max
        candidates = tuple(self._candidates(view))
        self._kept.saw(view.root, Brought(candidates, view.device))
        gathered.ranked.extend(Ranked(rank, each) for each in candidates)
        gathered.not_recognised.extend(find_not_recognised(view, names, entries_max))
        gathered.errors.extend(dict.fromkeys(view.errors))
        gathered.watch |= view.watched_paths()

    def _candidates(self, view: RootView) -> Iterator[Candidate]:
        names = self._settings.instruction_names
        entries_max = self._settings.directory_entries_max
        yield from find_instruction_files(view, names)
        yield from find_unsupported_files(view, names, entries_max)
        yield from find_skills(view, entries_max)
        if view.root.reads_mcp:
            yield from find_mcp_candidates(view, self._known)

    def _observations(self, capped: Capped, gathered: _Pass) -> Observations:
        return Observations(
            resources=_bounded(capped.candidates),
            errors=tuple(gathered.errors),
            roots=tuple((root.name, shown_name(str(root.path))) for root in self._roots),
            not_recognised=tuple(gathered.not_recognised[:NOT_RECOGNISED_MAX]),
        )


def _servers(capped: Capped) -> Iterator[FoundServer]:
    for candidate in capped.candidates:
        if candidate.launch is not None:
            source = candidate.resource.source
            yield FoundServer(source, candidate.config_source, candidate.launch)


def _snapshot(capped: Capped, last: Resolution | None) -> Snapshot:
    resources = [candidate.resource for candidate in capped.candidates]
    ordered = tuple(sorted(resources, key=lambda each: (each.kind.value, each.source)))
    if last is not None and last.snapshot.resources == ordered:
        return last.snapshot
    return snapshot_of(ordered)


def _bounded(candidates: Sequence[Candidate]) -> tuple[Observation, ...]:
    """Return an observation of each, but warnings and aliases only as far as they fit."""
    left_bytes = AGENT_OBSERVATIONS_BYTES_MAX
    observations = []
    for candidate in candidates:
        source = candidate.resource.source
        left_bytes -= len(source.encode()) + _FINDING_BYTES
        if left_bytes < 0:
            break
        spent_bytes = _remarks_bytes(candidate)
        fits = spent_bytes <= left_bytes
        left_bytes -= spent_bytes if fits else 0
        observations.append(
            Observation(
                source,
                candidate.size_bytes,
                candidate.aliases if fits else (),
                candidate.warnings if fits else (),
            )
        )
    return tuple(observations)


def _remarks_bytes(candidate: Candidate) -> int:
    texts = [*candidate.aliases]
    texts.extend(finding.path + finding.preview for finding in candidate.warnings)
    return sum(len(text.encode()) + _FINDING_BYTES for text in texts)


def _nearest_directory(path: Path) -> Path:
    """Return the nearest parent that can be seen: where a missing root would appear."""
    for parent in path.parents:
        if os.path.isdir(parent):  # noqa: PTH112 - `Path.is_dir` raises behind a closed one
            return parent
    return Path("/")


__all__ = ["Resolution", "Resolver", "ScanSettings"]
