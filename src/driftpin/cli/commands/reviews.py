"""`driftpin review …`: a panel of reviewers on one pinned context."""

from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from driftpin.cli.options import JsonFlag, Reach, reaching

if TYPE_CHECKING:
    from driftpin.cli.review_pages import Which

DirectoryOption = Annotated[Path, typer.Option("--dir", help="A directory in the repository.")]
NameOption = Annotated[
    str | None, typer.Option("--name", help="The review's name; without it, the last one used.")
]
ModelOption = Annotated[
    str | None, typer.Option("--model", help="provider:model, `offline` or `scripted`.")
]
TokensOption = Annotated[
    int | None, typer.Option("--tokens", help="How many tokens the round may take.", min=0)
]
PriceOption = Annotated[
    list[str] | None,
    typer.Option(
        "--price", help="What a million tokens cost: MODEL=IN/OUT[/CACHED].", metavar="PRICE"
    ),
]
LimitOption = Annotated[
    list[str] | None,
    typer.Option("--limit", help="round=, review=, day=MONEY or …-tokens=NUMBER.", metavar="LIMIT"),
]
AdjudicatorOption = Annotated[
    bool,
    typer.Option(
        "--adjudicator/--no-adjudicator",
        help="Ask a model which findings of other words are one.",
    ),
]
FindingArgument = Annotated[str, typer.Argument(metavar="CRF-n", help="A finding's id.")]


class Start(StrEnum):
    """Where a replay may start."""

    CROSS_CHECK = "cross-check"


class _Group(TyperGroup):
    """Takes a range where a command could stand: `driftpin review main..HEAD`."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        is_range = bool(args) and args[0] not in self.commands and args[0] != "--help"
        parsed: list[str] = super().parse_args(ctx, ["run", *args] if is_range else args)
        return parsed


app = typer.Typer(
    cls=_Group,
    no_args_is_help=True,
    help="Review a change: BASE..HEAD, a pull request, or --staged, --worktree or --patch FILE.",
)


@app.command()
@reaching
def run(
    reach: Reach,
    range_text: Annotated[
        str | None,
        typer.Argument(metavar="RANGE", help="BASE..HEAD of a git repository, or a pull request."),
    ] = None,
    *,
    staged: Annotated[bool, typer.Option("--staged", help="What is staged.")] = False,
    worktree: Annotated[bool, typer.Option("--worktree", help="What is in the work tree.")] = False,
    patch: Annotated[Path | None, typer.Option("--patch", help="A patch file on HEAD.")] = None,
    directory: DirectoryOption = Path(),
    name: Annotated[
        str | None, typer.Option("--name", help="The review's name; else it is the range's.")
    ] = None,
    model: ModelOption = None,
    tokens_max: TokensOption = None,
    price: PriceOption = None,
    limit: LimitOption = None,
    out: Annotated[Path | None, typer.Option("--out", help="Write the reports there too.")] = None,
    more: Annotated[bool, typer.Option("--more", help="Go on past the last round.")] = False,
    publish: Annotated[
        bool, typer.Option("--publish", help="Post the round on the pull request.")
    ] = False,
    adjudicator: AdjudicatorOption = True,
    as_json: JsonFlag = False,
) -> None:
    """Run one round: 0 approve, 1 open, 2 blocking, 3 incomplete, 4 blocked, 5 usage, 6 budget."""
    from driftpin.cli.review_exits import with_review_exits
    from driftpin.cli.review_run import ReviewWish, review

    wish = ReviewWish(
        range_text=range_text,
        is_staged=staged,
        is_worktree=worktree,
        patch=patch,
        directory=directory,
        name=name,
        model=model,
        tokens_max=tokens_max,
        prices=tuple(price or ()),
        limits=tuple(limit or ()),
        out=out,
        is_lifted=more,
        as_json=as_json,
        is_published=publish,
        is_adjudicated=adjudicator,
    )
    with_review_exits(lambda: review(reach, wish))


@app.command()
@reaching
def publish(
    reach: Reach,
    pull: Annotated[str, typer.Argument(metavar="PULL", help="An address, or #N.")],
    *,
    directory: DirectoryOption = Path(),
    name: Annotated[
        str | None, typer.Option("--name", help="The review's name; else the pull request's.")
    ] = None,
) -> None:
    """Post the last round of a review on a pull request; posts nothing twice."""
    from driftpin.cli.review_comments import publish_last
    from driftpin.cli.review_exits import with_review_exits

    with_review_exits(lambda: publish_last(reach, directory, name, pull))


@app.command()
@reaching
def event(
    reach: Reach,
    file: Annotated[Path, typer.Argument(help="The event, as a job of the forge gets it.")],
    *,
    directory: DirectoryOption = Path(),
    model: ModelOption = None,
    tokens_max: TokensOption = None,
    price: PriceOption = None,
    limit: LimitOption = None,
    adjudicator: AdjudicatorOption = True,
) -> None:
    """Do what a comment on a pull request asks for: a round, or an answer to a finding."""
    from driftpin.cli.review_comments import answer_event
    from driftpin.cli.review_exits import with_review_exits
    from driftpin.cli.review_run import ReviewWish

    wish = ReviewWish(
        directory=directory,
        model=model,
        tokens_max=tokens_max,
        prices=tuple(price or ()),
        limits=tuple(limit or ()),
        is_adjudicated=adjudicator,
    )
    with_review_exits(lambda: answer_event(reach, file, wish))


def _which(reach: Reach, directory: Path, name: str | None) -> "Which":
    from driftpin.cli.review_pages import Which

    return Which(reach, directory, name)


@app.command()
@reaching
def status(
    reach: Reach,
    directory: DirectoryOption = Path(),
    name: NameOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show every finding of a review, and its rounds."""
    from driftpin.cli import review_pages
    from driftpin.cli.review_exits import with_review_exits

    with_review_exits(lambda: review_pages.status(_which(reach, directory, name), as_json=as_json))


