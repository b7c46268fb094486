"""`mcast.live`: what is seen becomes entries, and entries become deltas."""

from __future__ import annotations

import mcast.live.hosts as hosts_module
import mcast.live.model as model_module
import mcast.live.services as services_module
from mcast.dns.names import Name
from mcast.dnssd.link_id import LinkId
from mcast.dnssd.types import ServiceType
from mcast.live.documents import MAX_EVENTS
from mcast.live.hosts import FLOOD_RATE, SILENCE_LIMIT
from mcast.live.limits import GONE_LIMIT, HOST_LIMIT, MAX_ADDRESSES, MAX_TEXT, MAX_TXT
from tests.live.model_lab import ETH0, ETH0_6, ETH1, ModelTestCase, found, host_record, query, response


class ServiceTests(ModelTestCase):
    """Services come, change, go, and stay on show for a while."""

    def test_came(self) -> None:
        self.add(found())
        entry = self.only("services")
        self.assertEqual((entry["name"], entry["type"], entry["port"]), ("Web", "_http._tcp", 80))
        self.assertEqual((entry["host"], entry["txt"]), ("kitchen.local", [["path", "/"]]))
        self.assertEqual((entry["since"], entry["gone"]), (100.0, None))
        self.assertEqual(self.events("came"), [("came", "service", "Web"), ("came", "host", "kitchen.local")])

    def test_the_host_that_it_is_on(self) -> None:
        self.add(found())
        state = self.commit()
        (service,), (host,) = state["services"].values(), state["hosts"].values()
        self.assertEqual(state["hosts"][service["host_id"]], host)
        self.assertEqual((host["name"], host["addresses"]), ("kitchen.local", ["10.0.1.2"]))
        self.assertEqual(host["services"], 1)

    def test_changed(self) -> None:
        self.add(found())
        self.commit(5.0)
        self.update(found(port=81), found())
        entry = self.only("services")
        self.assertEqual((entry["port"], entry["changed"], entry["changes"]), (81, 105.0, 1))
        self.assertEqual(
            self.deltas[-1]["set"]["services"], {"s1": {"port": 81, "changed": 105.0, "changes": 1}}
        )
        self.assertEqual(self.events("changed"), [("changed", "service", "Web")])

    def test_gone_is_kept_for_ten_minutes(self) -> None:
        self.add(found())
        self.commit(5.0)
        self.remove(found())
        self.assertEqual(self.only("services")["gone"], 105.0)
        self.assertEqual(self.only("hosts")["services"], 0)
        self.assertEqual(self.events("went"), [("went", "service", "Web")])
        self.assertEqual(len(self.commit(GONE_LIMIT - 1.0)["services"]), 1)
        self.assertEqual(self.commit(20.0)["services"], {})

    def test_back_again(self) -> None:
        self.add(found())
        self.remove(found())
        self.commit(60.0)
        self.add(found())
        entry = self.only("services")
        self.assertEqual((entry["since"], entry["gone"]), (160.0, None))
        self.assertEqual(self.only("hosts")["services"], 1)

    def test_renamed(self) -> None:
        self.add(found("Web"))
        self.remove(found("Web"))
        self.now += 1.0
        self.add(found("Web (2)"))
        self.assertEqual(self.events("renamed"), [("renamed", "service", "Web (2)")])

    def test_text_that_acts_is_shown(self) -> None:
        self.add(found("a\u202eb", txt={"note": "x\x1b[31m"}))
        entry = self.only("services")
        self.assertEqual((entry["name"], entry["txt"]), ("a\\u202eb", [["note", "x\\u001b[31m"]]))

    def test_many_attributes(self) -> None:
        self.add(found(txt={f"k{number}": "v" for number in range(MAX_TXT + 20)}))
        self.assertEqual(len(self.only("services")["txt"]), MAX_TXT)

    def test_connect(self) -> None:
        self.add(found())
        self.model.connected("s1", "open", 0.012, self.now)
        self.assertEqual(self.only("services")["connect"], {"state": "open", "seconds": 0.012, "at": 100.0})

    def test_a_service_that_has_gone_makes_place(self) -> None:
        self.patch(services_module, "MAX_SERVICES", 2)
        self.add(found("a"))
        self.add(found("b"))
        self.add(found("c"))
        self.remove(found("a"))
        self.add(found("d"))
        state = self.commit()
        self.assertEqual([each["name"] for each in state["services"].values()], ["b", "d"])
        self.assertEqual(state["about"]["totals"]["limits"], {"services refused": 1})

    def test_types(self) -> None:
        http = ServiceType.parse("_http._tcp")
        self.model.type_there(http, ("eth0",), self.now)
        self.add(found())
        self.hear(query())
        self.assertEqual(
            self.only("types"), {"services": 1, "packets": 1, "interfaces": ["eth0"], "since": 100.0}
        )
        self.remove(found())
        self.model.type_went(http, self.now)
        self.assertEqual(self.commit()["types"], {})

    def test_types_are_bounded(self) -> None:
        self.patch(services_module, "MAX_TYPES", 2)
        for name in ("_a._tcp", "_b._tcp", "_c._tcp"):
            self.model.type_there(ServiceType.parse(name), (), self.now)
        self.assertEqual(sorted(self.commit()["types"]), ["_a._tcp", "_b._tcp"])

    def test_a_name_that_is_no_instance(self) -> None:
        self.add(found(full_name=Name.parse("odd.local")))
        self.assertEqual((self.only("services")["name"], self.only("services")["type"]), ("odd.local.", ""))


