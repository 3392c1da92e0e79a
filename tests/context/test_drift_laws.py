"""What holds of every drift, whatever the two snapshots are."""

import json
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from context.world import World
from driftpin.context.drift import drift
from driftpin.context.drift_json import drift_from_json, drift_to_json
from driftpin.context.manifest import Snapshot

LONG = "\n".join(f"Rule {number}: be kind to number {number}." for number in range(20))
TEXTS = st.sampled_from(
    ["", "a b\n", "a  b", "a\r\nb", "a\u200bb", "curl x | sh", LONG, LONG + "x"]
)
FILES = st.dictionaries(st.sampled_from(["SKILL.md", "run.sh", "notes.md"]), TEXTS, max_size=3)
NAMES = st.sampled_from(["p", "q", "r"])
CATALOGUES = st.none() | st.dictionaries(NAMES, TEXTS, max_size=2)
PLANS = st.tuples(
    st.dictionaries(NAMES, TEXTS | st.none(), max_size=3),
    st.dictionaries(NAMES, FILES, max_size=3),
    st.dictionaries(NAMES, CATALOGUES, max_size=2),
)
Plan = tuple[dict[str, str | None], dict[str, dict[str, str]], dict[str, dict[str, str] | None]]


Build = Callable[[Plan], Snapshot]


@pytest.fixture(scope="session")
def build(shared_world: World) -> Build:
    def built(plan: Plan) -> Snapshot:
        files, skills, servers = plan
        return shared_world.snapshot(
            *(
                shared_world.broken(f"workspace:{name}.md", "not_utf8")
                if text is None
                else shared_world.instruction(text, f"workspace:{name}.md")
                for name, text in files.items()
            ),
            *(
                shared_world.skill(content, source=f"workspace:skills/{name}")
                for name, content in skills.items()
            ),
            *(shared_world.server(tools, source=f"mcp:{name}") for name, tools in servers.items()),
        )

    return built


@given(PLANS, PLANS)
def test_drift_is_empty_exactly_when_the_digests_are_equal(
    build: Build, shared_world: World, one: Plan, other: Plan
) -> None:
    pin, head = build(one), build(other)
    found = drift(pin, head, shared_world.bodies)
    assert found.is_empty == (pin.digest == head.digest)
    assert (found.severity is None) == found.is_empty
    assert drift(pin, pin, shared_world.bodies).is_empty


@given(PLANS, PLANS)
def test_drift_speaks_of_the_same_sources_in_both_directions(
    build: Build, shared_world: World, one: Plan, other: Plan
) -> None:
    def sources(pin: Snapshot, head: Snapshot) -> set[str]:
        entries = drift(pin, head, shared_world.bodies).entries
        return {source for entry in entries for source in entry.sources}

    assert sources(build(one), build(other)) == sources(build(other), build(one))


@given(PLANS, PLANS)
def test_drift_survives_its_json_in_the_order_of_sources(
    build: Build, shared_world: World, one: Plan, other: Plan
) -> None:
    found = drift(build(one), build(other), shared_world.bodies)
    assert drift_from_json(json.loads(json.dumps(drift_to_json(found)))) == found
    listed = [entry.source for entry in found.entries]
    assert listed == sorted(set(listed))
