"""`mcast top`: its views and its keys, on a clock that tests set."""

from __future__ import annotations

import random

from hypothesis import given, settings
from hypothesis import strategies as st
from twisted.trial.unittest import SynchronousTestCase

from mcast.cli.top.data import Data
from mcast.cli.top.looking import Actions, Playing
from mcast.cli.top.program import LEAST_COLUMNS, LEAST_LINES, NOTE_SECONDS, Program
from mcast.cli.top.views import VIEWS
from mcast.showing import is_plain, width
from tests.cli.top.lab import ProgramTestCase, found, query, response
from tests.live.model_lab import host_record

HOSTILE = "<b>\x1b]0;owned\x07\u202e\u2066\n\ud7ff"


class ServiceTests(ProgramTestCase):
    def test_row(self) -> None:
        self.services("Web")
        row = self.table()[0].split()
        self.assertEqual(row, ["Web", "_http._tcp", "host-web.local", "8000", "10.0.0.1", "eth0", "0s"])

    def test_nothing_yet(self) -> None:
        self.assertEqual(self.table(), ["no service is known yet"])

    def test_hostile_name(self) -> None:
        """What a terminal would obey is shown, and not sent."""
        name = HOSTILE.encode()
        from mcast.dns.names import Name

        self.add(found(full_name=Name.from_labels((name, b"_http", b"_tcp", b"local"))))
        self.settle()
        self.press("enter")
        text = "".join(self.screen())
        self.assertTrue(all(is_plain(each) for each in text))
        self.assertIn("\\u202e", text)

    def test_wide_characters(self) -> None:
        """The columns after a wide name stand where those of the others do."""
        self.services("漢字テスト", "Café", "Web")
        places = {width(line[: line.index("_http")]) for line in self.table()}
        self.assertEqual(len(places), 1)

    def test_fades(self) -> None:
        self.services("Web")
        styles = []
        for step in (0.5, 1.5, 3.0, 6.0):
            self.settle(step)
            styles.append(self.style_of(" Web"))
        self.assertEqual(styles, ["new0 selected", "new1 selected", "new2 selected", "row selected"])

    def test_change_and_end(self) -> None:
        old = found("Web")
        self.add(old)
        self.settle(20)
        new = found("Web", port=81)
        self.update(new, old)
        self.settle()
        self.assertEqual(self.style_of(" Web"), "changed0 selected")
        self.remove(new)
        self.settle()
        self.assertEqual(self.style_of(" Web"), "went0 selected")
        self.settle(60)
        self.assertEqual(self.style_of(" Web"), "gone selected")
        self.assertIn("gone 1m", self.table()[0])

    def test_details(self) -> None:
        self.add(found("Web", txt={"path": "/", "note": "two words"}))
        self.settle()
        self.press("enter")
        text = "\n".join(self.screen())
        for part in ("Web._http._tcp.local.", "kitchen.local:80", "10.0.1.2"):
            self.assertIn(part, text)
        self.lines = 40
        text = "\n".join(self.screen())
        self.assertIn('note="two words"', text)
        self.assertIn("path=/", text)
        self.press("enter")
        self.assertNotIn("kitchen.local:80", "\n".join(self.screen()))

    def test_details_beside(self) -> None:
        self.services("Web")
        self.columns = 160
        self.press("enter")
        self.assertRegex(self.screen()[2], r"^ NAME.*│ Web")

    def test_long_details_scroll(self) -> None:
        self.add(found("Web", txt={f"key{number}": "x" * 60 for number in range(12)}))
        self.settle()
        self.press("enter")
        self.assertIn("more lines: ]", "\n".join(self.screen()))
        self.press(*"]" * 40)
        self.assertIn("key11", "\n".join(self.screen()))


