"""Where the server acts as itself: the modules that may, what each may do, and why.

A worker sees everything, so it is named only here. What a module passes it to is found in the code;
a call that is not listed, or is listed and gone, fails.
"""

from collections.abc import Mapping
from typing import Final

ELEVATED: Final[Mapping[str, tuple[frozenset[str], str]]] = {
    "cli/backups.py": (
        frozenset({"check_store", "restore_backup", "write_backup"}),
        "an operator copies the whole database, and checks what was put back",
    ),
    "cli/doctor.py": (
        frozenset({"check_rows", "check_store", "diagnose_store", "get_deployment"}),
        "an operator asks what is wrong with the whole installation",
    ),
    "cli/serving.py": (frozenset({"check_store"}), "`fsck` looks at the whole database"),
    "operations/set_password.py": (
        frozenset({"find_password"}),
        "compares the old password of whoever changes its own",
    ),
    "operations/sign_in.py": (
        frozenset({"find_password"}),
        "whoever signs in is nobody yet; the password decides",
    ),
    "operations/use_login_link.py": (
        frozenset({"get_user"}),
        "whoever uses a link is nobody yet; the link decides",
    ),
    "operations/fork_chat.py": (
        frozenset({"list_chat_tools"}),
        "takes the tools of a chat along that somebody who may update it forks",
    ),
    "runner/outside.py": (
        frozenset(
            {
                "interrupt_turn",
                "list_messages",
                "list_tool_calls",
                "list_turns",
                "park_turn",
                "read_spawning",
            }
        ),
        "lets a turn go under its lease, and reads what the chats that it started answered",
    ),
    "server/heard_progress.py": (
        frozenset({"note_call_progress"}),
        "keeps what an agent tells of a call that another replica waits for",
    ),
    "server/mcp_door.py": (
        frozenset({"PinReader", "call"}),
        "fetches the bytes of a pin that its caller may read, and ends calls of that caller",
    ),
    "runner/sending.py": (
        frozenset({"begin_request", "commit_answer"}),
        "writes receipts and answers of a turn under its lease",
    ),
    "runner/agent_tools.py": (
        frozenset({"call", "record_tool_verdict"}),
        "calls tools for a turn that somebody with update access asked for",
    ),
    "runner/turn.py": (
        frozenset(
            {
                "append_chunk",
                "commit_tool_results",
                "end_waiting",
                "finish_turn",
                "get_chat",
                "keep_compaction",
                "list_agents",
                "read_pin",
                "read_turn_start",
                "settle_pin",
                "start_tool_calls",
            }
        ),
        "carries out a turn that somebody with update access asked for, under its lease",
    ),
    "runner/worker.py": (
        frozenset({"PinReader", "claim_turn", "finish_turn", "release_turns", "renew_turns"}),
        "claims turns, whosever they are",
    ),
    "server/agent_calls.py": (
        frozenset({"close_lost_calls", "finish_call", "get_call", "start_calls", "withdraw_call"}),
        "carries calls that somebody asked for to agents that are linked here",
    ),
    "server/app.py": (
        frozenset(
            {
                "close_lost_calls",
                "collect_garbage",
                "forget_holders",
                "forget_links",
                "get_deployment",
                "prepare_deployment",
            }
        ),
        "starts a deployment and keeps it clean",
    ),
    "server/bootstrap.py": (
        frozenset({"create_user", "create_user_token", "list_users"}),
        "makes the first user of a database that has none",
    ),
    "server/drift_keeper.py": (frozenset({"keep_drift"}), "works out drifts behind a push"),
    "server/link_keeper.py": (
        frozenset({"list_link_standings", "release_link", "renew_links"}),
        "holds the links of agents that are connected here",
    ),
    "server/pulse.py": (frozenset({"read_beat"}), "looks whether anything happened"),
    "server/receipt_view.py": (
        frozenset({"get_deployment"}),
        "signs an export with the deployment's key; the receipts are read as the caller",
    ),
    "server/stock_counter.py": (
        frozenset({"count_stock"}),
        "counts for operators; no figure names anybody",
    ),
}

__all__ = ["ELEVATED"]
