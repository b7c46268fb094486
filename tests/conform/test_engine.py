"""The engine: waiting, trying again, verdicts that would come out the same again."""

from __future__ import annotations

from collections.abc import Callable

from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import SynchronousTestCase

from mcast.conform import engine, view
from mcast.conform.bench import Bench
from mcast.conform.engine import Lateness, play, play_group, repeated, run_groups
from mcast.conform.packets import Packet, Sender
from mcast.conform.runs import Plan, result_of
from mcast.conform.scenarios import Catalogue, Scenario
from mcast.conform.subjects import Action, Names
from mcast.conform.verdicts import Check, Finding, Judge, Level, NotRunError, Verdict, agreed
from mcast.dns.codes import RESPONSE_FLAGS, RecordType
from mcast.dns.messages import Message
from mcast.dns.records import Record, address, text
from tests.conform.bench_lab import NAMES, BenchLab, FakeSubject, check, packet, response

ADDRESS = address(NAMES.host, "10.0.0.2", 120, True)


def scenario(
    outcomes: list[bool | str], one: Check, needs: frozenset[Action] = frozenset(), name: str = "some/one"
) -> Scenario:
    """Return a scenario that decides as listed, one a try; a word is why it is not run."""
    left = list(outcomes)

    async def play_it(bench: Bench, judge: Judge) -> None:
        bench.respond(ADDRESS)
        await bench.sleep(1)
        outcome = left.pop(0)
        if isinstance(outcome, str):
            raise NotRunError(outcome)
        judge.decide(one, outcome, f"seen {outcome}", bench.view.since(0)[-1:])

    return Scenario(name, (one,), play_it, "something", 1.0, needs)


class Quiet:
    """Progress that nobody looks at."""

    def __init__(self) -> None:
        self.told: list[str] = []

    def began(self, scenario: Scenario) -> None:
        self.told.append(f"began {scenario.name}")

    def ended(self, scenario: Scenario, findings: object) -> None:
        self.told.append(f"ended {scenario.name}")


class TryingTests(SynchronousTestCase):
    """What holds once holds; what is broken must be broken twice."""

    def play(self, *outcomes: bool | str, level: Level = Level.MUST) -> Finding:
        lab = BenchLab()
        (found,) = lab.run(play(lab.bench, scenario(list(outcomes), check(level=level)), Lateness(lab.clock)))
        return found

    def test_holds(self) -> None:
        found = self.play(True)
        self.assertEqual((found.verdict, found.runs, found.packets), (Verdict.PASS, 1, ()))

    def test_broken_twice(self) -> None:
        found = self.play(False, False)
        self.assertEqual((found.verdict, found.runs), (Verdict.FAIL, 2))
        self.assertTrue(found.marked)

    def test_few_packets_are_kept(self) -> None:
        self.patch(engine, "MAX_SHOWN", 1)
        self.assertEqual(len(self.play(False, False).packets), 1)

    def test_a_should_warns(self) -> None:
        self.assertEqual(self.play(False, False, level=Level.SHOULD).verdict, Verdict.WARNING)

    def test_broken_once_by_chance(self) -> None:
        self.assertEqual(self.play(False, True, True).verdict, Verdict.PASS)

    def test_broken_now_and_then(self) -> None:
        self.assertEqual(self.play(False, True, False).verdict, Verdict.FAIL)

    def test_what_hangs_on_another_check(self) -> None:
        """A person is told where to look first."""
        lab = BenchLab()
        first, second = check("some.answer"), check("some.form")

        async def play_it(bench: Bench, judge: Judge) -> None:
            bench.respond(ADDRESS)
            await bench.sleep(1)
            judge.decide(first, False, "no answer")

        made = Scenario("some/one", (first, second), play_it, "something", 1.0, frozenset())
        _, found = lab.run(play(lab.bench, made, Lateness(lab.clock)))
        self.assertEqual(found.verdict, Verdict.NOT_RUN)
        self.assertEqual(
            found.seen,
            "nothing that could be judged was seen; what is broken in the same scenario: some.answer",
        )

    def test_not_run_is_tried_again(self) -> None:
        found = self.play("no link", "no link")
        self.assertEqual((found.verdict, found.seen), (Verdict.NOT_RUN, "no link"))

    def test_what_the_subject_cannot_do(self) -> None:
        lab = BenchLab(FakeSubject(frozenset()))
        one = scenario([True], check(), frozenset({Action.KILL}))
        (found,) = lab.run(play(lab.bench, one, Lateness(lab.clock)))
        self.assertEqual(found.verdict, Verdict.NOT_RUN)
        self.assertIn("cannot be made to kill here; --hook tells", found.seen)
        lab.bench.is_lab = True
        (found,) = lab.run(play(lab.bench, one, Lateness(lab.clock)))
        self.assertEqual(found.seen, "the subject cannot be made to kill in a lab")


