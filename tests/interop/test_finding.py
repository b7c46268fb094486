"""What Avahi, python-zeroconf and our own responder publish, found by ``mcast browse`` and its like."""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path
from typing import Any, ClassVar

from tests.interop.peers import AvahiHost, ZeroconfHost, avahi_service_file
from tests.interop.programs import Program
from tests.interop.responding import addresses, serve
from tests.interop.scenes import SceneTestCase
from tests.network.lan import PATIENCE, Host, wait_until

MCAST = (sys.executable, "-m", "mcast.cli")

Event = dict[str, Any]


class Follower:
    """``mcast browse --follow --json`` on a host."""

    def __init__(self, host: Host, *words: str) -> None:
        self.program = Program(host.command(*MCAST, "browse", *words, "--follow", "--json"))

    @property
    def events(self) -> list[Event]:
        return [json.loads(line) for line in self.program.lines if line.startswith("{")]

    def of(self, instance: str) -> list[Event]:
        """Return what was told of one instance so far."""
        return [event for event in self.events if event["name"] == instance]

    def wait_for(self, instance: str, kind: str, **fields: Any) -> Event:
        """Return the first event of this kind for the instance, with these values."""
        wanted = {"name": instance, "event": kind, **fields}

        return self.wait_until(lambda event: all(event[key] == value for key, value in wanted.items()))

    def wait_until(self, accepts: Callable[[Event], bool]) -> Event:
        """Return the first event that fulfils the predicate."""
        index = self.program.wait_for(lambda line: line.startswith("{") and accepts(json.loads(line)))
        found: Event = json.loads(self.program.lines[index])
        return found


def run_until(
    accepts: Callable[[list[Event]], bool], host: Host, *words: str, timeout: float = PATIENCE
) -> list[Event]:
    """Run a command with ``--json`` again and again until what it tells is accepted, and return that.

    On a busy machine a peer may answer later than a command waits.
    """
    told: list[Event] = []

    def is_told() -> bool:
        output = host.python("-m", "mcast.cli", *words, "--json", check=False)
        told[:] = [json.loads(line) for line in output.splitlines()]
        return accepts(told)

    try:
        wait_until(is_told, " ".join(words), timeout)
    except AssertionError as error:
        raise AssertionError(f"{error}, but: {told}") from None
    return told


def names(told: list[Event]) -> set[str]:
    """Return the names of the services that a command told of."""
    return {one["name"] for one in told}


