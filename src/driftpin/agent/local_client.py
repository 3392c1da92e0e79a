"""The other end of the local socket, for commands on the agent's machine. Blocks."""

import os
import socket
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec

from driftpin import limits
from driftpin.agent.local_protocol import (
    LocalCall,
    LocalReply,
    LocalRequest,
    check_is_private,
    encode_line,
    socket_paths,
)
from driftpin.errors import DriftpinError, Forbidden, TooLarge, Unreachable

CONNECT_TIMEOUT_S = 2.0


class LocalRefusal(DriftpinError):
    """The agent refused the call."""


def find_socket(workspace: Path, environment: Mapping[str, str] | None = None) -> Path | None:
    """Return the socket of the agent that runs on this directory; remove one left by a dead agent.

    A socket in a directory that others could write to is not looked at.
    """
    for path in socket_paths(workspace, os.environ if environment is None else environment):
        try:
            check_is_private(path.parent)
        except (OSError, Forbidden):
            continue
        if is_answering(path):
            return path
        path.unlink(missing_ok=True)
    return None


def is_answering(path: Path) -> bool:
    """Whether a process listens at this socket."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(CONNECT_TIMEOUT_S)
        try:
            probe.connect(str(path))
        except (FileNotFoundError, ConnectionRefusedError):
            return False
        except OSError:
            # Busy, or not ours: something is there, and it is not to be removed.
            return True
    return True


def call_agent(path: Path, call: LocalCall, arguments: Mapping[str, Any] | None = None) -> Any:
    """Return the agent's answer to one call.

    Raises LocalRefusal with the agent's code, Unreachable when nobody answers.
    """
    request = encode_line(LocalRequest(call, dict(arguments or {})))
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        connection.settimeout(limits.LOCAL_CALL_TIMEOUT_S + CONNECT_TIMEOUT_S)
        try:
            connection.connect(str(path))
            connection.sendall(request)
            line = _read_line(connection)
        except OSError as error:
            raise Unreachable("the agent does not answer; is it still running?") from error
    return _result_in(line)


def _read_line(connection: socket.socket) -> bytes:
    with connection.makefile("rb") as stream:
        line = stream.readline(limits.LOCAL_REPLY_BYTES_MAX + 1)
    if len(line) > limits.LOCAL_REPLY_BYTES_MAX:
        raise TooLarge("the agent's answer is too large")
    return line


def _result_in(line: bytes) -> Any:
    try:
        reply = msgspec.json.decode(line, type=LocalReply)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise Unreachable("the agent went away before it answered") from error
    if reply.error is not None:
        raise LocalRefusal(reply.error.message, code=reply.error.code)
    return reply.result


__all__ = ["LocalRefusal", "call_agent", "find_socket", "is_answering"]
