"""Blocks of README.md and docs/ that no tutorial has: each is run as it stands there, between hosts."""

from __future__ import annotations

import json
import re
import shutil
from typing import ClassVar

from tests.blocks import Block, block
from tests.cli.top.pseudo_terminal import PseudoTerminal
from tests.interop.pages import ENVIRONMENT, PageTestCase, run_until
from tests.interop.programs import Program, Room
from tests.network.lan import REPOSITORY, Host, wait_until

SERVER = "192.0.2.53"
"""Where the pages have a proxy."""

RUN = "\nfrom twisted.internet import reactor\nreactor.run()\n"
"""The end of a program of which a page shows the beginning."""


class BlockTestCase(PageTestCase):
    def program(self, host: Host, shown: Block, *words: str, before: str = "", after: str = "") -> Program:
        """Save a block of Python, and start it."""
        path = self.folder / f"{shown.line}-{shown.page.replace('/', '-')}.py"
        path.write_text(before + shown.text + after, encoding="utf-8")
        return self.start(host, " ".join(("python", str(path), *words)))

    def start_script(self, host: Host, script: str) -> Program:
        """Type several commands, of which none may fail."""
        program = Program(host.command(*self.typed(f"set -e; {script}")), environment=ENVIRONMENT)
        self.addCleanup(program.end)
        return program

    def example(self, name: str) -> None:
        """Have a program of docs/examples in the folder."""
        shutil.copy(REPOSITORY / "docs" / "examples" / name, self.folder)


class FirstPageTests(BlockTestCase):
    """README.md and docs/index.md."""

    def test_four_commands(self) -> None:
        echo, ping, publish, browse = block("docs/index.md", "$ twist mcast").commands
        self.start(self.here, echo).wait_for("ff02::123")
        self.run_until(self.there, ping, "1 responder")
        self.start(self.here, publish)
        self.assertIn(self.here.ipv4(), self.run_until(self.there, browse, "My Web"))

    def test_publish_and_browse(self) -> None:
        program = self.program(self.here, block("docs/index.md", "registration.when_claimed()"))
        program.wait_for("published as My Web")
        program.wait_for("Added My Web")

    def test_publish(self) -> None:
        program = self.program(self.here, block("README.md", "reactor.listenTCP(0"))
        program.wait_for("published as My Web")
        browsing = self.program(self.there, block("README.md", "async for change in node.browse"))
        browsing.wait_for("Added My Web")

    def test_endpoint_strings(self) -> None:
        program = self.program(self.here, block("README.md", "serverFromString"), after=RUN)
        shown = block("docs/endpoints.md", "twist web --listen")
        self.start(self.there, shown.script).wait_for("8080")
        self.run_until(self.here, "mcast resolve Docs _http._tcp", self.there.ipv4())
        self.assertTrue(program.is_running, program.output)

    def test_join_a_group(self) -> None:
        program = self.program(self.here, block("README.md", "class Printer(GroupProtocol)"))

        def is_heard() -> bool:
            self.run_whole(self.there, "mcast send 224.0.0.123:7645 hello")
            return f"b'hello' from {self.there.ipv4()} on interface" in program.output

        wait_until(is_heard, "the datagram")

    def test_ask(self) -> None:
        self.example("ssdp_device.py")
        self.start(self.here, "python ssdp_device.py http://192.0.2.7/").wait_for("ready")
        search = block("README.md", "ssdp:discover")
        run_until(lambda: self.program(self.there, search), f"{self.here.ipv4()} on eth0 after")

    def test_listens_by_itself(self) -> None:
        """docs/howto/frameworks.md."""
        shown = block("docs/howto/frameworks.md", "port = reactor.listenTCP(0")
        self.program(self.here, shown, after=RUN)
        self.run_until(self.there, "mcast resolve Docs _http._tcp", self.here.ipv4())


class ResolverPageTests(BlockTestCase):
    """docs/resolver.md."""

    PAGE = "docs/resolver.md"

    def test_names_and_addresses(self) -> None:
        self.example("fetch_local.py")
        web = r"twist web --listen 'mdns:_http._tcp:hostname=printer:endpoint=tcp\:8080' --path ."
        self.start(self.here, web).wait_for("8080")
        fetch = block(self.PAGE, "python fetch_local.py").script
        self.run_until(self.there, fetch, "fetch_local.py")
        connecting = self.program(self.there, block(self.PAGE, "\ninstall(reactor)"), after=CONNECT)
        connecting.wait_for("connected")
        shown = block(self.PAGE, "install(reactor).reverse").text.replace("fe80::1", self.here.link_local())
        path = self.folder / "reverse.py"
        path.write_text(IN_A_PROGRAM.format(shown.replace("\n", "\n    ")), encoding="utf-8")
        self.run_until(self.there, "python reverse.py", "names are printer.local")