class SpoiledTests(SynchronousTestCase):
    """A try that says nothing about the subject does not count."""

    def play(self, spoil: Callable[[BenchLab], object]) -> Finding:
        lab = BenchLab()
        lateness = Lateness(lab.clock)
        one = check()

        async def play_it(bench: Bench, judge: Judge) -> None:
            spoil(lab)
            await bench.sleep(1)
            judge.decide(one, False, "broken")

        made = Scenario("some/one", (one,), play_it, "something", 1.0, frozenset())
        (found,) = lab.run(play(lab.bench, made, lateness))
        return found

    def test_late(self) -> None:
        lab = BenchLab()
        lateness = Lateness(lab.clock)
        lateness.start()
        self.addCleanup(lateness.stop)
        lab.clock.advance(0.5)
        self.assertAlmostEqual(lateness.take(), 0.48)
        self.assertEqual(lateness.take(), 0.0)

    def test_others_speak_of_its_names(self) -> None:
        def meddle(lab: BenchLab) -> None:
            other = Message(flags=RESPONSE_FLAGS, answers=(ADDRESS,))
            lab.view.add(packet(lab.clock.seconds(), other, Sender.OTHER))

        found = self.play(meddle)
        self.assertEqual(found.verdict, Verdict.NOT_RUN)
        self.assertIn("spoke of the subject's own names", found.seen)

    def test_noise(self) -> None:
        def chatter(lab: BenchLab) -> None:
            for _ in range(200):
                lab.view.add(packet(lab.clock.seconds(), Message(), Sender.OTHER))

        self.assertIn("too noisy to judge", self.play(chatter).seen)

    def test_packets_of_our_own_are_lost(self) -> None:
        def lose(lab: BenchLab) -> None:
            lab.link.lost += 2

        found = self.play(lose)
        self.assertEqual(found.verdict, Verdict.NOT_RUN)
        self.assertIn("2 packets of our own were lost", found.seen)

    def test_the_interface_goes_away(self) -> None:
        """What it was seen to do by then says nothing; it is not tried again for minutes."""

        def unplug(lab: BenchLab) -> None:
            lab.link.trouble = "eth1 is gone"

        found = self.play(unplug)
        self.assertEqual((found.verdict, found.seen, found.runs), (Verdict.NOT_RUN, "eth1 is gone", 2))


class FakePlace:
    """A bench that opens or does not."""

    def __init__(self, lab: BenchLab, problem: str = "") -> None:
        self.lab = lab
        self.problem = problem
        self.closed = 0
        self.lost = 0
        self.closing: Deferred[None] | None = None
        """What closing waits for."""

    async def open(self) -> Bench:
        if self.problem:
            raise NotRunError(self.problem)
        return self.lab.bench

    async def close(self) -> None:
        if self.closing is not None:
            await self.closing
        self.closed += 1


