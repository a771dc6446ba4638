"""Headless Chromium, driven by the DevTools protocol over two pipes. Needs only the standard library."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from local.chromium import find_chromium

Json = dict[str, Any]
_OPTIONS = (
    "--headless=new",
    "--remote-debugging-pipe",
    "--no-sandbox",  # which Chromium cannot use as root
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--hide-scrollbars",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-extensions",
    "about:blank",
)
# Chromium reads commands from file descriptor 3, and writes answers to 4.
_WITH_PIPES = 'exec "$0" "$@" 3<&{commands} 4>&{answers}'


class Browser:
    """A Chromium process with one tab. A context manager.

    Attributes:
        events: the events of the tab since it was created, in order.
    """

    def __init__(self) -> None:
        self._profile = tempfile.TemporaryDirectory(prefix="chromium-", ignore_cleanup_errors=True)
        commands, self._commands = os.pipe()
        self._answers, answers = os.pipe()
        self._process = subprocess.Popen(
            [
                *("bash", "-c", _WITH_PIPES.format(commands=commands, answers=answers)),
                *(find_chromium(), f"--user-data-dir={self._profile.name}", *_OPTIONS),
            ],
            pass_fds=(commands, answers),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(commands)
        os.close(answers)
        self.events: list[Json] = []
        self._session: str | None = None
        self._rest = b""
        self._last_id = 0
        target = self.send("Target.createTarget", url="about:blank")["targetId"]
        self._session = self.send("Target.attachToTarget", targetId=target, flatten=True)["sessionId"]
        for domain in ("Page", "Network", "Log", "Runtime"):
            self.send(f"{domain}.enable")

    def __enter__(self) -> Browser:
        return self

    def __exit__(self, *_: object) -> None:
        try:
            self._session = None
            self.send("Browser.close")
            self._process.wait(10)
        except (OSError, subprocess.TimeoutExpired):
            self._process.kill()
            self._process.wait()
        finally:
            os.close(self._commands)
            os.close(self._answers)
            self._profile.cleanup()

    def send(self, method: str, **parameters: Any) -> Json:
        """Return the result of a command of the DevTools protocol."""
        self._last_id += 1
        session = {"sessionId": self._session} if self._session else {}
        command = {"id": self._last_id, "method": method, "params": parameters, **session}
        os.write(self._commands, json.dumps(command).encode() + b"\0")
        while True:
            message = self._receive()
            if message.get("id") == self._last_id:
                if "error" in message:
                    raise RuntimeError(f"{method}: {message['error']}")
                result: Json = message["result"]
                return result

    def open(self, page: Path, *, width: int, theme: str = "light", media: str = "screen") -> None:
        """Open a page, and return when it is loaded.

        Args:
            width: of the window, in CSS pixels.
            theme: "light" or "dark".
            media: "screen" or "print".
        """
        self.send(
            "Emulation.setDeviceMetricsOverride", width=width, height=800, deviceScaleFactor=1, mobile=False
        )
        features = [{"name": "prefers-color-scheme", "value": theme}]
        self.send("Emulation.setEmulatedMedia", media=media, features=features)
        self.events.clear()
        self.send("Page.navigate", url=page.as_uri())
        while not any(event["method"] == "Page.loadEventFired" for event in self.events):
            self._receive()

    def evaluate(self, script: str) -> Any:
        """Return the value of a JavaScript expression in the page. The page's own policy does not apply."""
        found = self.send("Runtime.evaluate", expression=script, returnByValue=True)
        if "exceptionDetails" in found:
            raise RuntimeError(json.dumps(found["exceptionDetails"]))
        return found["result"].get("value")

    def print_to(self, target: Path) -> None:
        """Save the page as it is printed."""
        printed = self.send("Page.printToPDF", printBackground=False, preferCSSPageSize=True)
        target.write_bytes(base64.b64decode(printed["data"]))

    def _receive(self) -> Json:
        """Return the next message, and keep it if it is an event."""
        while b"\0" not in self._rest:
            data = os.read(self._answers, 1 << 20)
            if not data:
                raise RuntimeError("Chromium has ended")
            self._rest += data
        line, _, self._rest = self._rest.partition(b"\0")
        message: Json = json.loads(line)
        if "method" in message:
            self.events.append(message)
        return message
