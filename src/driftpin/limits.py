"""Every maximum in one place, with the relations between them asserted at the end.

Exactly at a limit is fine, one more is not. Names end in their unit. `AGENT_*` limits are what a
workspace agent keeps to, `SERVER_*` what the server refuses to pass: a server must take everything
that an agent of the same release may send.
"""

from typing import Final

KIB: Final = 1024
MIB: Final = 1024 * KIB

# What a workspace may bring (spec/context.md §1).
INSTRUCTION_BYTES_MAX: Final = 64 * KIB
SKILL_TEXT_BYTES_MAX: Final = 64 * KIB
SKILL_FILE_BYTES_MAX: Final = 512 * KIB
SKILL_BYTES_MAX: Final = 2 * MIB
SKILL_FILES_MAX: Final = 64
SNAPSHOT_TEXT_BYTES_MAX: Final = 2 * MIB
SNAPSHOT_BYTES_MAX: Final = 16 * MIB
SNAPSHOT_RESOURCES_MAX: Final = 500
TOOLS_PER_SERVER_MAX: Final = 256
TOOL_BYTES_PER_SERVER_MAX: Final = 1 * MIB
TOOL_DESCRIPTION_BYTES_MAX: Final = 8 * KIB
SOURCE_BYTES_MAX: Final = 1024
MCP_CONFIG_BYTES_MAX: Final = 1 * MIB
MCP_SERVER_NAME_CHARACTERS_MAX: Final = 64
# Arguments of one server, or its variables, or its headers; and the bytes of one of their values.
MCP_VALUES_MAX: Final = 256
MCP_VALUE_BYTES_MAX: Final = 16 * KIB

# Running MCP servers (spec/context.md §5).
MCP_LINE_BYTES_MAX: Final = 8 * MIB
MCP_BAD_LINES_MAX: Final = 100
MCP_STDERR_KEPT_BYTES_MAX: Final = 4 * KIB
MCP_STARTS_AT_ONCE_MAX: Final = 4
MCP_SERVERS_MAX: Final = 64
MCP_CONNECT_TIMEOUT_S: Final = 30.0
MCP_CALL_TIMEOUT_S: Final = 60.0
# However much progress a call tells of.
MCP_CALL_LONGEST_S: Final = 600.0
# A server whose call took too long and that does not even answer a ping in this time is ended.
MCP_PING_TIMEOUT_S: Final = 2.0
MCP_ATTACHMENTS_MAX: Final = 8
# How often a call tells whoever asked how far it has come, and in how many characters.
MCP_PROGRESS_GAP_S: Final = 0.2
MCP_PROGRESS_CHARACTERS_MAX: Final = 200
# All attachments of one result together, in base64.
MCP_ATTACHMENTS_BYTES_MAX: Final = 768 * KIB
MCP_PAGES_MAX: Final = 50
MCP_EXIT_WAIT_S: Final = 2.0
# What each process of a server may have of memory for data.
MCP_PROCESS_BYTES_MAX: Final = 4_096 * MIB
MCP_RETRY_FIRST_S: Final = 1.0
MCP_RETRY_LONGEST_S: Final = 300.0
# How long a server must stay up for its next failure to count as the first.
MCP_SETTLED_AFTER_S: Final = 60.0

# A pin as an MCP server of its own.
GATEWAY_MESSAGE_BYTES_MAX: Final = 1 * MIB
GATEWAY_RESOURCES_PER_PAGE: Final = 200
GATEWAY_CURSOR_CHARACTERS_MAX: Final = 300
GATEWAY_PROMPTS_PER_PAGE: Final = 200
# A client that closes its end waits for about two seconds, and then ends the process.
GATEWAY_DRAIN_S: Final = 1.0
GATEWAY_LINES_AHEAD_MAX: Final = 64
GATEWAY_PROGRESS_WAITING_MAX: Final = 64
# A tool with its schema is long.
GATEWAY_TOOLS_PER_PAGE: Final = 50

# Resources that are listed but not ok keep their place; even their number has an end.
AGENT_RESOURCES_LISTED_MAX: Final = 2_000
# What one manifest and the observations beside it may come to, as the agent estimates them.
AGENT_MANIFEST_BYTES_MAX: Final = 3 * MIB
AGENT_OBSERVATIONS_BYTES_MAX: Final = 768 * KIB
# A skill file too large to pin is still hashed up to here, so that a change in it is drift.
OVERSIZE_HASHED_BYTES_MAX: Final = 64 * MIB