class GroupTests(SynchronousTestCase):
    """Groups are played at places, which are closed whatever happens."""

    def test_a_place_that_does_not_open(self) -> None:
        lab = BenchLab()
        place = FakePlace(lab, "no such interface")
        (found,) = lab.run(play_group(place, [scenario([True], check())], Lateness(lab.clock), Quiet()))
        self.assertEqual((found.verdict, found.seen), (Verdict.NOT_RUN, "no such interface"))
        self.assertEqual(place.closed, 1)

    def test_a_fault_of_ours_closes_it_too(self) -> None:
        lab = BenchLab()
        place = FakePlace(lab)
        broken = scenario([], check())
        with self.assertRaises(IndexError):
            lab.run(play_group(place, [broken], Lateness(lab.clock), Quiet()))
        self.assertEqual(place.closed, 1)

    def test_faults_of_ours_at_the_same_time_are_told(self) -> None:
        """The first one is told as it is, though what tells it is one of those that are ended."""
        labs = [BenchLab(), BenchLab()]
        places = [FakePlace(lab) for lab in labs]

        async def fault(bench: Bench, judge: Judge) -> None:
            await bench.sleep(0.01)
            raise ZeroDivisionError

        scenarios = [
            Scenario(f"{group}/one", (check(f"{group}.one"),), fault, "", 1.0, frozenset()) for group in "ab"
        ]
        waiting = iter(places)
        running = Deferred.fromCoroutine(
            run_groups(scenarios, lambda _: next(waiting), 2, Lateness(labs[0].clock), Quiet())
        )
        for lab in labs:
            lab.clock.advance(1)
        self.failureResultOf(running, ZeroDivisionError)

    def test_cancelled_side_by_side(self) -> None:
        """The first that has taken down what it built does not keep the others from it."""
        lab = BenchLab()
        places = [FakePlace(lab) for _ in range(3)]
        for place in places:
            place.closing = Deferred()

        async def endless(bench: Bench, judge: Judge) -> None:
            await bench.sleep(1000)

        scenarios = [
            Scenario(f"{group}/one", (check(f"{group}.one"),), endless, "", 1.0, frozenset())
            for group in "abc"
        ]
        waiting = iter(places)
        running = Deferred.fromCoroutine(
            run_groups(scenarios, lambda _: next(waiting), 3, Lateness(lab.clock), Quiet())
        )
        running.cancel()
        for number in (1, 0, 2):
            self.assertNoResult(running)
            closing = places[number].closing
            assert closing is not None
            closing.callback(None)
        self.failureResultOf(running, CancelledError)
        self.assertEqual([place.closed for place in places], [1, 1, 1])

    def test_side_by_side(self) -> None:
        """Two groups of a second each take two tries of one second, not four."""
        labs = BenchLab()
        scenarios = [
            scenario([True, True], check(f"{name}.check"), name=f"{name}/one") for name in ("first", "second")
        ]
        found = labs.run(
            run_groups(scenarios, lambda _: FakePlace(labs), 2, Lateness(labs.clock), Quiet()), seconds=1.5
        )
        self.assertEqual([each.check.id for each in found], ["first.check", "second.check"])

    def test_repeated(self) -> None:
        lab = BenchLab()
        one = check()
        runs = [[Finding(one, Verdict.PASS, "good")], [Finding(one, Verdict.FAIL, "bad")]]

        async def once() -> list[Finding]:
            return runs.pop()

        (found,) = lab.run(repeated(2, once))
        self.assertEqual(found.verdict, Verdict.NOT_RUN)
        self.assertIn("1 × pass, 1 × fail", found.seen)
        self.assertIn("bad", found.seen)

    def test_agreed(self) -> None:
        one = check()
        self.assertEqual(agreed([Finding(one, Verdict.FAIL, "a"), Finding(one, Verdict.FAIL, "b")]).seen, "b")


class ViewTests(SynchronousTestCase):
    """Waiting for packets."""

    def test_first(self) -> None:
        lab = BenchLab()
        lab.play(response(0.5, ADDRESS))
        found = lab.run(lab.view.first(lambda each: each.is_response, 2.0))
        self.assertIsInstance(found, Packet)
        self.assertAlmostEqual(lab.clock.seconds(), 0.5)

    def test_none_in_time(self) -> None:
        lab = BenchLab()
        self.assertIsNone(lab.run(lab.view.first(lambda _: True, 2.0)))
        self.assertEqual(lab.clock.getDelayedCalls(), [])

    def test_one_that_has_come(self) -> None:
        lab = BenchLab()
        mark = lab.view.mark
        lab.view.add(response(0.0, ADDRESS))
        self.assertIsNotNone(lab.run(lab.view.first(lambda _: True, 0.0, mark)))

    def test_sorted_by_the_time_of_the_kernel(self) -> None:
        lab = BenchLab()
        lab.view.add(response(0.2, ADDRESS))
        lab.view.add(response(0.1, ADDRESS))
        self.assertEqual([each.at for each in lab.view.since(0)], [0.1, 0.2])

    def test_quiet(self) -> None:
        lab = BenchLab()
        lab.play(response(0.5, ADDRESS), response(1.2, ADDRESS))
        self.assertTrue(lab.run(lab.view.quiet(1.0)))
        self.assertGreaterEqual(lab.clock.seconds(), 2.19)

    def test_never_quiet(self) -> None:
        lab = BenchLab()
        lab.play(*(response(0.5 * number, ADDRESS) for number in range(1, 20)))
        self.assertFalse(lab.run(lab.view.quiet(1.0, limit=3.0)))

    def test_bounded(self) -> None:
        """What is forgotten keeps its place: marks stay right."""
        lab = BenchLab()
        self.patch(view, "MAX_PACKETS", 10)
        for number in range(15):
            lab.view.add(response(number, ADDRESS))
        self.assertEqual((len(lab.view.packets), lab.view.mark), (10, 15))
        self.assertEqual([each.at for each in lab.view.since(13)], [13, 14])
        self.assertEqual([each.at for each in lab.view.since(0)], list(range(5, 15)))


