"""A headless Chromium, asked over its DevTools protocol what a page does in it.

python -m tests.integration.browser PAGE FOLDER     pictures of a page, to be looked at
"""

from __future__ import annotations

import asyncio
import base64
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tornado.httpclient import AsyncHTTPClient
from tornado.websocket import WebSocketClientConnection, websocket_connect

PROGRAMS = ("chromium", "chromium-browser", "google-chrome", "chrome")
SECONDS = 60
# Pictures are larger than what a message may be by default.
MOST_BYTES = 1 << 28


def program() -> str | None:
    """Where a Chromium is, None where there is none."""
    return next((found for name in PROGRAMS if (found := shutil.which(name))), None)


@dataclass
class Tab:
    """A page in the browser.

    Attributes:
        requests: addresses that it asked for, its own left out.
        complaints: what the console says of it, and exceptions.
    """

    socket: WebSocketClientConnection
    requests: list[str] = field(default_factory=list)
    complaints: list[str] = field(default_factory=list)
    loaded: int = 0
    _number: int = 0

    async def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """Call a method of the protocol, noting what happens until it answers."""
        self._number += 1
        request = {"id": self._number, "method": method, "params": parameters}
        await self.socket.write_message(json.dumps(request))
        while True:
            message = await self._message()
            if message.get("id") == self._number:
                assert "error" not in message, message["error"]
                result: dict[str, Any] = message["result"]
                return result

    async def _message(self) -> dict[str, Any]:
        text = await asyncio.wait_for(self.socket.read_message(), SECONDS)
        assert text is not None, "the browser is gone"
        message: dict[str, Any] = json.loads(text)
        self._note(message.get("method"), message.get("params", {}))
        return message

    def _note(self, method: str | None, told: dict[str, Any]) -> None:
        if method == "Network.requestWillBeSent" and told["type"] != "Document":
            self.requests.append(told["request"]["url"])
        elif method == "Log.entryAdded":
            self.complaints.append(told["entry"]["text"])
        elif method in ("Runtime.exceptionThrown", "Runtime.consoleAPICalled"):
            self.complaints.append(json.dumps(told)[:500])
        elif method == "Page.loadEventFired":
            self.loaded += 1

    async def show(self, path: Path, *, width: int, scheme: str = "light") -> None:
        """Load a file and wait for it."""
        for domain in ("Page", "Network", "Log", "Runtime"):
            await self.call(f"{domain}.enable")
        size = {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 600}
        await self.call("Emulation.setDeviceMetricsOverride", **size)
        scheme_feature = {"name": "prefers-color-scheme", "value": scheme}
        await self.call("Emulation.setEmulatedMedia", features=[scheme_feature])
        before = self.loaded
        await self.call("Page.navigate", url=path.absolute().as_uri())
        while self.loaded == before:
            await self._message()

    async def evaluate(self, expression: str) -> Any:
        """The value of an expression in the page."""
        found = await self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    async def picture(self) -> bytes:
        """The whole page as PNG."""
        found = await self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True)
        return base64.b64decode(found["data"])

    async def printed(self) -> bytes:
        """The page as PDF, as a printer would have it."""
        found = await self.call(
            "Page.printToPDF", preferCSSPageSize=True, paperWidth=8.27, paperHeight=11.69
        )
        return base64.b64decode(found["data"])


@asynccontextmanager
async def browser(chromium: str) -> AsyncIterator[Tab]:
    """Start a Chromium of its own, and end it."""
    with tempfile.TemporaryDirectory(prefix="browser-", ignore_cleanup_errors=True) as folder:
        flags = (
            "--headless=new",
            "--no-sandbox",
            "--disable-gpu",
            "--disable-dev-shm-usage",
            "--no-first-run",
            "--hide-scrollbars",
            "--remote-debugging-port=0",
            f"--user-data-dir={folder}",
        )
        quiet = subprocess.DEVNULL
        environment = {**os.environ, "HOME": folder}
        process = subprocess.Popen(
            [chromium, *flags, "about:blank"], stdout=quiet, stderr=quiet, env=environment
        )
        try:
            tab = await _tab(process, Path(folder) / "DevToolsActivePort")
            try:
                yield tab
            finally:
                tab.socket.close()
        finally:
            process.terminate()
            process.wait(SECONDS)


async def _tab(process: subprocess.Popen[bytes], told: Path) -> Tab:
    """Connect to the first page, once the browser says where."""
    deadline = asyncio.get_running_loop().time() + SECONDS
    while not (told.exists() and "\n" in told.read_text()):
        assert process.poll() is None, "the browser ended"
        assert asyncio.get_running_loop().time() < deadline, "the browser does not begin"
        await asyncio.sleep(0.05)
    port = told.read_text().splitlines()[0]
    answer = await AsyncHTTPClient().fetch(f"http://127.0.0.1:{port}/json/list")
    pages = [target for target in json.loads(answer.body) if target["type"] == "page"]
    address = pages[0]["webSocketDebuggerUrl"]
    return Tab(await websocket_connect(address, max_message_size=MOST_BYTES))


async def pictures(page: Path, folder: Path) -> None:
    """All looks of a page."""
    chromium = program()
    assert chromium, "there is no Chromium"
    folder.mkdir(parents=True, exist_ok=True)
    async with browser(chromium) as tab:
        for width, scheme in ((1200, "light"), (1200, "dark"), (400, "light"), (400, "dark")):
            await tab.show(page, width=width, scheme=scheme)
            (folder / f"{scheme}-{width}.png").write_bytes(await tab.picture())
        await tab.show(page, width=1200, scheme="dark")
        (folder / "print.pdf").write_bytes(await tab.printed())


if __name__ == "__main__":
    asyncio.run(pictures(Path(sys.argv[1]), Path(sys.argv[2])))
