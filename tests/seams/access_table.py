"""Who may do what with accounts and chats: every door of the store and every operation on them."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from tempfile import TemporaryDirectory

from driftpin.chat.messages import user_message
from driftpin.credentials import read_token
from driftpin.identity import WORKER, Actor, ChatId, digest_of
from driftpin.operations.create_chat import create_chat
from driftpin.operations.create_login_link import create_login_link
from driftpin.operations.create_user import create_user
from driftpin.operations.create_user_token import create_user_token
from driftpin.operations.create_workspace import create_workspace
from driftpin.operations.delete_agent import delete_agent
from driftpin.operations.delete_chat import delete_chat
from driftpin.operations.delete_workspace import delete_workspace
from driftpin.operations.diagnose_store import diagnose_store
from driftpin.operations.end_session import end_session
from driftpin.operations.enrol_agent import enrol_agent
from driftpin.operations.fork_chat import fork_chat
from driftpin.operations.idempotency import run_once
from driftpin.operations.keep_deployment_fact import keep_deployment_fact
from driftpin.operations.permit_tool_call import permit_tool_call
from driftpin.operations.prepare_deployment import prepare_deployment
from driftpin.operations.restore_backup import restore_backup
from driftpin.operations.revoke_token import revoke_token
from driftpin.operations.rotate_agent_token import rotate_agent_token
from driftpin.operations.say_hello import say_hello
from driftpin.operations.send_message import send_message
from driftpin.operations.set_password import set_password
from driftpin.operations.share_chat import share_chat
from driftpin.operations.sign_in import sign_in
from driftpin.operations.unshare_chat import unshare_chat
from driftpin.operations.update_chat import update_chat
from driftpin.operations.use_login_link import use_login_link
from driftpin.operations.write_backup import write_backup
from driftpin.passwords import Passwords
from driftpin.store.values import Access
from seams.access_world import (
    AGENTS,
    MASTERS,
    NO_USERS,
    PEOPLE,
    READERS,
    UPDATERS,
    Caller,
    Outcomes,
    Row,
    World,
    outcomes,
)

PASSWORDS = Passwords()
EVERYBODY_SEES = outcomes("ok")
CHAT_READERS = outcomes("not_found", ok=READERS | {Caller.WORKER})
CHAT_MASTERS = outcomes(
    "not_found", ok=MASTERS | {Caller.WORKER}, forbidden={Caller.READER, Caller.UPDATER}
)
UPDATE_CHAT = outcomes("not_found", ok=UPDATERS, forbidden={Caller.READER}, **NO_USERS)
MASTER_CHAT = outcomes(
    "not_found", ok=MASTERS, forbidden={Caller.READER, Caller.UPDATER}, **NO_USERS
)
MASTER_WORKSPACE = outcomes("not_found", ok=MASTERS, **NO_USERS)
EVERY_USER = outcomes("ok", **NO_USERS)
WORKERS = outcomes("not_found", ok={Caller.WORKER})
EVERY_AGENT = outcomes("wrong_token_type", ok=AGENTS, unauthenticated={Caller.NOBODY})


def on_chat(
    operation: Callable[[World, Actor, ChatId], Awaitable[object]],
) -> Callable[[World, Actor], Awaitable[object]]:
    """Try an operation on a chat of its own, since it may leave nothing of it."""

    async def attempt(world: World, actor: Actor) -> object:
        return await operation(world, actor, await world.fresh_chat())

    return attempt


def reads(name: str, read: Callable[[World, Actor], Awaitable[object]], found: Outcomes) -> Row:
    """Return the row of a method of the store."""
    return Row(f"Store.{name}", read, found)


async def _resolve_token(world: World, actor: Actor) -> object:
    _, secret = await world.fresh_token()
    return await world.store.resolve_token(actor, read_token(secret).secret_digest)


async def _resolve_tokens(world: World, actor: Actor) -> object:
    _, secret = await world.fresh_token()
    return await world.store.resolve_tokens(actor, {read_token(secret).secret_digest})


async def _get_deployment(world: World, actor: Actor) -> object:
    return await world.store.get_deployment(actor, "restore_epoch") or "not kept"


async def _write_backup(world: World, actor: Actor) -> object:
    with TemporaryDirectory() as directory:
        return await write_backup(world.store, actor, Path(directory) / "a.backup")


async def _restore_backup(world: World, actor: Actor) -> object:
    with TemporaryDirectory() as directory:
        file = Path(directory) / "a.backup"
        with world.recorder.aside():
            await write_backup(world.store, WORKER, file)
        return await restore_backup(world.store, actor, file, may_replace=True)


async def _revoke_token(world: World, actor: Actor) -> object:
    token_id, _ = await world.fresh_token()
    await revoke_token(world.store, actor, token_id)
    return "done"


async def _delete_agent(world: World, actor: Actor) -> object:
    await delete_agent(world.store, actor, await world.fresh_agent())
    return "done"


async def _delete_workspace(world: World, actor: Actor) -> object:
    await delete_workspace(world.store, actor, await world.fresh_workspace())
    return "done"


async def _delete_chat(world: World, actor: Actor, chat_id: ChatId) -> object:
    await delete_chat(world.store, actor, chat_id)
    return "done"


async def _share_chat(world: World, actor: Actor, chat_id: ChatId) -> object:
    await share_chat(world.store, actor, chat_id, world.people.other_id, Access.READ)
    return "done"


async def _unshare_chat(world: World, actor: Actor, chat_id: ChatId) -> object:
    await unshare_chat(world.store, actor, chat_id, world.reader_id)
    return "done"


async def _update_chat(world: World, actor: Actor, chat_id: ChatId) -> object:
    return await update_chat(world.store, actor, chat_id, title="new")


async def _permit_tool_call(world: World, actor: Actor, chat_id: ChatId) -> object:
    await permit_tool_call(world.store, actor, chat_id, "fake__add")
    return "done"


async def _send_message(world: World, actor: Actor, chat_id: ChatId) -> object:
    return await send_message(world.store, actor, chat_id, user_message("hello"))


async def _fork_chat(world: World, actor: Actor) -> object:
    return await fork_chat(world.store, actor, world.chat_id, 1)


async def _create_user(world: World, actor: Actor) -> object:
    return await create_user(world.store, actor, f"made by {actor.name}")


async def _keep_deployment_fact(world: World, actor: Actor) -> object:
    return await keep_deployment_fact(world.store, actor, "colour", "green")


async def _prepare_deployment(world: World, actor: Actor) -> object:
    await prepare_deployment(world.store, actor)
    return "done"


async def _say_hello(world: World, actor: Actor) -> object:
    return await say_hello(
        world.store, actor, run_id=actor.name, hostname="", os="", version="", roots={}
    )


async def _run_once(world: World, actor: Actor) -> object:
    return await run_once(
        world.store,
        actor,
        key="key",
        request_digest=digest_of(b""),
        perform=lambda store: create_workspace(store, actor, "spare"),
        respond=lambda workspace: workspace.id,
    )


async def _find_password(world: World, actor: Actor) -> object:
    return await world.store.find_password(actor, "owner")


async def _set_password(world: World, actor: Actor) -> object:
    owner_id, password = world.people.owner_id, "long enough"
    await set_password(world.store, actor, PASSWORDS, owner_id, password, present=password)
    return "done"


async def _sign_in(world: World, actor: Actor) -> object:
    administrator, reader = world.people.administrator, world.reader_id
    await set_password(world.store, administrator, PASSWORDS, reader, "long enough")
    name = (await world.store.get_user(administrator, reader)).name
    return await sign_in(world.store, actor, PASSWORDS, name, "long enough")


async def _use_login_link(world: World, actor: Actor) -> object:
    secret, _ = await create_login_link(world.store, world.people.owner)
    return await use_login_link(world.store, actor, read_token(secret).secret_digest)


async def _end_session(world: World, actor: Actor) -> object:
    await end_session(world.store, actor, digest_of(b"none"))
    return "done"


READS = (
    reads("find_password", _find_password, WORKERS),
    reads("resolve_token", _resolve_token, EVERYBODY_SEES),
    reads("resolve_tokens", _resolve_tokens, EVERYBODY_SEES),
    reads(
        "get_user",
        lambda world, actor: world.store.get_user(actor, world.owner_id),
        outcomes("not_found", ok=MASTERS | {Caller.WORKER}),
    ),
    reads(
        "list_users",
        lambda world, actor: world.store.list_users(actor, limit=10),
        outcomes("nothing", ok=PEOPLE | {Caller.WORKER}),
    ),
    reads(
        "list_tokens",
        lambda world, actor: world.store.list_tokens(actor),
        outcomes("nothing", ok=MASTERS),
    ),
    reads(
        "get_workspace",
        lambda world, actor: world.store.get_workspace(actor, world.workspace_id),
        outcomes("not_found", ok=MASTERS | {Caller.WORKER, Caller.OWN_AGENT}),
    ),
    reads(
        "list_workspaces",
        lambda world, actor: world.store.list_workspaces(actor, limit=10),
        outcomes("nothing", ok=MASTERS | AGENTS | {Caller.WORKER}),
    ),
    reads(
        "list_agents",
        lambda world, actor: world.store.list_agents(actor, world.workspace_id),
        outcomes("not_found", ok=MASTERS | {Caller.WORKER, Caller.OWN_AGENT}),
    ),
    reads(
        "get_agent",
        lambda world, actor: world.store.get_agent(actor, world.agent_id),
        outcomes("not_found", ok=MASTERS | {Caller.WORKER, Caller.OWN_AGENT}),
    ),
    reads(
        "get_chat",
        lambda world, actor: world.store.get_chat(actor, world.chat_id),
        CHAT_READERS,
    ),
    reads(
        "list_chats",
        lambda world, actor: world.store.list_chats(actor, limit=10),
        outcomes("nothing", ok=READERS | {Caller.WORKER}),
    ),
    reads(
        "list_shares",
        lambda world, actor: world.store.list_shares(actor, world.chat_id),
        CHAT_MASTERS,
    ),
    reads(
        "list_messages",
        lambda world, actor: world.store.list_messages(actor, world.chat_id, None, 10),
        CHAT_READERS,
    ),
    reads(
        "list_uses",
        lambda world, actor: world.store.list_uses(actor, world.blob, None, 10),
        outcomes("nothing", ok=READERS | {Caller.WORKER}),
    ),
    reads(
        "list_turns",
        lambda world, actor: world.store.list_turns(actor, world.chat_id),
        CHAT_READERS,
    ),
    reads(
        "list_receipts",
        lambda world, actor: world.store.list_receipts(actor, world.chat_id, None),
        outcomes("not_found", nothing=READERS | {Caller.WORKER}),
    ),
    reads(
        "get_stream_chunks",
        lambda world, actor: world.store.get_stream_chunks(actor, world.chat_id, 1, (0, 0)),
        outcomes("not_found", nothing=READERS | {Caller.WORKER}),
    ),
    reads("get_deployment", _get_deployment, WORKERS),
)

OPERATIONS = (
    Row(
        "create_user",
        _create_user,
        outcomes(
            "forbidden",
            ok={Caller.ADMINISTRATOR, Caller.WORKER},
            unauthenticated={Caller.NOBODY},
            wrong_token_type=AGENTS,
        ),
    ),
    Row(
        "create_user_token",
        lambda world, actor: create_user_token(world.store, actor, world.owner_id, ""),
        outcomes(
            "not_found",
            ok=MASTERS | {Caller.WORKER},
            unauthenticated={Caller.NOBODY},
            wrong_token_type=AGENTS,
        ),
    ),
    Row("set_password", _set_password, MASTER_WORKSPACE),
    Row("sign_in", _sign_in, EVERYBODY_SEES),
    Row(
        "create_login_link",
        lambda world, actor: create_login_link(world.store, actor),
        EVERY_USER,
    ),
    Row("use_login_link", _use_login_link, EVERYBODY_SEES),
    Row("end_session", _end_session, EVERY_USER),
    Row("revoke_token", _revoke_token, MASTER_WORKSPACE),
    Row(
        "create_workspace",
        lambda world, actor: create_workspace(world.store, actor, "spare"),
        EVERY_USER,
    ),
    Row("delete_workspace", _delete_workspace, MASTER_WORKSPACE),
    Row(
        "enrol_agent",
        lambda world, actor: enrol_agent(world.store, actor, world.workspace_id, "spare"),
        MASTER_WORKSPACE,
    ),
    Row(
        "rotate_agent_token",
        lambda world, actor: rotate_agent_token(world.store, actor, world.agent_id),
        MASTER_WORKSPACE,
    ),
    Row("delete_agent", _delete_agent, MASTER_WORKSPACE),
    Row("say_hello", _say_hello, EVERY_AGENT),
    Row(
        "diagnose_store",
        lambda world, actor: diagnose_store(world.store, actor, grace=timedelta(hours=1)),
        WORKERS,
    ),
    Row("write_backup", _write_backup, WORKERS),
    Row("restore_backup", _restore_backup, WORKERS),
    Row("keep_deployment_fact", _keep_deployment_fact, WORKERS),
    Row("prepare_deployment", _prepare_deployment, WORKERS),
    Row(
        "create_chat",
        lambda world, actor: create_chat(world.store, actor, world.workspace_id),
        MASTER_WORKSPACE,
    ),
    Row("update_chat", on_chat(_update_chat), UPDATE_CHAT),
    Row("delete_chat", on_chat(_delete_chat), MASTER_CHAT),
    Row("share_chat", on_chat(_share_chat), MASTER_CHAT),
    Row("unshare_chat", on_chat(_unshare_chat), MASTER_CHAT),
    Row("send_message", on_chat(_send_message), UPDATE_CHAT),
    Row("permit_tool_call", on_chat(_permit_tool_call), UPDATE_CHAT),
    Row(
        "fork_chat",
        _fork_chat,
        outcomes(
            "not_found",
            turn_unfinished=MASTERS,
            forbidden={Caller.READER, Caller.UPDATER},
            **NO_USERS,
        ),
    ),
    Row("run_once", _run_once, EVERY_USER),
)

ROWS = READS + OPERATIONS
