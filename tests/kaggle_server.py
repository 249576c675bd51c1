"""Kaggle on the loopback: what the real `kaggle` command is given to talk to in tests.

It is the command's HTTP proxy, so that every request of whatever host arrives here in absolute
form; it refuses CONNECT, so that nothing can reach the real Kaggle.
"""

from __future__ import annotations

import base64
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

DOWNLOAD = "http://localhost/api/v1/competitions.CompetitionApiService/DownloadDataFiles"
INTROSPECT = "http://localhost/api/v1/security.OAuthService/IntrospectToken"
SIGNATURE = "signed-for-you-alone"
STORAGE = f"http://storage.invalid/archive.zip?X-Goog-Signature={SIGNATURE}"
UPLOAD = "http://storage.invalid/upload"
USER, KEY, TOKEN = "tester", "secret-key", "secret-token"
PIECE = 2**16


@dataclass(frozen=True)
class Fault:
    """What goes wrong with one answer; (status, message) and "cut" stand for the usual ones."""

    status: int | None = None
    message: str | None = None
    cut: int | None = None  # bytes of the body, after which the connection is closed
    stall: int | None = None  # bytes of the body, after which nothing comes until the test ends
    trickle: float = 0.0  # seconds between two pieces of 64 KiB
    damage: Callable[[bytes], bytes] = bytes  # what becomes of the whole archive


Faults = Fault | tuple[int, str | None] | str


@dataclass
class Kaggle:
    """What the server answers, and what it was asked.

    `faults` are by method, "GET" or "PUT" (of the storage), or "AfterCreate" (the submission is
    taken, the answer lost): one is for ever, a list comes before the normal answers.
    """

    archive: bytes = b""
    etag: str = '"one"'
    faults: dict[str, Faults | list[Faults]] = field(default_factory=dict)
    retry_after: int | None = None  # seconds, told with every fault that has a status
    competitions: list[dict] = field(default_factory=list)
    files: list[dict] = field(default_factory=list)
    score: Callable[[bytes], float] = lambda data: len(data) / 1000
    pending: int = 1  # listings for which a new submission stays PENDING
    becomes: str = "COMPLETE"  # or ERROR
    allowed: int = 5  # submissions a day
    submissions: list[dict] = field(default_factory=list)
    uploads: list[bytes] = field(default_factory=list)
    announced: list[str] = field(default_factory=list)  # names of files to be uploaded
    port: int = 0
    requests: list[str] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)  # of each request
    ranges: list[str | None] = field(default_factory=list)  # of each download
    over: threading.Event = field(default_factory=threading.Event)

    def fault(self, name: str) -> Fault | None:
        """The next fault of a method; none if it answers as it should."""
        found = self.faults.get(name)
        if isinstance(found, list):
            found = found.pop(0) if found else None
        if found == "cut":
            return Fault(cut=0)
        return Fault(*found) if isinstance(found, tuple) else found

    @property
    def left_the_machine(self) -> list[str]:
        """The requests that would have reached the real Kaggle."""
        return [request for request in self.requests if request.startswith("CONNECT")]

    def introspect_token(self, body: dict) -> dict:
        return {"active": True, "username": USER} if body["token"] == TOKEN else {"active": False}

    def list_data_files(self, body: dict) -> dict:
        start, size = int(body.get("pageToken") or 0), body.get("pageSize", 20)
        following = {"nextPageToken": str(start + size)} if len(self.files) > start + size else {}
        return {"files": self.files[start : start + size]} | following

    def list_competitions(self, body: dict) -> dict:
        found = [c for c in self.competitions if body.get("search", "") in c["ref"]]
        return {"competitions": found}

    def get_competition(self, body: dict) -> dict:
        name = body["competitionName"]
        return next(c for c in self.competitions if c["ref"].rpartition("/")[2] == name)

    def start_submission_upload(self, body: dict) -> dict:
        self.announced.append(body["fileName"])
        number = len(self.announced) - 1
        return {"token": str(number), "createUrl": f"{UPLOAD}/{number}"}

    def create_submission(self, body: dict) -> dict:
        number = len(self.submissions)
        row = {
            "ref": 100 + number,
            "fileName": self.announced[int(body["blobFileTokens"])],
            "date": f"2026-01-01T00:00:{number:02d}.123Z",
            "description": body.get("submissionDescription", ""),
            "left": self.pending,
            "score": self.score(self.uploads[-1]),
        }
        self.submissions.append(row)
        return {"message": "Successfully submitted", "ref": row["ref"]}

    def get_submission_limits(self, body: dict) -> dict:
        made = len(self.submissions)
        return {"numToday": made, "numTotal": made, "numAllowedNow": max(0, self.allowed - made)}

    def list_submissions(self, body: dict) -> dict:
        newest = [self._listed(row) for row in reversed(self.submissions)]
        return {"submissions": newest[: body.get("pageSize", 20)]}

    def _listed(self, row: dict) -> dict:
        said = {key: row[key] for key in ("ref", "fileName", "date", "description")}
        if row["left"] > 0:
            row["left"] -= 1
            return said | {"status": "PENDING"}
        scores = {"publicScore": str(row["score"])} if self.becomes == "COMPLETE" else {}
        private = {"privateScore": row["private"]} if row.get("private") else {}
        return said | {"status": self.becomes} | scores | private


