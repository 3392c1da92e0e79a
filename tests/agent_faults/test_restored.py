"""X28, X29: an agent without its state, and one from an old image of its disk or its memory."""

import itertools
import shutil
from collections import Counter
from pathlib import Path

from agent_faults.agent_process import agent_process
from agent_faults.pushing_through import pushing_agent, stored_heads
from agent_faults.test_kills import digest_with
from driftpin.agent.local_protocol import LocalCall
from served import Site


def rise(directory: Path) -> bool:
    """Whether every accepted pair is above the one before it."""
    pairs = [(head.incarnation, head.seq) for head in stored_heads(directory)]
    return all(earlier < later for earlier, later in itertools.pairwise(pairs))


async def test_x28_an_agent_without_its_state_begins_anew_and_reuses_no_number(
    site: Site, workspace: Path, tmp_path: Path
) -> None:
    async with agent_process(site, workspace) as first:
        await first.until_pushed()
        await first.call(LocalCall.SOURCES_ADD, name="team", path=str(tmp_path))
        await first.call(LocalCall.RESYNC)
    shutil.rmtree(tmp_path / "state")
    (workspace / "AGENTS.md").write_text("second\n", encoding="utf-8")
    async with agent_process(site, workspace) as again:
        hello = await again.next_news()
        pushed = await again.until_pushed()
        shown = await site.client.get_agent(site.agent_id)
    assert (hello["hello"], pushed["push"]) == (2, "accepted")
    assert shown.head is not None
    assert shown.head.digest == digest_with(workspace="second\n")
    assert (shown.incarnation, shown.head_seq) == (2, 1)
    assert rise(tmp_path)


async def test_x29_an_agent_from_an_old_image_of_its_disk_gets_a_new_incarnation_and_converges(
    site: Site, workspace: Path, tmp_path: Path
) -> None:
    image = tmp_path / "image"
    async with agent_process(site, workspace) as first:
        await first.until_pushed()
        shutil.copytree(workspace, image)
        for text in ("second\n", "third\n"):
            (workspace / "AGENTS.md").write_text(text, encoding="utf-8")
            await first.until_pushed()
    shutil.rmtree(workspace)
    shutil.copytree(image, workspace)
    async with agent_process(site, workspace) as restored:
        hello = await restored.next_news()
        pushed = await restored.until_pushed()
        head = (await site.client.get_agent(site.agent_id)).head
    assert (hello["hello"], pushed["push"]) == (2, "accepted")
    assert head is not None
    assert head.digest == digest_with(workspace="first\n")


async def test_x29_an_agent_from_an_old_image_of_its_memory_goes_on_above_the_head(
    site: Site, tmp_path: Path
) -> None:
    """It has the run and the incarnation of the one it was copied from, and older numbers."""
    seen = Counter[str]()
    async with (
        pushing_agent(site.url, site.agent_token, "one run", seen) as image,
        pushing_agent(site.url, site.agent_token, "one run", seen) as original,
    ):
        await image.deliver(b"1")
        for body in (b"2", b"3", b"4"):
            await original.deliver(body)
        await image.deliver(b"5")
        head = (await site.client.get_agent(site.agent_id)).head
    assert head is not None
    assert head.digest == image.offered[-1]
    assert seen["stale"] + seen["seq_conflict"] == 1
    stored = [head.digest for head in stored_heads(tmp_path)]
    assert stored == [image.offered[0], *original.offered, image.offered[1]]
    assert rise(tmp_path)
