"""What became of many chats that were refreshed at once, as one reply."""

from driftpin.identity import Actor
from driftpin.server.replies import context_shape
from driftpin.store.store import Store
from driftpin.wire.api import PageShape, RefreshOutcomeShape
