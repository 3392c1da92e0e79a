"""A round on a forge: one review, threads, answers and one status, and nothing ever twice."""

import re
from collections.abc import Iterator
from copy import deepcopy

import pytest
from markdown_it import MarkdownIt

from driftpin import review_limits
from driftpin.errors import DriftpinError, RateLimited, Unauthenticated, Unreachable
from driftpin.review.github.markers import find_marker
from driftpin.wire.reviews import ReviewDocument
from review.fake_forge import FakeForge, Fault, open_forge
from review.forge_story import NEW, OLD, Story, everything, files_of
from review.test_reports import ACTIVE, shown
from review.world import answer, claim


@pytest.fixture
def story() -> Story:
    return Story()


@pytest.fixture
def first(story: Story) -> ReviewDocument:
    return story.first()


@pytest.fixture
def forge(story: Story, first: ReviewDocument) -> Iterator[FakeForge]:
    with open_forge(story.forge(first)) as opened:
        yield opened


def threads(forge: FakeForge) -> dict[str, dict[str, object]]:
    """The first comment about each finding."""
    found: dict[str, dict[str, object]] = {}
    for each in forge.pull.review_comments:
        name = re.search(r"about=([A-Z]+-\d+) ", each["body"])
        if name is not None and "in_reply_to_id" not in each:
            assert name[1] not in found
            found[name[1]] = each
    return found


def test_a_round_is_one_review_with_every_finding_at_its_own_place(
    story: Story, first: ReviewDocument, forge: FakeForge
) -> None:
    done = story.publish(forge, first)
    (review,) = forge.pull.reviews
    (status,) = forge.pull.comments
    at = threads(forge)
    assert (review["state"], review["commit_id"]) == ("COMMENTED", first.range.head)
    assert set(at) == {"CRF-1", "CRF-2", "CRF-3"}
    by_text = {each.statement: at.get(each.id, {}) for each in first.findings}
    fifth, gone = by_text["the fifth is no number"], by_text["the thirtieth is gone"]
    assert (fifth["line"], fifth["side"]) == (5, "RIGHT")
    assert (gone["line"], gone["side"]) == (30, "LEFT")
    assert by_text["the eleventh is shown by no forge"]["subject_type"] == "file"
    assert "CRF-4" in review["body"]
    assert "b.py:1" in review["body"]
    assert "CRF-4" in status["body"]
    assert done.posted == len(forge.writes()) == 3
    assert forge.refused[1:] == []


def test_publishing_again_posts_nothing(
    story: Story, first: ReviewDocument, forge: FakeForge
) -> None:
    story.publish(forge, first)
    before = everything(forge)
    written = len(forge.writes())
    assert story.publish(forge, first).posted == 0
    assert len(forge.writes()) == written
    assert everything(forge) == before


def test_a_later_round_answers_in_the_threads_and_rewrites_the_one_status(
    story: Story, first: ReviewDocument, forge: FakeForge
) -> None:
    story.publish(forge, first)
    second = story.second()
    story.push(forge, second)
    story.publish(forge, second)
    roots = {each["id"]: each for each in forge.pull.review_comments}
    answers = [each for each in forge.pull.review_comments if "in_reply_to_id" in each]
    told = {
        re.search(r"about=(CRF-\d)", roots[each["in_reply_to_id"]]["body"])[1]: each["body"]  # type: ignore[index] # it has a marker
        for each in answers
    }
    assert set(told) == {"CRF-1", "CRF-2"}
    assert "verified as fixed" in told["CRF-1"]
    assert "contested" in told["CRF-2"]
    assert "The author: it is meant" in told["CRF-2"]
    assert len(forge.pull.comments) == 1
    assert "round 2" in forge.pull.comments[0]["body"]
    assert len(forge.pull.reviews) == 2
    assert "Verified as fixed: CRF-1." in forge.pull.reviews[1]["body"]
    again = everything(forge)
    story.publish(forge, second)
    assert everything(forge) == again


def test_an_older_round_or_one_of_another_ledger_is_refused(
    story: Story, first: ReviewDocument, forge: FakeForge
) -> None:
    story.publish(forge, first)
    second = story.second()
    story.push(forge, second)
    story.publish(forge, second)
    before = everything(forge)
    rounds = [each.model_copy(update={"manifest": first.manifest}) for each in second.rounds]
    stranger = second.model_copy(update={"rounds": tuple(rounds)})
    for document, code in ((first, "round_outdated"), (stranger, "other_ledger")):
        with pytest.raises(DriftpinError) as refused:
            story.publish(forge, document)
        assert refused.value.code == code
    assert everything(forge) == before


