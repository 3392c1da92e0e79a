"""Tells the other replicas which links this process holds, and hears from them which must end.

One row per link, with a lease that is renewed here and judged by the database's time. One look at
the rows finds every link that a newer one replaced, a newer run fenced, or whose agent or token is
gone: at every wake-up, and every few seconds whatever happens to wake-ups.
"""

import asyncio

import structlog

from driftpin import limits
from driftpin.errors import DriftpinError
from driftpin.identity import WORKER, Actor
from driftpin.operations.hold_link import hold_link
from driftpin.operations.release_link import release_link
from driftpin.operations.renew_links import renew_links
from driftpin.server.links import AgentLink, Links
from driftpin.server.tailer import Tailer
from driftpin.store.call_values import LinkStanding
from driftpin.store.store import Store

log = structlog.get_logger(__name__)


class LinkKeeper:
    """Keeps the rows of this process's links; `holder` must be this process's name alone."""

    def __init__(
        self,
        store: Store,
        links: Links,
        tailer: Tailer,
        *,
        holder: str,
        renew_s: float = limits.LINK_RENEW_S,
    ) -> None:
        """Hold leases of three renewals' time."""
        self.holder = holder
        self._store = store
        self._links = links
        self._tailer = tailer
        self._renew_s = renew_s
        self._lease_s = 3 * renew_s
        self._renewed_at_s = 0.0

    async def hold(self, link: AgentLink, actor: Actor) -> None:
        """Make this the agent's link for every replica.

        Raises PushOutdated (`fenced`) when a newer run has taken over.
        """
        link.link_id = await hold_link(
            self._store,
            actor,
            incarnation=link.incarnation,
            holder=self.holder,
            lease_s=self._lease_s,
        )

    async def release(self, link: AgentLink) -> None:
        """Tell that the link has ended, if the database can be told."""
        if link.link_id is None:
            return
        try:
            await release_link(self._store, WORKER, link.agent_id, link.link_id)
        except DriftpinError as refusal:
            # Its lease runs out by itself.
            log.warning("link_not_released", agent_id=link.agent_id, code=refusal.code)

    async def run_forever(self) -> None:
        """Renew and check until cancelled."""
        while True:
            seen = self._tailer.count
            if len(self._links):
                try:
                    await self.look()
                except DriftpinError as refusal:
                    log.warning("links_not_checked", code=refusal.code)
                except Exception:
                    log.exception("links_not_checked")
                # Many commits in a row are one look.
                await asyncio.sleep(limits.LINK_LOOK_GAP_S)
            await self._tailer.wait(seen, limits.LINK_RECHECK_S)

    async def look(self) -> None:
        """Renew what is due, and close the links that may not go on."""
        now_s = self._store.database.clock.monotonic_s()
        if now_s - self._renewed_at_s >= self._renew_s:
            await renew_links(self._store, WORKER, holder=self.holder, lease_s=self._lease_s)
            self._renewed_at_s = now_s
        held = [link for link in self._links.all() if link.link_id is not None]
        digests = {link.secret_digest for link in held}
        standings = await self._store.list_link_standings(WORKER, digests)
        by_digest = {standing.secret_digest: standing for standing in standings}
        for link in held:
            reason = _why_over(link, by_digest.get(link.secret_digest))
            if reason is not None:
                log.info("link_ended", agent_id=link.agent_id, reason=reason)
                await link.close(reason)


def _why_over(link: AgentLink, standing: LinkStanding | None) -> str | None:
    if standing is not None and standing.is_deleted:
        return "agent_gone"
    if standing is None or not standing.is_good:
        return "unauthenticated"
    if link.incarnation is not None and link.incarnation < standing.incarnation:
        return "fenced"
    if standing.link_id is None:
        # The row is gone although the link is not: the agent had better connect anew.
        return "restart"
    return None if standing.link_id == link.link_id else "fenced"


__all__ = ["LinkKeeper"]