class FoundTests(SceneTestCase):
    """One service of each: Avahi's static file, avahi-publish, python-zeroconf, ours."""

    hosts: ClassVar[int] = 4
    programs = ("avahi-daemon", "avahi-publish", "dbus-daemon")
    follower: ClassVar[Follower]

    @classmethod
    def build(cls, stack: ExitStack) -> None:
        here, bakery, dairy, kitchen = cls.lan.hosts
        cls.follower = Follower(here, "_http._tcp")
        stack.callback(cls.follower.program.end)
        static = avahi_service_file(
            "Bread & Butter", "_http._tcp", 8001, txt=["path=/bread", "flag"], subtypes=["_printer"]
        )
        avahi = AvahiHost(bakery, "bakery", services={"bread.service": static})
        stack.callback(avahi.close)
        avahi.publish("-s", "Zoë's jam. Really", "_http._tcp", "8002", "path=/jam")
        zeroconf = ZeroconfHost(dairy)
        stack.callback(zeroconf.close)
        zeroconf.tell(
            "register",
            instance="Milk",
            type="_http._tcp",
            port=8003,
            host="dairy",
            addresses=[dairy.ipv4(), dairy.link_local()],
            txt={"path": "/milk"},
        )
        stack.callback(serve(kitchen, "--service", "Tea:_http._tcp,_printer:8004:path=/tea").close)

    def assert_found(self, instance: str, host: Host, hostname: str, port: int, txt: Event) -> None:
        """The service is told with these data, and with addresses of both families in the end.

        Avahi does not tell the link-local address of a host that has another.
        """
        ipv4, routable, link_local = addresses(host)
        event = self.follower.wait_until(
            lambda event: (
                event["name"] == instance and {ipv4} < {one["address"] for one in event["addresses"]}
            )
        )
        self.assertEqual(
            {one["address"] for one in event["addresses"]} - {ipv4, routable, f"{link_local}%eth0"}, set()
        )
        self.assertEqual(
            [event[key] for key in ("type", "host", "port", "txt", "interfaces")],
            ["_http._tcp", f"{hostname}.local.", port, txt, ["eth0"]],
        )
        self.assertEqual(self.follower.of(instance)[0]["event"], "added")

    def test_static_file_of_avahi(self) -> None:
        self.assert_found(
            "Bread & Butter", self.lan.hosts[1], "bakery", 8001, {"path": "/bread", "flag": None}
        )

    def test_avahi_publish(self) -> None:
        """Dots, apostrophes and other letters in a name stay what they are."""
        self.assert_found("Zoë's jam. Really", self.lan.hosts[1], "bakery", 8002, {"path": "/jam"})

    def test_zeroconf(self) -> None:
        self.assert_found("Milk", self.lan.hosts[2], "dairy", 8003, {"path": "/milk"})

    def test_our_own(self) -> None:
        self.assert_found("Tea", self.lan.hosts[3], "kitchen", 8004, {"path": "/tea"})

    def test_subtype(self) -> None:
        """Those of Avahi and ours that list themselves under it, and no others."""
        for instance in ("Bread & Butter", "Milk", "Tea"):
            self.follower.wait_for(instance, "added")
        found = run_until(
            lambda told: names(told) >= {"Bread & Butter", "Tea"},
            *(self.lan.hosts[0], "browse", "_http._tcp,_printer", "--wait", "5"),
        )
        self.assertEqual(names(found), {"Bread & Butter", "Tea"})
        self.assertEqual({tuple(one["subtypes"]) for one in found}, {("_printer",)})

    def test_all_types(self) -> None:
        for instance in ("Bread & Butter", "Milk", "Tea"):
            self.follower.wait_for(instance, "added")
        wanted = {"Bread & Butter", "Zoë's jam. Really", "Milk", "Tea"}
        run_until(lambda told: names(told) >= wanted, self.lan.hosts[0], "browse", "--wait", "5")

    def test_resolve(self) -> None:
        self.follower.wait_for("Zoë's jam. Really", "added")
        (found,) = run_until(
            bool, self.lan.hosts[0], "resolve", "Zoë's jam. Really", "_http._tcp", "--wait", "20"
        )
        self.assertEqual((found["host"], found["port"]), ("bakery.local.", 8002))

    def test_resolve_host(self) -> None:
        self.follower.wait_for("Bread & Butter", "added")
        # What Avahi has just multicast for the follower, it does not multicast again within a second
        # (RFC 6762 §6): one family may come, and the other not in time.
        wanted = {"address": self.lan.hosts[1].ipv4(), "interface": "eth0"}
        run_until(
            lambda told: any(wanted in one["addresses"] for one in told),
            *(self.lan.hosts[0], "resolve", "bakery.local", "--wait", "20"),
        )

    def test_resolve_address(self) -> None:
        self.follower.wait_for("Bread & Butter", "added")
        found = run_until(bool, self.lan.hosts[0], "resolve", self.lan.hosts[1].ipv4(), "--wait", "20")
        self.assertEqual({one["host"] for one in found}, {"bakery.local."})

    def test_query(self) -> None:
        self.follower.wait_for("Bread & Butter", "added")
        found = run_until(bool, self.lan.hosts[0], "query", "bakery.local", "A", "--wait", "8")
        self.assertEqual(
            {(one["type"], one["ttl"], one["cache_flush"], one["data"]) for one in found},
            {("A", 120, True, self.lan.hosts[1].ipv4())},
        )

    def test_query_of_one_host(self) -> None:
        """avahi-daemon answers a plain query that is sent to it alone."""
        self.follower.wait_for("Bread & Butter", "added")
        address = self.lan.hosts[1].ipv4()
        response, *found = run_until(
            lambda told: len(told) > 1,
            *(self.lan.hosts[0], "query", "bakery.local", "A", "--server", address, "--wait", "20"),
        )
        self.assertEqual((response["source"], response["rcode"]), (address, "NOERROR"))
        self.assertIn(address, [one["data"] for one in found])