# Skill headers (the Agent Skills specification, and spec/trust.md T28).
SKILL_NAME_CHARACTERS_MAX: Final = 64
SKILL_DESCRIPTION_CHARACTERS_MAX: Final = 1_024
FRONT_MATTER_BYTES_MAX: Final = 16 * KIB
YAML_DEPTH_MAX: Final = 16
YAML_EVENTS_MAX: Final = 2_000

# Findings of the scanner: per code, so that a flood of one never drowns another.
FINDINGS_PER_CODE_MAX: Final = 20
FINDING_PREVIEW_CHARACTERS_MAX: Final = 120

# What one call of a workspace tool may read and answer (spec/turns.md §4).
WORKSPACE_FILE_BYTES_MAX: Final = 4 * MIB
WORKSPACE_FILES_LISTED_MAX: Final = 1_000
WORKSPACE_GLOB_CHARACTERS_MAX: Final = 256
WORKSPACE_CALLS_AT_ONCE_MAX: Final = 2
SEARCHED_FILE_BYTES_MAX: Final = 1 * MIB
SEARCHED_BYTES_MAX: Final = 128 * MIB
SEARCHED_LINE_CHARACTERS_MAX: Final = 2_000
SEARCH_PATTERN_CHARACTERS_MAX: Final = 1_000
SEARCH_MATCHES_MAX: Final = 200
SEARCH_SHOWN_CHARACTERS_MAX: Final = 300
SEARCH_LONGEST_S: Final = 5.0

# How much work one look at a workspace may take.
SCAN_DIRECTORY_ENTRIES_MAX: Final = 20_000
# All directories of one root together.
SCAN_ENTRIES_MAX: Final = 100_000
SKILL_DEPTH_MAX: Final = 8
READ_TRIES_MAX: Final = 3
OPEN_TRIES_MAX: Final = 16
DECLARED_SOURCES_MAX: Final = 32
NOT_RECOGNISED_MAX: Final = 100
SKILL_FILES_LISTED_MAX: Final = 512
SKILL_FOLDER_ENTRIES_MAX: Final = 4_096
LINKS_FOLLOWED_MAX: Final = 40

# Watching (spec/context.md §4).
DEBOUNCE_MS: Final = 250
DEBOUNCE_LONGEST_MS: Final = 2_000
GIT_LOCK_WAIT_MS: Final = 10_000
RESCAN_INTERVAL_S: Final = 30
GIT_LOCK_POLL_MS: Final = 100
WATCH_STEP_MS: Final = 40
WATCH_GROUP_MS: Final = 80
WATCH_DIRECTORIES_MAX: Final = 8_192
SETTLE_TRIES_MAX: Final = 3
SETTLE_LONGEST_MS: Final = 2_000
READY_TIMEOUT_S: Final = 300
# How long a root that is gone goes on bringing what it brought: ten rescans.
ROOT_HELD_S: Final = 300.0
# So many looks in a row that lacked memory or descriptors end the agent.
EXHAUSTED_PASSES_MAX: Final = 3
READY_POLL_INTERVAL_MS: Final = 250

# The agent's local socket (spec/context.md §7).
LOCAL_REQUEST_BYTES_MAX: Final = 64 * KIB
LOCAL_REPLY_BYTES_MAX: Final = 8 * MIB
LOCAL_CONNECTIONS_MAX: Final = 16
LOCAL_READ_TIMEOUT_S: Final = 30
LOCAL_CALL_TIMEOUT_S: Final = 60
RESYNC_WAITERS_MAX: Final = 64

