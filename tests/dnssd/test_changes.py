"""Services that change and go (RFC 6763 §4, Appendix F)."""

from __future__ import annotations

from twisted.trial.unittest import SynchronousTestCase

from mcast.dns.messages import Question
from mcast.dns.names import Name
from mcast.dns.records import pointer
from mcast.dnssd.browsing import Browser
from mcast.dnssd.found import Removed, Updated
from mcast.mdns.events import RecordAdded
from tests.dnssd.following_lab import (
    ETH0,
    HTTP,
    FollowingLab,
    at,
    described,
    host,
    instance,
    listing,
    located,
    only,
    shown,
    whole,
)
from tests.mdns.lab import OTHER_PEER, SRV, A


class ChangeTests(SynchronousTestCase):
    """Each real change is told once."""

    def setUp(self) -> None:
        self.lab = FollowingLab()
        self.browser = Browser([(HTTP, None)])
        self.lab.follow(self.browser)
        self.lab.pass_time(1)
        self.lab.hear(*whole())
        self.lab.pass_time(5)
        self.lab.told()

    def test_announced_again(self) -> None:
        self.lab.hear(*whole())
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [])

    def test_port(self) -> None:
        self.lab.hear(located("One", 81))
        self.assertEqual(self.lab.last().port, 81)
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_previous_state(self) -> None:
        self.lab.hear(located("One", 81))
        change = self.lab.changes[-1]
        assert isinstance(change, Updated)
        self.assertEqual((change.previous.port, change.service.port), (80, 81))

    def test_text(self) -> None:
        self.lab.hear(described("One", b"path=/new"))
        self.assertEqual(self.lab.last().txt["path"], b"/new")
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_address(self) -> None:
        """A service that moves to a new address is updated once, to the new one alone."""
        self.lab.hear(at(77))
        self.assertEqual(shown(self.lab.last()), ["192.168.1.77"])
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_address_with_goodbye(self) -> None:
        """The same when the old address is taken leave of first."""
        self.lab.hear(at(9, ttl=0))
        self.lab.pass_time(0.3)
        self.lab.hear(at(77))
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])
        self.assertEqual(shown(self.browser.snapshot()[0]), ["192.168.1.77"])

    def test_host(self) -> None:
        """S-3-1, S-C-1: the same name on another host is the same service, with a new target."""
        self.lab.hear(located("One", 80, "near"), at(50, "near"), only(A, on="near"))
        self.assertEqual(str(self.lab.last().host), "near.local.")
        self.assertEqual(shown(self.lab.last()), ["192.168.1.50"])
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_host_in_two_steps(self) -> None:
        """While the addresses of the new host are not known, the old state stays; no update is without
        addresses."""
        self.lab.hear(located("One", 80, "near"))
        self.assertEqual(self.lab.told(), [])
        self.lab.pass_time(0.3)
        self.assertIn(Question(host("near"), A), self.lab.asked())
        self.lab.hear(at(50, "near"), only(A, on="near"))
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_back_and_forth(self) -> None:
        """A port that is changed back within the second is what it was; what counts is what was said last."""
        self.lab.hear(located("One", 81))
        self.lab.pass_time(0.5)
        self.lab.hear(located("One", 80))
        self.assertEqual(self.lab.last().port, 80)
        self.lab.pass_time(5)
        self.assertEqual(self.browser.snapshot()[0].port, 80)
        self.assertEqual(self.lab.told(), [("Updated", "One"), ("Updated", "One")])

    def test_many_changes_before_anybody_looks(self) -> None:
        """A slow consumer gets one change for each service, from what it knew to what is."""
        for port in range(100, 120):
            self.browser.handle(ETH0, RecordAdded(located("One", port), (self.browser,)), self.lab.now)
        changes = self.browser.changes(self.lab.now)
        self.assertEqual([change.service.port for change in changes], [119])

    def test_gone_and_back_before_anybody_looks(self) -> None:
        """Nothing is told of a service that is as it was when somebody looks."""
        querier = self.lab.labs[ETH0].querier
        self.browser.remove_link(ETH0, self.lab.now)
        self.browser.add_link(ETH0, querier, self.lab.now)
        self.assertEqual(self.browser.changes(self.lab.now), [])
        self.assertEqual(len(self.browser.snapshot()), 1)

    def test_another_address_more(self) -> None:
        self.lab.hear(at(9), at(10))
        self.assertEqual(shown(self.lab.last()), ["192.168.1.9", "192.168.1.10"])
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_case_of_the_type(self) -> None:
        """S-7-3: a listing in another case is the same service."""
        self.lab.hear(pointer(Name.parse("_HTTP._TCP.LOCAL"), Name.parse("ONE._http._TCP.local"), 4500))
        self.lab.pass_time(5)
        self.assertEqual(self.lab.told(), [])


class RemovalTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.lab = FollowingLab()
        self.browser = Browser([(HTTP, None)])
        self.lab.follow(self.browser)
        self.lab.pass_time(1)
        self.lab.hear(*whole())
        self.lab.told()

    def test_goodbye(self) -> None:
        """S-F-3: a service that takes leave is removed once."""
        self.lab.hear(*[record.with_ttl(0) for record in whole()])
        self.assertEqual(self.lab.told(), [])
        self.lab.pass_time(20)
        self.assertEqual(self.lab.told(), [("Removed", "One")])
        self.assertEqual(self.browser.snapshot(), ())

    def test_last_state(self) -> None:
        self.lab.hear(listing("One", 0))
        self.lab.pass_time(2)
        change = self.lab.changes[-1]
        assert isinstance(change, Removed)
        self.assertEqual(change.service.port, 80)

    def test_goodbye_taken_back(self) -> None:
        """M-10.1-2: a goodbye that is taken back in time removes nothing."""
        self.lab.hear(*[record.with_ttl(0) for record in whole()])
        self.lab.pass_time(0.6)
        self.lab.hear(*whole())
        self.lab.pass_time(20)
        self.assertEqual(self.lab.told(), [])

    def test_killed(self) -> None:
        """S-F-3: without a goodbye it is gone when its SRV record expires, and stays gone."""
        self.lab.pass_time(119)
        self.assertEqual(self.lab.told(), [])
        self.lab.pass_time(300)
        self.assertEqual(self.lab.told(), [("Removed", "One")])

    def test_killed_with_addresses_first(self) -> None:
        """A host whose address records expire before its SRV records is one event, not two."""
        self.lab.pass_time(60)
        self.lab.hear(located("One"))
        self.lab.pass_time(120)
        self.assertEqual(self.lab.told(), [("Removed", "One")])

    def test_an_address_lost_for_good(self) -> None:
        """A service that is confirmed, on a host without an address, is shown so in the end."""
        self.lab.pass_time(60)
        self.lab.hear(located("One"))
        self.lab.pass_time(61)
        self.lab.hear(located("One"))
        self.lab.pass_time(30)
        self.assertEqual(shown(self.lab.last()), [])
        self.assertEqual(self.lab.told(), [("Updated", "One")])

    def test_the_listing_of_a_killed_one(self) -> None:
        """RFC 6762 §10.4: an SRV record that nobody confirms makes the PTR record that led to it doubtful."""
        self.lab.pass_time(140)
        self.assertFalse(self.lab.labs[ETH0].knows(listing("One")))

    def test_back_again(self) -> None:
        self.lab.pass_time(200)
        self.lab.told()
        self.lab.hear(*whole())
        self.assertEqual(self.lab.told(), [("Added", "One")])

    def test_observed_failure(self) -> None:
        """S-F-3: others that ask for it in vain show that it is gone."""
        self.lab.pass_time(5)
        for _ in range(2):
            self.lab.labs[ETH0].ask(instance("One"), SRV, OTHER_PEER)
            self.lab.pass_time(1)
        self.lab.pass_time(10)
        self.assertEqual(self.lab.told(), [("Removed", "One")])

    def test_reconfirmed_in_vain(self) -> None:
        """M-10.4-1: a user who cannot reach a service says so, and it goes within ten seconds."""
        self.browser.reconfirm(instance("One"), self.lab.now)
        self.lab.pass_time(10)
        self.assertEqual(self.lab.told(), [("Removed", "One")])

    def test_reconfirmed(self) -> None:
        self.browser.reconfirm(instance("One"), self.lab.now)
        self.lab.pass_time(1)
        self.lab.hear(*whole())
        self.lab.pass_time(15)
        self.assertEqual(self.lab.told(), [])

    def test_of_several(self) -> None:
        self.lab.hear(*whole("Two", on="near", number=20))
        self.lab.told()
        self.lab.hear(listing("One", 0))
        self.lab.pass_time(2)
        self.assertEqual(self.lab.told(), [("Removed", "One")])
        self.assertEqual([found.name for found in self.browser.snapshot()], ["Two"])

    def test_link_down(self) -> None:
        """S-F-4, M-10.3-1: what was found on a lost link is removed, and found again when it returns."""
        self.lab.down(ETH0)
        self.assertEqual(self.lab.told(), [("Removed", "One")])
        self.lab.pass_time(10)
        self.lab.up(ETH0)
        self.lab.pass_time(1)
        self.lab.hear(*whole())
        self.assertEqual(self.lab.told(), [("Added", "One")])

    def test_link_removed(self) -> None:
        """S-F-4: so is what was found on an interface that is gone."""
        self.browser.remove_link(ETH0, self.lab.now)
        self.assertEqual([type(one) for one in self.browser.changes(self.lab.now)], [Removed])
        self.assertEqual(self.browser.links, ())

    def test_host_without_users_is_forgotten(self) -> None:
        self.lab.hear(listing("One", 0))
        self.lab.pass_time(2)
        self.assertEqual(self.browser._hosts, {})
        self.assertEqual(self.browser._instances, {})