class LifeTests(SceneTestCase):
    """Services that come, change and go, each told once."""

    hosts: ClassVar[int] = 4
    programs = ("avahi-daemon", "avahi-publish", "dbus-daemon")
    follower: ClassVar[Follower]
    avahi: ClassVar[AvahiHost]
    zeroconf: ClassVar[ZeroconfHost]

    @classmethod
    def build(cls, stack: ExitStack) -> None:
        cls.follower = Follower(cls.lan.hosts[0], "_http._tcp")
        stack.callback(cls.follower.program.end)
        cls.avahi = AvahiHost(cls.lan.hosts[1], "bakery")
        stack.callback(cls.avahi.close)
        cls.zeroconf = ZeroconfHost(cls.lan.hosts[2])
        stack.callback(cls.zeroconf.close)

    def register(self, peer: ZeroconfHost, instance: str, **more: Any) -> None:
        host = self.lan.hosts[2]
        peer.tell(
            "register",
            instance=instance,
            type="_http._tcp",
            port=80,
            host="dairy",
            addresses=[host.ipv4(), host.link_local()],
            txt={"a": "1"},
            **more,
        )
        peer.wait_for(lambda event: event["event"] == "registered" and event["name"].startswith(instance))
        self.follower.wait_for(instance, "added")

    def changes(self, instance: str) -> list[str]:
        return [event["event"] for event in self.follower.of(instance)]

    def test_avahi_publish_ends(self) -> None:
        program = self.avahi.publish("-s", "Rolls", "_http._tcp", "81")
        self.follower.wait_for("Rolls", "added")
        program.end(signal.SIGINT)
        self.follower.wait_for("Rolls", "removed")
        self.assertEqual([self.changes("Rolls")[0], self.changes("Rolls")[-1]], ["added", "removed"])

    def write(self, file: Path, text: str, changed_at: int) -> None:
        """Write a file as a whole. Avahi looks at the second of its last change alone: each needs its own."""
        fresh = self.avahi.services / "fresh"
        fresh.write_text(text, encoding="utf-8")
        os.utime(fresh, (changed_at, changed_at))
        fresh.replace(file)

    def test_static_file_comes_changes_and_goes(self) -> None:
        file = self.avahi.services / "cake.service"
        for port in (8001, 8002):
            self.write(file, avahi_service_file("Cake", "_http._tcp", port), changed_at=port)
            self.avahi.daemon.send_signal(signal.SIGHUP)
            # Avahi withdraws what has changed and probes anew: where that takes it more than the second that
            # a goodbye leaves (RFC 6762 §10.1), the service is seen to go and to come, else to be updated.
            self.follower.wait_until(
                lambda event, port=port: (  # type: ignore[misc]  # a default that binds the loop's value
                    (event["name"], event["port"]) == ("Cake", port) and event["event"] != "removed"
                )
            )
        file.unlink()
        self.avahi.daemon.send_signal(signal.SIGHUP)
        self.follower.wait_for("Cake", "removed", port=8002)

    def test_zeroconf_updates(self) -> None:
        self.register(self.zeroconf, "Cheese")
        self.zeroconf.tell("update", instance="Cheese", type="_http._tcp", txt={"a": "2"})
        self.follower.wait_for("Cheese", "updated", txt={"a": "2"})
        self.zeroconf.tell("unregister", instance="Cheese", type="_http._tcp")
        self.follower.wait_for("Cheese", "removed")
        told: list[tuple[str, Any]] = []
        for event in self.follower.of("Cheese"):
            # Addresses that come in another packet are an update of their own.
            if event["event"] != "updated" or told[-1][1] != event["txt"]:
                told.append((event["event"], event["txt"]))
        self.assertEqual(told, [("added", {"a": "1"}), ("updated", {"a": "2"}), ("removed", {"a": "2"})])

    def test_our_own_says_goodbye(self) -> None:
        responder = serve(self.lan.hosts[3], "--service", "Tea:_http._tcp:8004")
        self.follower.wait_for("Tea", "added")
        responder.close()
        self.follower.wait_for("Tea", "removed")

    def test_killed_peer_expires(self) -> None:
        """What is said no more ends with its TTL (RFC 6762 §10)."""
        peer = ZeroconfHost(self.lan.hosts[3])
        self.addCleanup(peer.program.end)
        self.register(peer, "Cream", ttl=4)
        peer.kill()
        # The 120 s that a host usually gives its records are more than this waits.
        self.follower.wait_for("Cream", "removed")


class CrowdTests(SceneTestCase):
    """Five hundred services of one host."""

    COUNT: ClassVar[int] = 500
    PATIENCE: ClassVar[float] = 4 * PATIENCE

    def test_all_are_found(self) -> None:
        here, there = self.lan.hosts
        zeroconf = ZeroconfHost(there, there.ipv4())
        self.addCleanup(zeroconf.close)
        for number in range(self.COUNT):
            zeroconf.tell(
                "register",
                instance=f"Egg {number}",
                type="_egg._tcp",
                port=1000 + number,
                host="dairy",
                addresses=[there.ipv4()],
                txt={"number": str(number)},
            )
        last = f"Egg {self.COUNT - 1}."
        zeroconf.wait_for(lambda event: event.get("name", "").startswith(last), self.PATIENCE)
        wanted = {f"Egg {number}": (1000 + number, str(number)) for number in range(self.COUNT)}

        def are_whole(told: list[Event]) -> bool:
            # One whose TXT record comes three seconds after it is told twice; the last counts.
            return {one["name"]: (one["port"], one["txt"].get("number")) for one in told} == wanted

        run_until(are_whole, here, "browse", "_egg._tcp", "--wait", "10", timeout=self.PATIENCE)
