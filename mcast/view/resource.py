"""The resources of the view: the page, its files, the snapshot and the stream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from typing import Any

from twisted.application.service import Service as TwistedService
from twisted.internet.defer import Deferred, maybeDeferred
from twisted.web.resource import IResource, Resource
from twisted.web.server import NOT_DONE_YET, Request

from mcast.clock import clock_of
from mcast.node.node import Node
from mcast.view.guard import HEADERS, Guard, is_same_origin
from mcast.view.stream import Streams
from mcast.watching.watcher import Watcher

_TYPES = {
    "html": b"text/html; charset=utf-8",
    "css": b"text/css; charset=utf-8",
    "js": b"text/javascript; charset=utf-8",
    "svg": b"image/svg+xml",
}


class LiveView(TwistedService):
    """The live view of a node as a web page: a service, and the resource to serve.

    The node has to run when this is started; `McastView` of `twist mcast view` shows how. The page is served
    by whatever site `resource` is put into, also below a path.

    :param token: whoever shows it may look from anywhere; without one only this host is served.
    :param hosts: names that the Host header may have, beside ``localhost`` and all addresses.
    :raises ValueError: the token has fewer than 16 characters.
    """

    def __init__(
        self, reactor: Any, node: Node, *, token: str | None = None, hosts: Sequence[str] = ()
    ) -> None:
        self._watcher = Watcher(reactor, node)
        self._streams = Streams(self._watcher, clock_of(reactor))
        self.resource: IResource = _Root(Guard(token, hosts), _page(self._watcher, self._streams))
        """For a `twisted.web.server.Site`, or a child of another resource."""

    def __repr__(self) -> str:
        return f"<LiveView with {len(self._streams)} browsers>"

    def startService(self) -> None:
        """Begin to watch the network."""
        if not self.running:
            super().startService()
            self._streams.start()
            self._watcher.startService()

    def stopService(self) -> None:
        """Watch no more, and end the streams to all browsers."""
        if self.running:
            super().stopService()
            self._watcher.stopService()
            self._streams.stop()

    def statistics(self) -> dict[str, int]:
        """Return how many browsers look now (``browsers``), and what was sent them so far."""
        return {"browsers": len(self._streams), **self._streams.counters}


class _Root(Resource):
    """Lets in whom the guard lets in."""

    def __init__(self, guard: Guard, page: Resource) -> None:
        super().__init__()
        self._guard = guard
        self._page = page

    def getChildWithDefault(self, path: bytes, request: Request) -> IResource:
        refused = self._check(request)
        if refused is not None:
            return refused
        child: IResource = self._page.getChildWithDefault(path, request)
        return child

    def render(self, request: Request) -> Any:
        # The path of the view without a slash at its end: relative addresses would miss it.
        refused = self._check(request)
        if refused is not None:
            return refused.render(request)
        return _redirect(request, _last_of(request.path) + b"/")

    def _check(self, request: Request) -> Resource | None:
        for name, value in HEADERS:
            request.setHeader(name, value)
        reason = self._guard.refusal(request)
        if reason is not None:
            return _Refusal(403, reason)
        if request.args and b"token" in request.args and request.method in (b"GET", b"HEAD"):
            if self._guard.is_shown(request):
                self._guard.remember(request)
            # So that it is not seen in the address, nor kept in the history, also where it was shown before.
            return _Redirect(_last_of(request.path))
        return None


class _Refusal(Resource):
    isLeaf = True

    def __init__(self, code: int, reason: str) -> None:
        super().__init__()
        self._code = code
        self._reason = reason

    def render(self, request: Request) -> bytes:
        request.setResponseCode(self._code)
        request.setHeader(b"content-type", b"text/plain; charset=utf-8")
        return _content(request, f"{self._reason}\n".encode())


class _Redirect(Resource):
    isLeaf = True

    def __init__(self, target: bytes) -> None:
        super().__init__()
        self._target = target

    def render(self, request: Request) -> bytes:
        return _redirect(request, self._target)


def _last_of(path: bytes) -> bytes:
    """Return the last part of a path as a relative address: one that has a colon is no scheme."""
    return b"./" + path.rpartition(b"/")[2]


def _content(request: Request, content: bytes) -> bytes:
    """Return a content; for HEAD its length alone, or Twisted would log the address, a token in it."""
    if request.method != b"HEAD":
        return content
    request.setHeader(b"content-length", b"%d" % len(content))
    return b""


def _redirect(request: Request, target: bytes) -> bytes:
    request.setResponseCode(303)
    request.setHeader(b"location", target)
    return b""


class _Place(Resource):
    """A part of the path. What is not there is told by our own response, also to HEAD."""

    def getChild(self, path: bytes, request: Request) -> Resource:
        return _Refusal(404, "there is nothing here")

    def render_GET(self, request: Request) -> Any:
        return _Refusal(404, "there is nothing here").render(request)


class _File(_Place):
    """A file of the page, kept in memory."""

    def __init__(self, content: bytes, kind: bytes) -> None:
        super().__init__()
        self._content = content
        self._kind = kind
        self._etag = b'"%s"' % sha256(content).hexdigest()[:16].encode()

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", self._kind)
        request.setHeader(b"cache-control", b"no-cache")
        request.setETag(self._etag)
        if request.getHeader(b"if-none-match") == self._etag:
            request.setResponseCode(304)
            return b""
        return _content(request, self._content)


class _Snapshot(_Place):
    def __init__(self, streams: Streams) -> None:
        super().__init__()
        self._streams = streams

    def render_GET(self, request: Request) -> bytes:
        request.setHeader(b"content-type", b"application/json")
        return _content(request, self._streams.snapshot())


class _Events(_Place):
    def __init__(self, streams: Streams) -> None:
        super().__init__()
        self._streams = streams

    def render_HEAD(self, request: Request) -> bytes:
        """Answer without a stream, which would have no end."""
        request.setHeader(b"content-type", b"text/event-stream")
        return b""

    def render_GET(self, request: Request) -> Any:
        if not self._streams.open(request):
            return _Refusal(503, "too many browsers look already").render(request)
        return NOT_DONE_YET


class _Connect(Resource):
    """``api/v1/connect/s1``: the one thing that a person may have done."""

    isLeaf = True

    def __init__(self, watcher: Watcher) -> None:
        super().__init__()
        self._watcher = watcher

    def render_GET(self, request: Request) -> bytes:
        """Connect to nothing: an address in a page elsewhere is got by whoever looks at that page."""
        request.setHeader(b"allow", b"POST")
        return _Refusal(405, "this is asked for by POST").render(request)

    def render_POST(self, request: Request) -> Any:
        if not is_same_origin(request):
            return _Refusal(403, "only the page itself may ask for this").render(request)
        path = request.postpath or []
        identifier = path[0].decode("ascii", "replace") if len(path) == 1 else ""
        gone = request.notifyFinish()
        gone.addErrback(lambda _: None)
        tried: Deferred[str] = maybeDeferred(self._watcher.connect, identifier)

        def answer(state: str) -> None:
            if gone.called:
                return
            request.setHeader(b"content-type", b"application/json")
            request.write(json.dumps({"state": state}).encode())
            request.finish()

        tried.addCallback(answer)
        return NOT_DONE_YET


def _page(watcher: Watcher, streams: Streams) -> Resource:
    root, api, first = _Place(), _Place(), _Place()
    for path in files("mcast.view").joinpath("page").iterdir():
        name = path.name
        kind = _TYPES.get(name.rpartition(".")[2])
        if kind is not None:
            page = _File(path.read_bytes(), kind)
            root.putChild(name.encode(), page)
            if name == "index.html":
                root.putChild(b"", page)
    root.putChild(b"api", api)
    api.putChild(b"v1", first)
    first.putChild(b"snapshot", _Snapshot(streams))
    first.putChild(b"events", _Events(streams))
    first.putChild(b"connect", _Connect(watcher))
    return root
