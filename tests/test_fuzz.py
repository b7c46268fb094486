"""The targets of fuzz/ without a fuzzer: all seeds, all that ever failed, and some inputs made of these."""

from __future__ import annotations

from random import Random

from twisted.trial.unittest import SynchronousTestCase

from fuzz.links import read_steps, write_steps
from fuzz.mutator import packet
from fuzz.targets import FAILED, FOLDER, TARGETS, Target
from mcast.dns.messages import decode
from mcast.errors import MalformedMessage

MUTATED = {"state": 10, "proxy-query": 40, "links": 60}
"""Mutated inputs of a target; of the others, more."""


def run(target: Target) -> None:
    """Run a target on what stands in its folders and on mutations of it; name the input that fails."""
    rng = Random(6762)
    seeds = [path.read_bytes() for path in target.seeds()]
    assert seeds, f"{target.name} has no seeds"
    made = [target.mutate(rng.choice(seeds), rng, 9000) for _ in range(MUTATED.get(target.name, 300))]
    for data in (*seeds, *made):
        try:
            target.run(data)
        except Exception as error:
            raise AssertionError(f"{target.name} fails with {data[:2000]!r}") from error


class TargetTests(SynchronousTestCase):
    """One test for each target."""

    def test_all_have_a_test(self) -> None:
        tests = {
            name.removeprefix("test_").replace("_", "-") for name in dir(self) if name.startswith("test_")
        }
        self.assertEqual(set(TARGETS) - tests, set())

    def test_all_failed_inputs_have_a_target(self) -> None:
        self.assertEqual(
            {folder.name for folder in FAILED.iterdir() if folder.is_dir()} - set(TARGETS), set()
        )

    def test_all_are_in_the_page(self) -> None:
        page = (FOLDER / "README.md").read_text(encoding="utf-8")
        self.assertEqual([name for name in TARGETS if f"`{name}`" not in page], [])

    def test_decoder(self) -> None:
        run(TARGETS["decoder"])

    def test_dnslib(self) -> None:
        run(TARGETS["dnslib"])

    def test_dnspython(self) -> None:
        run(TARGETS["dnspython"])

    def test_dump(self) -> None:
        run(TARGETS["dump"])

    def test_names(self) -> None:
        run(TARGETS["names"])

    def test_links(self) -> None:
        run(TARGETS["links"])

    def test_dso(self) -> None:
        run(TARGETS["dso"])

    def test_push_session(self) -> None:
        run(TARGETS["push-session"])

    def test_txt(self) -> None:
        run(TARGETS["txt"])

    def test_service_string(self) -> None:
        run(TARGETS["service-string"])

    def test_record_string(self) -> None:
        run(TARGETS["record-string"])

    def test_endpoint_string(self) -> None:
        run(TARGETS["endpoint-string"])

    def test_update_reply(self) -> None:
        run(TARGETS["update-reply"])

    def test_key_file(self) -> None:
        run(TARGETS["key-file"])

    def test_proxy_query(self) -> None:
        run(TARGETS["proxy-query"])

    def test_proxy_file(self) -> None:
        run(TARGETS["proxy-file"])

    def test_avahi(self) -> None:
        run(TARGETS["avahi"])

    def test_services_file(self) -> None:
        run(TARGETS["services-file"])

    def test_capture(self) -> None:
        run(TARGETS["capture"])

    def test_state(self) -> None:
        run(TARGETS["state"])


class MutatorTests(SynchronousTestCase):
    """What the mutator makes is worth running."""

    def test_most_packets_can_be_read(self) -> None:
        rng, readable = Random(1), 0
        seeds = [path.read_bytes() for path in TARGETS["decoder"].seeds()]
        for _ in range(1000):
            data = packet(rng.choice(seeds), rng, 9000)
            try:
                decode(data)
            except MalformedMessage:
                continue
            readable += 1
        self.assertGreater(readable, 700)
        self.assertLess(readable, 1000)

    def test_steps_are_read_as_they_are_written(self) -> None:
        for path in TARGETS["links"].seeds():
            data = path.read_bytes()
            self.assertEqual(write_steps(read_steps(data)), data)
