"""Access that ends while something is open (spec/bad-input.md G11, spec/faults.md X36)."""

from served import Site
from server.revoke_histories import play_links, play_streams


async def test_g11_x36_streams_end_with_the_access_and_tell_nothing_younger(site: Site) -> None:
    outcome = await play_streams(site, 10, 1)
    assert outcome.broken == []


async def test_g11_x36_links_end_with_the_access_and_are_told_nothing_younger(site: Site) -> None:
    outcome = await play_links(site, 8, 3)
    assert outcome.broken == []
