"""Every maximum of a code review and of publishing one; the others stand in `limits`."""

from typing import Final

from driftpin.limits import (
    KIB,
    MESSAGE_BYTES_MAX,
    MIB,
    TOOL_RESULT_BYTES_MAX,
    TURN_REQUESTS_MAX,
)

# Code review (spec/review.md).
REVIEW_ROUNDS_MAX: Final = 6
REVIEW_DIFF_LINES_MAX: Final = 20_000
# With what is no source: tests, prose, lock files, vendored code.
REVIEW_ALL_LINES_MAX: Final = 100_000
REVIEW_CHUNK_LINES_MAX: Final = 400
REVIEW_WHOLE_LINES_MAX: Final = 3_000
REVIEW_SMALL_LINES_MAX: Final = 100
REVIEW_SMALL_FILES_MAX: Final = 2
REVIEW_FILE_BYTES_MAX: Final = 1 * MIB
REVIEW_REVIEWERS_MAX: Final = 16
# Each holds a stream of their client's twenty connections.
REVIEW_ASKED_AT_ONCE_MAX: Final = 12
REVIEW_CLAIMS_PER_REVIEWER_MAX: Final = 100
# How often a model is asked in one turn of a reviewer before it is told to end.
REVIEW_REQUESTS_MAX: Final = 43
# Calls by which one reviewer answers, refused ones included.
REVIEW_SUBMISSIONS_MAX: Final = 200
REVIEW_SUBMISSION_BYTES_MAX: Final = 64 * KIB
REVIEW_REPAIRS_MAX: Final = 1
REVIEW_ANSWER_TIMEOUT_S: Final = 900.0
REVIEW_TEXT_CHARACTERS_MAX: Final = 4_000
REVIEW_ANSWER_BYTES_MAX: Final = 512 * KIB
REVIEW_QUOTE_WINDOW_LINES: Final = 10
REVIEW_NEAR_LINES: Final = 5
REVIEW_TOKENS_PER_ROUND_MAX: Final = 20_000_000
REVIEW_ROLES_MAX: Final = 64
# What the adjudicator is shown, in one message.
REVIEW_ADJUDICATED_GROUPS_MAX: Final = 40
REVIEW_ADJUDICATED_FINDINGS_MAX: Final = 40
REVIEW_ADJUDICATED_TEXT_CHARACTERS_MAX: Final = 600
REVIEW_GIT_TIMEOUT_S: Final = 120.0

# Reading tools of reviewers (review.reading).
REVIEW_READ_CALLS_MAX: Final = 40
# Calls beyond that are refused with the advice to answer; after so many the reviewer has failed.
REVIEW_READ_REFUSALS_MAX: Final = 5
REVIEW_READ_AT_ONCE_MAX: Final = 4
REVIEW_READ_TIMEOUT_S: Final = 20.0
REVIEW_READ_ANSWER_BYTES_MAX: Final = 32 * KIB
REVIEW_READ_BYTES_PER_REVIEWER_MAX: Final = 512 * KIB
REVIEW_READ_FILE_BYTES_MAX: Final = 16 * MIB
REVIEW_READ_LINES_MAX: Final = 500
REVIEW_READ_LINE_CHARACTERS_MAX: Final = 1_000
REVIEW_READ_ENTRIES_MAX: Final = 500
REVIEW_READ_MATCHES_MAX: Final = 100
REVIEW_READ_MATCHES_BYTES_MAX: Final = 4 * MIB
REVIEW_READ_PATTERN_CHARACTERS_MAX: Final = 300
# What the counts of a pattern may come to when they are multiplied.
REVIEW_READ_PATTERN_REPEATS_MAX: Final = 1_000
REVIEW_READ_BLAME_LINES_MAX: Final = 200
REVIEW_READ_PATH_BYTES_MAX: Final = 4 * KIB
REVIEW_READ_TREE_BYTES_MAX: Final = 256 * MIB
REVIEW_READ_MEMORY_BYTES_MAX: Final = 1_024 * MIB

# A recorded round as a document, on its way to a forge or to the server (wire.reviews).
REVIEW_DOCUMENT_BYTES_MAX: Final = 4 * MIB
# Quotes and ends of lines take two bytes in a text of JSON.
REVIEW_BODY_BYTES_MAX: Final = 9 * MIB
REVIEW_CHATS_MAX: Final = 500
# Rounds that the page of a finding looks at.
REVIEW_SHOWN_ROUNDS_MAX: Final = 10
REVIEW_DOCUMENT_ITEMS_MAX: Final = 5_000
REVIEW_DOCUMENT_TEXT_CHARACTERS_MAX: Final = 20_000

# Publishing to a forge (review.github).
FORGE_BODY_CHARACTERS_MAX: Final = 65_536
FORGE_ANSWER_BYTES_MAX: Final = 16 * MIB
FORGE_PAGE_ITEMS: Final = 100
FORGE_PAGES_MAX: Final = 100
FORGE_TRIES_MAX: Final = 4
FORGE_TIMEOUT_S: Final = 30.0
FORGE_RETRY_FIRST_S: Final = 2.0
FORGE_WRITE_PAUSE_S: Final = 1.0
# A second limit that names no time is over after a minute at the soonest.
FORGE_SECOND_LIMIT_WAIT_S: Final = 60.0
FORGE_WAIT_LONGEST_S: Final = 300.0
FORGE_EVENT_BYTES_MAX: Final = 25 * MIB
FORGE_REPLY_CHARACTERS_MAX: Final = 4_000

assert REVIEW_ANSWER_BYTES_MAX <= MESSAGE_BYTES_MAX
assert REVIEW_CHUNK_LINES_MAX <= REVIEW_WHOLE_LINES_MAX <= REVIEW_DIFF_LINES_MAX
assert REVIEW_DIFF_LINES_MAX <= REVIEW_ALL_LINES_MAX
assert 2 * REVIEW_DOCUMENT_BYTES_MAX < REVIEW_BODY_BYTES_MAX
# A reviewer that calls without end is failed here, by name, before its turn is failed there.
assert REVIEW_READ_CALLS_MAX < REVIEW_REQUESTS_MAX
# The calls of a turn's last request are never carried out.
assert REVIEW_REQUESTS_MAX + REVIEW_READ_REFUSALS_MAX + 1 < TURN_REQUESTS_MAX
assert REVIEW_CLAIMS_PER_REVIEWER_MAX < REVIEW_SUBMISSIONS_MAX
assert 2 * REVIEW_SUBMISSION_BYTES_MAX <= REVIEW_ANSWER_BYTES_MAX
assert 4 * (REVIEW_READ_LINE_CHARACTERS_MAX + 100) <= REVIEW_READ_ANSWER_BYTES_MAX
assert 2 * REVIEW_READ_ANSWER_BYTES_MAX <= TOOL_RESULT_BYTES_MAX
assert REVIEW_READ_ANSWER_BYTES_MAX <= REVIEW_READ_BYTES_PER_REVIEWER_MAX
