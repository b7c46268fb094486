"""`twist mcast view`: options and service of the live view in a browser."""

from __future__ import annotations

import os
from ipaddress import ip_address
from typing import Any, ClassVar

from twisted.application.service import MultiService
from twisted.internet.defer import Deferred, DeferredList, ensureDeferred, maybeDeferred, succeed
from twisted.internet.endpoints import serverFromString
from twisted.internet.interfaces import IListeningPort
from twisted.logger import Logger
from twisted.python.failure import Failure
from twisted.python.usage import UsageError
from twisted.web import http
from twisted.web.server import Request, Site

from mcast.node.network import Network, SocketNetwork
from mcast.node.node import Node
from mcast.showing import one_line, shown
from mcast.tap.options import Options as CommonOptions
from mcast.view.guard import TOKEN_LENGTH
from mcast.view.resource import LiveView

DEFAULT_LISTEN = "tcp:8765:interface=127.0.0.1"
"""Where the page is unless told otherwise: on this host alone."""

CONTENT_LIMIT = 4096
"""Octets of content of a request. Our choice: none is needed; a page elsewhere can have much of it sent."""

TOKEN_FILE_LIMIT = 4096
"""Octets of a token file. Our choice: far more than any token has."""


class Options(CommonOptions):
    """The command line after `twist mcast view`."""

    longdesc = (
        "Shows what is on the network as a web page: hosts, services, traffic, breaches of RFC 6762, events. "
        "It is served to this host alone; for others there has to be a token."
    )

    optFlags: ClassVar[list[list[str | None]]] = [
        ["no-ipv4", None, "Use IPv6 only."],
        ["no-ipv6", None, "Use IPv4 only."],
    ]

    def __init__(self) -> None:
        super().__init__()
        self["listen"] = DEFAULT_LISTEN
        self["interfaces"] = []
        self["hosts"] = []
        self["token"] = None

    def opt_listen(self, text: str) -> None:
        """Endpoint of the page (default: tcp:8765:interface=127.0.0.1); for others only with a token."""
        self["listen"] = text

    def opt_interface(self, text: str) -> None:
        """Interface to watch by name, index or address; may be repeated (default: each that is up and does
        multicast)."""
        self["interfaces"].append(text)

    def opt_host(self, text: str) -> None:
        """Name by which browsers reach this page, beside localhost and addresses; may be repeated."""
        self["hosts"].append(text)

    def opt_token(self, text: str) -> None:
        """Word of 16 or more characters that browsers have to show, once: http://HOST:8765/?token=TOKEN.

        Others on this host can see it in the list of processes; --token-file avoids that.
        """
        self["token"] = _checked_token("--token", text)

    def opt_token_file(self, path: str) -> None:
        """File whose first line is the token."""
        try:
            with open(path, "rb") as stream:
                line = stream.read(TOKEN_FILE_LIMIT).partition(b"\n")[0].strip().decode("utf-8")
        except OSError as error:
            raise UsageError(f"--token-file {path}: {error.strerror}") from None
        except UnicodeDecodeError:
            raise UsageError(f"--token-file {path}: the first line is not text") from None
        self["token"] = _checked_token(f"--token-file {path}", line)

    def parseArgs(self, *words: str) -> None:
        """Refuse words that are no options."""
        if words:
            raise UsageError(f"{words[0]}: unexpected argument; where the page is, is said by --listen")

    def postOptions(self) -> None:
        """Refuse options that leave nothing to do, and a page for all without a token."""
        if self["no-ipv4"] and self["no-ipv6"]:
            raise UsageError("--no-ipv4 and --no-ipv6 together leave nothing to watch")
        if self["token"] is None and not _is_local(self["listen"]):
            raise UsageError(f"--listen {self['listen']}: {_OPEN_TO_OTHERS}")


_OPEN_TO_OTHERS = "others than this host could look; add interface=127.0.0.1, or a token by --token-file"


class _Request(Request):
    """A request whose content is kept in memory, and little of it: nothing that is served takes any."""

    def gotLength(self, length: int | None) -> None:
        """Have no file made for a long one."""
        super().gotLength(0)

    def handleContentChunk(self, data: bytes) -> None:
        """Keep a piece of the content, or end the connection."""
        assert self.content is not None
        if self.content.tell() + len(data) > CONTENT_LIMIT:
            self.loseConnection()
        else:
            super().handleContentChunk(data)


class _Site(Site):
    """Logs no requests: a token may be in one."""

    def log(self, request: http.Request) -> None:
        """Leave it alone."""


