"""The rounds of a review on the server on which it ran, where people read them as pages."""

from collections.abc import Callable
from itertools import islice

from driftpin import review_limits
from driftpin.client import Client
from driftpin.errors import DriftpinError
from driftpin.identity import digest_of
from driftpin.review.folder import ReviewFolder, RoundFolder
from driftpin.wire.reviews import PublishReviewRequest


async def show_on_server(
    client: Client, workspace_id: str, folder: ReviewFolder, tell: Callable[[str], None]
) -> None:
    """Publish every recorded round; those that are there already stay as they are.

    A round is recorded before it is shown: what the server refuses is told, and nothing else.
    """
    for summary in folder.state().rounds:
        request = _request(folder.round(summary.number))
        if request is None:
            continue
        try:
            shown = await client.publish_review(workspace_id, request)
        except DriftpinError as refusal:
            tell(f"Round {summary.number} is not shown on the server: {refusal.message}")
            continue
        if summary.number == shown.round:
            tell(f"The server shows it at /reviews/{shown.id}")


def _request(place: RoundFolder) -> PublishReviewRequest | None:
    content = place.artefact("review.json")
    if content is None or len(content) > review_limits.REVIEW_DOCUMENT_BYTES_MAX:
        return None
    exchanges = sorted(place.exchanges().values(), key=lambda each: each.key)
    answered = ((str(each.key), each.chat_id) for each in exchanges if each.chat_id)
    chats = dict(islice(answered, review_limits.REVIEW_CHATS_MAX))
    document = content.decode()
    return PublishReviewRequest(document=document, digest=digest_of(content), chats=chats)


__all__ = ["show_on_server"]