@pytest.mark.parametrize("is_done_first", [True, False])
def test_a_run_that_is_cut_off_at_any_call_is_ended_by_the_next_with_nothing_twice(
    is_done_first: bool,
) -> None:
    story = Story()
    first = story.first()
    shown_first = story.forge(first)
    with open_forge(shown_first):
        story.publish(shown_first, first)
    second = story.second()
    published = deepcopy((shown_first.pull, shown_first.ids))

    def forge_before(document: ReviewDocument) -> FakeForge:
        """The forge before a round; the first one stands there when it is the second."""
        if document is first:
            return Story().forge(first)
        pull, ids = deepcopy(published)
        forge = FakeForge(pull, ids=ids)
        story.push(forge, second)
        return forge

    for document in (first, second):
        with open_forge(forge_before(document)) as whole:
            story.publish(whole, document)
            calls, wanted = len(whole.calls), everything(whole)
        assert calls >= 10
        for number in range(1, calls + 1):
            with open_forge(forge_before(document)) as forge:
                forge.cut_after = number
                forge.faults[number] = Fault(is_done_first=is_done_first)
                with pytest.raises(Unreachable):
                    story.publish(forge, document)
                forge.cut_after = None
                forge.faults.clear()
                story.publish(forge, document)
                assert everything(forge) == wanted, number


def test_an_answer_that_was_lost_is_looked_for_before_anything_is_posted_again(
    story: Story, first: ReviewDocument
) -> None:
    with open_forge(story.forge(first)) as whole:
        story.publish(whole, first)
        posts = [number for number, (verb, _) in enumerate(whole.calls, 1) if verb != "GET"]
        wanted = everything(whole)
    for number in posts:
        for is_done_first in (True, False):
            with open_forge(story.forge(first)) as forge:
                forge.faults[number] = Fault(502, is_done_first=is_done_first)
                story.publish(forge, first)
                assert everything(forge) == wanted


def test_reading_is_asked_again_after_a_failure_and_given_up_in_the_end(
    story: Story, first: ReviewDocument, forge: FakeForge
) -> None:
    forge.faults = {1: Fault(500), 2: Fault(503)}
    story.publish(forge, first)
    assert story.waits[:2] == [2.0, 4.0]
    for number in range(len(forge.calls) + 1, len(forge.calls) + 9):
        forge.faults[number] = Fault(500)
    with pytest.raises(Unreachable) as refused:
        story.publish(forge, first)
    assert refused.value.code == "forge_unavailable"


@pytest.mark.parametrize(
    ("fault", "wait"),
    [
        (Fault(429, {"Retry-After": "7"}), 7.0),
        (Fault(403, {"Retry-After": "9"}), 9.0),
        (Fault(403, message="You have exceeded a secondary rate limit."), 60.0),
        (Fault(403, {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "1767225630"}), 31.0),
    ],
)
def test_a_rate_limit_is_waited_for_also_when_something_is_made(
    story: Story, first: ReviewDocument, fault: Fault, wait: float
) -> None:
    with open_forge(story.forge(first)) as forge:
        forge.faults = {1: fault, 7: fault}
        story.publish(forge, first)
        assert story.waits.count(wait) == 2
        assert len(forge.pull.reviews) == 1


def test_a_rate_limit_that_lasts_too_long_is_told(
    story: Story, first: ReviewDocument, forge: FakeForge
) -> None:
    forge.faults[2] = Fault(403, {"Retry-After": "3600"})
    with pytest.raises(RateLimited) as refused:
        story.publish(forge, first)
    assert (refused.value.code, refused.value.fields["retry_after_s"]) == (
        "forge_rate_limited",
        3600,
    )
    assert story.waits == []


def test_a_head_that_moved_is_published_for_what_it_was_and_never_approved(story: Story) -> None:
    story.claims = ()
    first = story.first().model_copy(update={"verdict": "APPROVE"})
    with open_forge(story.forge(first)) as forge:
        newer = "c" * 40
        forge.pull.files[newer] = files_of({"a.py": OLD}, {"a.py": NEW + "more\n"})
        forge.pull.commits.add(newer)
        forge.pull.head = newer
        done = story.publish(forge, first, may_approve=True)
        (review,) = forge.pull.reviews
    assert (done.has_moved, review["state"], review["commit_id"]) == (
        True,
        "COMMENTED",
        first.range.head,
    )
    assert "The head moved" in review["body"]


@pytest.mark.parametrize(
    ("verdict", "may_approve", "state"),
    [
        ("APPROVE", True, "APPROVED"),
        ("APPROVE", False, "COMMENTED"),
        ("CHANGES_REQUESTED", True, "CHANGES_REQUESTED"),
        ("INCOMPLETE", True, "COMMENTED"),
        ("COMMENT", True, "COMMENTED"),
    ],
)
def test_only_a_setting_lets_a_review_approve(
    story: Story, first: ReviewDocument, verdict: str, may_approve: bool, state: str
) -> None:
    document = first.model_copy(update={"verdict": verdict})
    with open_forge(story.forge(document)) as forge:
        story.publish(forge, document, may_approve=may_approve)
        assert [each["state"] for each in forge.pull.reviews] == [state]