class CatalogueTests(SynchronousTestCase):
    """Words choose scenarios."""

    def setUp(self) -> None:
        self.catalogue = Catalogue("responder", {"first": "One.", "second": "Two."})
        for name in ("second", "first"):
            add = self.catalogue.scenario(f"{name}/one", check(f"{name}.check"), sends="Nothing.", seconds=1)
            add(scenario([], check()).play)

    def names(self, *words: str) -> list[str]:
        return [each.name for each in self.catalogue.chosen(words)]

    def test_all(self) -> None:
        self.assertEqual(self.names(), ["first/one", "second/one"])

    def test_by_group_scenario_or_check(self) -> None:
        self.assertEqual(self.names("second"), ["second/one"])
        self.assertEqual(self.names("second/one"), ["second/one"])
        self.assertEqual(self.names("second.check", "first"), ["first/one", "second/one"])

    def test_no_such_word(self) -> None:
        with self.assertRaisesRegex(ValueError, "third: no group"):
            self.names("third")


class LossTests(SynchronousTestCase):
    """What a run lost itself is told with its result."""

    def test_told(self) -> None:
        plan = Plan("proxy", "device", NAMES)
        (note,) = result_of(plan, [], 1.0, 0).notes
        wanted = r"^0 checks over IPv4 in 1 s, seed 0, by mcast \S.*, \d{4}-\d\d-\d\d \d\d:\d\d UTC$"
        self.assertRegex(note, wanted)
        self.assertEqual(result_of(plan, [], 1.0, 3).notes[1:], ["the run lost 3 packets of its own"])

    def test_which_family(self) -> None:
        (note,) = result_of(Plan("proxy", "device", NAMES, ipv6=True), [], 1.0, 0).notes
        self.assertIn("0 checks over IPv6 in 1 s", note)


class WordsTests(SynchronousTestCase):
    """What stands for the names of the subject in a result is told with it."""

    def told(self, names: Names, role: str = "responder") -> str:
        (_, *notes) = result_of(Plan(role, "device", names), [], 1.0, 0).notes
        return "; ".join(notes)

    def test_all(self) -> None:
        self.assertEqual(
            self.told(NAMES),
            "HOST is device.local., INSTANCE Some Device._ipp._tcp.local., TYPE _ipp._tcp.local., "
            "SUBTYPE _printer._sub._ipp._tcp.local.",
        )

    def test_a_device_without_a_service(self) -> None:
        self.assertEqual(self.told(Names.parse("device.local")), "HOST is device.local.")

    def test_over_ipv6(self) -> None:
        """What a check says of type A is done with type AAAA."""
        plan = Plan("responder", "device", Names.parse("device.local"), ipv6=True)
        (_, note) = result_of(plan, [], 1.0, 0).notes
        self.assertEqual(note, "HOST is device.local.; its type AAAA takes the place of type A")

    def test_a_querier_has_none(self) -> None:
        self.assertEqual(self.told(NAMES, "querier"), "")


class RecordsTests(SynchronousTestCase):
    """What the subject answers when it is asked for records."""

    def asked(self, *packets: Packet) -> list[Record]:
        lab = BenchLab()
        lab.play(*packets)
        return lab.run(lab.bench.records(NAMES.host, RecordType.A))

    def test_an_answer_to_another_question(self) -> None:
        """It may come late, and have the records beside its answers."""
        other = Message(flags=RESPONSE_FLAGS, answers=(text(NAMES.host, [b""], 120),), additionals=(ADDRESS,))
        self.assertEqual(self.asked(packet(1.3, other), response(1.4, ADDRESS)), [ADDRESS])

    def test_none(self) -> None:
        with self.assertRaisesRegex(NotRunError, "does not answer for device.local."):
            self.asked()


class StartTests(SynchronousTestCase):
    """A subject is started, and ends by itself."""

    def test_its_last_words(self) -> None:
        lab = BenchLab()

        async def start() -> None:
            mark = await lab.bench.start()
            lab.subject.is_running = False
            await lab.bench.awaited(lambda _: True, mark)

        with self.assertRaisesRegex(NotRunError, "ended by itself: Segmentation fault"):
            lab.run(start())

    def test_it_is_met(self) -> None:
        lab = BenchLab()
        lab.play(response(0.5, ADDRESS))

        async def start() -> Packet | None:
            return await lab.bench.awaited(lambda _: True, await lab.bench.start())

        self.assertIsNotNone(lab.run(start()))
        self.assertEqual((lab.bench.subject_address, lab.bench.subject_mac), ("10.0.0.2", b"\x02their"))

    def test_announced_without_it(self) -> None:
        """What announces at once is not waited for as long as what is slow to start."""
        lab = BenchLab()
        lab.play(response(1.0, ADDRESS))

        async def start() -> Packet | None:
            return await lab.bench.awaited(lambda each: each.is_probe, await lab.bench.start())

        self.assertIsNone(lab.run(start()))
        self.assertLess(lab.clock.seconds(), 7)