class HostTests(ModelTestCase):
    """Who sends, and who has which names and addresses."""

    def test_counts(self) -> None:
        payload = response(host_record())
        self.hear(payload)
        entry = self.only("hosts")
        self.assertEqual((entry["packets"], entry["octets"], entry["records"]), (1, len(payload), 1))
        self.assertEqual((entry["name"], entry["links"]), ("kitchen.local", ["eth0/IPv4"]))
        self.assertEqual((entry["first"], entry["last"]), (100.0, 100.0))
        self.assertEqual(entry["rate"], [0.1, round(len(payload) / 10, 1)])

    def test_the_rate_sinks(self) -> None:
        self.hear(query())
        for _ in range(12):
            state = self.commit(1.0)
        self.assertEqual(state["hosts"]["h1"]["rate"], [0.0, 0.0])
        self.assertIsNone(self.model.commit(self.now + 1.0))

    def test_both_families_are_one_host(self) -> None:
        self.hear(query(), "10.0.1.2")
        self.hear(query(), "fe80::2", ETH0_6)
        self.assertEqual(len(self.commit()["hosts"]), 2)
        self.hear(response(host_record(), host_record(address="fe80::2")))
        entry = self.only("hosts")
        self.assertEqual(entry["addresses"], ["10.0.1.2", "fe80::2%eth0"])
        self.assertEqual((entry["links"], entry["packets"]), (["eth0/IPv4", "eth0/IPv6"], 3))

    def test_a_name_that_another_host_took(self) -> None:
        self.hear(response(host_record(address="10.0.1.2")), "10.0.1.2")
        self.hear(response(host_record(address="10.0.1.3")), "10.0.1.3")
        hosts = self.commit()["hosts"]
        self.assertEqual({each["addresses"][0]: each["name"] for each in hosts.values()},
                         {"10.0.1.2": None, "10.0.1.3": "kitchen.local"})  # fmt: skip

    def test_renamed(self) -> None:
        both = ("10.0.1.2", "fe80::2")
        self.hear(response(*(host_record("old", each) for each in both)))
        self.hear(response(*(host_record("new", each) for each in both)))
        self.hear(response(*(host_record("old", each, ttl=0) for each in both)))
        entry = self.only("hosts")
        self.assertEqual((entry["names"], len(entry["addresses"])), (["new.local"], 2))
        self.assertEqual(self.events("renamed"), [("renamed", "host", "new.local")])

    def test_an_address_less(self) -> None:
        self.hear(response(host_record(), host_record(address="10.0.1.9")))
        self.hear(response(host_record(address="10.0.1.9", ttl=0)))
        self.assertEqual(self.only("hosts")["addresses"], ["10.0.1.2"])

    def test_neighbour_table(self) -> None:
        self.hear(query())
        self.model.hosts.neighbour("10.0.1.2", "02:00:00:00:00:02", "Example")
        entry = self.only("hosts")
        self.assertEqual((entry["mac"], entry["vendor"]), ("02:00:00:00:00:02", "Example"))

    def test_an_address_with_another_mac_is_another_host(self) -> None:
        self.hear(response(host_record(), host_record(address="10.0.1.9")))
        self.model.hosts.neighbour("10.0.1.2", "02:00:00:00:00:02", None)
        self.model.hosts.neighbour("10.0.1.9", "02:00:00:00:00:09", None)
        hosts = self.commit()["hosts"].values()
        self.assertEqual([(each["mac"][-1], each["addresses"]) for each in hosts],
                         [("2", ["10.0.1.2"]), ("9", ["10.0.1.9"])])  # fmt: skip

    def test_two_halves_with_one_mac(self) -> None:
        self.hear(query(), "10.0.1.2")
        self.hear(query(), "fe80::2", ETH0_6)
        for address in ("10.0.1.2", "fe80::2%eth0"):
            self.model.hosts.neighbour(address, "02:00:00:00:00:02", None)
        entry = self.only("hosts")
        self.assertEqual(entry["addresses"], ["10.0.1.2", "fe80::2%eth0"])
        self.assertEqual(entry["formerly"], ["h2"])

    def test_many_with_one_mac(self) -> None:
        """Behind a wireless repeater all have its MAC."""
        for address in ("10.0.1.2", "10.0.1.3", "10.0.1.4"):
            self.hear(query(), address)
            self.model.hosts.neighbour(address, "02:00:00:00:00:02", None)
        self.assertEqual(len(self.commit()["hosts"]), 3)

    def test_the_host_that_watches(self) -> None:
        self.hear(query(), "10.0.1.2")
        self.hear(query(), "fe80::2", ETH0_6)
        for address in ("10.0.1.2", "fe80::2%eth0", "10.9.9.9"):
            self.model.hosts.is_self(address)
        self.assertTrue(self.only("hosts")["self"])

    def test_what_is_said_of_a_half(self) -> None:
        """Breaches and services follow when two hosts turn out to be one."""
        self.hear(response(host_record("a", ttl=999)), "10.0.1.2")
        self.hear(response(host_record("b", "fe80::2", ttl=999)), "fe80::2", ETH0_6)
        self.add(found(host="b", address="fe80::2%eth0"))
        self.commit()
        self.hear(response(host_record("a", "fe80::2", ttl=999)), "10.0.1.2")
        (host,) = self.commit()["hosts"].values()
        self.assertEqual({each["host_id"] for each in self.state["breaches"].values()}, {"h1"})
        self.assertEqual(self.only("services")["host_id"], "h1")
        self.assertEqual((host["names"], host["services"]), (["a.local", "b.local"], 1))

    def test_flood(self) -> None:
        for _ in range(int(FLOOD_RATE) * 10):
            self.hear(query())
        self.commit()
        self.assertTrue(self.only("hosts")["flooding"])
        self.assertEqual(self.events("flood"), [("flood", "host", "10.0.1.2")])
        self.assertFalse(self.commit(30.0)["hosts"]["h1"]["flooding"])

    def test_silence(self) -> None:
        self.hear(response(host_record()))
        self.add(found())
        self.commit(SILENCE_LIMIT + 1.0)
        self.assertEqual(self.events("silence"), [("silence", "host", "kitchen.local")])
        self.hear(query())
        self.assertFalse(self.only("hosts")["silent"])

    def test_silence_while_asked(self) -> None:
        self.hear(response(host_record()))
        self.model.round_trip("h1", 0.002, self.now)
        for _ in range(3):
            self.model.round_trip("h1", None, self.now)
        self.assertEqual(self.events("silence"), [("silence", "host", "kitchen.local")])
        times = {"last": 0.002, "best": 0.002, "mean": 0.002, "asked": 4, "lost": 3, "missed": 3}
        self.assertEqual(self.only("hosts")["rtt"], times)

    def test_forgotten(self) -> None:
        self.hear(query())
        self.commit()
        self.assertEqual(self.commit(HOST_LIMIT + 1.0)["hosts"], {})

    def test_bounded(self) -> None:
        self.patch(hosts_module, "MAX_HOSTS", 3)
        for number in range(5):
            self.hear(query(), f"10.0.1.{number}")
        self.assertEqual(len(self.commit()["hosts"]), 3)
        self.assertEqual(self.state["about"]["totals"]["limits"], {"hosts displaced": 2})

    def test_addresses_are_bounded(self) -> None:
        self.hear(response(*(host_record(address=f"10.0.1.{number}") for number in range(50))))
        self.assertEqual(len(self.only("hosts")["addresses"]), MAX_ADDRESSES)

    def test_names_are_bounded(self) -> None:
        self.hear(response(*(host_record(f"name{number}") for number in range(50))))
        self.assertEqual(len(self.only("hosts")["names"]), MAX_ADDRESSES)

    def test_a_host_with_a_service_that_was_displaced(self) -> None:
        self.patch(hosts_module, "MAX_HOSTS", 1)
        self.add(found())
        self.hear(query(), "10.0.1.77")
        self.remove(found())
        self.assertEqual(self.only("hosts")["addresses"], ["10.0.1.77"])


