"""Parts and holds by the API: what is shown of them, and bad selections with their exact codes."""

from typing import Any

import pytest

from door import Door, problem_of
from driftpin import limits

AGENTS, CLAUDE = "workspace:AGENTS.md", "workspace:CLAUDE.md"


async def drifted(door: Door) -> str:
    """Return the path of the context of a chat of which two files were edited since."""
    await door.push(seq=1, AGENTS="one", CLAUDE="one")
    chat = await door.chat()
    await door.push(seq=2, AGENTS="two", CLAUDE="two and longer")
    return f"/chats/{chat['id']}/context"


async def ask(door: Door, method: str, path: str, body: object = None) -> Any:
    response = await door.call(door.people.owner, method, path, body)
    assert response.status_code == 200, response.text
    return response.json()


async def test_drift_cost_and_context_are_of_what_is_not_held(greeted: Door) -> None:
    path = await drifted(greeted)
    whole = await ask(greeted, "GET", f"{path}/drift?diff=true&cost=true")
    moved = await ask(greeted, "PUT", path, {"to": whole["head"], "hold": [CLAUDE]})
    assert (moved["revision"], moved["dirty"], moved["held"]) == (2, False, 1)
    less = await ask(greeted, "GET", f"{path}/drift?diff=true&cost=true")
    assert (less["head"], less["severity"], less["entries"], less["diffs"]) == (
        whole["head"],
        None,
        [],
        [],
    )
    assert [entry["source"] for entry in less["held"]] == [CLAUDE]
    assert less["cost"]["tokens_gained"] == less["cost"]["tokens_lost"] == 0
    assert whole["cost"]["tokens_gained"] > 0


async def test_a_dry_run_foresees_what_the_same_call_does(greeted: Door) -> None:
    path = await drifted(greeted)
    asked = {"accept": [AGENTS], "hold": []}
    foreseen = await ask(greeted, "PUT", path, asked | {"dry_run": True})
    assert [entry["source"] for entry in foreseen["left"]] == [CLAUDE]
    assert foreseen["severity"] == "behavioural"
    done = await ask(greeted, "PUT", path, asked)
    assert (done["snapshot"], done["revision"]) == (foreseen["snapshot"], foreseen["revision"])
    assert done["dirty"] is True


async def test_holds_are_listed_with_who_and_when_and_released(greeted: Door) -> None:
    path = await drifted(greeted)
    await ask(greeted, "PUT", path, {"accept": []})
    (first, second) = (await ask(greeted, "GET", f"{path}/holds"))["items"]
    assert (first["source"], second["source"]) == (AGENTS, CLAUDE)
    assert first["held_by"] == greeted.people.owner.name
    await greeted.push(seq=3, AGENTS="three", CLAUDE="two and longer")
    in_force = (await ask(greeted, "GET", f"{path}/holds"))["items"]
    assert [hold["in_force"] for hold in in_force] == [False, True]
    left = await ask(greeted, "POST", f"{path}/release", {"sources": [CLAUDE]})
    assert [hold["source"] for hold in left["items"]] == [AGENTS]
    assert (await ask(greeted, "POST", f"{path}/release", {}))["items"] == []


@pytest.mark.parametrize("dry_run", [False, True])
@pytest.mark.parametrize(
    ("selection", "problem"),
    [
        ({"accept": [AGENTS], "hold": [AGENTS]}, (409, "selection_conflict")),
        ({"accept": ["workspace:none.md"]}, (422, "unknown_source")),
        ({"hold": [""]}, (422, "unknown_source")),
        ({"hold": [AGENTS, "'; DROP TABLE chats;--"]}, (422, "unknown_source")),
        ({"accept": ["x" * (limits.SOURCE_BYTES_MAX + 1)]}, (422, "too_long")),
        ({"accept": AGENTS}, (400, "invalid_request")),
        ({"accept": [7]}, (400, "invalid_request")),
    ],
)
async def test_a_bad_selection_is_refused_with_its_code_and_changes_nothing(
    greeted: Door, selection: dict[str, Any], problem: tuple[int, str], *, dry_run: bool
) -> None:
    path = await drifted(greeted)
    body = selection | {"dry_run": dry_run}
    refused = await greeted.call(greeted.people.owner, "PUT", path, body)
    assert problem_of(refused) == problem
    assert (await ask(greeted, "GET", path))["revision"] == 1
    assert (await ask(greeted, "GET", f"{path}/holds"))["items"] == []
