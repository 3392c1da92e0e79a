"""X48: a file system that tells of no changes, as one over a network does.

What is written through a mapping of a file into memory reaches the file, and the kernel tells no
watcher of it: that is how such a file system looks from the agent.
"""

import mmap
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from agent_faults.agent_process import agent_process
from driftpin.agent.watch import Watcher
from served import Site

WAIT_S = 5.0
RESCANS = {"rescan_interval_s": 0.2}


@contextmanager
def mapped(path: Path) -> Iterator[mmap.mmap]:
    """Give the file's bytes, to be written over without a word to anybody."""
    with path.open("r+b") as file, closing(mmap.mmap(file.fileno(), 0)) as content:
        yield content


def overwrite(content: mmap.mmap, text: bytes) -> None:
    content[: len(text)] = text
    content.flush()


async def test_x48_changes_that_nothing_tells_of_are_found_by_looking(
    site: Site, workspace: Path
) -> None:
    rules = workspace / "AGENTS.md"
    rules.write_text("Indent with two spaces.\n", encoding="utf-8")
    with mapped(rules) as content:
        async with agent_process(site, workspace, timing=RESCANS) as agent:
            first = await agent.until_pushed()
            for text in (b"Indent with ten spaces.\n", b"Indent with six spaces.\n"):
                overwrite(content, text)
                pushed = await agent.until(lambda news: "push" in news)
                assert pushed["push"] == "accepted"
                assert pushed["digest"] != first["digest"]
                first = pushed
    head = (await site.client.get_agent(site.agent_id)).head
    assert head is not None
    assert head.digest == first["digest"]


def test_x48_what_is_written_through_a_mapping_is_told_to_no_watcher(tmp_path: Path) -> None:
    silent, loud = tmp_path / "silent", tmp_path / "loud"
    for path in (silent, loud):
        path.write_text("one\n", encoding="utf-8")
    told: list[Path] = []
    is_told = threading.Event()

    def note(changed: Path) -> bool:
        told.append(changed)
        return changed == loud

    watcher = Watcher(is_told.set, note)
    with mapped(silent) as content, closing(watcher):
        assert watcher.arm(frozenset({tmp_path}))
        overwrite(content, b"two\n")
        loud.write_text("two\n", encoding="utf-8")
        assert is_told.wait(WAIT_S)
    assert set(told) == {loud}