# Pushing (spec/context.md §6).
SERVER_RESOURCES_LISTED_MAX: Final = 2_500
SERVER_MANIFEST_BYTES_MAX: Final = 4 * MIB
LOCK_BYTES_MAX: Final = 8 * MIB
SERVER_OBSERVATIONS_BYTES_MAX: Final = 1 * MIB
SERVER_PUSH_BODY_BYTES_MAX: Final = 8 * MIB
SERVER_BLOB_BYTES_MAX: Final = 1 * MIB
SERVER_BLOBS_BODY_BYTES_MAX: Final = 8 * MIB
SERVER_BLOBS_PER_REQUEST_MAX: Final = 1_000
SERVER_UNREFERENCED_BYTES_MAX: Final = 64 * MIB
AGENT_INLINE_BLOB_BYTES_MAX: Final = 256 * KIB
AGENT_BLOBS_BODY_BYTES_MAX: Final = 4 * MIB
AGENT_BLOBS_PER_REQUEST_MAX: Final = 500
# So many runs may take over from live ones in that time before the agent is locked.
TAKE_OVERS_MAX: Final = 3
TAKE_OVERS_COUNTED_S: Final = 60
SEQ_MAX: Final = 2**53 - 1
SEQ_JUMP_MAX: Final = 1_000_000
# Incarnations of one restore epoch; those of a later epoch are all higher.
INCARNATIONS_PER_EPOCH_MAX: Final = 2**20
PUSHES_PER_SECOND_MAX: Final = 20
PUSHES_BURST_MAX: Final = 200
PUSH_RETRY_FIRST_MS: Final = 250
PUSH_RETRY_LONGEST_MS: Final = 30_000
PUSH_REPAIRS_MAX: Final = 4
RETRY_AFTER_LONGEST_S: Final = 300
OBSERVATIONS_PUSH_INTERVAL_S: Final = 5
LINK_MESSAGE_BYTES_MAX: Final = 5 * MIB
LINK_CALLS_IN_FLIGHT_MAX: Final = 32
LINK_CALL_TIMEOUT_S: Final = 30
# For calls in which an MCP server is at work.
LINK_LONG_CALL_TIMEOUT_S: Final = 630
LINK_PING_INTERVAL_S: Final = 20
LINK_PONG_TIMEOUT_S: Final = 8
# How long a link that ends waits for the other end to agree.
LINK_CLOSE_TIMEOUT_S: Final = 1
# How long it may take until either end notices that the other cannot be reached.
HALF_OPEN_NOTICED_MAX_S: Final = 30
# How long an agent waits for the answer to a hello or a push.
AGENT_ANSWER_TIMEOUT_S: Final = 25.0
# Hellos, pushes and uploads of all agents: so many at a time, so many that wait for a place.
ADMITTED_AT_ONCE_MAX: Final = 16
ADMISSION_WAITING_MAX: Final = 64
# Whoever finds no place is asked to come back within so long, each at another time.
ADMISSION_RETRY_MAX_S: Final = 5
# A link is over for every replica when its holder has not renewed it three times in a row.
LINK_RENEW_S: Final = 5.0
LINK_RENEW_ALONE_S: Final = 20.0
# How soon a replica notices that a link of its own must end, whatever happens to wake-ups.
LINK_RECHECK_S: Final = 3.0
LINK_LOOK_GAP_S: Final = 0.5

# Calls to agents from any replica (design.md §5).
AGENT_CALL_PARAMS_BYTES_MAX: Final = 64 * KIB
AGENT_CALL_RESULT_BYTES_MAX: Final = 5 * MIB
AGENT_CALL_ERROR_CHARACTERS_MAX: Final = 1_000
AGENT_CALLS_STARTED_AT_ONCE_MAX: Final = 64
AGENT_CALL_START_WAIT_S: Final = 5.0
AGENT_CALL_LONGEST_S: Final = 35.0
AGENT_LONG_CALL_LONGEST_S: Final = 640.0
AGENT_CALL_LOOK_GAP_S: Final = 0.05
AGENT_CALL_DRAIN_S: Final = 1.5
# A stop takes 10 s at the most: this, calls, and requests under way.
DRAIN_S_MAX: Final = 3.0
AGENT_CALLS_KEPT_DAYS: Final = 7
AGENT_OFFLINE_RETRY_S: Final = 5

