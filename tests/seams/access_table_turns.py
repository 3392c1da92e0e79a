"""Who may carry out turns: workers, and nobody else. The lease that they show here is not held."""

from collections.abc import Awaitable, Callable

from driftpin.chat.compaction import Compaction
from driftpin.chat.messages import user_message
from driftpin.chat.receipts import Outcome, sent_entry
from driftpin.identity import WORKER, Actor, ChatId
from driftpin.operations.append_chunk import append_chunk
from driftpin.operations.begin_request import begin_request
from driftpin.operations.claim_turn import claim_turn
from driftpin.operations.commit_answer import commit_answer
from driftpin.operations.commit_tool_results import commit_tool_results
from driftpin.operations.finish_turn import finish_turn
from driftpin.operations.forget_holders import forget_holders
from driftpin.operations.interrupt_turn import interrupt_turn
from driftpin.operations.keep_compaction import keep_compaction
from driftpin.operations.park_turn import Parking, end_waiting, park_turn
from driftpin.operations.release_turns import release_turns
from driftpin.operations.renew_turns import renew_turns
from driftpin.operations.resume_turn import resume_turn
from driftpin.operations.retry_turn import retry_turn
from driftpin.operations.send_message import send_message
from driftpin.operations.start_tool_calls import start_tool_calls
from driftpin.operations.submit_results import submit_results
from driftpin.store.leases import TurnLease
from driftpin.store.turn_values import StreamedText
from driftpin.store.values import TurnState
from seams.access_world import NO_USERS, READERS, UPDATERS, Caller, Row, World, outcomes
from unpinned_request import UNPINNED_REQUEST

CHAT_READERS = outcomes("not_found", ok=READERS | {Caller.WORKER})
UPDATE_CHAT = outcomes("not_found", ok=UPDATERS, forbidden={Caller.READER}, **NO_USERS)
NONE_YET = outcomes("not_found", nothing=READERS | {Caller.WORKER})
WORKERS_ONLY = outcomes("not_found", ok={Caller.WORKER})
STALE = outcomes("forbidden", lease_lost={Caller.WORKER})


def with_lease(
    operation: Callable[[World, Actor, TurnLease], Awaitable[object]],
) -> Callable[[World, Actor], Awaitable[object]]:
    """Try an operation with a lease that another worker has taken over."""

    async def attempt(world: World, actor: Actor) -> object:
        lease = TurnLease(world.chat_id, world.workspace_id, turn=1, fence=99, attempt=1)
        return await operation(world, actor, lease)

    return attempt


async def _claim(world: World, actor: Actor) -> object:
    return await claim_turn(world.store, actor, holder="a worker", lease_s=10)


async def _read_start(world: World, actor: Actor, lease: TurnLease) -> object:
    return await world.store.read_turn_start(actor, lease)


async def _append(world: World, actor: Actor, lease: TurnLease) -> object:
    await append_chunk(world.store, actor, lease, StreamedText(0, "x"))
    return "done"


async def _begin(world: World, actor: Actor, lease: TurnLease) -> object:
    return await begin_request(
        world.store, actor, lease, UNPINNED_REQUEST, revision=0, snapshot_id=None
    )


async def _commit_answer(world: World, actor: Actor, lease: TurnLease) -> object:
    await commit_answer(
        world.store,
        actor,
        lease,
        sent_entry(UNPINNED_REQUEST, previous=None),
        snapshot_id=None,
        message=None,
        outcome=Outcome.FAILED,
    )
    return "done"


async def _commit_results(world: World, actor: Actor, lease: TurnLease) -> object:
    return await commit_tool_results(world.store, actor, lease, ())


async def _start_calls(world: World, actor: Actor, lease: TurnLease) -> object:
    return await start_tool_calls(world.store, actor, lease, ())


async def _finish(world: World, actor: Actor, lease: TurnLease) -> object:
    await finish_turn(world.store, actor, lease, TurnState.DONE)
    return "done"


async def _renew(world: World, actor: Actor, lease: TurnLease) -> object:
    return await renew_turns(world.store, actor, [lease], lease_s=10)


async def _release(world: World, actor: Actor, lease: TurnLease) -> object:
    assert await release_turns(world.store, actor, [lease]) == 0
    return "done"


