import random
from pathlib import Path

from agent_faults import cuts
from agent_faults.agent_process import agent_process
from agent_faults.cuts import Knife, KnifePlan
from outcome import Outcome
from served import Site
from tcp_proxy import proxied, target_of


def test_x24_x25_a_push_cut_at_any_byte_is_stored_wholly_or_not_at_all_and_told_once() -> None:
    outcome = cuts.run(50, seed=24)
    assert outcome.broken == []
    assert outcome.seen["cuts"] >= 50


async def test_x24_an_agent_process_that_is_cut_goes_on_until_its_newest_state_is_the_head(
    site: Site, workspace: Path
) -> None:
    draw, outcome = random.Random(24), Outcome()
    knife = Knife(outcome)
    async with (
        proxied(target_of(site.url), lambda: KnifePlan(knife)) as proxy,
        agent_process(site, workspace, url=proxy.url) as agent,
    ):
        knife.proxy = proxy
        await agent.until_pushed()
        for number in range(5):
            knife.left_there = draw.randrange(1, 1_500)
            (workspace / "AGENTS.md").write_text(f"{number}\n" + "x" * 500, encoding="utf-8")
            pushed = await agent.until_pushed()
            knife.lay_down()
            head = (await site.client.get_agent(site.agent_id)).head
            assert head is not None
            assert pushed["digest"] == head.digest
    assert knife.cuts >= 3