# The HTTP API (spec/bad-input.md F).
API_BODY_BYTES_MAX: Final = 16 * MIB
API_HEADER_BYTES_MAX: Final = 16 * KIB
# One chat's receipts in one document, and a document that is verified.
RECEIPT_EXPORT_ENTRIES_MAX: Final = 100_000
RECEIPT_EXPORT_BYTES_MAX: Final = 512 * MIB
API_PAGE_ITEMS_MAX: Final = 500
API_PAGE_ITEMS_DEFAULT: Final = 50
JSON_DEPTH_MAX: Final = 64
JSON_NUMBER_CHARACTERS_MAX: Final = 400
TITLE_CHARACTERS_MAX: Final = 200
MESSAGE_BYTES_MAX: Final = 512 * KIB
IDEMPOTENCY_KEY_CHARACTERS_MAX: Final = 200
IDEMPOTENCY_KEPT_S: Final = 86_400
ROTATED_TOKEN_GRACE_S: Final = 3_600
IMPORT_BODY_BYTES_MAX: Final = 32 * MIB

# The door: who may come in how often (spec/bad-input.md F22, F23, G7, G8, H7).
CALLS_BURST_MAX: Final = 10_000
CALLS_PER_SECOND_MAX: Final = 500
# Whoever guesses gets so many wrong from one address, then one every few seconds.
BAD_CREDENTIALS_BURST_MAX: Final = 30
BAD_CREDENTIALS_PER_SECOND_MAX: Final = 0.2
BAD_PASSWORDS_PER_NAME_BURST_MAX: Final = 100
BAD_PASSWORDS_PER_NAME_PER_SECOND_MAX: Final = 0.02
CALLERS_REMEMBERED_MAX: Final = 10_000
STREAMS_PER_CALLER_MAX: Final = 100
STREAMS_MAX: Final = 5_000
CONNECTIONS_MAX: Final = 10_000
CONNECTIONS_PER_ADDRESS_MAX: Final = 2_000
# Handles that are kept for the database, files and links when connections are counted.
HANDLES_KEPT: Final = 64
SOCKETS_LINGERING_MAX: Final = 32
OBJECTS_UNTIL_CYCLES_ARE_SOUGHT: Final = 20_000
REQUEST_HEAD_TIMEOUT_S: Final = 10.0
REQUEST_BODY_PAUSE_MAX_S: Final = 20.0
REQUEST_BODY_TIMEOUT_S: Final = 120.0
LINK_PINGS_BURST_MAX: Final = 60
LINK_PINGS_PER_SECOND_MAX: Final = 5

# Signing in without a token (spec/trust.md T15): argon2id, the second choice of RFC 9106 §4.
PASSWORD_TIME_COST: Final = 3
PASSWORD_MEMORY_KIB: Final = 64 * 1024
PASSWORD_LANES: Final = 4
PASSWORD_CHARACTERS_MIN: Final = 8
PASSWORD_CHARACTERS_MAX: Final = 1_000
SIGN_IN_BODY_BYTES_MAX: Final = 8 * KIB
PASSWORD_CHECKS_AT_ONCE_MAX: Final = 2
PASSWORD_CHECKS_WAITING_MAX: Final = 32
SESSION_LIFETIME_S: Final = 7 * 86_400
SESSIONS_PER_USER_MAX: Final = 50
LOGIN_LINK_LIFETIME_S: Final = 600

# Events and streams (spec/pinning.md §8).
EVENTS_PAGE_MAX: Final = 500
EVENT_QUEUE_MAX: Final = 1_000
EVENT_POLL_INTERVAL_S: Final = 1.0
# One look at the database; a server that gets none in this time is not ready.
STOCK_COUNT_INTERVAL_S: Final = 60
PULSE_TIMEOUT_S: Final = 2.5
# How long an agent waits that was told that context sync is paused.
SYNC_PAUSED_RETRY_S: Final = 30
SYNC_RESUME_SPREAD_S: Final = 1.0
WAKE_UP_RETRY_S: Final = 1.0
STREAM_FLUSH_INTERVAL_MS: Final = 100
STREAM_SEND_TIMEOUT_S: Final = 10
# A stream rests for as long as it looked, so that streams never take the time of those who write.
STREAM_LOOK_REST_LONGEST_S: Final = 0.05
# How long a stream that the server ends may take to end by itself.
STREAM_END_GRACE_S: Final = 1.0
# How soon an idle stream notices that its caller may no longer listen.
STREAM_RECHECK_S: Final = 3.0
# After so many of them without a word of anything new it looks for events all the same.
STREAM_QUIET_PERIODS_MAX: Final = 20
# What it takes at the most until a stream whose caller lost access has ended.
REVOKED_STREAM_OPEN_MAX_S: Final = 5.0