def environment(kaggle: Kaggle, home: str) -> dict[str, str]:
    """What makes the real command talk to this Kaggle, as its user, and to no other."""
    proxy = f"http://127.0.0.1:{kaggle.port}"
    return {
        "KAGGLE_API_ENVIRONMENT": "LOCALHOST", "HTTP_PROXY": proxy, "HTTPS_PROXY": proxy,
        "KAGGLE_USERNAME": USER, "KAGGLE_KEY": KEY, "HOME": home,
        "XDG_CONFIG_HOME": f"{home}/config", "DVC_NO_ANALYTICS": "true",
    }  # fmt: skip


METHODS: dict[str, Callable[[Kaggle, dict], dict]] = {
    "IntrospectToken": Kaggle.introspect_token,
    "ListDataFiles": Kaggle.list_data_files,
    "ListCompetitions": Kaggle.list_competitions,
    "GetCompetition": Kaggle.get_competition,
    "StartSubmissionUpload": Kaggle.start_submission_upload,
    "CreateSubmission": Kaggle.create_submission,
    "GetSubmissionLimits": Kaggle.get_submission_limits,
    "ListSubmissions": Kaggle.list_submissions,
}


@contextmanager
def serve(kaggle: Kaggle) -> Iterator[Kaggle]:
    """Run the server until the block ends."""
    handler = type("Handler", (_Handler,), {"kaggle": kaggle})
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        kaggle.port = server.server_port
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield kaggle
        finally:
            kaggle.over.set()
            server.shutdown()
            thread.join()


