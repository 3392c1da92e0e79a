"""A server process for tests of stopping: serves the database that it is told of."""

import asyncio
import sys

from driftpin.clock import SystemClock
from driftpin.identity import RandomIds
from driftpin.server.app import Server
from driftpin.server.bootstrap import ensure_first_user
from driftpin.server.serve import bind, configure_logs, serve, url_of
from driftpin.server.services import ServerOptions
from driftpin.store.database import Database


async def main(database_url: str) -> None:
    """Print address and token once requests are answered, then serve until told to stop."""
    database = Database(database_url, clock=SystemClock(), ids=RandomIds())
    server = Server(database, options=ServerOptions())
    listener = bind("127.0.0.1", 0)
    ready = asyncio.Event()
    serving = asyncio.create_task(serve(server, listener, on_ready=ready.set))
    answering = asyncio.create_task(ready.wait())
    await asyncio.wait({answering, serving}, return_when=asyncio.FIRST_COMPLETED)
    if serving.done():
        serving.result()
    identity = await ensure_first_user(server.services.store, None)
    print(url_of(listener), identity.token, flush=True)  # noqa: T201 for the parent
    await serving
    print("stopped", flush=True)  # noqa: T201 for the parent


if __name__ == "__main__":
    configure_logs("warning")
    asyncio.run(main(sys.argv[1]))
