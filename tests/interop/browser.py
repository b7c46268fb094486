"""Chromium on a test host, and a relay whose connections can be dropped."""

from __future__ import annotations

import contextlib
import os
import socket
import tempfile
import threading
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from tests.network.lan import PATIENCE, Host

ARGUMENTS = (
    *("--no-sandbox", "--disable-gpu", "--disable-background-networking"),
    *("--disable-component-update", "--disable-sync", "--no-first-run"),
)


class Chromium:
    """Debian's Chromium without a screen, in the network of a host, driven by playwright.

    Every page keeps what it told and asked for: `complaints` and `requests` are for assertions.
    """

    def __init__(self, host: Host, stack: ExitStack) -> None:
        from playwright.sync_api import sync_playwright

        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="mcast-chromium-")))
        script = folder / "chromium"
        script.write_text(f'#!/bin/sh\nexec {" ".join(host.command())} /usr/bin/chromium "$@"\n')
        script.chmod(0o755)
        driver = stack.enter_context(sync_playwright())
        self.browser = driver.chromium.launch(
            executable_path=str(script), args=list(ARGUMENTS), timeout=PATIENCE * 1000
        )
        stack.callback(self.browser.close)
        self.complaints: list[str] = []
        """What the browser logged: errors, warnings, refusals of the Content-Security-Policy."""
        self.requests: list[str] = []
        """The addresses of all requests."""

    def page(self, **settings: Any) -> Any:
        """Return a new page with a profile of its own."""
        page = self.browser.new_context(**settings).new_page()
        page.on("console", lambda message: self.complaints.append(f"{message.type}: {message.text}"))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("dialog", lambda dialog: self.complaints.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: self.requests.append(request.url))
        page.set_default_timeout(PATIENCE * 1000)
        return page


class Relay:
    """Passes connections on, on the loopback interface of a host, until they are dropped.

    :param port: where to; the relay's own is `port` plus one.
    """

    def __init__(self, host: Host, port: int) -> None:
        self.port = port + 1
        self._target = port
        self._connections: list[socket.socket] = []
        self._is_open = True
        with host.inside():
            self._listener = socket.create_server(("127.0.0.1", self.port))
            # A thread has the network namespace of the thread that starts it.
            threading.Thread(target=self._accept, daemon=True).start()

    def drop(self) -> None:
        """Reset all connections, and every new one until `resume`."""
        self._is_open = False
        for connection in self._connections:
            with contextlib.suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        self._connections.clear()

    def resume(self) -> None:
        """Pass connections on again."""
        self._is_open = True

    def close(self) -> None:
        """End it."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.drop()

    def _accept(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
                if not self._is_open:
                    near.close()
                    continue
                far = socket.create_connection(("127.0.0.1", self._target))
            except OSError:
                return
            self._connections += (near, far)
            for source, target in ((near, far), (far, near)):
                threading.Thread(target=_pass_on, args=(source, target), daemon=True).start()


def _pass_on(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while octets := source.recv(65536):
            target.sendall(octets)
    for each in (source, target):
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


def screenshot_folder() -> Path:
    """Return where pictures of pages are left for people to look at; git ignores it."""
    folder = Path(os.environ.get("MCAST_SCREENSHOTS", Path(__file__).resolve().parents[2] / "screenshots"))
    folder.mkdir(exist_ok=True)
    return folder
