"""Kaggle on the loopback: what the real `kaggle` command is given to talk to in tests.

It is the command's HTTP proxy, so that every request of whatever host arrives here in absolute
form; it refuses CONNECT, so that nothing can reach the real Kaggle.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

DOWNLOAD = "http://localhost/api/v1/competitions.CompetitionApiService/DownloadDataFiles"
STORAGE = "http://storage.invalid/archive.zip"


@dataclass
class Kaggle:
    """What the server answers, and what it was asked."""

    archive: bytes = b""
    status: int = 302
    message: str | None = None
    sends: int | None = None  # bytes of the first download, after which `at_cut` happens
    at_cut: str = "close"  # or "stall": until the test ends
    port: int = 0
    requests: list[str] = field(default_factory=list)
    ranges: list[str | None] = field(default_factory=list)
    over: threading.Event = field(default_factory=threading.Event)


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


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    kaggle: Kaggle

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))) or "{}")
        self.kaggle.requests.append(f"POST {self.path} {body.get('competitionName', '')}".strip())
        if self.path != DOWNLOAD:
            self._answer(404, {"code": 404, "message": "no such method"})
        elif self.kaggle.status == 302:
            self.send_response(302)
            self.send_header("Location", STORAGE)
            self.send_header("Content-Length", "0")
            self.end_headers()
        else:
            said = {"code": self.kaggle.status, "message": self.kaggle.message}
            self._answer(self.kaggle.status, said if self.kaggle.message else {})

    def do_GET(self) -> None:
        self.kaggle.requests.append(f"GET {self.path}")
        asked = self.headers.get("Range")
        self.kaggle.ranges.append(asked)
        start = int(asked.removeprefix("bytes=").rstrip("-")) if asked else 0
        self.send_response(206 if asked else 200)
        for name, value in self._about(start).items():
            self.send_header(name, value)
        self.end_headers()
        self._send(self.kaggle.archive[start:])

    def do_CONNECT(self) -> None:
        self.kaggle.requests.append(f"CONNECT {self.path}")
        self.send_error(403, "nothing leaves this machine")

    def _about(self, start: int) -> dict[str, str]:
        whole = len(self.kaggle.archive)
        return {
            "Content-Length": str(whole - start),
            "Content-Range": f"bytes {start}-{whole - 1}/{whole}",
            "Accept-Ranges": "bytes",
            "ETag": '"one"',
            "Last-Modified": "Mon, 01 Jan 2024 00:00:00 GMT",
        }

    def _send(self, body: bytes) -> None:
        if self.kaggle.sends is None or len(self.kaggle.ranges) > 1:
            self.wfile.write(body)
            return
        self.wfile.write(body[: self.kaggle.sends])
        if self.kaggle.at_cut == "stall":
            self.kaggle.over.wait(60)
        self.close_connection = True

    def _answer(self, status: int, document: dict) -> None:
        body = json.dumps(document).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Say nothing; the test reads `requests`."""
