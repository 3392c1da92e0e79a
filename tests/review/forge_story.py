"""A change with findings of every place, as documents and as the forge shows its diff."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from driftpin.review.deciding import Decided
from driftpin.review.github.api import GitHub
from driftpin.review.github.calls import GitHubCalls
from driftpin.review.github.publishing import Published, Publisher
from driftpin.review.github.pull_request import PullRequest
from driftpin.review.inputs import RoundInputs
from driftpin.review.ledger import Event, Replied, ReplyKind, state_of
from driftpin.review.report import report_of
from driftpin.review.rounds import artefacts_of
from driftpin.wire.reviews import ReviewDocument, read_review
from review.fake_forge import TOKEN, FakeForge, Pull
from review.forge_rules import Json
from review.pure import decided, inputs_of, patch_of, said
from review.world import answer, claim, ruling
from stepping import SteppedClock

PULL = PullRequest("octo", "repo", 7)
OLD = "".join(f"line {number}\n" for number in range(1, 61))
NEW = OLD.replace("line 5\n", "fifth\n").replace("line 30\n", "")
HOSTILE = "@octocat fixes #12 ![x](https://evil.example/p.png)\n/merge <img src=x>"
UNTOUCHED = "".join(f"b{number} = {number}\n" for number in range(1, 301))
CLAIMS = (
    claim("a.py", 5, "fifth", "the fifth is no number"),
    claim("a.py", 30, "line 30", "the thirtieth is gone", severity="P3", side="old"),
    claim("a.py", 11, "line 11", "the eleventh is shown by no forge"),
    claim("b.py", 1, "b1 = 1", HOSTILE, severity="P4", evidence=HOSTILE),
)


def files_of(old: Mapping[str, str], new: Mapping[str, str]) -> list[Json]:
    """What the forge lists of a diff: three lines around each change."""
    files: list[Json] = []
    for part in patch_of(old, new, n=3).split("diff --git ")[1:]:
        name = part.split(" ", 1)[0].removeprefix("a/")
        status = (
            "modified" if name in old and name in new else "added" if name in new else "removed"
        )
        files.append(
            {"filename": name, "status": status, "patch": part[part.index("@@") :].rstrip("\n")}
        )
    return files


@dataclass
class Story:
    """A change that is reviewed in rounds, and the forge that it stands on."""

    claims: Sequence[dict[str, Any]] = CLAIMS
    events: list[Event] = field(default_factory=list)
    rounds: list[Decided] = field(default_factory=list)
    texts: list[str] = field(default_factory=lambda: [NEW])
    waits: list[float] = field(default_factory=list)

    def inputs(self, number: int) -> RoundInputs:
        head = {"a.py": self.texts[-1], "b.py": UNTOUCHED}
        last = {"a.py": self.texts[-2], "b.py": UNTOUCHED} if number > 1 else None
        return inputs_of(
            head,
            base={"a.py": OLD, "b.py": UNTOUCHED},
            last=last,
            number=number,
            target=PULL.target,
        )

    def round(self, *answers: tuple[str, str]) -> ReviewDocument:
        """Play the next round and return its document."""
        number = len(self.rounds) + 1
        inputs = self.inputs(number)
        before = state_of(self.events)
        ran = decided(inputs, [said(key, text) for key, text in answers], self.events)
        self.rounds.append(ran)
        self.events.append(ran.event)
        written = artefacts_of(report_of(inputs, ran, before))["review.json"]
        return read_review(written.encode())

    def first(self) -> ReviewDocument:
        return self.round(("scout.scout", answer(*self.claims)))

    def second(self) -> ReviewDocument:
        """A round in which CRF-1 is fixed, and the author contests CRF-2."""
        self.texts.append(NEW.replace("fifth\n", "5\n"))
        self.events.append(Replied("CRF-1", ReplyKind.FIXED, "now 5", "author", "t"))  # type: ignore[arg-type] # as it is written
        self.events.append(Replied("CRF-2", ReplyKind.CONTESTED, "it is meant", "author", "t"))  # type: ignore[arg-type] # as it is written
        return self.round(
            ("scout.scout", answer()),
            ("verify.verifier.CRF-1", ruling("fixed", "a.py", 5, "5")),
            ("verify.verifier.CRF-2", ruling("stands", "a.py", 5, "line 4")),
        )

    def forge(self, document: ReviewDocument, **more: Any) -> FakeForge:
        head = document.range.head
        pull = Pull(
            head=head,
            base="b" * 40,
            author={"login": "author", "type": "User"},
            files={head: files_of({"a.py": OLD}, {"a.py": self.texts[-1]})},
            commits={head},
        )
        return FakeForge(pull, **more)

    def push(self, forge: FakeForge, document: ReviewDocument) -> None:
        """Let the head of a later round be the newest one there."""
        head = document.range.head
        forge.pull.files[head] = files_of({"a.py": OLD}, {"a.py": self.texts[-1]})
        forge.pull.commits.add(head)
        forge.pull.head = head

    def publish(
        self,
        forge: FakeForge,
        document: ReviewDocument,
        *,
        may_approve: bool = False,
        token: str = TOKEN,
        pause: Callable[[float], None] | None = None,
    ) -> Published:
        calls = GitHubCalls(forge.address, token, SteppedClock(), pause or self.waits.append)
        try:
            return Publisher(GitHub(calls, PULL), document, may_approve=may_approve).publish()
        finally:
            calls.close()


def everything(forge: FakeForge) -> str:
    """All that stands on the pull request, as one text that can be compared."""
    pull = forge.pull
    kept = [
        [
            {
                name: value
                for name, value in each.items()
                if name not in {"id", "pull_request_review_id", "in_reply_to_id"}
            }
            for each in items
        ]
        for items in (pull.reviews, pull.review_comments, pull.comments)
    ]
    return json.dumps(kept, sort_keys=True, indent=1)
