"""An MCP server over standard streams, of the older era, that misbehaves as it is told.

    fake_server.py PLAN.json

The plan is read again before every answer, so a test can change it while the server runs:
`tools` (as they are listed, with `list_fields` beside them), `instructions`, `pages` (how many per
page), `hang` (`initialize`, `tools/list` or `tools/call`), `stuck_on` (a method at which it sleeps
and reads nothing more), `exit_on` with `exit_code`, `noise` (lines before the first answer),
`flood` (bytes of one line without an end), `stderr`, `spawn` (starts a child that ignores signals
and writes its pid there), `results` (by tool), `log` (a file for each call), `gate` (a
named pipe that holds it until something was written), `environment` (a file that gets the process's
variables), `endless` (pages without end), `told` (a file for the methods of notifications),
`changed_after` (a method, after which the list of tools is said to have changed).

In a call: `allocate` (bytes of memory that it takes), `progress` (how often it tells of progress,
each time after `pause_s`, with the words `says` if there are any), `asks` (requests of its own,
whose replies are appended to the file `said`), and instead of an answer `answer` (a result of any
shape), `answer_id` (an answer to that id), `refuse` (code and message) and `flood_call` (bytes of
one line).
"""

import json
import os
import select
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

PLAN = Path(sys.argv[1])
ASKED = {
    "sampling/createMessage": {
        "messages": [{"role": "user", "content": {"type": "text", "text": "say"}}],
        "maxTokens": 9,
    },
    "elicitation/create": {
        "message": "your password",
        "requestedSchema": {"type": "object", "properties": {}},
    },
}
CHILD = (
    "import signal,time,os;os.setsid();"
    "signal.signal(signal.SIGTERM,signal.SIG_IGN);signal.signal(signal.SIGHUP,signal.SIG_IGN);"
    "time.sleep(600)"
)


def plan() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(PLAN.read_text(encoding="utf-8"))
    return found


def send(message: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps({"jsonrpc": "2.0", **message}) + "\n")
    sys.stdout.flush()


def answer(request: dict[str, Any]) -> dict[str, Any]:
    asked, method = plan(), request["method"]
    if method == "initialize":
        result: dict[str, Any] = {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": {"name": "fake", "version": "1"},
        }
        return {
            "result": result | ({"instructions": i} if (i := asked.get("instructions")) else {})
        }
    if method == "tools/list":
        return {"result": page(asked, request.get("params") or {})}
    if method == "tools/call":
        return call(asked, request["params"])
    return {"error": {"code": -32601, "message": "unknown"}}


def page(asked: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    tools, size = asked.get("tools", []), asked.get("pages") or 1_000
    if asked.get("endless"):
        return {"tools": tools[:1], "nextCursor": str(time.monotonic_ns())}
    begin = int(params.get("cursor") or 0)
    more = {"nextCursor": str(begin + size)} if begin + size < len(tools) else {}
    return {"tools": tools[begin : begin + size], **more, **asked.get("list_fields", {})}


def call(asked: dict[str, Any], params: dict[str, Any]) -> dict[str, Any]:
    if asked.get("log"):
        with Path(asked["log"]).open("a", encoding="utf-8") as log:
            log.write(json.dumps(params) + "\n")
    result = asked.get("results", {}).get(params["name"])
    return {"result": result or {"content": [{"type": "text", "text": json.dumps(params)}]}}


def misbehave(asked: dict[str, Any], request: dict[str, Any]) -> bool:
    """Do before or instead of an answer what the plan says; return whether it is instead."""
    bytearray(asked.get("allocate", 0))
    token = request["params"].get("_meta", {}).get("progressToken")
    for number in range(asked.get("progress", 0)):
        select.select([], [], [], asked["pause_s"])
        params = {"progressToken": token, "progress": number, "message": asked.get("says")}
        params = {name: value for name, value in params.items() if value is not None}
        send({"method": "notifications/progress", "params": params})
    for method in asked.get("asks", ()):
        send({"id": method, "method": method, "params": ASKED.get(method, {})})
        with Path(asked["said"]).open("a", encoding="utf-8") as said:
            said.write(sys.stdin.readline())
    if "answer" in asked:
        send({"id": request["id"], "result": asked["answer"]})
    elif "answer_id" in asked:
        send({"id": asked["answer_id"], "result": {"content": []}})
    elif "refuse" in asked:
        code, message = asked["refuse"]
        send({"id": request["id"], "error": {"code": code, "message": message}})
    elif "flood_call" in asked:
        sys.stdout.write("x" * asked["flood_call"])
        sys.stdout.flush()
    else:
        return False
    return True


def main() -> None:
    asked = plan()
    sys.stderr.write(asked.get("stderr", ""))
    sys.stderr.flush()
    if asked.get("spawn"):
        child = subprocess.Popen([sys.executable, "-c", CHILD])
        Path(asked["spawn"]).write_text(str(child.pid), encoding="utf-8")
    for number in range(asked.get("noise", 0)):
        sys.stdout.write(f"log line {number}\n")
    if asked.get("flood"):
        sys.stdout.write("x" * asked["flood"])
    sys.stdout.flush()
    if asked.get("environment"):
        Path(asked["environment"]).write_text(json.dumps(dict(os.environ)), encoding="utf-8")
    if asked.get("gate"):
        # Opens only once somebody writes into this pipe.
        Path(asked["gate"]).read_bytes()
    for line in sys.stdin:
        request = json.loads(line)
        asked = plan()
        if request.get("method") == asked.get("exit_on"):
            os._exit(asked.get("exit_code", 1))
        if asked.get("stuck_on") and request.get("method") == asked["stuck_on"]:
            signal.pause()
        if "id" not in request and asked.get("told"):
            with Path(asked["told"]).open("a", encoding="utf-8") as told:
                told.write(f"{request['method']}\n")
        if "id" not in request or request.get("method") == asked.get("hang"):
            continue
        if request["method"] == "tools/call" and misbehave(asked, request):
            continue
        send({"id": request["id"], **answer(request)})
        if asked.get("changed_after") == request.get("method"):
            send({"method": "notifications/tools/list_changed"})


if __name__ == "__main__":
    main()
