"""A headless Chromium, spoken to through its debugging pipe: no driver, no port, no package."""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome")
OPTIONS = [
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run",
    "--disable-extensions", "--disable-background-networking", "--remote-debugging-pipe",
]  # fmt: skip


def found() -> str | None:
    """The browser of this machine, if it has one."""
    return next(filter(None, map(shutil.which, NAMES)), None)


class Tab:
    """A tab, and everything it said: events of its console, its errors and its requests."""

    def __init__(self, to: int, back: int) -> None:
        self.to, self.back, self.rest, self.number = to, back, b"", 0
        self.events: list[dict[str, Any]] = []
        self.session: str | None = None
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self.session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Log", "Network"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Carry out a method of the debugging protocol."""
        self.number += 1
        message = {"id": self.number, "method": method, "params": params}
        message |= {"sessionId": self.session} if self.session else {}
        os.write(self.to, json.dumps(message).encode() + b"\0")
        while (answer := self._next()).get("id") != self.number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def _next(self) -> dict[str, Any]:
        while b"\0" not in self.rest:
            read = os.read(self.back, 1 << 20)
            assert read, "the browser is gone"
            self.rest += read
        message, self.rest = self.rest.split(b"\0", 1)
        return json.loads(message)

    def open(self, page: Path, width: int, scheme: str = "light") -> None:
        """Open a page on a screen so wide, by day or by night."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=900,
                  deviceScaleFactor=1, mobile=width < 600)  # fmt: skip
        media = [{"name": "prefers-color-scheme", "value": scheme}]
        self.call("Emulation.setEmulatedMedia", features=media)
        self.events.clear()
        self.call("Page.navigate", url=page.resolve().as_uri())
        while not any(e.get("method") == "Page.loadEventFired" for e in self.events):
            self.events.append(self._next())

    def of(self, method: str) -> list[dict[str, Any]]:
        """The events of a kind."""
        return [event["params"] for event in self.events if event.get("method") == method]

    def ask(self, script: str) -> Any:
        """What an expression is worth in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        return found["result"].get("value")

    def wait_for(self, script: str, seconds: float = 20) -> None:
        """Wait until an expression is true in the page."""
        end = time.monotonic() + seconds
        while not self.ask(script):
            assert time.monotonic() < end, f"never: {script}"
            time.sleep(0.05)

    def press(self, key: str) -> None:
        """Press a key and let it go."""
        about = {"Tab": {"windowsVirtualKeyCode": 9}, "Enter": {"text": "\r"}}[key]
        self.call("Input.dispatchKeyEvent", type="keyDown", key=key, code=key, **about)
        self.call("Input.dispatchKeyEvent", type="keyUp", key=key, code=key)

    def picture(self, path: Path) -> None:
        """Write the whole page, from top to bottom, as a PNG."""
        found = self.call("Page.captureScreenshot", captureBeyondViewport=True)
        path.write_bytes(base64.b64decode(found["data"]))

    def printed(self) -> bytes:
        """The page as a PDF."""
        return base64.b64decode(self.call("Page.printToPDF")["data"])


@contextmanager
def tab(folder: Path) -> Iterator[Tab]:
    """Yield a tab of a new browser, whose profile lies in `folder`."""
    (read_in, to), (back, write_out) = os.pipe(), os.pipe()

    def wired() -> None:  # Chromium listens on 3 and speaks on 4
        both = os.dup(read_in), os.dup(write_out)
        os.dup2(both[0], 3)
        os.dup2(both[1], 4)

    browser = subprocess.Popen(
        [found(), *OPTIONS, f"--user-data-dir={folder}"], preexec_fn=wired, close_fds=False,
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    os.close(read_in)
    os.close(write_out)
    try:
        yield Tab(to, back)
    finally:
        browser.kill()
        browser.wait()
        os.close(to)
        os.close(back)