class ViewService(MultiService):
    """A `Node` that publishes nothing, the view of it, and the port of the page.

    :raises UsageError: the endpoint cannot be one.
    """

    _log = Logger()

    def __init__(self, reactor: Any, options: Options, network: Network | None = None) -> None:
        super().__init__()
        self.node = Node(
            reactor,
            interfaces=options["interfaces"],
            ipv4=not options["no-ipv4"],
            ipv6=not options["no-ipv6"],
            network=SocketNetwork(reactor) if network is None else network,
        )
        self.node.setServiceParent(self)
        self.view = LiveView(reactor, self.node, token=options["token"], hosts=options["hosts"])
        self.view.setServiceParent(self)
        self._text: str = options["listen"]
        try:
            self._endpoint = serverFromString(reactor, self._text)
        except Exception as error:
            # A parser may be of any package, and reads files: it raises what it likes.
            raise UsageError(f"--listen {self._text}: {_cause(error)}") from None
        self._listening: Deferred[IListeningPort | None] = succeed(None)

    def startService(self) -> None:
        """Start to watch and to serve the page.

        :raises OSError: port 5353 cannot be opened.
        :raises UsageError: the page cannot be served there.
        """
        super().startService()
        site = _Site(self.view.resource, requestFactory=_Request)
        site.noisy = False
        refused: list[Failure] = []
        self._listening = maybeDeferred(self._endpoint.listen, site)
        self._listening.addCallbacks(self._tell, refused.append)
        if refused:
            raise UsageError(f"--listen {self._text}: {_cause(refused[0].value)}")

    async def _stop_listening(self) -> None:
        port = await self._listening
        if port is not None:
            await maybeDeferred(port.stopListening)

    def stopService(self) -> Deferred[None]:
        """Stop; fires when the port of the page is closed and the node has stopped."""
        closed = ensureDeferred(self._stop_listening())
        stopped = maybeDeferred(super().stopService)
        return DeferredList([closed, stopped], fireOnOneErrback=True, consumeErrors=True).addCallback(
            lambda _: None
        )

    def _tell(self, port: IListeningPort) -> IListeningPort:
        self._log.info("the view is at {address}", address=_url(port.getHost()))
        return port

    def log_counters(self) -> None:
        """Log what the view and the node counted."""
        self._log.info("view: {counters}", counters=self.view.statistics())
        for part, counters in self.node.statistics().items():
            self._log.info("{part}: {counters}", part=part, counters=counters)


def makeService(options: Options) -> ViewService:
    """Return the service that the options describe.

    :raises SystemExit: the endpoint cannot be one; the message says why.
    """
    # The reactor is chosen by `twist --reactor`, and installed when this is called.
    from twisted.internet import reactor

    try:
        return ViewService(reactor, options)
    except UsageError as error:
        raise SystemExit(f"mcast: {error}") from None


def _checked_token(option: str, token: str) -> str:
    if len(token) < TOKEN_LENGTH:
        raise UsageError(f"{option}: a token has {TOKEN_LENGTH} characters or more, not {len(token)}")
    return token


def _is_local(listen: str) -> bool:
    """Tell whether an endpoint string says that only this host is served.

    One of a kind that we do not know may be served to all; `mcast.view.guard` then looks at each request.
    """
    kind, *words = listen.replace("\\:", "\0").split(":")
    if kind == "haproxy":
        # The address that a request came to is then what its sender says it is.
        kind, *words = words or [""]
    if kind not in ("tcp", "tcp6", "ssl", "tls"):
        return True
    # Of an argument that stands there twice Twisted takes the last.
    interface = next(
        (word.partition("=")[2] for word in reversed(words) if word.startswith("interface=")), ""
    )
    try:
        return ip_address(interface.replace("\0", ":").partition("%")[0]).is_loopback
    except ValueError:
        return False


def _cause(error: BaseException | None) -> str:
    if error is None:
        return "nobody can listen there"
    if isinstance(error, OSError) and error.strerror:
        # Of a lock the first name is that of the process.
        path = os.fsdecode(error.filename2 or error.filename or "")
        return shown(f"{path}: {error.strerror}" if path else error.strerror)
    return one_line(error) or type(error).__name__


def _url(address: Any) -> str:
    host = getattr(address, "host", None)
    if host is None:
        return os.fsdecode(getattr(address, "name", None) or b"") or str(address)
    return f"http://[{host}]:{address.port}/" if ":" in host else f"http://{host}:{address.port}/"
