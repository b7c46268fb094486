"""`mcast.live.findings` and `breaches`: what is found by comparing packets."""

from __future__ import annotations

from collections.abc import Sized

import mcast.live.breaches as breaches_module
import mcast.live.findings as findings_module
from mcast.live.findings import REPEATS_LIMIT, RIVALS_WINDOW
from mcast.live.limits import BREACH_LIMIT, FINDING_LIMIT
from tests.live.model_lab import ETH0_6, ETH1, ModelTestCase, host_record, query, response


class FindingTests(ModelTestCase):
    """Facts about several packets."""

    def kinds(self) -> list[str]:
        return [each["kind"] for each in self.commit(1.0)["findings"].values()]

    def test_repeated_too_often(self) -> None:
        for _ in range(REPEATS_LIMIT + 5):
            self.hear(response(host_record()))
            self.now += 1.5
        entry = self.only("findings")
        self.assertEqual((entry["kind"], entry["detail"]), ("repeated", "kitchen.local A"))
        self.assertEqual(entry["count"], REPEATS_LIMIT + 5)

    def test_repeated_as_it_should_be(self) -> None:
        for _ in range(REPEATS_LIMIT):
            self.hear(response(host_record()))
            self.now += 3.0
        self.assertEqual(self.kinds(), [])

    def test_conflict(self) -> None:
        self.hear(query("kitchen.local", [host_record(address="10.0.1.7")]), "10.0.1.7")
        self.now += 0.1
        self.hear(response(host_record()))
        self.assertEqual(self.kinds(), ["conflict"])
        self.assertEqual(self.events("conflict"), [("conflict", "host", "kitchen.local")])

    def test_no_conflict_with_the_same_data(self) -> None:
        self.hear(query("kitchen.local", [host_record()]), "10.0.1.7")
        self.hear(response(host_record()))
        self.assertEqual(self.kinds(), [])

    def test_no_conflict_later(self) -> None:
        self.hear(query("kitchen.local", [host_record(address="10.0.1.7")]), "10.0.1.7")
        self.now += 5.0
        self.hear(response(host_record()))
        self.assertEqual(self.kinds(), [])

    def take_turns(self, *told: tuple[str, bytes]) -> None:
        for source, payload in told:
            self.hear(payload, source)
            self.now += 1.5

    def test_two_hosts_of_one_name(self) -> None:
        """Neither probes, and both go on to say the name."""
        one = ("10.0.1.2", response(host_record()))
        other = ("10.0.1.3", response(host_record(address="10.0.1.3")))
        self.take_turns(one, other)
        self.assertEqual(self.kinds(), [])
        self.take_turns(one, other, one, other)
        self.assertEqual(self.kinds(), ["conflict", "conflict"])
        self.assertEqual({each["count"] for each in self.state["findings"].values()}, {2})
        self.assertEqual(self.events("conflict"), [("conflict", "host", "kitchen.local")] * 2)

    def test_a_name_that_moves(self) -> None:
        """It is given up by a goodbye; a host says it by both families; a proxy says the same data."""
        both = response(host_record(), host_record(address="fe80::2"))
        self.take_turns(("10.0.1.2", both), ("fe80::2", both), ("10.0.1.9", response(host_record())))
        self.take_turns(("10.0.1.2", both), ("10.0.1.2", response(host_record(ttl=0))))
        self.take_turns(("10.0.1.3", response(host_record(address="10.0.1.3"))))
        self.take_turns(("10.0.1.3", response(host_record(address="10.0.1.3", ttl=0))), ("10.0.1.2", both))
        self.assertEqual(self.kinds(), [])

    def test_a_name_that_comes_back_later(self) -> None:
        one = ("10.0.1.2", response(host_record()))
        other = ("10.0.1.3", response(host_record(address="10.0.1.3")))
        self.take_turns(one, other)
        self.now += RIVALS_WINDOW
        self.take_turns(one)
        self.assertEqual(self.kinds(), [])

    def test_reflector(self) -> None:
        for number in range(4):
            payload = response(host_record(f"host{number}", f"10.0.1.{number + 20}"))
            self.hear(payload, "10.0.1.2")
            self.hear(payload, "10.0.2.1", ETH1)
        self.assertEqual(self.kinds(), ["reflector"])
        finding = self.only("findings")
        self.assertEqual(self.state["hosts"][finding["host_id"]]["addresses"], ["10.0.2.1"])

    def test_one_family_only(self) -> None:
        for second in range(70):
            self.hear(query(), "10.0.1.2")
            self.hear(query(), "10.0.1.3")
            self.hear(query(), "fe80::3", ETH0_6)
            if second == 0:
                self.hear(response(host_record("one", "10.0.1.2")))
                self.hear(
                    response(host_record("both", "10.0.1.3"), host_record("both", "fe80::3")), "10.0.1.3"
                )
            self.commit(1.0)
        entry = self.only("findings")
        self.assertEqual((entry["kind"], entry["detail"]), ("one-family", "heard by IPv4 only"))

    def test_a_finding_ends(self) -> None:
        self.test_conflict()
        self.assertEqual(self.commit(FINDING_LIMIT + 20.0)["findings"], {})

    def test_bounded(self) -> None:
        self.patch(findings_module, "MAX_FINDINGS", 2)
        for number in range(4):
            self.hear(query("kitchen.local", [host_record(address="10.0.1.7")]), "10.0.1.7")
            self.hear(response(host_record()), f"10.0.1.{number + 20}")
        self.assertEqual(len(self.kinds()), 2)

    def test_memory_is_bounded(self) -> None:
        self.patch(findings_module, "MAX_WATCHED", 10)
        for number in range(40):
            self.hear(query(f"host{number}.local", [host_record(f"host{number}")]))
            self.hear(response(host_record(f"host{number}")))
        findings = self.model._findings
        kept: list[Sized] = [
            findings._said,
            findings._probes,
            findings._packets,
            findings._reflected,
            findings._claims,
        ]
        self.assertLessEqual(max(len(each) for each in kept), 10)


class BreachTests(ModelTestCase):
    """What the linter says, by host and rule."""

    def test_counted_by_host_and_rule(self) -> None:
        for _ in range(3):
            self.hear(response(host_record(ttl=999)))
            self.commit(2.0)
        rules = {each["rule"]: each for each in self.commit()["breaches"].values()}
        self.assertEqual((rules["wrong-ttl"]["count"], rules["wrong-ttl"]["section"]), (3, "RFC 6762 §10"))
        self.assertEqual(self.state["hosts"][rules["wrong-ttl"]["host_id"]]["name"], "kitchen.local")
        self.assertGreaterEqual(self.only("hosts")["breaches"], 3)

    def test_forgotten(self) -> None:
        self.hear(response(host_record(ttl=999)))
        self.commit()
        self.assertEqual(self.commit(BREACH_LIMIT + 20.0)["breaches"], {})

    def test_bounded(self) -> None:
        self.patch(breaches_module, "MAX_BREACHES", 2)
        for number in range(5):
            self.hear(response(host_record(ttl=999)), f"10.0.1.{number + 20}")
        self.assertEqual(len(self.commit()["breaches"]), 2)