CONNECT = """
from twisted.internet.endpoints import HostnameEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
connecting = connectProtocol(HostnameEndpoint(reactor, b"printer.local", 8080), Protocol())
connecting.addCallback(lambda protocol: print("connected"))
reactor.run()
"""

IN_A_PROGRAM = """
from twisted.internet.task import react

async def main(_):
    {}
    print("names are", *map(str, names))

react(main)
"""


class GroupPageTests(BlockTestCase):
    """docs/multicast.md and docs/explanation/multicast.md."""

    PAGE = "docs/multicast.md"

    def test_ask(self) -> None:
        self.example("coap_resource.py")
        self.start(self.here, "python coap_resource.py ff02::fd%eth0").wait_for("ready")
        shown = block(self.PAGE, "CoAP: GET")
        _, command = block(self.PAGE, "mcast ask 'ff02::fd%eth0:5683'").commands
        source = f"{self.here.link_local()}%eth0"
        run_until(lambda: self.program(self.there, shown), f"{source} eth0")
        asking = self.run_until(self.there, command, source)
        answers = [json.loads(line) for line in asking.splitlines()]
        self.assertIn(source, [each.get("source") for each in answers])

    def test_answer(self) -> None:
        self.program(self.here, block(self.PAGE, "answering = answer("), after=RUN)
        command, _ = block(self.PAGE, "mcast ask 239.255.255.250:1900").commands
        self.assertIn("HTTP/1.1 200 OK", self.run_until(self.there, command, self.here.ipv4()))

    def test_watch(self) -> None:
        *listening, send = block(self.PAGE, "mcast listen 239.1.2.0/28").commands
        first, rtp, sources = (self.start(self.there, command) for command in listening)

        def is_seen(by: Program, what: str, command: str) -> bool:
            self.run_whole(self.here, command)
            return what in by.output

        wait_until(lambda: is_seen(sources, "> 239.1.2.3", send), "the flow")
        send = "mcast send 239.1.2.3:5004 hello"
        wait_until(lambda: is_seen(first, self.here.ipv4(), send), "the flow with its rates")
        self.assertTrue(rtp.is_running, rtp.output)

    def test_both_ways(self) -> None:
        respond, ping = block(self.PAGE, "twist mcast --answer-group").commands
        self.start(self.here, respond).wait_for("ff02::123")
        self.run_until(self.there, ping, rf"{self.here.ipv4()} +eth0 +3 +3 +0\.0")

    def test_is_there_multicast(self) -> None:
        check, joined, listen, ping = block("docs/explanation/multicast.md", "interfaces --check").commands
        self.start(self.here, "twist mcast").wait_for("ff02::123")
        self.run_until(self.there, check, "IPv4: works")
        self.assertIn("224.0.0.123", self.run_whole(self.here, joined))
        self.run_until(self.there, ping, "1 responder")
        listener = self.start(self.there, listen)

        def is_heard() -> bool:
            self.run_whole(self.here, "mcast send 239.1.2.3:9000 hello")
            return "hello" in listener.output

        wait_until(is_heard, "the datagram")


class ViewPageTests(BlockTestCase):
    """docs/view.md and docs/top.md."""

    def test_programs(self) -> None:
        """The page, and its data for programs."""
        view = self.start(self.here, block("docs/view.md", "twist mcast view").script)
        view.wait_for("8765")
        told = json.loads(self.run_whole(self.here, block("docs/view.md", "curl -s").script))
        self.assertEqual(told["version"], 1)

    def test_site_of_your_own(self) -> None:
        listen = "\nreactor.listenTCP(8766, site)\nprint('listens')\nreactor.run()\n"
        program = self.program(self.here, block("docs/view.md", "LiveView(reactor"), after=listen)
        program.wait_for("listens")
        page = self.run_whole(self.here, "curl -s http://127.0.0.1:8766/network/")
        self.assertIn("<html", page)

    def test_recording(self) -> None:
        record, replay = block("docs/top.md", "--record").commands
        for command, shown in ((record, "no service is known yet"), (replay, "end of recording")):
            terminal = PseudoTerminal(self.here.command(*self.typed(f"exec {command}")), 100, 30)
            self.addCleanup(terminal.close)
            terminal.shows("mcast top", shown)
            terminal.press("q")
            self.assertEqual(terminal.ended(), 0)


