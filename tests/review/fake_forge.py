"""A forge on loopback that keeps to what GitHub publishes about the calls that are used.

Each handler names the page of docs.github.com that its rules come from (API version 2022-11-28). A
request that breaks a rule is answered as there: 422 for what cannot be processed, 404 for what is
not there. Faults are planted by the number of the call.
"""

import json
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

from review.forge_rules import Json, Refused, check_body, hunks, only, shown_at

BOT = {"login": "panel[bot]", "type": "Bot"}
TOKEN = "ghs_" + "a" * 36


@dataclass(frozen=True)
class Fault:
    """What happens to a call: an answer instead of it, or its answer lost after it was done."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    message: str = "planted"
    is_done_first: bool = False


@dataclass
class Pull:
    """A pull request with its diff by head; `files` of a head are shown while it is the newest."""

    head: str
    base: str
    author: Json
    files: dict[str, list[Json]]
    state: str = "open"
    commits: set[str] = field(default_factory=set)
    reviews: list[Json] = field(default_factory=list)
    review_comments: list[Json] = field(default_factory=list)
    comments: list[Json] = field(default_factory=list)


@dataclass
class FakeForge:
    """The forge. `me` is whom the token is of; an app's token may not ask who it is."""

    pull: Pull
    me: Json = field(default_factory=lambda: dict(BOT))
    is_app: bool = True
    roles: dict[str, str] = field(default_factory=dict)
    faults: dict[int, Fault] = field(default_factory=dict)
    calls: list[tuple[str, str]] = field(default_factory=list)
    refused: list[Json] = field(default_factory=list)
    cut_after: int | None = None
    address: str = ""
    ids: int = 100
    lock: threading.Lock = field(default_factory=threading.Lock)

    def writes(self) -> list[tuple[str, str]]:
        return [each for each in self.calls if each[0] != "GET"]

    def fresh(self) -> int:
        self.ids += 1
        return self.ids

    def say(self, body: str, login: str = "mallory", kind: str = "User", **more: Any) -> Json:
        """Let somebody else comment on the pull request."""
        said = {"id": self.fresh(), "body": body, "user": {"login": login, "type": kind}, **more}
        self.pull.comments.append(said)
        return said

    def answer(self, method: str, path: str, query: Json, body: Json) -> tuple[int, Any]:
        routes: list[tuple[str, str, Callable[..., tuple[int, Any]]]] = [
            ("GET", r"/user", self._user),
            ("GET", r"/repos/octo/repo/pulls/7", self._get),
            ("GET", r"/repos/octo/repo/pulls/7/files", self._files),
            ("GET", r"/repos/octo/repo/compare/(\w+)\.\.\.(\w+)", self._compare),
            ("GET", r"/repos/octo/repo/pulls/7/reviews", self._reviews),
            ("POST", r"/repos/octo/repo/pulls/7/reviews", self._make_review),
            ("GET", r"/repos/octo/repo/pulls/7/comments", self._review_comments),
            ("POST", r"/repos/octo/repo/pulls/7/comments", self._make_review_comment),
            ("GET", r"/repos/octo/repo/pulls/comments/(\d+)", self._review_comment),
            ("POST", r"/repos/octo/repo/pulls/7/comments/(\d+)/replies", self._reply),
            ("GET", r"/repos/octo/repo/issues/7/comments", self._comments),
            ("POST", r"/repos/octo/repo/issues/7/comments", self._make_comment),
            ("PATCH", r"/repos/octo/repo/issues/comments/(\d+)", self._rewrite),
            ("GET", r"/repos/octo/repo/collaborators/([\w-]+)/permission", self._permission),
        ]
        for verb, pattern, handle in routes:
            found = re.fullmatch(pattern, path)
            if found is not None and verb == method:
                return handle(query, body, *found.groups())
        raise Refused(404, "Not Found")

    def _user(self, _query: Json, _body: Json) -> tuple[int, Any]:
        """rest/users/users#get-the-authenticated-user: tokens of apps are refused."""
        if self.is_app:
            raise Refused(403, "Resource not accessible by integration")
        return 200, self.me

    def _get(self, _query: Json, _body: Json) -> tuple[int, Any]:
        """rest/pulls/pulls#get-a-pull-request."""
        pull = self.pull
        return 200, {
            "number": 7,
            "state": pull.state,
            "head": {"sha": pull.head, "ref": "work"},
            "base": {"sha": pull.base, "ref": "main"},
            "user": pull.author,
        }

    def _files(self, query: Json, _body: Json) -> tuple[int, Any]:
        """rest/pulls/pulls#list-pull-requests-files: of the newest head, in pages."""
        return 200, self._page(query, self.pull.files[self.pull.head])

    def _compare(self, _query: Json, _body: Json, base: str, head: str) -> tuple[int, Any]:
        """rest/commits/commits#compare-two-commits: at most 300 files."""
        if base != self.pull.base or head not in self.pull.files:
            raise Refused(404, "Not Found")
        return 200, {"status": "ahead", "files": self.pull.files[head][:300]}

    def _reviews(self, query: Json, _body: Json) -> tuple[int, Any]:
        """rest/pulls/reviews#list-reviews-for-a-pull-request."""
        return 200, self._page(query, self.pull.reviews)

    def _make_review(self, _query: Json, body: Json) -> tuple[int, Any]:
        """rest/pulls/reviews#create-a-review-for-a-pull-request.

        `body` is required with COMMENT and REQUEST_CHANGES. A comment has path and body; `line`
        must be part of the diff, `start_line` before it and in the same hunk. There is no
        `subject_type` in it. Nobody approves their own change.
        """
        only(body, {"commit_id", "body", "event", "comments"})
        if body.get("event") not in {"APPROVE", "REQUEST_CHANGES", "COMMENT"}:
            raise Refused(422, "Unprocessable Entity", ["Event is not included in the list"])
        if body["event"] != "COMMENT" and self.me["login"] == self.pull.author["login"]:
            raise Refused(422, "Unprocessable Entity", ["Can not approve your own pull request"])
        check_body(body, is_optional=body["event"] == "APPROVE")
        commit = body.get("commit_id", self.pull.head)
        if commit not in self.pull.commits:
            raise Refused(
                422, "Unprocessable Entity", ["commit_id is not part of the pull request"]
            )
        comments = body.get("comments", [])
        for each in comments:
            only(
                each,
                {"path", "position", "body", "line", "side", "start_line", "start_side"},
            )
            self._check_line(each, commit)
            check_body(each)
        review = {
            "id": self.fresh(),
            "body": body.get("body", ""),
            "user": self.me,
            "state": {"COMMENT": "COMMENTED", "APPROVE": "APPROVED"}.get(
                body["event"], "CHANGES_REQUESTED"
            ),
            "commit_id": commit,
        }
        self.pull.reviews.append(review)
        for each in comments:
            self._keep(each, commit, review["id"])
        return 200, review

    def _check_line(self, comment: Json, commit: str) -> None:
        side = comment.get("side", "RIGHT")
        if side not in {"LEFT", "RIGHT"} or not isinstance(comment.get("line"), int):
            raise Refused(422, "Unprocessable Entity", ["line is missing"])
        for hunk in hunks(self.pull.files[commit], comment["path"]):
            shown = [shown_at(each, side) for each in hunk]
            if comment["line"] in shown:
                first = comment.get("start_line", 0)
                if first and (first >= comment["line"] or first not in shown):
                    text = "start line must precede the end line in the same hunk"
                    raise Refused(422, "Unprocessable Entity", [text])
                return
        text = "Pull request review thread line must be part of the diff"
        raise Refused(422, "Unprocessable Entity", [text])

    def _keep(self, comment: Json, commit: str, review: int, parent: int | None = None) -> Json:
        kept = {
            **comment,
            "id": self.fresh(),
            "user": self.me,
            "commit_id": commit,
            "pull_request_review_id": review,
        }
        if parent is not None:
            kept["in_reply_to_id"] = parent
        self.pull.review_comments.append(kept)
        return kept

    def _review_comments(self, query: Json, _body: Json) -> tuple[int, Any]:
        """rest/pulls/comments#list-review-comments-on-a-pull-request: by id, rising."""
        return 200, self._page(query, self.pull.review_comments)

    def _review_comment(self, _query: Json, _body: Json, number: str) -> tuple[int, Any]:
        """rest/pulls/comments#get-a-review-comment-for-a-pull-request."""
        return 200, self._find(self.pull.review_comments, number)

    def _make_review_comment(self, _query: Json, body: Json) -> tuple[int, Any]:
        """rest/pulls/comments#create-a-review-comment-for-a-pull-request.

        `body`, `commit_id` and `path` are required; with `subject_type` file there is no line.
        """
        only(
            body,
            {
                "body",
                "commit_id",
                "path",
                "subject_type",
                "line",
                "side",
                "start_line",
                "start_side",
            },
        )
        check_body(body)
        if body.get("commit_id") not in self.pull.commits:
            raise Refused(422, "Validation Failed", ["commit_id is not part of the pull request"])
        if all(each["filename"] != body["path"] for each in self.pull.files[body["commit_id"]]):
            raise Refused(422, "Validation Failed", ["path is not part of the diff"])
        if body.get("subject_type") != "file" or "line" in body:
            self._check_line(body, body["commit_id"])
        return 201, self._keep(body, body["commit_id"], 0)

    def _reply(self, _query: Json, body: Json, number: str) -> tuple[int, Any]:
        """rest/pulls/comments#create-a-reply-for-a-review-comment: not to a reply."""
        only(body, {"body"})
        check_body(body)
        first = self._find(self.pull.review_comments, number)
        if "in_reply_to_id" in first:
            raise Refused(404, "Not Found")
        return 201, self._keep(body, first["commit_id"], 0, first["id"])

    def _comments(self, query: Json, _body: Json) -> tuple[int, Any]:
        """rest/issues/comments#list-issue-comments: by id, rising."""
        return 200, self._page(query, self.pull.comments)

    def _make_comment(self, _query: Json, body: Json) -> tuple[int, Any]:
        """rest/issues/comments#create-an-issue-comment."""
        only(body, {"body"})
        check_body(body)
        return 201, self.say(body["body"], self.me["login"], self.me["type"])

    def _rewrite(self, _query: Json, body: Json, number: str) -> tuple[int, Any]:
        """rest/issues/comments#update-an-issue-comment."""
        only(body, {"body"})
        check_body(body)
        found = self._find(self.pull.comments, number)
        found["body"] = body["body"]
        return 200, found

    def _permission(self, _query: Json, _body: Json, login: str) -> tuple[int, Any]:
        """rest/collaborators/collaborators#get-repository-permissions-for-a-user.

        `permission` has the old roles, in which maintain is write; `role_name` the real one.
        """
        role = self.roles.get(login)
        if role is None:
            raise Refused(404, "Not Found")
        old = {"maintain": "write", "triage": "read"}.get(role, role)
        return 200, {"permission": old, "role_name": role, "user": {"login": login}}

    def _page(self, query: Json, items: list[Json]) -> list[Json]:
        """rest/using-the-rest-api/using-pagination-in-the-rest-api: 30 a page, at most 100."""
        size = min(int(query.get("per_page", 30)), 100)
        first = (int(query.get("page", 1)) - 1) * size
        return items[first : first + size]

    @staticmethod
    def _find(items: list[Json], number: str) -> Json:
        for each in items:
            if each["id"] == int(number):
                return each
        raise Refused(404, "Not Found")