# Turns (spec/turns.md).
TURN_REQUESTS_MAX: Final = 50
# Has a place in a four-byte column of either database.
TURN_NUMBER_MAX: Final = 999_999_999
TURN_FIRST_PIN_WAIT_S: Final = 15
TURN_LEASE_S: Final = 15
TURN_RENEW_S: Final = 2.0
TURN_POLL_S: Final = 5.0
# How soon waiting turns are looked for again after a look that failed.
TURN_CLAIM_RETRY_S: Final = 1.0
TURN_LOOK_REST: Final = 1
TURN_LOOK_REST_LONGEST_S: Final = 0.25
TURN_PIN_POLL_S: Final = 0.25
TOOL_RESULT_BYTES_MAX: Final = 512 * KIB
# Calls that are answered from elsewhere: by a chat's client, and by sub-chats of its model.
CLIENT_TOOLS_MAX: Final = 64
CLIENT_TOOLS_BYTES_MAX: Final = 256 * KIB
CLIENT_TOOL_WAIT_S: Final = 3_600
ROLE_BYTES_MAX: Final = 16 * KIB
SPAWN_DEPTH_MAX: Final = 2
SPAWNED_PER_CHAT_MAX: Final = 32
SPAWN_WAIT_S: Final = 3_600
# A model's window in fifths of what its prompt may take; what of one part a summary is made of.
WINDOW_FIFTHS: Final = 6
COMPACTED_PART_CHARACTERS_MAX: Final = 4_000
DIFF_LINES_MAX: Final = 20_000
DIFF_BYTES_MAX: Final = 2 * MIB
# Steps of line comparison that one diff may take; past it a text is shown as wholly replaced.
DIFF_WORK_MAX: Final = 20_000_000
# Pairs of removed and added resources that are compared for likeness; past it only equal ones pair.
RENAME_PAIRS_MAX: Final = 400

# The terminal (cli): of what a refusal is about, so many are named.
SOURCES_TOLD_MAX: Final = 10

# Pages (server.pages, web). Past the last two, code has no colours, and lines no changed words.
PAGE_FORM_BYTES_MAX: Final = 2 * MIB
PAGE_TURNS_MAX: Final = 40
PAGE_TEXT_CHARACTERS_MAX: Final = 200_000
PAGE_COLOURED_CHARACTERS_MAX: Final = 5_000
PAGE_COMPARED_WORDS_MAX: Final = 3_000_000

# The agent as a child of `driftpin up` (design.md §5).
AGENT_STOP_WAIT_S: Final = 5.0
AGENT_RESTART_FIRST_S: Final = 0.5
AGENT_RESTART_LONGEST_S: Final = 30.0
UP_READY_WAIT_S: Final = 60.0
UP_ATTACH_WAIT_S: Final = 10.0
UP_ATTACH_POLL_S: Final = 0.1

# Storage (design.md §4).
OPERATION_DEADLINE_S: Final = 10.0
STORAGE_SILENCE_MAX_S: Final = 30.0
OPERATION_TRIES_MAX: Final = 12
# How long anybody may hold a connection for reading; SQLite's log grows meanwhile.
READ_LONGEST_S: Final = 30.0
WAL_KEPT_BYTES_MAX: Final = 64 * MIB
WAL_WARNED_BYTES: Final = 256 * MIB
WAL_LOOK_S: Final = 30.0
COLLECTED_PER_RUN_MAX: Final = 5_000
BACKUP_LINE_BYTES_MAX: Final = 64 * MIB
BACKUP_ROWS_AT_ONCE: Final = 64
GRACE_S: Final = 3_600
HEADS_KEPT_DAYS: Final = 30
HEADS_LOOKED_BACK_MAX: Final = 512
HISTORY_KEPT_DAYS: Final = 400
EVENTS_KEPT_DAYS: Final = 30
COLLECTION_INTERVAL_S: Final = 600
# What workspaces and users may keep unless the server's settings say otherwise.
WORKSPACE_BYTES_MAX: Final = 4 * 1024 * MIB
USER_BYTES_MAX: Final = 32 * 1024 * MIB

