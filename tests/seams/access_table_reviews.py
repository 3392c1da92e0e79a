"""Who may do what with reviews: whoever may see their workspace reads, its masters write."""

from typing import Final

from driftpin.identity import Actor
from driftpin.operations.delete_review import delete_review
from driftpin.operations.publish_review import publish_review
from review_documents import document_of, record_of
from seams.access_table import MASTER_WORKSPACE
from seams.access_table_routes import EVERY_USER, MASTER, WORKSPACE, RouteRow, made
from seams.access_world import MASTERS, Caller, Row, World, outcomes

READERS_OF_WORKSPACE: Final = outcomes("not_found", ok=MASTERS | {Caller.WORKER, Caller.OWN_AGENT})


async def _publish(world: World, actor: Actor) -> object:
    return await publish_review(world.store, actor, world.workspace_id, record_of(document_of()))


async def _delete(world: World, actor: Actor) -> object:
    await delete_review(world.store, actor, await world.fresh_review())
    return "deleted"


async def _list(world: World, actor: Actor) -> object:
    await world.fresh_review()
    return await world.store.list_reviews(actor, workspace_id=world.workspace_id, limit=5)


async def _get(world: World, actor: Actor) -> object:
    return await world.store.get_review(actor, await world.fresh_review())


async def _rounds(world: World, actor: Actor) -> object:
    return await world.store.list_review_rounds(actor, await world.fresh_review(), limit=1)


ROWS: Final = (
    Row("publish_review", _publish, MASTER_WORKSPACE),
    Row("delete_review", _delete, MASTER_WORKSPACE),
    Row("Store.list_reviews", _list, READERS_OF_WORKSPACE),
    Row("Store.get_review", _get, READERS_OF_WORKSPACE),
    Row("Store.list_review_rounds", _rounds, READERS_OF_WORKSPACE),
)

ROUTES: Final = (
    RouteRow(
        "POST",
        f"{WORKSPACE}/reviews",
        "/api/v1/workspaces/{workspace}/reviews",
        made(201, MASTER),
        {"document": document_of()},
    ),
    RouteRow("GET", f"{WORKSPACE}/reviews", "/api/v1/workspaces/{workspace}/reviews", MASTER),
    RouteRow("GET", "/api/v1/reviews/{review_id}", "/api/v1/reviews/{review}", MASTER),
    RouteRow(
        "GET",
        "/api/v1/reviews/{review_id}/rounds/{number}",
        "/api/v1/reviews/{review}/rounds/1",
        MASTER,
    ),
    RouteRow(
        "DELETE",
        "/api/v1/reviews/{review_id}",
        "/api/v1/reviews/{review}",
        made(204, MASTER),
        uses_up=True,
    ),
    RouteRow("GET", "/reviews", "/reviews", EVERY_USER),
    RouteRow("GET", "/reviews/{review_id}", "/reviews/{review}", MASTER),
    RouteRow(
        "GET",
        "/reviews/{review_id}/findings/{finding}",
        "/reviews/{review}/findings/CRF-1",
        MASTER,
    ),
)