@contextmanager
def open_forge(forge: FakeForge) -> Iterator[FakeForge]:
    """Serve a forge on a free port of this machine."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        disable_nagle_algorithm = True

        def handle_one(self) -> None:
            length = int(self.headers.get("Content-Length", 0))
            content = self.rfile.read(length)
            with forge.lock:
                self._answer(content)

        do_GET = do_POST = do_PATCH = handle_one  # noqa: N815 the names are the library's

        def _answer(self, content: bytes) -> None:
            parts = urlsplit(self.path)
            forge.calls.append((self.command, parts.path))
            number = len(forge.calls)
            if forge.cut_after is not None and number > forge.cut_after:
                self._hang_up()
                return
            fault = forge.faults.get(number)
            if fault is not None and not fault.is_done_first:
                self._fail(fault)
                return
            query = {name: each[0] for name, each in parse_qs(parts.query).items()}
            status, body = self._result(parts.path, query, content)
            if fault is not None:
                self._fail(fault)
                return
            self._send(status, body, {})

        def _result(self, path: str, query: Json, content: bytes) -> tuple[int, Any]:
            if self.headers.get("Authorization") != f"Bearer {TOKEN}":
                return 401, {"message": "Bad credentials"}
            if self.headers.get("X-GitHub-Api-Version") != "2022-11-28":
                return 400, {"message": "version"}
            try:
                body = json.loads(content) if content else {}
                return forge.answer(self.command, path, query, body)
            except Refused as refusal:
                forge.refused.append(refusal.body)
                return refusal.status, refusal.body

        def _fail(self, fault: Fault) -> None:
            if fault.status == 0:
                self._hang_up()
                return
            self._send(fault.status, {"message": fault.message}, fault.headers)

        def _hang_up(self) -> None:
            self.close_connection = True
            self.connection.close()

        def _send(self, status: int, body: Any, headers: dict[str, str]) -> None:
            written = json.dumps(body).encode()
            self.send_response(status)
            for name, each in headers.items():
                self.send_header(name, each)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(written)))
            self.end_headers()
            self.wfile.write(written)

        def log_message(self, *_arguments: Any) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    forge.address = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield forge
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