async def _forget_holders(world: World, actor: Actor) -> object:
    return await forget_holders(world.store, actor)


async def _interrupt(world: World, actor: Actor) -> object:
    chat_id: ChatId = await world.fresh_chat()
    await interrupt_turn(world.store, actor, chat_id)
    return "done"


async def _park(world: World, actor: Actor, lease: TurnLease) -> object:
    return await park_turn(world.store, actor, lease, Parking((), (), ()))


async def _end_waiting(world: World, actor: Actor, lease: TurnLease) -> object:
    await end_waiting(world.store, actor, lease)
    return "done"


async def _submit(world: World, actor: Actor) -> object:
    chat_id = await _chat_with_turn(world, TurnState.DONE)
    return await submit_results(world.store, actor, chat_id, 1, ())


async def _keep_compaction(world: World, actor: Actor, lease: TurnLease) -> object:
    await keep_compaction(world.store, actor, lease, Compaction(1, 1))
    return "done"


async def _resume(world: World, actor: Actor) -> object:
    return await resume_turn(world.store, actor, await _chat_with_turn(world, TurnState.FAILED), 1)


async def _retry(world: World, actor: Actor) -> object:
    chat_id = await _chat_with_turn(world, TurnState.DONE)
    return await retry_turn(world.store, actor, chat_id, 1, None)


async def _chat_with_turn(world: World, end: TurnState) -> ChatId:
    """Return a new chat whose only turn has ended like this."""
    chat_id: ChatId = await world.fresh_chat()
    if not world.is_nowhere:
        with world.recorder.aside():
            await send_message(world.store, world.people.owner, chat_id, user_message("Go."))
            while claimed := await claim_turn(world.store, WORKER, holder="w", lease_s=60):
                await finish_turn(world.store, WORKER, claimed.lease, end)
    return chat_id


ROWS = (
    Row("claim_turn", _claim, outcomes("forbidden", ok={Caller.WORKER})),
    Row("append_chunk", with_lease(_append), STALE),
    Row("begin_request", with_lease(_begin), STALE),
    Row("commit_answer", with_lease(_commit_answer), STALE),
    Row("commit_tool_results", with_lease(_commit_results), STALE),
    Row("finish_turn", with_lease(_finish), STALE),
    Row("renew_turns", with_lease(_renew), outcomes("forbidden", nothing={Caller.WORKER})),
    Row("release_turns", with_lease(_release), outcomes("forbidden", ok={Caller.WORKER})),
    Row("forget_holders", _forget_holders, outcomes("forbidden", ok={Caller.WORKER})),
    Row("start_tool_calls", with_lease(_start_calls), STALE),
    Row(
        "Store.read_turn_pin",
        lambda world, actor: world.store.read_turn_pin(actor, world.chat_id, 1),
        CHAT_READERS,
    ),
    Row(
        "Store.read_request_pin",
        lambda world, actor: world.store.read_request_pin(actor, world.chat_id, 1),
        CHAT_READERS,
    ),
    Row(
        "Store.list_tool_calls",
        lambda world, actor: world.store.list_tool_calls(actor, world.chat_id, 1),
        NONE_YET,
    ),
    Row(
        "Store.read_spawning",
        lambda world, actor: world.store.read_spawning(actor, world.chat_id),
        CHAT_READERS,
    ),
    Row("Store.read_turn_start", with_lease(_read_start), WORKERS_ONLY),
    Row("keep_compaction", with_lease(_keep_compaction), STALE),
    Row("park_turn", with_lease(_park), STALE),
    Row("end_waiting", with_lease(_end_waiting), STALE),
    Row(
        "submit_results",
        _submit,
        outcomes("not_found", nothing_asked=UPDATERS, forbidden={Caller.READER}, **NO_USERS),
    ),
    Row("resume_turn", _resume, UPDATE_CHAT),
    Row("retry_turn", _retry, UPDATE_CHAT),
    Row(
        "interrupt_turn",
        _interrupt,
        outcomes(
            "not_found",
            nothing_running=UPDATERS | {Caller.WORKER},
            forbidden=READERS - UPDATERS,
        ),
    ),
)