def test_a_review_of_ones_own_change_becomes_a_comment_with_its_lines(
    story: Story, first: ReviewDocument, forge: FakeForge
) -> None:
    forge.is_app = False
    forge.me = {"login": "author", "type": "User"}
    approving = first.model_copy(update={"verdict": "CHANGES_REQUESTED"})
    story.publish(forge, approving, may_approve=True)
    assert [each["state"] for each in forge.pull.reviews] == ["COMMENTED"]
    assert "CRF-1" in threads(forge)


def test_a_head_that_was_pushed_away_puts_every_finding_into_the_body(
    story: Story, first: ReviewDocument, forge: FakeForge
) -> None:
    forge.pull.commits.clear()
    forge.pull.commits.add("c" * 40)
    forge.pull.files["c" * 40] = []
    forge.pull.head = "c" * 40
    story.publish(forge, first)
    (review,) = forge.pull.reviews
    assert all(f"[CRF-{number}]" in review["body"] for number in (1, 2, 3, 4))
    assert forge.pull.review_comments == []


def test_hostile_text_acts_nowhere(story: Story, first: ReviewDocument, forge: FakeForge) -> None:
    story.publish(forge, first)
    posted = [*forge.pull.reviews, *forge.pull.review_comments, *forge.pull.comments]
    for each in posted:
        marker, body = each["body"].split("\n", 1)
        assert marker.startswith("<!-- driftpin-review v1 ")
        assert ACTIVE.isdisjoint(shown(body))
        inlines = [part for part in MarkdownIt().parse(body) if part.type == "inline"]
        made = "".join(text.content for part in inlines for text in part.children or ())
        assert re.search(r"@\w|#\d|https?://", made) is None
        assert re.search(r"^\s*/\w", body, re.MULTILINE) is None


def test_markers_of_others_count_for_nothing(
    story: Story, first: ReviewDocument, forge: FakeForge
) -> None:
    with open_forge(story.forge(first)) as other:
        story.publish(other, first)
        stolen = [*other.pull.reviews, *other.pull.review_comments, *other.pull.comments]
        wanted = len(other.writes())
    person = {"login": "mallory", "type": "User"}
    forge.pull.reviews = [{**each, "user": person} for each in stolen if "state" in each]
    forge.pull.review_comments = [{**each, "user": person} for each in stolen if "path" in each]
    planted = forge.say(stolen[-1]["body"])
    text = planted["body"]
    assert story.publish(forge, first).posted == wanted
    assert planted["body"] == text


@pytest.mark.parametrize(
    "line",
    [
        "<!-- driftpin-review v1 0123456789abcdef finding round=1 -->",
        "<!-- driftpin-review v1 0123456789abcdef finding round=1 about=CRF-0 -->",
        "x <!-- driftpin-review v1 0123456789abcdef status round=0 -->",
        "\n<!-- driftpin-review v1 0123456789abcdef status round=0 -->",
    ],
)
def test_what_is_no_marker_is_read_as_none(line: str) -> None:
    assert find_marker(line) is None


def test_a_body_that_would_be_too_long_is_cut_between_findings_and_says_so(story: Story) -> None:
    claims = [
        claim("b.py", line, f"b{line} = {line}", f"@x{line} " * 500, severity="P4")
        for line in range(1, 300, 10)
    ]
    story.claims = claims
    document = story.first()
    with open_forge(story.forge(document)) as forge:
        story.publish(forge, document)
        bodies = [each["body"] for each in [*forge.pull.reviews, *forge.pull.comments]]
    assert all(len(body) <= review_limits.FORGE_BODY_CHARACTERS_MAX for body in bodies)
    assert "Some of it is left out" in bodies[0]
    assert "more | | | |" in bodies[1]


def test_what_stands_on_the_second_page_is_found(
    story: Story, first: ReviewDocument, forge: FakeForge
) -> None:
    for number in range(130):
        forge.say(f"talk {number}")
    story.publish(forge, first)
    assert story.publish(forge, first).posted == 0


def test_a_token_that_is_no_good_is_told_without_being_shown(
    story: Story, first: ReviewDocument, forge: FakeForge
) -> None:
    with pytest.raises(Unauthenticated) as refused:
        story.publish(forge, first, token="ghp_secretsecret")
    assert refused.value.code == "forge_unauthenticated"
    assert "secretsecret" not in refused.value.message
    forge.pull.state = "closed"
    with pytest.raises(DriftpinError) as closed:
        story.publish(forge, first)
    assert closed.value.code == "pull_closed"


def test_findings_that_need_nothing_get_no_thread(story: Story) -> None:
    story.claims = [claim("a.py", 5, "fifth", "worth knowing", severity="Note")]
    document = story.first()
    assert [each.id for each in document.findings] == ["NOTE-1"]
    with open_forge(story.forge(document)) as forge:
        story.publish(forge, document)
        assert set(threads(forge)) == {"NOTE-1"}
    assert answer()
