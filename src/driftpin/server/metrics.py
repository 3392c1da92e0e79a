"""What a process counts for whoever watches a deployment, in Prometheus' text format.

Labels come from the code alone: route templates, methods, statuses, codes and states. No id, name,
text or secret is ever one. The registry belongs to the instance; two servers in one process share
nothing.
"""

from collections.abc import Iterator, Mapping
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Gauge,
    Histogram,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from driftpin.server.links import Links
from driftpin.server.pulse import Pulse
from driftpin.store.reading.stock import Stock
from driftpin.store.store import Store
from driftpin.store.wal import wal_bytes

SECONDS: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
PUSH: Final = ("POST", "/api/v1/agent/snapshots")
# What a call of a route does to pins.
PIN_VERBS: Final[Mapping[tuple[str, str], str]] = {
    ("PUT", "/api/v1/chats/{chat_id}/context"): "refresh",
    ("POST", "/api/v1/chats/{chat_id}/context/rollback"): "roll_back",
    ("POST", "/api/v1/chats/{chat_id}/context/rebind"): "rebind",
    ("POST", "/api/v1/workspaces/{workspace_id}/context/refresh"): "refresh",
    ("POST", "/api/v1/agent/context/refresh"): "refresh",
}
UNROUTED: Final = "none"


class Metrics:
    """Every figure of one process."""

    def __init__(self) -> None:
        """Begin at zero."""
        self._registry = CollectorRegistry()
        self._stock = Stock()
        self.requests = self._counter(
            "requests", "Requests answered, by route template.", "method", "route", "status"
        )
        self.request_seconds = self._histogram(
            "request_seconds", "How long answers took; streams until they ended.", "route"
        )
        self.pushes = self._counter("pushes", "Pushes, by result or code of refusal.", "result")
        self.push_seconds = self._histogram("push_seconds", "How long pushes took.")
        self.refreshes = self._counter("refreshes", "Refreshes of pins, by result.", "result")
        self.rebinds = self._counter(
            "rebinds", "Chats bound anew by somebody, by result.", "result"
        )
        self.pin_failures = self._counter(
            "pin_failures", "Moves of pins that were refused.", "verb", "code"
        )
        self.unavailable = self._counter("unavailable", "Answers with status 503.", "code")
        self.event_lag = self._histogram(
            "event_lag_seconds", "How long after its commit an event was sent to a reader."
        )
        self.streams = Gauge(
            "driftpin_streams_open", "Streams that are open.", registry=self._registry
        )
        self.calls = self._counter("agent_calls", "Calls to agents that ended here.", "outcome")
        self.collected = self._counter("collected", "Rows that were collected.", "kind")

    def watch(self, store: Store, pulse: Pulse, links: Links, turns: Mapping[str, int]) -> None:
        """Show at every look what these are like then."""
        self._registry.register(_Present(store, pulse, links, turns, self))

    @property
    def stock(self) -> Stock:
        """What the database holds, as it was counted last."""
        return self._stock

    def count_request(
        self, method: str, route: str, status: int, seconds: float, result: str
    ) -> None:
        """Count an answer; `result` is what became of it, or the code of its refusal."""
        self.requests.labels(method, route, str(status)).inc()
        self.request_seconds.labels(route).observe(seconds)
        if status == 503:
            self.unavailable.labels(result).inc()
        place = (method, route)
        if place == PUSH:
            self.pushes.labels(result).inc()
            self.push_seconds.observe(seconds)
        elif verb := PIN_VERBS.get(place):
            self._count_move(verb, status, result)

    def _count_move(self, verb: str, status: int, result: str) -> None:
        moved = {"refresh": self.refreshes, "rebind": self.rebinds}.get(verb)
        if moved is not None:
            moved.labels(result).inc()
        if status >= 400:
            self.pin_failures.labels(verb, result).inc()

    def count_call(self, outcome: str) -> None:
        """Count a call to an agent that is over for whoever asked."""
        self.calls.labels(outcome).inc()

    def as_text(self, stock: Stock) -> bytes:
        """Return every figure; `stock` is what the database holds."""
        self._stock = stock
        return generate_latest(self._registry)

    def described(self) -> tuple[tuple[str, str, str], ...]:
        """Return name, type and meaning of every metric, for documents."""
        return tuple(
            sorted((each.name, each.type, each.documentation) for each in self._registry.collect())
        )

    def _counter(self, name: str, text: str, *labels: str) -> Counter:
        return Counter(f"driftpin_{name}", text, labels, registry=self._registry)

    def _histogram(self, name: str, text: str, *labels: str) -> Histogram:
        return Histogram(f"driftpin_{name}", text, labels, buckets=SECONDS, registry=self._registry)


class _Present(Collector):
    """Figures that are looked at, not counted."""

    def __init__(
        self, store: Store, pulse: Pulse, links: Links, turns: Mapping[str, int], metrics: Metrics
    ) -> None:
        self._database = store.database
        self._pulse = pulse
        self._links = links
        self._turns = turns
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        """Give the figures as they are."""
        stock = self._metrics.stock
        yield _gauge("links_open", "Agents whose link this process holds.", len(self._links))
        yield _gauge("sync_paused", "Whether pushes are paused.", int(self._pulse.sync.is_paused))
        yield _gauge(
            "schema_outdated", "Whether a newer release migrated.", int(self._pulse.is_outdated)
        )
        yield _gauge(
            "sqlite_log_bytes",
            "Bytes of SQLite's write-ahead log; 0 on PostgreSQL.",
            wal_bytes(self._database),
        )
        yield _gauge("blob_bytes", "Bytes of all stored blobs.", stock.blob_bytes)
        in_use, size = self._database.pool_use()
        yield _gauge("database_connections_in_use", "Connections that are used.", in_use)
        yield _gauge("database_connections_max", "Connections there may be.", size)
        retries = CounterMetricFamily(
            "driftpin_database_retries", "Operations run again after a conflict."
        )
        retries.add_metric([], self._database.retries)
        yield retries
        waiting = GaugeMetricFamily(
            "driftpin_turns", "Turns of the deployment that are not over.", labels=["state"]
        )
        for state, count in sorted(stock.turns.items()):
            waiting.add_metric([state], count)
        yield waiting
        ended = CounterMetricFamily(
            "driftpin_turns_left", "Turns that this process let go of.", labels=["state"]
        )
        for state, count in sorted(self._turns.items()):
            ended.add_metric([state], count)
        yield ended


def _gauge(name: str, text: str, value: float) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"driftpin_{name}", text, value=value)


__all__ = ["UNROUTED", "Metrics"]
