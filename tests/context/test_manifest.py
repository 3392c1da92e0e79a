"""A manifest is the RFC 8785 form of its resources, whatever text stands in them."""

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st

from driftpin.context.manifest import (
    MANIFEST_VERSION,
    PROMPT_KINDS,
    TOOL_KINDS,
    canonical_manifest,
    resource_to_json,
    resources_of,
    snapshot_of,
)
from driftpin.context.resource import (
    Body,
    Catalogue,
    InstructionBody,
    Kind,
    Resource,
    ServerBody,
    SkillBody,
    SkillFile,
    Status,
    ToolEntry,
)
from driftpin.identity import digest_of

# What a writer of JSON escapes, what it must not escape, and what UTF-16 orders in its own way.
AWKWARD = '\0\x01\b\t\n\f\r\x1f "\\/\x7f\x80\u2028\u2029\ue000\ufeff\uffff\U00010000\U0010ffff'
TEXTS = st.text(st.sampled_from(AWKWARD) | st.characters(exclude_categories=["Cs"]), max_size=12)
DIGESTS = st.binary(max_size=4).map(digest_of)
BROKEN = st.sampled_from([status for status in Status if status is not Status.OK])

FILES = st.builds(SkillFile, TEXTS, st.booleans(), DIGESTS) | st.builds(
    SkillFile, TEXTS, st.booleans(), st.none() | DIGESTS, BROKEN, TEXTS
)
TOOLS = st.lists(st.builds(ToolEntry, TEXTS, DIGESTS), max_size=3).map(tuple)
BODIES: dict[Kind, st.SearchStrategy[Body]] = {
    Kind.INSTRUCTION_FILE: st.builds(InstructionBody, DIGESTS),
    Kind.SKILL: st.builds(SkillBody, TEXTS, TEXTS, st.lists(FILES, max_size=3).map(tuple)),
    Kind.MCP_CONFIG: st.none(),
    Kind.MCP_SERVER: st.builds(
        ServerBody, DIGESTS, st.none() | st.builds(Catalogue, st.none() | DIGESTS, TOOLS)
    ),
}


@st.composite
def resources(draw: st.DrawFn) -> Resource:
    kind = draw(st.sampled_from(Kind))
    source = draw(TEXTS)
    if draw(st.booleans()):
        return Resource(kind, source, Status.OK, body=draw(BODIES[kind]))
    return Resource(kind, source, draw(BROKEN), draw(TEXTS))


LISTS = st.lists(resources(), max_size=8, unique_by=lambda resource: resource.source)


def as_standard(listed: list[Resource]) -> bytes:
    entries = [resource_to_json(resource) for resource in listed]
    return rfc8785.dumps({"v": MANIFEST_VERSION, "resources": entries})


@given(LISTS)
def test_every_manifest_and_digest_is_that_of_the_standard_form(listed: list[Resource]) -> None:
    snapshot = snapshot_of(listed)
    ordered = sorted(listed, key=lambda resource: (resource.kind.value, resource.source))
    assert snapshot.resources == tuple(ordered)
    assert snapshot.manifest == as_standard(ordered)
    assert snapshot.digest == digest_of(snapshot.manifest)
    prompt = [resource for resource in ordered if resource.kind in PROMPT_KINDS]
    assert snapshot.prompt_digest == digest_of(as_standard(prompt))
    tools = [resource for resource in ordered if resource.kind in TOOL_KINDS]
    assert snapshot.tools_digest == digest_of(as_standard(tools))


@given(LISTS)
def test_a_manifest_in_the_given_order_is_the_standard_form_too(listed: list[Resource]) -> None:
    assert canonical_manifest(listed) == as_standard(listed)


@given(LISTS)
def test_a_manifest_that_was_read_again_lists_the_same(listed: list[Resource]) -> None:
    snapshot = snapshot_of(listed)
    assert resources_of(snapshot.manifest) == snapshot.resources


def test_half_a_surrogate_pair_is_in_no_manifest() -> None:
    with pytest.raises(ValueError, match="surrogates not allowed"):
        snapshot_of([Resource(Kind.INSTRUCTION_FILE, "workspace:\ud800.md", Status.OK)])
