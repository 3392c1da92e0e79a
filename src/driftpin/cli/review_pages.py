"""What is known of a review: its status, why a finding is what it is, replies, and replays."""

import asyncio
import getpass
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from driftpin.cli import output
from driftpin.cli.exits import ExitCode, Finished, say
from driftpin.cli.options import Reach
from driftpin.cli.places import get_directory
from driftpin.cli.review_base import dirty_since
from driftpin.cli.review_run import write_markdown
from driftpin.cli.review_server import reviewing_client
from driftpin.clock import SystemClock
from driftpin.errors import Forbidden, NotFound, UsageError
from driftpin.review.bundled_roles import bundled_files
from driftpin.review.finding import BLOCKING, Dropped, Finding, FindingId
from driftpin.review.folder import ReviewFolder, write_file
from driftpin.review.inputs import RoundInputs
from driftpin.review.ledger import (
    Replied,
    ReplyKind,
    ReviewState,
    RoundRecorded,
    check_reply,
    number_of,
)
from driftpin.review.repository import Repository
from driftpin.review.rounds import replay as replay_round
from driftpin.review.shelf import shelf_of
from driftpin.review.spending import money_text
from driftpin.settings import load_settings, state_directory

Row = tuple[object, ...]
COLUMNS = ("id", "severity", "state", "place", "finding")


@dataclass(frozen=True, slots=True)
class Which:
    """Which review is meant: of which repository, and of what name; None for the last one."""

    reach: Reach
    directory: Path
    name: str | None

    @property
    def repository(self) -> Repository:
        """The repository."""
        return Repository(get_directory(self.directory))

    def folder(self) -> ReviewFolder:
        """Return its folder, or raise NotFound (`no_review`)."""
        settings = load_settings(self.reach.flags()).settings
        return shelf_of(state_directory(settings), self.repository.directory).find(self.name)


def status(which: Which, *, as_json: bool) -> None:
    """Show every finding and every round."""
    folder = which.folder()
    state = folder.state()
    findings = sorted(state.findings.values(), key=lambda each: (each.is_note, number_of(each)))
    head = _head(which.repository, folder.round(state.round).read_inputs(), state)
    if as_json:
        output.write_json({**head, **_status_to_json(state, findings)})
        return
    for name, told in head.items():
        if told:
            output.write_text(f"{name.replace('_', ' ')}: {told}")
    output.write_table(COLUMNS, (_row(each) for each in findings))
    output.write_table(
        ("round", "head", "panel", "new", "verified", "deferred", "tokens", "cost", "verdict"),
        (
            (
                each.number,
                each.head[:12],
                len(each.panel),
                ", ".join(each.new),
                ", ".join(each.verified),
                each.deferred,
                each.tokens,
                money_text(each.money) if each.money else None,
                each.verdict.value,
            )
            for each in state.rounds
        ),
    )


def _head(
    repository: Repository, inputs: RoundInputs | None, state: ReviewState
) -> dict[str, str | None]:
    """Return where a review stands in a few words; nothing before its first round."""
    if inputs is None or not state.rounds:
        return {}
    last = state.rounds[-1]
    try:
        tip = repository.resolve(inputs.range_text.partition("..")[0])
    except UsageError:
        tip = inputs.base
    dirty = dirty_since(repository, inputs.merge_base, tip, inputs.snapshot)
    return {
        "review": inputs.target,
        "range": f"{inputs.base[:12]}..{inputs.head[:12]}",
        "verdict": f"{last.verdict.value}, round {last.number}",
        "cost": money_text(state.spent.money) if state.spent.money else None,
        "context": inputs.snapshot,
        "context_dirty_since": dirty or None,
        "version": inputs.tool_version,
    }


def _row(finding: Finding) -> Row:
    return (
        finding.id,
        finding.severity.value,
        finding.state.value,
        finding.place.text,
        finding.statement,
    )


def _status_to_json(state: ReviewState, findings: list[Finding]) -> Mapping[str, object]:
    rounds = [
        {
            "number": each.number,
            "head": each.head,
            "panel": list(each.panel),
            "new": list(each.new),
            "verified": list(each.verified),
            "tokens": each.tokens,
            "cost": money_text(each.money) if each.money else None,
            "verdict": each.verdict.value,
        }
        for each in state.rounds
    ]
    rows = [dict(zip(COLUMNS, _row(each), strict=True)) for each in findings]
    return {"findings": rows, "rounds": rounds, "waiting_replies": sorted(state.replied)}


def explain(which: Which, finding: str | None, *, as_json: bool) -> None:
    """Tell what a finding rests on and what was merged with it; without one, all that fell away."""
    state = which.folder().state()
    told = None if finding is None else state.findings.get(FindingId(finding.upper()))
    if finding is not None and told is None:
        raise NotFound(f"This review has no finding {finding!r}.", code="no_finding")
    dropped = [each for each in state.dropped if told is None or each.into == told.id]
    if as_json:
        found = None if told is None else {**dict(zip(COLUMNS, _row(told), strict=True))}
        rows = [dict(zip(_DROPPED, _dropped_row(each), strict=True)) for each in dropped]
        output.write_json({"finding": found, "dropped": rows})
        return
    if told is not None:
        for line in _told(told):
            output.write_text(line)
    output.write_table(_DROPPED, (_dropped_row(each) for each in dropped))