assert SERVER_RESOURCES_LISTED_MAX >= AGENT_RESOURCES_LISTED_MAX >= SNAPSHOT_RESOURCES_MAX
assert SERVER_MANIFEST_BYTES_MAX > AGENT_MANIFEST_BYTES_MAX
assert SERVER_OBSERVATIONS_BYTES_MAX > AGENT_OBSERVATIONS_BYTES_MAX
assert SCAN_ENTRIES_MAX >= SCAN_DIRECTORY_ENTRIES_MAX >= SKILL_FOLDER_ENTRIES_MAX
assert SKILL_FILES_LISTED_MAX >= SKILL_FILES_MAX
assert SERVER_BLOB_BYTES_MAX >= max(INSTRUCTION_BYTES_MAX, SKILL_FILE_BYTES_MAX)
assert SERVER_BLOB_BYTES_MAX >= TOOL_BYTES_PER_SERVER_MAX
# Base64 grows bytes by a third; what an agent packs into one body must still fit the server's.
assert SERVER_BLOBS_BODY_BYTES_MAX >= AGENT_BLOBS_BODY_BYTES_MAX * 3 // 2
assert AGENT_BLOBS_BODY_BYTES_MAX >= SKILL_FILE_BYTES_MAX
assert SERVER_BLOBS_PER_REQUEST_MAX >= AGENT_BLOBS_PER_REQUEST_MAX
assert SERVER_PUSH_BODY_BYTES_MAX >= (
    SERVER_MANIFEST_BYTES_MAX + SERVER_OBSERVATIONS_BYTES_MAX + AGENT_INLINE_BLOB_BYTES_MAX * 3 // 2
)
assert SERVER_UNREFERENCED_BYTES_MAX >= 2 * SNAPSHOT_BYTES_MAX
assert SKILL_BYTES_MAX <= SNAPSHOT_BYTES_MAX
assert AGENT_CALL_RESULT_BYTES_MAX <= LINK_MESSAGE_BYTES_MAX
# As JSON a text may take six times its bytes, and what is JSON already twice.
assert AGENT_CALL_RESULT_BYTES_MAX >= (
    (6 + 2) * TOOL_RESULT_BYTES_MAX + MCP_ATTACHMENTS_BYTES_MAX + 64 * KIB
)
assert AGENT_CALL_LONGEST_S > LINK_CALL_TIMEOUT_S
assert AGENT_LONG_CALL_LONGEST_S > LINK_LONG_CALL_TIMEOUT_S
assert LINK_LONG_CALL_TIMEOUT_S > MCP_CALL_LONGEST_S + MCP_PING_TIMEOUT_S
assert MCP_CALL_LONGEST_S >= MCP_CALL_TIMEOUT_S
assert LINK_CALL_TIMEOUT_S > SEARCH_LONGEST_S
assert LINK_RECHECK_S + LINK_LOOK_GAP_S < 5
assert STORAGE_SILENCE_MAX_S > OPERATION_DEADLINE_S
assert DEBOUNCE_MS < DEBOUNCE_LONGEST_MS
assert ROOT_HELD_S >= 5 * RESCAN_INTERVAL_S
assert LINK_PING_INTERVAL_S + LINK_PONG_TIMEOUT_S + LINK_CLOSE_TIMEOUT_S < HALF_OPEN_NOTICED_MAX_S
# An answer takes as long as the operation and those that wait before it.
assert OPERATION_DEADLINE_S < AGENT_ANSWER_TIMEOUT_S <= HALF_OPEN_NOTICED_MAX_S
assert STREAM_RECHECK_S < REVOKED_STREAM_OPEN_MAX_S
# The longest body that may come must come at a rate that slow lines have.
assert IMPORT_BODY_BYTES_MAX / REQUEST_BODY_TIMEOUT_S < 512 * KIB
assert SOCKETS_LINGERING_MAX <= HANDLES_KEPT // 2
assert STREAMS_PER_CALLER_MAX <= STREAMS_MAX <= CONNECTIONS_MAX
# What an event stands for is read from the history that it made.
assert HISTORY_KEPT_DAYS >= EVENTS_KEPT_DAYS
assert TURN_RENEW_S * 3 < TURN_LEASE_S
# One skill file that was replaced as a whole must fit into a diff, both sides of it.
assert DIFF_BYTES_MAX >= 2 * SKILL_FILE_BYTES_MAX
