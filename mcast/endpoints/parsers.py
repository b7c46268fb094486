"""The parsers of ``mdns:`` strings, as Twisted's plugin system takes them.

Every listing of the plugins imports this module, so it imports the rest only when a string is parsed.
"""

from __future__ import annotations

from typing import Any

from twisted.internet.interfaces import (
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from twisted.plugin import IPlugin
from zope.interface import implementer


@implementer(IPlugin, IStreamServerEndpointStringParser)
class ServerParser:
    """``mdns:`` for `serverFromString`; see `mcast.endpoints.strings.parse_server`."""

    prefix = "mdns"

    # Positional only, so that "reactor=…" in a string is an unknown key like any other.
    def parseStreamServer(  # type: ignore[override]  # Twisted passes it by position
        self, reactor: Any, /, *args: Any, **kwargs: Any
    ) -> IStreamServerEndpoint:
        from mcast.endpoints.strings import parse_server

        return parse_server(reactor, args, kwargs)


@implementer(IPlugin, IStreamClientEndpointStringParserWithReactor)
class ClientParser:
    """``mdns:`` for `clientFromString`; see `mcast.endpoints.strings.parse_client`."""

    prefix = "mdns"

    def parseStreamClient(  # type: ignore[override]  # as above
        self, reactor: Any, /, *args: Any, **kwargs: Any
    ) -> IStreamClientEndpoint:
        from mcast.endpoints.strings import parse_client

        return parse_client(reactor, args, kwargs)