class ElsewhereTestCase(BlockTestCase):
    """Here is a proxy at the address of the pages; there a printer, and a reader whose resolver it is."""

    def setUp(self) -> None:
        super().setUp()
        self.here.ip("addr", "replace", f"{SERVER}/32", "dev", "eth0")
        self.there.ip("route", "replace", f"{SERVER}/32", "via", self.here.ipv4())
        resolver = self.folder / "resolv.conf"
        resolver.write_text(f"nameserver {SERVER}\n", encoding="utf-8")
        self.room = Room(self.there, {"/etc/resolv.conf": resolver})
        self.addCleanup(self.room.close)

    def publish(self, host: Host) -> None:
        self.start(host, "mcast publish 'Color Printer' _ipp._tcp 631").wait_for("published")

    def look(self, command: str, text: str = "") -> str:
        """Type a command there, where names are looked up by the proxy, as `run_until` does.

        A check may find something wrong here, and ends with 1 then.
        """

        def started() -> Program:
            program = self.room.start(*self.typed(f"exec {command}"), environment=ENVIRONMENT)
            self.addCleanup(program.end)
            return program

        return run_until(started, text, statuses=(0, 1))


class ProxyPageTests(ElsewhereTestCase):
    """docs/beyond.md, docs/howto/kubernetes.md and README.md."""

    def test_readme(self) -> None:
        proxy, browse = block("README.md", "twist mcast proxy").commands
        self.publish(self.here)
        self.start(self.here, proxy).wait_for(SERVER)
        self.run_until(self.there, browse, "Color Printer")

    def test_beyond(self) -> None:
        self.publish(self.here)
        self.start(self.here, block("docs/beyond.md", "--host-zone").script).wait_for(SERVER)
        dig, browse = block("docs/beyond.md", "dig _ipp").commands
        self.look(dig, re.escape(r"Color\032Printer._ipp._tcp.Building\0321.example.com."))
        self.look(browse, "Color Printer")
        checked = self.look(block("docs/beyond.md", "domains --check").commands[0], "proxy.example.com.")
        self.assertNotIn("Traceback", checked)
        self.look(block("docs/beyond.md", "$ mcast domains\n").commands[0])
        self.find_in_a_program()

    def find_in_a_program(self) -> None:
        shown = block("docs/beyond.md", "async for change in node.browse")
        path = self.folder / "find.py"
        path.write_text(FIND.replace("BLOCK", shown.text.replace("\n", "\n    ")), encoding="utf-8")
        self.look("python find.py", "(?s)Added Color Printer.*resolved Color Printer")

    def test_kubernetes(self) -> None:
        """What a pod types whose resolver forwards to the proxy."""
        self.publish(self.here)
        proxy = f"twist mcast proxy --zone building.example.com=eth0 --listen {SERVER} --ns proxy.example.com"
        self.start(self.here, proxy).wait_for(SERVER)
        shown = block("docs/howto/kubernetes.md", "mcast browse --domain")
        self.look(shown.script, "Color Printer")


FIND = """
from mcast import Node
from twisted.internet.task import react

class First:
    "The node of the program, of which the first change is enough."
    def __init__(self, reactor):
        self.node = Node(reactor)
        self.node.startService()

    async def browse(self, *words, **options):
        async for change in self.node.browse(*words, **options):
            yield change
            return

    def resolve(self, *words, **options):
        return self.node.resolve(*words, **options)

async def main(reactor):
    node = First(reactor)
    BLOCK
    print("resolved", service.name)

react(main)
"""


class VlanPageTests(ElsewhereTestCase):
    """docs/howto/vlans.md: here is the host with a leg in the VLAN of the office and in that of the lab."""

    hosts: ClassVar[int] = 3
    links: ClassVar[int] = 2
    PAGE = "docs/howto/vlans.md"

    def test_commands(self) -> None:
        trunk, office, lab = self.lan.hosts
        self.make_vlans(trunk)
        self.lan.unplug(office, 1)
        self.lan.unplug(lab, 0)
        self.publish(office)
        proxy = self.start(trunk, block(self.PAGE, "twist mcast proxy").script)
        proxy.wait_for(SERVER)
        self.run_until(office, block(self.PAGE, "--server").script, "Color Printer")
        self.start(trunk, block(self.PAGE, "twist mcast bridge").script)
        self.assertIn("631", self.run_until(lab, "mcast browse _ipp._tcp --resolve", "Color Printer"))

    def make_vlans(self, host: Host) -> None:
        """Type the commands of the page; where the kernel knows no VLANs, links get the names of some."""
        program = self.start_script(host, block(self.PAGE, "ip link add").script)
        if program.wait():
            self.assertIn("Unknown device type", program.output)
        for link, name in enumerate(("eth0.10", "eth0.20")):
            if program.wait(0.0) == 0:
                host.ip("link", "del", name)
            host.ip("link", "set", f"eth{link}", "down")
            host.ip("link", "set", f"eth{link}", "name", name)
            host.ip("link", "set", name, "up")
            host.ip("addr", "replace", f"{host.ipv4(link)}/24", "brd", "+", "dev", name)
        host.ip("addr", "replace", f"{SERVER}/32", "dev", "eth0.10")