class KeyTests(ProgramTestCase):
    def test_order(self) -> None:
        self.services("b", "a", "c")
        self.assertEqual(self.names(), ["a", "b", "c"])
        self.press("r")
        self.assertEqual(self.names(), ["c", "b", "a"])

    def test_order_by_another_column(self) -> None:
        """Numbers begin with the greatest, and the heading tells which column it is."""
        self.services("b", "a", "c")
        self.press("s", "s", "s")
        self.assertEqual(self.names(), ["c", "a", "b"])
        self.assertIn("PORT▼", self.screen()[2])

    def test_filter_as_you_type(self) -> None:
        self.services("Printer", "Web", "Webcam")
        self.press("/")
        self.type("we")
        self.assertEqual(self.names(), ["Web", "Webcam"])
        self.type("bc")
        self.assertEqual(self.names(), ["Webcam"])
        self.assertIn("/webc_  1 of 3", self.screen()[-1])
        self.press("enter")
        self.assertIn("/webc ", self.screen()[-1])
        self.press("esc")
        self.assertEqual(len(self.names()), 3)

    def test_letters_that_are_keys_elsewhere(self) -> None:
        self.services("quick")
        self.press("/")
        self.type("q?1s")
        self.assertFalse(self.ended)
        self.assertIn('nothing has "q?1s"', self.table()[0])
        self.press("backspace", "backspace", "backspace")
        self.assertEqual(self.names(), ["quick"])

    def test_filter_of_several_words(self) -> None:
        self.services("Printer one", "Printer two")
        self.press("/")
        self.type("printer 10.0.0.2")
        self.assertEqual(self.table()[0].split("  ")[0], "Printer two")

    def test_selection_stays_with_its_row(self) -> None:
        self.services("b", "d")
        self.press("down")
        self.services("a", "c")
        self.press("c")
        self.assertEqual(self.copied, ["d"])

    def test_selected_row_is_in_sight(self) -> None:
        self.services(*[f"n{number:03}" for number in range(100)])
        self.press("end", "up")
        self.assertIn("n098", self.names())
        self.press("home")
        self.assertIn("n000", self.names())
        self.press("page down")
        self.press("c")
        self.assertIn(self.copied[0], self.names())

    def test_selected_row_goes(self) -> None:
        """The one that takes its place is selected."""
        self.services("a", "b", "c")
        self.press("down", "down", "/")
        self.type("a")
        self.press("enter", "c")
        self.assertEqual(self.copied, ["a"])

    def test_copy(self) -> None:
        self.services("My Web")
        self.press("c", "a")
        self.assertEqual(self.copied, ["My Web", "10.0.0.1"])
        self.assertIn("copied: 10.0.0.1", self.screen()[-1])
        self.now += NOTE_SECONDS + 1
        self.assertNotIn("copied", self.screen()[-1])

    def test_copy_nothing(self) -> None:
        self.press("c", "a")
        self.assertEqual(self.copied, [])

    def test_connect(self) -> None:
        self.services("Web")
        self.press("o")
        self.assertEqual(self.connected, ["s1"])
        self.model.connected("s1", "open", 0.0012, self.now)
        self.settle()
        self.lines = 40
        self.assertIn("open 1.20 ms", "\n".join(self.screen()))

    def test_views(self) -> None:
        for number, view in enumerate(VIEWS, 1):
            self.press(str(number))
            self.assertIn(view.columns[1].title, self.screen()[2])
        self.press("tab")
        self.assertIn("NAME", self.screen()[2])
        self.press("shift tab")
        self.assertEqual(self.looked[-1], ("Log", None))

    def test_pause(self) -> None:
        self.services("Web")
        self.press(" ")
        self.services("Web2")
        self.assertEqual(self.names(), ["Web"])
        self.assertIn("paused", self.screen()[0])
        self.press(" ")
        self.assertEqual(len(self.names()), 2)

    def test_help(self) -> None:
        self.press("?")
        self.assertIn("OSC 52", "\n".join(self.screen()))
        self.press("esc")
        self.assertNotIn("OSC 52", "\n".join(self.screen()))

    def test_end(self) -> None:
        self.press("q")
        self.assertTrue(self.ended)

    def test_keys_are_told(self) -> None:
        self.columns = 80
        bottom = self.screen()[-1]
        self.assertTrue("? help" in bottom and bottom.endswith("q quit"), bottom)

    def test_warnings_are_shown(self) -> None:
        self.program.note("something \x1b[2J is wrong")
        self.assertIn("something \\u001b[2J is wrong", self.screen()[-1])