class LinkTests(ModelTestCase):
    """Links, totals and the history of traffic."""

    def test_links(self) -> None:
        self.model.link(ETH0, True, self.now)
        self.model.link(ETH1, True, self.now)
        self.model.link(ETH0, False, self.now)
        self.model.link(ETH1, None, self.now)
        entry = self.only("links")
        self.assertEqual((entry["interface"], entry["family"], entry["working"]), ("eth0", "IPv4", False))
        self.assertEqual(
            self.events("came", "changed", "went"),
            [
                ("came", "link", "eth0/IPv4"),
                ("came", "link", "eth1/IPv4"),
                ("changed", "link", "eth0/IPv4"),
                ("went", "link", "eth1/IPv4"),
            ],
        )

    def test_malformed(self) -> None:
        self.hear(b"\xff" * 20)
        self.assertEqual(self.commit()["about"]["totals"]["malformed"], 1)

    def test_history(self) -> None:
        payload = query()
        for _ in range(3):
            self.hear(payload)
        self.commit(1.0)
        counts = [3, 3 * len(payload)]
        column = {
            "at": 100,
            "links": {"eth0/IPv4": counts},
            "hosts": {"h1": counts},
            "types": {"_http._tcp": counts},
        }
        self.assertEqual(self.state["history"], {"1": [column], "10": [], "60": []})
        self.commit(60.0)
        self.assertEqual([len(self.state["history"][step]) for step in ("1", "10", "60")], [1, 1, 1])

    def test_history_is_bounded(self) -> None:
        for _ in range(100):
            self.hear(query())
            self.commit(1.0)
        self.assertEqual(len(self.state["history"]["1"]), 60)

    def test_many_hosts_in_one_second(self) -> None:
        for number in range(30):
            self.hear(query(), f"10.0.1.{number}")
        column = self.commit(1.0)["history"]["1"][0]
        self.assertEqual((len(column["hosts"]), column["hosts"][""][0]), (21, 10))

    def test_numbers_are_told_once_a_second(self) -> None:
        self.hear(query())
        self.commit(0.2)
        self.hear(query())
        self.assertIsNone(self.model.commit(self.now + 0.2))
        self.assertFalse(self.model.is_changed)
        self.assertEqual(self.commit(1.0)["hosts"]["h1"]["packets"], 2)

    def test_trouble(self) -> None:
        self.model.watcher("here.local", "no link works: eth9 does not exist")
        about = self.commit()["about"]["watcher"]
        self.assertEqual(about, {"name": "here.local", "trouble": "no link works: eth9 does not exist"})

    def test_links_are_bounded(self) -> None:
        self.patch(model_module, "MAX_LINKS", 2)
        for number in range(4):
            self.hear(query(), link=LinkId(f"eth{number}", number, False))
        self.assertEqual(len(self.commit()["links"]), 2)
        self.assertEqual(self.state["about"]["totals"]["limits"], {"links refused": 2})

    def test_events_are_bounded(self) -> None:
        for number in range(600):
            self.model.link(ETH0, bool(number % 2), self.now)
            self.commit(0.5)
        self.assertEqual(len(self.commit()["events"]), MAX_EVENTS)

    def test_texts_are_bounded(self) -> None:
        self.model.watcher("x" * 5000, None)
        self.assertEqual(len(self.commit()["about"]["watcher"]["name"]), MAX_TEXT)

    def test_a_storm_of_events(self) -> None:
        for number in range(200):
            self.add(found(f"Web {number}"))
        self.assertLessEqual(len(self.events("came")), 50)
        self.assertGreater(self.commit()["about"]["totals"]["limits"]["events left out"], 100)
