"""Carries deeds out over HTTP, with the clients that people's programs and agents use."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from door import push_body
from driftpin.client import AgentClient, Client
from driftpin.wire import api
from driftpin.wire.agent import HelloRequest, PushRequest
from driftpin.wire.turns import SendMessageRequest
from faults.deeds import Deed, Done, Verb


@dataclass(slots=True)
class HttpHands:
    """One user and its agents, each with connections of its own."""

    url: str
    client: Client
    stack: AsyncExitStack
    agents: dict[str, AgentClient] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)

    async def add_agent(self, agent_id: str, token: str) -> None:
        """Push as this agent from now on."""
        self.agents[agent_id] = await self.stack.enter_async_context(AgentClient(self.url, token))
        self.tokens[agent_id] = token

    async def perform(self, deed: Deed) -> Done:
        match deed.verb:
            case Verb.PUSH | Verb.FIRST_PUSH:
                return await self._push(deed)
            case Verb.CREATE:
                return await self._create(deed)
            case Verb.SAY:
                request = SendMessageRequest(text=deed.text)
                sent = await self.client.send_message(deed.chat_id, request, key=deed.key)
                return Done("said", deed.chat_id, sent.turn.number, sent.message.id)
            case _:
                context = await self._move(deed)
                return Done("moved", deed.chat_id, context.revision, context.snapshot)

    async def found(self) -> tuple[str, str]:
        workspace = await self.client.create_workspace(api.CreateWorkspaceRequest(name="another"))
        enrolled = await self.client.enrol_agent(workspace.id, api.CreateAgentRequest())
        await self.client.create_chat(api.CreateChatRequest(workspace_id=workspace.id))
        await self.add_agent(enrolled.id, enrolled.token)
        await self.agents[enrolled.id].hello(HelloRequest(run_id="run"))
        return workspace.id, enrolled.id

    async def _push(self, deed: Deed) -> Done:
        body = push_body(seq=deed.seq, AGENTS=deed.text)
        request = PushRequest.model_validate(body, strict=False)
        answer = await self.agents[deed.agent_id].push(request)
        return Done(answer.result, digest=answer.head.digest)

    async def _create(self, deed: Deed) -> Done:
        request = api.CreateChatRequest(workspace_id=deed.workspace_id)
        chat = await self.client.create_chat(request, key=deed.key)
        return Done("created", chat.id, chat.context.revision, chat.context.snapshot)

    async def _move(self, deed: Deed) -> api.FullContextShape:
        if deed.verb is Verb.REFRESH:
            return await self.client.refresh_context(deed.chat_id, api.RefreshRequest())
        if deed.verb is Verb.ROLL_BACK:
            return await self.client.roll_back_context(
                deed.chat_id, api.RollbackRequest(to=deed.to)
            )
        assert deed.verb is Verb.REBIND
        request = api.RebindRequest(agent_id=deed.agent_id)
        return await self.client.rebind_chat(deed.chat_id, request)


@asynccontextmanager
async def http_hands(url: str, token: str) -> AsyncIterator[HttpHands]:
    """Give the hands of one user; its connections are closed at the end."""
    async with AsyncExitStack() as stack:
        client = await stack.enter_async_context(Client(url, token))
        yield HttpHands(url, client, stack)


__all__ = ["HttpHands", "http_hands"]