class HostTests(ProgramTestCase):
    def test_row(self) -> None:
        for _ in range(20):
            self.packet(response(host_record()))
        self.model.round_trip("h1", 0.0012, self.now)
        self.settle(1.0)
        self.press("2")
        row = self.table()[0].split()
        self.assertEqual(row[:2], ["kitchen.local", "10.0.1.2"])
        self.assertIn("1.20", row)

    def test_this_host(self) -> None:
        """The host that watches says no name, and is told from strangers all the same."""
        self.packet(query())
        self.model.hosts.is_self("10.0.1.2")
        self.settle(1.0)
        self.press("2")
        self.assertEqual(self.table()[0].split()[:3], ["this", "host", "10.0.1.2"])

    def test_lost(self) -> None:
        self.packet(response(host_record()))
        self.model.round_trip("h1", None, self.now)
        self.settle(1.0)
        self.press("2")
        self.assertIn("lost", self.table()[0])

    def test_details(self) -> None:
        self.packet(response(host_record()))
        self.add(found("Web"))
        self.settle(1.0)
        self.press("2", "enter")
        self.lines = 40
        text = "\n".join(self.screen())
        self.assertIn("Web  _http._tcp 80", text)
        self.assertIn("1 packets in all", text)

    def test_plainest_address(self) -> None:
        """It is shown first, and copied."""
        addresses = ("fe80::1", "2001:db8::1", "10.0.1.2")
        self.packet(response(*[host_record(address=address) for address in addresses]), "fe80::1")
        self.settle()
        self.press("2", "a")
        self.assertEqual(self.copied, ["10.0.1.2"])
        self.assertIn("10.0.1.2 +2", self.table()[0])

    def test_addresses_are_ordered_as_numbers(self) -> None:
        for last in (10, 9, 100):
            self.packet(query(), f"10.0.0.{last}")
        self.settle()
        self.press("2", "s")
        self.assertEqual([name.split(".")[-1] for name in self.names()], ["9", "10", "100"])


class PacketTests(ProgramTestCase):
    def test_rows(self) -> None:
        self.packet(query())
        self.packet(response(host_record()))
        self.packet(b"\0")
        self.settle()
        self.press("3")
        kinds = [line.split()[3] for line in self.table()]
        self.assertEqual(kinds, ["malformed", "response", "query"])
        self.assertEqual(self.style_of("malformed"), "bad selected")

    def test_newest_stays_selected(self) -> None:
        self.packet(query("_a._tcp.local"))
        self.press("3", "enter")
        self.screen()
        self.packet(query("_b._tcp.local"))
        self.settle()
        self.assertIn("qu _b._tcp.local. PTR", "\n".join(self.screen()))

    def test_octets_are_decoded_when_looked_at(self) -> None:
        for _ in range(100):
            self.packet(query())
        self.settle()
        self.press("3")
        self.screen()
        decoded = [each for each in self.data.packets if "what" in dict.keys(each)]
        self.assertLess(len(decoded), 30)


class LintTests(ProgramTestCase):
    def test_row(self) -> None:
        self.packet(response(host_record()))
        self.packet(response(host_record()))
        self.settle()
        self.press("4")
        row = next(line for line in self.table() if "repeated-too-soon" in line)
        self.assertTrue(row.startswith("kitchen.local"), row)
        self.assertIn("RFC 6762 §6", row)

    def test_details(self) -> None:
        self.packet(response(host_record()))
        self.packet(response(host_record()))
        self.settle()
        self.press("4", "/")
        self.type("too-soon")
        self.press("enter", "enter")
        self.assertIn("again after 0.000 s", "\n".join(self.screen()))


def answered(**more: object) -> dict[str, object]:
    """Return a responder as the pings tell it."""
    usual = {
        "group": "224.0.0.123:7645",
        "responder": "10.0.0.9",
        "interface": "eth0",
        "sent": 4,
        "received": 3,
        "loss": 25.0,
        "last": 0.0005,
        "min": 0.0004,
        "median": 0.0005,
        "p95": 0.001,
        "max": 0.001,
        "history": [0.0005, None, 0.001, 0.0004],
    }
    return {**usual, **more}


