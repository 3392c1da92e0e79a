"""What the stories of policies push, and how they look at a pin."""

from typing import Any

from driftpin.context.manifest import resources_of, snapshot_of
from driftpin.context.policies import Policy, PolicySet
from driftpin.context.resource import Kind, Resource, SkillBody, SkillFile, Status
from driftpin.identity import WORKER, ChatId, Digest, digest_of
from driftpin.operations.accept_snapshot import Push
from driftpin.store.store import Store
from driftpin.store.values import PushOutcome

HIDDEN = "Be kind.\u200b"
FOLLOW = PolicySet(Policy.FOLLOW)
AUTO_ADD = PolicySet(Policy.AUTO_ADD)
FREEZE = PolicySet(Policy.FREEZE)
SKILLS_FOLLOW = PolicySet(None, {Kind.SKILL: Policy.FOLLOW})


def skill(text: str) -> tuple[Resource, bytes]:
    content = f"---\nname: tidy\ndescription: d\n---\n{text}\n".encode()
    body = SkillBody("tidy", "d", (SkillFile("SKILL.md", False, digest_of(content)),))
    return Resource(Kind.SKILL, "workspace:.agents/skills/tidy", Status.OK, body=body), content


async def push(stage: Any, files: dict[str, str], skill_text: str | None = None) -> Digest:
    """Push instruction files and perhaps a skill; return the digest of the head."""
    plain: Push = stage.agent.next_push(files)
    if skill_text is None:
        return await _send(stage, plain)
    resource, content = skill(skill_text)
    whole = snapshot_of([*plain.snapshot.resources, resource])
    blobs = {**plain.blobs, digest_of(content): content}
    return await _send(stage, Push(plain.incarnation, plain.seq, whole, {}, blobs))


async def _send(stage: Any, push: Push) -> Digest:
    outcome: PushOutcome = await stage.agent.send(push)
    return outcome.head.digest


async def texts(store: Store, chat_id: ChatId) -> dict[str, Digest]:
    """Return what the pin lists under each source, by the last part of its name."""
    manifest = (await store.read_pin(WORKER, chat_id)).manifest
    assert manifest is not None
    found: dict[str, Digest] = {}
    for resource in resources_of(manifest):
        body: Any = resource.body
        digest: Any = body.files[0].digest if isinstance(body, SkillBody) else body.digest
        found[resource.source.rpartition("/")[2].rpartition(":")[2]] = digest
    return found
