"""Random sequences of everything that changes what chats run on, held against `Expected`.

The machine drives one deployment or two side by side; two must give the same answers, refusals and
events. After every step the rows are looked at, and what one of the callers sees.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant

from outcome import Outcome
from pushing import snapshot_with
from seams import expected_pushes
from seams.expected import OWNER, Expected, ExpectedAgent, ExpectedChat, Refused, Texts
from seams.expected_pushes import HONEST, Lie
from seams.pin_world import FOREIGN_TEXT, PEOPLE, PinWorld, Refusal, told
from seams.sound import Soundness
from seams.verbs import is_possible, only_if, verb

CHATS_MAX: Final = 7
AGENTS_MAX: Final = 3
# No line stands in two files, so nothing that is removed here and added there is a rename.
FILES: Final = {
    "AGENTS": ("Be kind to readers.", "Be  kind to readers.\r\n", "Be quick."),
    "CLAUDE": ("Prefer short functions.", "Prefer long names."),
    "GEMINI": ("Test what you change.", "Test what you change.\u200b"),
}
TEXTS: Final = st.fixed_dictionaries({}, optional={n: st.sampled_from(t) for n, t in FILES.items()})
LIES: Final = st.sampled_from(
    (Lie(body=True), Lie(prompt_digest=True), Lie(digest=True), Lie(withheld=True))
)
PLACE: Final = st.integers(min_value=0, max_value=11)
# The owner acts most of the time; the others try what they may and may not.
BY: Final = st.sampled_from((*[OWNER] * 6, "administrator", "ann", "bob", "eve", "agent", "nobody"))
MAKERS: Final = st.sampled_from((*[OWNER] * 6, "administrator", "ann", "nobody"))
SEEING: Final = (*PEOPLE, "agent", "nobody")
DAY_S: Final = 86_400.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """One deployment with what looks at it; `end` closes it."""

    world: PinWorld
    soundness: Soundness
    end: Callable[[], None]


class PinMachine(RuleBasedStateMachine):
    """The rules. `begin` makes the deployments and what is expected of them; `outcome` counts."""

    begin: Callable[[], tuple[Expected, Sequence[Deployment]]]
    outcome: Outcome

    def __init__(self) -> None:
        super().__init__()
        self.expected, self.deployments = type(self).begin()
        self.steps = 0
        # False from the beginning of a step until it has been looked at.
        self.is_whole = True

    def agree(
        self, expect: Callable[[Expected], Any], verb: Callable[[PinWorld], Any], name: str
    ) -> Any:
        """Carry out a verb everywhere; each must answer alike, and as is expected."""
        self.is_whole = False
        self.expected.events.clear()
        self.expected.now = self.world.clock.now()
        try:
            answer, code = expect(self.expected), None
        except Refused as refused:
            answer, code = None, refused.code
            self.expected.events.clear()
        given = [verb(deployment.world) for deployment in self.deployments]
        assert all(other == given[0] for other in given[1:]), given
        if isinstance(given[0], Refusal):
            self.outcome.seen[f"refused_{given[0].code}"] += 1
            assert given[0].code == code, (given[0], answer)
        else:
            self.outcome.seen[name] += 1
            assert code is None, (given[0], code)
            assert given[0] == answer, (given[0], answer)
        return given[0]

    @property
    def world(self) -> PinWorld:
        return self.deployments[0].world

    def step(self, name: str, arguments: dict[str, Any]) -> None:
        """Do one thing, if it can be done now; a verb for chats makes the first one."""
        if not is_possible(self, name):
            name, arguments = "create", {"by": OWNER}
        if is_possible(self, name):
            getattr(self, name)(**arguments)

    @property
    def has_chats(self) -> bool:
        return bool(self.expected.chats)

    @property
    def has_room(self) -> bool:
        return len(self.expected.chats) < CHATS_MAX

    def chat(self, place: int) -> int:
        """Choose a chat; one that was deleted only now and then."""
        living = [index for index, _ in self.expected.living()]
        if place == 11 or not living:
            return place % len(self.expected.chats)
        return living[place % len(living)]

    def agent(self, place: int) -> int:
        return place % len(self.expected.agents)

    # What agents do.

    @verb(agent=PLACE, run=st.sampled_from("ab"))
    def hello(self, agent: int, run: str) -> None:
        index = self.agent(agent)
        self.agree(
            lambda expected: expected_pushes.hello(expected, index, run),
            lambda world: world.hello(index, run),
            "hello",
        )

    @verb(5, agent=PLACE, texts=TEXTS)
    def push(self, agent: int, texts: Texts) -> None:
        known = self.started(agent)
        self.send(agent, texts, HONEST, (known.incarnation, known.accepted_seq + 1))

    @verb(2, agent=PLACE, texts=TEXTS, lie=LIES)
    def push_a_lie(self, agent: int, texts: Texts, lie: Lie) -> None:
        known = self.started(agent)
        self.send(agent, texts, lie, (known.incarnation, known.accepted_seq + 1))

    @verb(agent=PLACE, texts=TEXTS, jump=st.sampled_from((0, -1, 2)))
    def push_out_of_turn(self, agent: int, texts: Texts, jump: int) -> None:
        known = self.started(agent)
        self.send(agent, texts, HONEST, (known.incarnation, max(1, known.accepted_seq + jump)))

    def started(self, agent: int) -> ExpectedAgent:
        """Return an agent that said hello once, if it is alive."""
        known = self.expected.agents[self.agent(agent)]
        if known.incarnation == 0 and known.is_alive:
            self.hello(agent, "a")
            self.check()
        return known

    @verb(agent=PLACE, texts=TEXTS, incarnation=st.integers(-1, 1), seq=st.sampled_from((1, 2**40)))
    def push_in_another_run(self, agent: int, texts: Texts, incarnation: int, seq: int) -> None:
        known = self.expected.agents[self.agent(agent)]
        place = (max(0, known.incarnation + incarnation), known.accepted_seq + seq)
        self.send(agent, texts, HONEST, place)

    @only_if(lambda self: any(known.head for known in self.expected.agents))
    @verb(agent=PLACE)
    def push_again(self, agent: int) -> None:
        known = self.expected.agents[self.agent(agent)]
        texts = self.expected.contents[known.head] if known.head else {}
        self.send(agent, texts, HONEST, (known.head_incarnation, max(1, known.head_seq)))

    @verb(agent=PLACE)
    def push_what_only_the_neighbour_has(self, agent: int) -> None:
        known = self.expected.agents[self.agent(agent)]
        place = (known.incarnation, known.accepted_seq + 1)
        self.send(agent, {"AGENTS": FOREIGN_TEXT}, Lie(withheld=True), place)

    def send(self, agent: int, texts: Texts, lie: Lie, place: tuple[int, int]) -> None:
        index = self.agent(agent)
        named, sent = snapshot_with(**texts)[1], told(texts, lie)[1]
        lacks = bool(named.keys() - self.deployments[0].soundness.stored() - sent.keys())
        is_told_wrongly = lie.body and bool(texts)
        lie = Lie(lie.digest, lie.prompt_digest, is_told_wrongly, lie.withheld)
        answer = self.agree(
            lambda expected: expected_pushes.push(
                expected, index, place, texts, lie, lacks_blobs=lacks
            ),
            lambda world: world.push(index, place, texts, lie),
            "push",
        )
        self.outcome.seen["push_refused" if isinstance(answer, Refusal) else answer[0]] += 1

    @verb(agent=PLACE, name=st.sampled_from(sorted(FILES)), is_lying=st.booleans())
    def upload(self, agent: int, name: str, *, is_lying: bool) -> None:
        index, text = self.agent(agent), FILES[name][-1]
        self.agree(
            lambda expected: expected_pushes.upload(expected, index, is_lying=is_lying),
            lambda world: world.upload(index, text, is_lying=is_lying),
            "upload",
        )

    @only_if(lambda self: len(self.expected.agents) < AGENTS_MAX)
    @verb(3)
    def enrol(self) -> None:
        def enrolled(expected: Expected) -> int:
            expected.agents.append(ExpectedAgent())
            return len(expected.agents)

        self.agree(enrolled, lambda world: world.enrol(), "enrol")

    @only_if(lambda self: len(self.expected.agents) > 1)
    @verb(by=BY, agent=PLACE)
    def delete_agent(self, by: str, agent: int) -> None:
        index = self.agent(agent)
        self.agree(
            lambda expected: expected_pushes.delete_agent(expected, by, index),
            lambda world: world.delete_agent(by, index),
            "delete_agent",
        )

    # What happens to the server.

    @verb()
    def restart(self) -> None:
        for deployment in self.deployments:
            deployment.world.restart()
        self.expected.events.clear()
        self.outcome.seen["restart"] += 1

    @verb(2, days=st.sampled_from((0.0, 0.01, 1.0, 40.0, 500.0)))
    def let_time_pass_and_collect(self, days: float) -> None:
        for deployment in self.deployments:
            deployment.world.clock.step(days * DAY_S)
        before = len(self.expected.snapshots)
        self.expected.events.clear()
        self.expected.now = self.world.clock.now()
        expected_pushes.collect(self.expected)
        reports = [deployment.world.collect() for deployment in self.deployments]
        assert all(report == reports[0] for report in reports[1:]), reports
        for deployment in self.deployments:
            deployment.soundness.collected()
        self.outcome.seen["collections"] += 1
        self.outcome.seen["collected"] += before - len(self.expected.snapshots)

    @verb(seconds=st.sampled_from((0.001, 1.0, 3_000.0, -31_536_000.0)))
    def turn_the_clock(self, seconds: float) -> None:
        """Let time pass; a clock that is set back decides nothing."""
        for deployment in self.deployments:
            deployment.world.clock.step(seconds)
        self.expected.events.clear()

    # After every step.

    @invariant()
    def check(self) -> None:
        self.steps += 1
        for deployment in self.deployments:
            deployment.soundness.check()
        self.expected.events.clear()
        self.check_sight(SEEING[self.steps % len(SEEING)])
        self.is_whole = True

    def check_sight(self, by: str) -> None:
        """Somebody sees the chats that they may, as they are, and nothing of the others."""
        expected = {
            index: (
                self.expected.access(by, index),
                chat.revision,
                chat.pin,
                self.expected.head_of(chat),
                self.expected.is_dirty(chat),
                self.expected.dirty_since(chat),
                self._weight(index),
                chat.agent,
                None,
                self._held(chat),
            )
            for index, chat in self.expected.living()
            if self.expected.access(by, index) is not None
        }
        for deployment in self.deployments:
            assert deployment.world.list_as(by) == expected

    def _weight(self, index: int) -> str | None:
        chat = self.expected.chats[index]
        head = self.expected.head_of(chat)
        if chat.pin is None or head is None:
            return None
        return self.expected.weigh(chat, head)

    def _held(self, chat: ExpectedChat) -> int:
        head = self.expected.head_of(chat)
        if chat.pin is None or head is None:
            return 0
        return len(self.expected.in_force(chat, head))

    def look_at_everything(self) -> None:
        """Ask what is too dear to ask after every step."""

    def teardown(self) -> None:
        try:
            if self.is_whole:
                self.look_at_everything()
        finally:
            for deployment in self.deployments:
                deployment.end()


__all__ = ["BY", "FILES", "MAKERS", "PLACE", "SEEING", "TEXTS", "Deployment", "PinMachine"]