class GroupTests(ProgramTestCase):
    def test_row(self) -> None:
        self.data.take_groups({"a": answered()})
        self.press("5")
        row = self.table()[0]
        self.assertIn("25.0", row)
        self.assertTrue(row.endswith("▄!█▃"), row)

    def test_silent(self) -> None:
        self.data.take_groups({"a": answered(history=[0.1, None, None])})
        self.press("5")
        self.assertEqual(self.style_of("10.0.0.9"), "bad selected")

    def test_looked_at(self) -> None:
        """Groups are pinged while somebody looks at them."""
        self.press("5", "1")
        self.assertEqual([view for view, _ in self.looked], ["Groups", "Services"])

    def test_bounded(self) -> None:
        for number in range(3000):
            self.data.take_groups({str(number): answered()})
        self.assertEqual(len(self.data.groups), 1000)


class LogTests(ProgramTestCase):
    def test_rows(self) -> None:
        self.services("Web")
        self.press("6")
        self.assertTrue(any("service" in line and "came" in line and "Web" in line for line in self.table()))


class ReplayTests(ProgramTestCase):
    playing = Playing()

    def setUp(self) -> None:
        self.playing = Playing()
        super().setUp()

    def test_speed(self) -> None:
        self.press("+", "+")
        self.assertEqual(self.playing.speed, 4)
        self.assertIn("replay 4x", self.screen()[0])
        self.press(*"-" * 20)
        self.assertEqual(self.playing.speed, 0.125)

    def test_pause_and_step(self) -> None:
        self.press(" ", ".")
        self.assertTrue(self.playing.paused)
        self.assertEqual(self.playing.steps, 1)
        self.assertIn("paused", self.screen()[0])


class SizeTests(ProgramTestCase):
    """Each line is as wide as the terminal, whatever is on it; the test case sees to that."""

    def test_too_small(self) -> None:
        self.columns, self.lines = 60, 15
        self.assertEqual(
            self.screen()[0],
            f"mcast top needs {LEAST_COLUMNS}×{LEAST_LINES}; this terminal has 60×15",
        )

    def test_very_small(self) -> None:
        for self.columns, self.lines in ((1, 1), (5, 3), (200, 2)):
            self.screen()

    def test_any_size(self) -> None:
        self.services("漢字テスト", "a" * 63, "Émile’s Café 🎵", "x")
        self.packet(response(host_record()))
        self.data.take_groups({"a": answered()})
        self.settle()
        rng = random.Random(1)
        for _ in range(60):
            self.columns, self.lines = rng.randrange(70, 260), rng.randrange(18, 70)
            self.press(rng.choice("123456"), rng.choice(("enter", "s", "r", "down", "?")))
            self.screen()

    def test_columns_that_have_no_room_go(self) -> None:
        self.services("Web")
        self.columns = 70
        self.assertNotIn("IF", self.screen()[2])
        self.columns = 120
        self.assertIn("IF", self.screen()[2])

    def test_without_utf8(self) -> None:
        """Marks and plots of our own are ASCII; names are what the terminal makes of them."""
        program = Program(self.data, Actions(lambda: None, lambda text: None), ascii_only=True)
        self.services("Web")
        program.key("enter")
        text = "".join([part for line in program.draw(100, 24, 0.0) for _, part in line])
        self.assertTrue(text.isascii(), text)


class AnyKeyTests(SynchronousTestCase):
    """No sequence of keys breaks it."""

    @settings(deadline=None, max_examples=60)
    @given(
        st.lists(
            st.sampled_from(
                [
                    *"123456/?sSrdcao[]jkq +-.hl",
                    "enter",
                    "esc",
                    "tab",
                    "up",
                    "down",
                    "end",
                    "home",
                    "page up",
                    "page down",
                    "backspace",
                    "ctrl u",
                    "f5",
                    "a",
                ]
            )
        )
    )
    def test_keys(self, keys: list[str]) -> None:
        program = Program(Data(), Actions(lambda: None, lambda text: None))
        for key in keys:
            program.key(key)
            self.assertEqual(len(program.draw(80, 24, 0.0)), 24)