@app.command()
@reaching
def explain(
    reach: Reach,
    finding: Annotated[
        str | None, typer.Argument(metavar="CRF-n", help="A finding; without it, all dropped ones.")
    ] = None,
    *,
    directory: DirectoryOption = Path(),
    name: NameOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Tell what a finding rests on, and which claims were merged with it, dropped or deferred."""
    from driftpin.cli import review_pages
    from driftpin.cli.review_exits import with_review_exits

    with_review_exits(
        lambda: review_pages.explain(_which(reach, directory, name), finding, as_json=as_json)
    )


@app.command()
@reaching
def reply(
    reach: Reach,
    finding: FindingArgument,
    kind: Annotated[str, typer.Argument(help="fixed, contested or acknowledged.")],
    text: Annotated[str, typer.Argument(help="Why.")] = "",
    *,
    directory: DirectoryOption = Path(),
    name: NameOption = None,
) -> None:
    """Answer a finding; `fixed` is verified in the next round."""
    from driftpin.cli import review_pages
    from driftpin.cli.review_exits import with_review_exits

    with_review_exits(
        lambda: review_pages.reply(_which(reach, directory, name), finding, kind, text)
    )


@app.command()
@reaching
def replay(
    reach: Reach,
    number: Annotated[int, typer.Argument(metavar="ROUND", min=1)],
    *,
    start: Annotated[
        Start | None,
        typer.Option("--from", help="Take the recorded answers as they are, whatever was asked."),
    ] = None,
    directory: DirectoryOption = Path(),
    name: NameOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Rebuild a recorded round without a model, and compare every byte."""
    from driftpin.cli import review_pages
    from driftpin.cli.review_exits import with_review_exits

    which = _which(reach, directory, name)
    with_review_exits(
        lambda: review_pages.replay(which, number, only_code=start is not None, as_json=as_json)
    )


@app.command()
@reaching
def compare(
    reach: Reach,
    first: Annotated[int, typer.Argument(min=1)],
    second: Annotated[int, typer.Argument(min=1)],
    *,
    directory: DirectoryOption = Path(),
    name: NameOption = None,
    as_json: JsonFlag = False,
) -> None:
    """Show which findings changed between two rounds."""
    from driftpin.cli import review_pages
    from driftpin.cli.review_exits import with_review_exits

    with_review_exits(
        lambda: review_pages.compare(
            _which(reach, directory, name), (first, second), as_json=as_json
        )
    )


@app.command()
def roles(
    directory: Annotated[Path, typer.Argument(help="The repository.")] = Path(),
) -> None:
    """Write the panel's roles into a repository as a skill, to be changed there."""
    from driftpin.cli import review_pages
    from driftpin.cli.review_exits import with_review_exits

    with_review_exits(lambda: review_pages.write_roles(directory))


__all__ = ["Start", "app"]
