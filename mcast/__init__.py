"""IP multicast for Twisted: groups, an echo responder, multicast DNS (RFC 6762) and DNS-SD (RFC 6763).

What a program needs can be imported from here; docs/api.md describes it. The modules behind it are
loaded when a name is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mcast.dns.codes import RecordType
    from mcast.dns.messages import Message, PseudoRecord, Question
    from mcast.dns.names import LOCAL, Name
    from mcast.dns.records import HostInfo, NextSecure, Record, RecordData, ServiceData, TextData
    from mcast.dns_client.update_server import UpdateServer, read_update_key
    from mcast.dnssd.collecting import Answer
    from mcast.dnssd.enumeration import DomainList, address_domains
    from mcast.dnssd.files.record_string import parse_record_string
    from mcast.dnssd.found import (
        Added,
        Change,
        FoundAddress,
        FoundService,
        Removed,
        TypeAdded,
        TypeChange,
        TypeRemoved,
        Updated,
    )
    from mcast.dnssd.hosts import AUTO, Alias, Host, HostAddresses
    from mcast.dnssd.instances import InstanceName
    from mcast.dnssd.link_id import LinkId
    from mcast.dnssd.service import Service
    from mcast.dnssd.sought import SoughtName, SoughtType
    from mcast.dnssd.text import Note, Presence, Text, TextInput, TextValue
    from mcast.dnssd.types import ServiceType
    from mcast.echo.answering import Answering, Answers, Asked, Handler, answer
    from mcast.echo.asking import Replies, ask
    from mcast.echo.gathering import Key, Quorum, Reply
    from mcast.echo.responder import EchoResponder, EchoRules
    from mcast.endpoints.client import ConnectOptions, Pick, ServiceClientEndpoint, ServiceUnreachable
    from mcast.endpoints.server import AnnouncedPort, ServiceServerEndpoint
    from mcast.errors import InvalidService, MalformedMessage, McastError, NameTaken, NotFound
    from mcast.neighbours import SocketAddress
    from mcast.node.browsers import InstanceBrowser, ServiceBrowser, TypesBrowser
    from mcast.node.feed import Changes
    from mcast.node.network import MulticastPort, Network, Receiver
    from mcast.node.node import Node
    from mcast.node.registrations import (
        AliasRegistration,
        Claimed,
        HostRegistration,
        Lost,
        OnConflict,
        Publishable,
        RecordRegistration,
        Registration,
        RegistrationEvent,
        RegistrationListener,
        Renamed,
        ServiceRegistration,
    )
    from mcast.node.shared import NodeLease, provide_node, shared_node
    from mcast.node.state import StateFile
    from mcast.proxy.discovery_proxy import DiscoveryProxy, ProxySettings
    from mcast.sockets.arrival import Arrival
    from mcast.sockets.group import Group, Scope
    from mcast.sockets.interface import AddressState, Interface, InterfaceAddress, interfaces
    from mcast.sockets.listen import GroupListener, listen_group, listen_multicast
    from mcast.sockets.port import GroupPort
    from mcast.sockets.protocol import GroupProtocol
    from mcast.sockets.sending import SendResult
    from mcast.sockets.settings import Binding, PortSettings
    from mcast.sockets.stock import StockPort
    from mcast.unicast.key_file import KeyFileError
    from mcast.unicast.tsig import MissingExtra, UpdateKey
    from mcast.unicast.zone import Zone
    from mcast.view.resource import LiveView

    __version__: str

_HOMES = {
    "mcast.dns.codes": ("RecordType",),
    "mcast.dns.messages": ("Message", "PseudoRecord", "Question"),
    "mcast.dns.names": ("LOCAL", "Name"),
    "mcast.dns.records": ("HostInfo", "NextSecure", "Record", "RecordData", "ServiceData", "TextData"),
    "mcast.dns_client.update_server": ("UpdateServer", "read_update_key"),
    "mcast.dnssd.collecting": ("Answer",),
    "mcast.dnssd.enumeration": ("DomainList", "address_domains"),
    "mcast.dnssd.files.record_string": ("parse_record_string",),
    "mcast.dnssd.found": (
        "Added",
        "Change",
        "FoundAddress",
        "FoundService",
        "Removed",
        "TypeAdded",
        "TypeChange",
        "TypeRemoved",
        "Updated",
    ),
    "mcast.dnssd.hosts": ("AUTO", "Alias", "Host", "HostAddresses"),
    "mcast.dnssd.instances": ("InstanceName",),
    "mcast.dnssd.link_id": ("LinkId",),
    "mcast.dnssd.service": ("Service",),
    "mcast.dnssd.sought": ("SoughtName", "SoughtType"),
    "mcast.dnssd.text": ("Note", "Presence", "Text", "TextInput", "TextValue"),
    "mcast.dnssd.types": ("ServiceType",),
    "mcast.echo.answering": ("Answering", "Answers", "Asked", "Handler", "answer"),
    "mcast.echo.asking": ("Replies", "ask"),
    "mcast.echo.gathering": ("Key", "Quorum", "Reply"),
    "mcast.echo.responder": ("EchoResponder", "EchoRules"),
    "mcast.endpoints.client": ("ConnectOptions", "Pick", "ServiceClientEndpoint", "ServiceUnreachable"),
    "mcast.endpoints.server": ("AnnouncedPort", "ServiceServerEndpoint"),
    "mcast.errors": ("InvalidService", "MalformedMessage", "McastError", "NameTaken", "NotFound"),
    "mcast.neighbours": ("SocketAddress",),
    "mcast.node.browsers": ("InstanceBrowser", "ServiceBrowser", "TypesBrowser"),
    "mcast.node.feed": ("Changes",),
    "mcast.node.network": ("MulticastPort", "Network", "Receiver"),
    "mcast.node.node": ("Node",),
    "mcast.node.registrations": (
        "AliasRegistration",
        "Claimed",
        "HostRegistration",
        "Lost",
        "OnConflict",
        "Publishable",
        "RecordRegistration",
        "Registration",
        "RegistrationEvent",
        "RegistrationListener",
        "Renamed",
        "ServiceRegistration",
    ),
    "mcast.node.shared": ("NodeLease", "provide_node", "shared_node"),
    "mcast.node.state": ("StateFile",),
    "mcast.proxy.discovery_proxy": ("DiscoveryProxy", "ProxySettings"),
    "mcast.sockets.arrival": ("Arrival",),
    "mcast.sockets.group": ("Group", "Scope"),
    "mcast.sockets.interface": ("AddressState", "Interface", "InterfaceAddress", "interfaces"),
    "mcast.sockets.listen": ("GroupListener", "listen_group", "listen_multicast"),
    "mcast.sockets.port": ("GroupPort",),
    "mcast.sockets.protocol": ("GroupProtocol",),
    "mcast.sockets.sending": ("SendResult",),
    "mcast.sockets.settings": ("Binding", "PortSettings"),
    "mcast.sockets.stock": ("StockPort",),
    "mcast.unicast.key_file": ("KeyFileError",),
    "mcast.unicast.tsig": ("MissingExtra", "UpdateKey"),
    "mcast.unicast.zone": ("Zone",),
    "mcast.view.resource": ("LiveView",),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "AUTO",
    "LOCAL",
    "Added",
    "AddressState",
    "Alias",
    "AliasRegistration",
    "AnnouncedPort",
    "Answer",
    "Answering",
    "Answers",
    "Arrival",
    "Asked",
    "Binding",
    "Change",
    "Changes",
    "Claimed",
    "ConnectOptions",
    "DiscoveryProxy",
    "DomainList",
    "EchoResponder",
    "EchoRules",
    "FoundAddress",
    "FoundService",
    "Group",
    "GroupListener",
    "GroupPort",
    "GroupProtocol",
    "Handler",
    "Host",
    "HostAddresses",
    "HostInfo",
    "HostRegistration",
    "InstanceBrowser",
    "InstanceName",
    "Interface",
    "InterfaceAddress",
    "InvalidService",
    "Key",
    "KeyFileError",
    "LinkId",
    "LiveView",
    "Lost",
    "MalformedMessage",
    "McastError",
    "Message",
    "MissingExtra",
    "MulticastPort",
    "Name",
    "NameTaken",
    "Network",
    "NextSecure",
    "Node",
    "NodeLease",
    "NotFound",
    "Note",
    "OnConflict",
    "Pick",
    "PortSettings",
    "Presence",
    "ProxySettings",
    "PseudoRecord",
    "Publishable",
    "Question",
    "Quorum",
    "Receiver",
    "Record",
    "RecordData",
    "RecordRegistration",
    "RecordType",
    "Registration",
    "RegistrationEvent",
    "RegistrationListener",
    "Removed",
    "Renamed",
    "Replies",
    "Reply",
    "Scope",
    "SendResult",
    "Service",
    "ServiceBrowser",
    "ServiceClientEndpoint",
    "ServiceData",
    "ServiceRegistration",
    "ServiceServerEndpoint",
    "ServiceType",
    "ServiceUnreachable",
    "SocketAddress",
    "SoughtName",
    "SoughtType",
    "StateFile",
    "StockPort",
    "Text",
    "TextData",
    "TextInput",
    "TextValue",
    "TypeAdded",
    "TypeChange",
    "TypeRemoved",
    "TypesBrowser",
    "UpdateKey",
    "UpdateServer",
    "Updated",
    "Zone",
    "address_domains",
    "answer",
    "ask",
    "interfaces",
    "listen_group",
    "listen_multicast",
    "parse_record_string",
    "provide_node",
    "read_update_key",
    "shared_node",
]


def __getattr__(name: str) -> Any:
    # Loaded late: "mcast --help" and a listing of Twisted's plugins need none of it.
    if name == "__version__":
        return import_module("mcast.version").version()
    module = _HOME_OF.get(name)
    if module is None:
        raise AttributeError(f"module 'mcast' has no attribute {name!r}")
    return getattr(import_module(module), name)


def __dir__() -> list[str]:
    return sorted([*(name for name in globals() if name.startswith("_")), "__version__", *__all__])