@contextmanager
def loopback(monkeypatch: pytest.MonkeyPatch, home: Path) -> Iterator[Kaggle]:
    """A Kaggle, and an environment in which the real command knows no other."""
    for name in list(os.environ):
        if name.upper().startswith("KAGGLE_") or name.upper().endswith("_PROXY"):
            monkeypatch.delenv(name)
    with serve(Kaggle()) as kaggle:
        for name, value in environment(kaggle, str(home)).items():
            monkeypatch.setenv(name, value)
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        monkeypatch.setenv("PATH", path)
        yield kaggle
    assert kaggle.left_the_machine == []


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kaggle: Kaggle

    def do_POST(self) -> None:
        body = json.loads(self._body() or "{}")
        self._record(body.get("competitionName", ""))
        method = self.path.rpartition("/")[2]
        if fault := self.kaggle.fault(method):
            self._fail(fault)
        elif method != "IntrospectToken" and not self._admitted():
            self._fail(Fault(401, "Unauthenticated"))
        elif method == "DownloadDataFiles":
            self._answer(302, b"", Location=STORAGE)
        elif method not in METHODS:
            self._fail(Fault(404, "no such method"))
        else:
            self._reply(method, METHODS[method](self.kaggle, body))

    def do_GET(self) -> None:
        self._record()
        self.kaggle.ranges.append(self.headers.get("Range"))
        fault = self.kaggle.fault("GET") or Fault()
        archive = fault.damage(self.kaggle.archive)
        start = self._start()
        if fault.status:
            self._fail(fault)
        elif start and start >= len(archive):
            self._answer(416, b"")
        else:
            self._download(archive, start, fault)

    def _download(self, archive: bytes, start: int | None, fault: Fault) -> None:
        about = {
            "Content-Type": "application/zip",
            "Content-Range": f"bytes {start}-{len(archive) - 1}/{len(archive)}",
            "Accept-Ranges": "bytes",
            "ETag": self.kaggle.etag,
            "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT",
        }
        self._answer(200 if start is None else 206, archive[start or 0 :], fault, **about)

    def do_PUT(self) -> None:
        self._record()
        data = self._body()
        if fault := self.kaggle.fault("PUT"):
            self._fail(fault)
            return
        self.kaggle.uploads.append(data)
        self._answer(200, b"{}")

    def do_CONNECT(self) -> None:
        self._record()
        self.send_error(403, "nothing leaves this machine")

    def _record(self, about: str = "") -> None:
        self.kaggle.requests.append(f"{self.command} {self.path} {about}".strip())
        self.kaggle.headers.append(dict(self.headers))

    def _admitted(self) -> bool:
        basic = base64.b64encode(f"{USER}:{KEY}".encode()).decode()
        return self.headers.get("Authorization") in (f"Basic {basic}", f"Bearer {TOKEN}")

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        read = b""
        while size := int(self.rfile.readline(), 16):
            read += self.rfile.read(size)
            self.rfile.readline()
        self.rfile.readline()
        return read

    def _start(self) -> int | None:
        """Where the rest begins that is asked for; none if the whole is, or a rest of another."""
        asked = self.headers.get("Range")
        if not asked or self.headers.get("If-Range", self.kaggle.etag) != self.kaggle.etag:
            return None
        return int(asked.removeprefix("bytes=").rstrip("-"))

    def _reply(self, method: str, document: dict) -> None:
        lost = self.kaggle.fault("AfterCreate") if method == "CreateSubmission" else None
        self._fail(lost) if lost else self._answer(200, json.dumps(document).encode())

    def _fail(self, fault: Fault) -> None:
        if fault.status is None and fault.cut == 0:
            self.close_connection = True
            return
        said = {"code": fault.status, "message": fault.message} if fault.message else {}
        after = self.kaggle.retry_after
        told = {"Retry-After": str(after)} if fault.status and after else {}
        self._answer(fault.status or 200, json.dumps(said).encode(), fault, **told)

    def _answer(self, status: int, body: bytes, fault: Fault = Fault(), **headers: str) -> None:
        self.send_response(status)
        headers = {"Content-Type": "application/json"} | headers
        for name, value in (headers | {"Content-Length": str(len(body))}).items():
            self.send_header(name, value)
        self.end_headers()
        with suppress(BrokenPipeError, ConnectionResetError):  # it has what it wanted
            self._send(body, fault)

    def _send(self, body: bytes, fault: Fault) -> None:
        ends = [end for end in (fault.cut, fault.stall) if end is not None]
        sent = body[: min(ends, default=len(body))]
        for i in range(0, len(sent), PIECE if fault.trickle else max(1, len(sent))):
            self.wfile.write(sent[i : i + PIECE] if fault.trickle else sent)
            time.sleep(fault.trickle)
        if fault.stall is not None:
            self.kaggle.over.wait(60)
        self.close_connection = self.close_connection or bool(ends)

    def log_message(self, *args: object) -> None:
        """Say nothing; the test reads `requests`."""