_DROPPED = ("round", "rule", "reason", "role", "severity", "place", "claim", "evidence")


def _dropped_row(dropped: Dropped) -> Row:
    claim = dropped.claim
    return (
        dropped.round,
        dropped.rule,
        dropped.reason,
        claim.role,
        claim.severity.value,
        claim.place.text,
        claim.statement,
        claim.evidence,
    )


def _told(finding: Finding) -> list[str]:
    voices = ", ".join(f"{each.role} {each.severity.value}" for each in finding.voices)
    lines = (
        ("", f"{finding.id} {finding.severity.value} {finding.state.value}: {finding.statement}"),
        ("place", finding.place.text),
        ("symbol", finding.anchor.symbol),
        ("quote", finding.quote),
        ("evidence", finding.evidence),
        ("trigger", finding.trigger),
        ("outcome", finding.outcome),
        ("fix", finding.fix),
        ("proof", finding.proof),
        ("raised by", f"{finding.raised_by} of {finding.asked}: {voices}"),
        ("confidence", f"{finding.confidence}"),
        ("first seen", f"round {finding.first_round}"),
        ("caused by", finding.caused_by),
        ("state", finding.why),
        ("reply", finding.reply),
        ("fingerprint", finding.fingerprint),
    )
    return [f"  {name}: {text}" if name else text for name, text in lines if text]


def reply(which: Which, finding: str, kind: str, text: str) -> None:
    """Record what the author says about a finding."""
    folder = which.folder()
    events = folder.events()
    about = check_reply(folder.state(), finding)
    try:
        meant = ReplyKind(kind.lower())
    except ValueError:
        kinds = ", ".join(each.value for each in ReplyKind)
        raise UsageError(f"{kind!r} is no reply; say one of {kinds}.") from None
    by = getpass.getuser()
    if meant is ReplyKind.ACKNOWLEDGED and about.severity in BLOCKING:
        by = asyncio.run(_administrator(which.reach))
    at = SystemClock().now().isoformat()
    folder.append_behind(len(events), Replied(about.id, meant, text, by, at))
    say(f"{about.id} is {folder.state().findings[about.id].state.value}.")


async def _administrator(reach: Reach) -> str:
    """Return who accepts a blocking finding; Forbidden unless the server knows an administrator."""
    async with reviewing_client(reach) as client:
        user = (await client.get_me()).user
    if not user.is_administrator:
        raise Forbidden("Only an administrator may acknowledge a P0 or P1.")
    return user.name


def replay(which: Which, number: int, *, only_code: bool, as_json: bool) -> None:
    """Play a recorded round again without a model; findings when a byte is another one."""
    folder = which.folder()
    played = replay_round(folder, number, with_requests=not only_code)
    if as_json:
        verdict = played.report.summary.verdict.value
        output.write_json({"verdict": verdict, "different": list(played.different)})
    elif played.different:
        write_markdown(played.artefacts["review.md"])
        say(f"Other bytes than recorded: {', '.join(played.different)}.")
    else:
        say(f"Round {number} came out the same, byte for byte: {len(played.artefacts)} files.")
    if played.different:
        raise Finished(ExitCode.FINDINGS)


def compare(which: Which, rounds: tuple[int, int], *, as_json: bool) -> None:
    """Show what became of every finding between two rounds."""
    folder = which.folder()
    first, second = (_findings_of(folder, number) for number in rounds)
    rows: list[Row] = []
    for each in sorted(second.values(), key=lambda each: (each.is_note, number_of(each))):
        before = first.get(each.id)
        state = "-" if before is None else before.state.value
        if state != each.state.value:
            rows.append((each.id, each.severity.value, state, each.state.value, each.statement))
    columns = ("id", "severity", f"round {rounds[0]}", f"round {rounds[1]}", "finding")
    if as_json:
        output.write_json([dict(zip(columns, row, strict=True)) for row in rows])
    else:
        output.write_table(columns, rows)


def _findings_of(folder: ReviewFolder, number: int) -> dict[FindingId, Finding]:
    recorded = (each for each in folder.events() if isinstance(each, RoundRecorded))
    found = next((each for each in recorded if each.summary.number == number), None)
    if found is None:
        raise NotFound(f"This review has no round {number}.", code="no_round")
    return {each.id: each for each in found.findings}


def write_roles(directory: Path) -> None:
    """Write the roles as a skill that a repository can keep and change; nothing is overwritten."""
    folder = get_directory(directory) / ".agents" / "skills" / "driftpin-review"
    if folder.exists():
        raise UsageError(f"{str(folder)!r} is there already.", code="roles_exist")
    for path, text in bundled_files().items():
        write_file(folder / path, text.encode())
    say(f"The roles are in {str(folder)!r}; they count once they are in a base.")


__all__ = ["Which", "compare", "explain", "replay", "reply", "status", "write_roles"]
