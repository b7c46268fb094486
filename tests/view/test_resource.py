"""`mcast.view`: who may look, what is served, and the streams."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from twisted.internet.address import IPv4Address, IPv6Address, UNIXAddress
from twisted.internet.error import ConnectionLost
from twisted.internet.testing import StringTransport
from twisted.logger import capturedLogs
from twisted.python.failure import Failure
from twisted.web.resource import IResource, Resource
from twisted.web.server import Site
from zope.interface.verify import verifyObject

import mcast.view.stream as stream_module
from mcast.live.documents import Document, apply_delta
from mcast.view.resource import LiveView
from tests.node.node_lab import NodeTestCase

LOOPBACK = IPv4Address("TCP", "127.0.0.1", 8765)
TOKEN = "a token of twenty-two c"


class Browser:
    """A connection to the site, which keeps what came."""

    def __init__(self, site: Site, local: Any = LOOPBACK, peer: Any = LOOPBACK) -> None:
        self.protocol = site.buildProtocol(peer)
        self.transport = StringTransport(hostAddress=local, peerAddress=peer)
        # twisted.web wants to know whether it is cut off.
        self.protocol.makeConnection(self.transport)

    def ask(
        self, path: str, *headers: str, method: str = "GET", host: str | None = "127.0.0.1:8765"
    ) -> Browser:
        lines = [f"{method} {path} HTTP/1.1", *([] if host is None else [f"Host: {host}"]), *headers]
        if method == "POST":
            lines.append("Content-Length: 0")
        self.protocol.dataReceived("\r\n".join([*lines, "", ""]).encode())
        return self

    def leave(self) -> None:
        """Close the connection."""
        self.protocol.connectionLost(Failure(ConnectionLost()))

    @property
    def head(self) -> str:
        return bytes(self.transport.value()).partition(b"\r\n\r\n")[0].decode().lower()

    @property
    def status(self) -> int:
        return int(self.head.split()[1])

    @property
    def body(self) -> bytes:
        head, _, rest = bytes(self.transport.value()).partition(b"\r\n\r\n")
        return b"".join(_chunks(rest)) if b"chunked" in head.lower() else rest

    def events(self) -> list[tuple[str, str, dict[str, Any]]]:
        """Return what came: kind, identifier and data of each event."""
        found = []
        for block in self.body.decode().split("\n\n"):
            fields = dict(line.partition(": ")[::2] for line in block.splitlines())
            if "event" in fields:
                found.append((fields["event"], fields["id"], json.loads(fields["data"])))
        return found

    def state(self) -> dict[str, Any]:
        """Return the state that the events lead to."""
        state: dict[str, Any] = {}
        for kind, _, data in self.events():
            if kind == "snapshot":
                state = data
            else:
                apply_delta(state, data)
        return state


def _chunks(octets: bytes) -> Iterator[bytes]:
    while octets:
        size, _, octets = octets.partition(b"\r\n")
        length = int(size, 16)
        yield octets[:length]
        octets = octets[length + 2 :]


class ViewTestCase(NodeTestCase):
    """A view of a node, and a service on the network."""

    token: str | None = None

    def setUp(self) -> None:
        super().setUp()
        self.there = self.settled("there")
        self.here = self.settled("here", None)
        self.view = LiveView(self.lan.clock, self.here, token=self.token, hosts=["View.Example"])
        self.view.startService()
        self.addCleanup(self.view.stopService)
        self.register(self.there)
        self.lan.advance(3.0)
        root = Resource()
        root.putChild(b"below", self.view.resource)
        self.sites = {"top": Site(self.view.resource), "below": Site(root)}

    def browser(self, site: str = "top", local: Any = LOOPBACK, peer: Any = LOOPBACK) -> Browser:
        return Browser(self.sites[site], local, peer)

    def status(self, path: str, *headers: str, **settings: Any) -> int:
        return self.browser().ask(path, *headers, **settings).status


class GuardTests(ViewTestCase):
    """Nobody looks who may not."""

    def test_addresses_and_known_names(self) -> None:
        for host in (
            "127.0.0.1:8765",
            "[::1]:8765",
            "localhost:8765",
            "LOCALHOST",
            "view.example",
            "10.1.2.3",
        ):
            self.assertEqual(self.status("/", host=host), 200, host)

    def test_other_names(self) -> None:
        """DNS rebinding: a page of evil.example whose name resolves to 127.0.0.1."""
        odd = ("[::1", "localhost:evil", "127.0.0.1@evil.example", "localhost, evil.example", "[::1]x", "::1")
        more = ("127.0.0.1%evil.example", "2130706433", "user@localhost", "evil.localhost")
        for host in (
            "evil.example",
            "evil.example:8765",
            "127.0.0.1.evil.example",
            "",
            "[evil]",
            None,
            *odd,
            *more,
        ):
            self.assertIn(self.status("/api/v1/snapshot", host=host), (400, 403), host)

    def test_two_names(self) -> None:
        """Which of them a proxy took is not known."""
        for first, second in (("evil.example", "localhost"), ("localhost", "evil.example")):
            status = self.status("/api/v1/snapshot", f"Host: {second}", host=first)
            self.assertIn(status, (400, 403), first)

    def test_head(self) -> None:
        """The length is told; Twisted would log the address, a token in it, of a response with content."""
        places = (("/main.js", "localhost"), ("/api/v1/snapshot", "localhost"), ("/", "evil.example"))
        with capturedLogs() as logged:
            for path, host in places:
                browser = self.browser().ask(path, method="HEAD", host=host)
                length = int(browser.head.partition("content-length: ")[2].split()[0])
                self.assertEqual(length, len(self.browser().ask(path, host=host).body))
                self.assertEqual(browser.body, b"")
        self.assertNotIn("HEAD", str(logged))

    def test_not_from_elsewhere(self) -> None:
        for local in (IPv4Address("TCP", "10.0.1.2", 8765), IPv6Address("TCP", "::ffff:10.0.1.2", 8765)):
            self.assertEqual(self.browser(local=local).ask("/").status, 403)

    def test_local_by_other_ways(self) -> None:
        for local in (
            IPv6Address("TCP", "::1", 1),
            IPv6Address("TCP", "::ffff:127.0.0.1", 1),
            UNIXAddress("x"),
        ):
            self.assertEqual(self.browser(local=local).ask("/").status, 200)

    def test_headers(self) -> None:
        for path in ("/", "/view.css", "/api/v1/snapshot", "/nothing"):
            head = self.browser().ask(path).head
            self.assertIn("content-security-policy: default-src 'none'; script-src 'self';", head, path)
            self.assertIn("x-content-type-options: nosniff", head)
            self.assertIn("frame-ancestors 'none'", head)

    def test_read_only(self) -> None:
        for path in ("/", "/api/v1/snapshot", "/api/v1/events", "/view.css"):
            for method in ("POST", "PUT", "DELETE"):
                self.assertIn(self.status(path, method=method), (405, 501), (path, method))

    def test_connect_only_from_the_page(self) -> None:
        self.assertEqual(self.status("/api/v1/connect/s1", method="POST"), 403)
        mine, other = "Origin: http://127.0.0.1:8765", "Origin: http://evil.example"
        self.assertEqual(self.status("/api/v1/connect/s99", "X-Mcast-View: 1", other, method="POST"), 403)
        browser = self.browser().ask("/api/v1/connect/s99", "X-Mcast-View: 1", mine, method="POST")
        self.assertEqual(json.loads(browser.body), {"state": "unknown"})

    def test_connect_by_other_methods(self) -> None:
        """An address in a page elsewhere, an image for instance, connects to nothing."""
        for method in ("GET", "HEAD", "PUT"):
            browser = self.browser().ask("/api/v1/connect/s1", "X-Mcast-View: 1", method=method)
            self.assertIn(browser.status, (405, 501), method)
            self.assertIn("content-security-policy", browser.head)
        self.assertIn("\r\nallow: post\r\n", self.browser().ask("/api/v1/connect/s1").head)
        for service in self.view._watcher.model.snapshot["services"].values():
            self.assertIsNone(service["connect"])

    def test_nothing_there(self) -> None:
        """The same answer to GET and HEAD, with nothing for the log."""
        with capturedLogs() as logged:
            for path in ("/nothing", "/api", "/api/", "/api/v2", "/api/v1/", "/api/v1/snapshot/x", "/%00"):
                for method in ("GET", "HEAD"):
                    browser = self.browser().ask(path, method=method)
                    self.assertEqual(browser.status, 404, (method, path))
                    self.assertIn("content-type: text/plain", browser.head)
        self.assertNotIn("HEAD", str(logged))

    def test_connect_at_odd_paths(self) -> None:
        for path in ("/api/v1/connect", "/api/v1/connect/s1/s2", "/api/v1/connect/%ff"):
            browser = self.browser().ask(path, "X-Mcast-View: 1", method="POST")
            self.assertEqual(json.loads(browser.body), {"state": "unknown"})

    def test_short_token(self) -> None:
        self.assertRaises(ValueError, LiveView, self.lan.clock, self.here, token="short")


class TokenTests(ViewTestCase):
    """With a token anybody may look who shows it."""

    token = TOKEN

    def setUp(self) -> None:
        super().setUp()
        self.elsewhere = IPv4Address("TCP", "10.0.1.2", 8765)

    def visit(self, path: str, *headers: str) -> Browser:
        return self.browser(local=self.elsewhere).ask(path, *headers, host="10.0.1.2:8765")

    def test_without(self) -> None:
        for path in ("/", "/api/v1/snapshot", "/api/v1/events", "/?token=wrong", "/?token="):
            self.assertEqual(self.visit(path).status, 403, path)
        self.assertEqual(self.browser().ask("/").status, 403)

    def test_shown_once(self) -> None:
        first = self.visit(f"/?token={TOKEN.replace(' ', '%20')}")
        self.assertEqual(first.status, 303)
        self.assertIn("location: ./", first.head)
        self.assertIn("httponly", first.head)
        self.assertIn("samesite=strict", first.head)
        self.assertNotIn(TOKEN, first.head)
        cookie = first.head.partition("set-cookie: ")[2].partition(";")[0]
        self.assertEqual(self.visit("/api/v1/snapshot", f"Cookie: {cookie}").status, 200)

    def test_shown_again(self) -> None:
        """A bookmark with the token: it is taken out of the address each time."""
        first = self.visit(f"/?token={TOKEN.replace(' ', '%20')}")
        cookie = first.head.partition("set-cookie: ")[2].partition(";")[0]
        for token in (TOKEN.replace(" ", "%20"), "an%20old%20one%20that%20was%20changed"):
            again = self.visit(f"/?token={token}", f"Cookie: {cookie}")
            self.assertEqual(again.status, 303)
            self.assertIn("location: ./\r\n", again.head + "\r\n")

    def test_redirected_to_itself(self) -> None:
        """A part of the path that looks like an address elsewhere is part of a path."""
        for path in ("https:evil.example", "/evil.example", "javascript:alert(1)"):
            browser = self.visit(f"/{path}?token={TOKEN.replace(' ', '%20')}")
            target = browser.head.partition("location: ")[2].partition("\r")[0]
            self.assertEqual(target, "./" + path.rpartition("/")[2], path)

    def test_bearer(self) -> None:
        self.assertEqual(self.visit("/api/v1/snapshot", f"Authorization: Bearer {TOKEN}").status, 200)
        self.assertEqual(self.visit("/api/v1/snapshot", "Authorization: Bearer other").status, 403)


class PageTests(ViewTestCase):
    """The page and its files."""

    def test_resource(self) -> None:
        self.assertTrue(verifyObject(IResource, self.view.resource))

    def test_files(self) -> None:
        for path, kind in (("/", "text/html"), ("/main.js", "text/javascript"), ("/view.css", "text/css")):
            browser = self.browser().ask(path)
            self.assertEqual(browser.status, 200)
            self.assertIn(f"content-type: {kind}", browser.head)

    def test_no_other_files(self) -> None:
        for path in ("/guard.py", "/../guard.py", "/%2e%2e/guard.py", "/page/main.js", "/main.js/x"):
            self.assertEqual(self.status(path), 404, path)

    def test_unchanged(self) -> None:
        etag = self.browser().ask("/main.js").head.partition("etag: ")[2].partition("\r")[0]
        self.assertEqual(self.status("/main.js", f"If-None-Match: {etag}"), 304)

    def test_below_a_path(self) -> None:
        self.assertIn("location: ./below/", self.browser("below").ask("/below").head)
        self.assertEqual(self.browser("below").ask("/below/").status, 200)
        self.assertEqual(self.browser("below").ask("/below/api/v1/snapshot").status, 200)

    def test_snapshot(self) -> None:
        snapshot = json.loads(self.browser().ask("/api/v1/snapshot").body)
        self.assertEqual([each["name"] for each in snapshot["services"].values()], ["Web"])


class StreamTests(ViewTestCase):
    """Server-sent events: a snapshot, then deltas; resumed, bounded, coalesced."""

    def current(self) -> dict[str, Any]:
        snapshot: dict[str, Any] = json.loads(self.browser().ask("/api/v1/snapshot").body)
        return snapshot

    def test_head(self) -> None:
        browser = self.browser().ask("/api/v1/events", method="HEAD")
        self.assertEqual((browser.status, browser.body, self.view.statistics()["browsers"]), (200, b"", 0))

    def test_snapshot_then_deltas(self) -> None:
        browser = self.browser().ask("/api/v1/events")
        self.assertIn("content-type: text/event-stream", browser.head)
        self.register(self.there, "Second")
        self.lan.advance(2.0)
        kinds = [kind for kind, _, _ in browser.events()]
        self.assertEqual((kinds[0], set(kinds[1:])), ("snapshot", {"delta"}))
        self.assertEqual(browser.state(), self.current())

    def test_resumed(self) -> None:
        """A browser that slept gets the deltas that it missed, and no snapshot."""
        first = self.browser().ask("/api/v1/events")
        _, last, state = first.events()[-1]
        first.leave()
        self.register(self.there, "Second")
        self.lan.advance(2.0)
        second = self.browser().ask("/api/v1/events", f"Last-Event-ID: {last}")
        events = second.events()
        self.assertEqual({kind for kind, _, _ in events}, {"delta"})
        for _, _, delta in events:
            apply_delta(state, delta)
        self.assertEqual(state, self.current())

    def test_resumed_too_late(self) -> None:
        self.patch(stream_module, "MAX_KEPT", 2)
        first = self.browser().ask("/api/v1/events")
        _, last, _ = first.events()[-1]
        for number in range(5):
            self.register(self.there, f"Further {number}")
            self.lan.advance(1.0)
        second = self.browser().ask("/api/v1/events", f"Last-Event-ID: {last}")
        self.assertEqual([kind for kind, _, _ in second.events()], ["snapshot"])

    def test_resumed_after_a_restart(self) -> None:
        for identifier in ("00000000-3", "-1", "x", "00000000-99999999999999999999", "\xff"):
            browser = self.browser().ask("/api/v1/events", f"Last-Event-ID: {identifier}")
            self.assertEqual([kind for kind, _, _ in browser.events()], ["snapshot"])

    def test_nothing_was_missed(self) -> None:
        _, last, _ = self.browser().ask("/api/v1/events").events()[-1]
        self.assertEqual(self.browser().ask("/api/v1/events", f"Last-Event-ID: {last}").events(), [])

    def test_slow_browser(self) -> None:
        """It is sent nothing until it can take more, and then no more than leads to the present."""
        self.patch(stream_module, "SMALL_SIZE", 0)
        browser = self.browser().ask("/api/v1/events")
        producer = browser.transport.producer
        assert producer is not None
        producer.pauseProducing()
        before = len(browser.transport.value())
        for number in range(30):
            self.register(self.there, f"Further {number}")
        self.assertEqual(len(browser.transport.value()), before)
        producer.resumeProducing()
        self.assertEqual(browser.state(), self.current())
        self.assertLess(len(browser.transport.value()) - before, 2 * len(json.dumps(self.current())))

    def test_encoded_once(self) -> None:
        browsers = [self.browser().ask("/api/v1/events") for _ in range(20)]
        self.assertEqual(self.view.statistics()["browsers"], 20)
        encoded: list[int] = []
        encode = stream_module.encode_json

        def counting(document: Document) -> bytes:
            encoded.append(document["seq"])
            return encode(document)

        self.patch(stream_module, "encode_json", counting)
        self.lan.advance(3.0)
        self.register(self.there, "Second")
        self.lan.advance(2.0)
        self.assertEqual(len(encoded), len(set(encoded)))
        current = self.current()
        self.assertTrue(all(each.state() == current for each in browsers))

    def test_too_many(self) -> None:
        self.patch(stream_module, "MAX_BROWSERS", 2)
        statuses = [self.browser().ask("/api/v1/events").status for _ in range(3)]
        self.assertEqual(statuses, [200, 200, 503])
        self.assertEqual(self.view.statistics()["refused"], 1)

    def test_gone(self) -> None:
        browser = self.browser().ask("/api/v1/events")
        browser.leave()
        self.lan.advance(5.0)
        self.assertEqual(self.view.statistics()["browsers"], 0)

    def test_idle(self) -> None:
        browser = self.browser().ask("/api/v1/events")
        self.lan.result(self.there.stopService())
        self.lan.advance(400.0)
        before = len(browser.transport.value())
        self.lan.advance(40.0)
        self.assertIn(b":\n\n", bytes(browser.transport.value())[before:])

    def test_kept_octets_are_bounded(self) -> None:
        self.patch(stream_module, "MAX_KEPT_OCTETS", 1000)
        for number in range(5):
            self.register(self.there, f"Further {number}")
        self.lan.advance(1.0)
        streams = self.view._streams
        self.assertLessEqual(sum(len(event) for _, event in streams._kept), 5000)
        self.assertEqual(streams._octets, sum(len(event) for _, event in streams._kept))

    def test_stop(self) -> None:
        browser = self.browser().ask("/api/v1/events")
        self.view.stopService()
        self.assertTrue(bytes(browser.transport.value()).endswith(b"0\r\n\r\n"))
        self.assertEqual(self.view.statistics()["browsers"], 0)
