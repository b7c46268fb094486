"""Every block of the documents is run, or read by the program that it is for: here stands by which test."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

from twisted.trial.unittest import SynchronousTestCase

from tests.blocks import TOP, Block, blocks_of, pages

DOCUMENTS = "tests.test_documents.RunTests"
PAGES = "tests.test_pages"
BLOCKS = "tests.interop.test_blocks"
TUTORIALS = "tests.interop.test_tutorials"
FRAMEWORKS = "tests.interop.test_frameworks.FrameworkTests"
OPERATING = "tests.interop.test_operating.OperatingTests"
RECIPES = "tests.interop.test_proxy.RecipeTests"
CONFIGURATION = "tests.interop.test_configuration"

RUN_BY: dict[str, dict[str, str]] = {
    "README.md": {
        "from mcast import Node, Service": f"{BLOCKS}.FirstPageTests.test_publish",
        "async for change in node.browse": f"{DOCUMENTS}.test_browse",
        'node.resolve("My Web"': f"{DOCUMENTS}.test_look_ups",
        "import clientFromString": f"{BLOCKS}.FirstPageTests.test_endpoint_strings",
        "class Printer": f"{BLOCKS}.FirstPageTests.test_join_a_group",
        "M-SEARCH": f"{BLOCKS}.FirstPageTests.test_ask",
        "twist mcast proxy": f"{BLOCKS}.ProxyPageTests.test_readme",
        "pip install . && .venv/bin/twist mcast": f"{OPERATING}.test_readme",
    },
    "docs/beyond.md": {
        "twist mcast proxy": f"{BLOCKS}.ProxyPageTests.test_beyond",
        "[[zone]]": "tests.tap.test_proxy.PageTests.test_file",
        "import DiscoveryProxy": f"{DOCUMENTS}.test_proxy_in_a_program",
        "$ORIGIN": f"{RECIPES}.test_bind_delegates_and_unbound_follows",
        "type primary": f"{RECIPES}.test_bind_delegates_and_unbound_follows",
        "- domain: example.com": f"{RECIPES}.test_knot_delegates_and_bind_follows",
        "stub-zone:": f"{RECIPES}.test_unbound_alone",
        "type static-stub": f"{RECIPES}.test_bind_alone",
        "rebind-domain-ok": f"{RECIPES}.test_dnsmasq",
        "dig _ipp": f"{BLOCKS}.ProxyPageTests.test_beyond",
        "async for change": f"{BLOCKS}.ProxyPageTests.test_beyond",
        "$ mcast domains\n": f"{BLOCKS}.ProxyPageTests.test_beyond",
        "domains --check": f"{BLOCKS}.ProxyPageTests.test_beyond",
        "read_update_key(": "tests.interop.test_registration.PageTests.test_program",
    },
    "docs/conform.md": {"runs-on": f"{CONFIGURATION}.SchemaTests.test_workflows"},
    "docs/endpoints.md": {
        "twist web": f"{BLOCKS}.FirstPageTests.test_endpoint_strings",
        "server = serverFromString": f"{DOCUMENTS}.test_endpoints",
        "ServiceServerEndpoint(": f"{DOCUMENTS}.test_endpoints",
        "provide_node(": f"{DOCUMENTS}.test_endpoints",
        "is unknown; there are": f"{PAGES}.MessageTests.test_endpoint_string",
    },
    "docs/explanation/multicast.md": {"--check": f"{BLOCKS}.GroupPageTests.test_is_there_multicast"},
    "docs/howto/containers.md": {"twist mcast mdns": f"{BLOCKS}.FirstPageTests.test_four_commands"},
    "docs/howto/frameworks.md": {
        "from klein": f"{FRAMEWORKS}.test_klein_and_treq",
        "$ python docs_site.py": f"{FRAMEWORKS}.test_klein_and_treq",
        "await treq.get": f"{FRAMEWORKS}.test_klein_and_treq",
        "$ python fetch.py": f"{FRAMEWORKS}.test_klein_and_treq",
        "class ByName": f"{FRAMEWORKS}.test_klein_and_treq",
        "$ python fetch_service.py": f"{FRAMEWORKS}.test_klein_and_treq",
        "async def application": f"{FRAMEWORKS}.test_daphne",
        "$ daphne": f"{FRAMEWORKS}.test_daphne",
        "class Chat": f"{FRAMEWORKS}.test_autobahn",
        "$ python chat.py": f"{FRAMEWORKS}.test_autobahn",
        "class Speaker": f"{FRAMEWORKS}.test_autobahn",
        "$ python say.py": f"{FRAMEWORKS}.test_autobahn",
        "ckeygen": f"{FRAMEWORKS}.test_conch",
        "port = reactor.listenTCP": f"{BLOCKS}.FirstPageTests.test_listens_by_itself",
        "Agent(reactor)": f"{FRAMEWORKS}.test_klein_and_treq",
    },
    "docs/howto/from-zeroconf.md": {"async def publish": f"{DOCUMENTS}.test_from_zeroconf"},
    "docs/howto/kubernetes.md": {
        "kind: DaemonSet": f"{CONFIGURATION}.SchemaTests.test_kubernetes",
        "NetworkAttachmentDefinition": f"{PAGES}.ConfigurationTests.test_network_attachment",
        "mcast browse": f"{BLOCKS}.ProxyPageTests.test_kubernetes",
    },
    "docs/howto/vlans.md": {
        "ip link add": f"{BLOCKS}.VlanPageTests.test_commands",
        "twist mcast proxy": f"{BLOCKS}.VlanPageTests.test_commands",
        "mcast browse": f"{BLOCKS}.VlanPageTests.test_commands",
        "twist mcast bridge": f"{BLOCKS}.VlanPageTests.test_commands",
    },
    "docs/index.md": {
        "$ twist mcast": f"{BLOCKS}.FirstPageTests.test_four_commands",
        "react(main)": f"{BLOCKS}.FirstPageTests.test_publish_and_browse",
    },
    "docs/metrics.md": {
        "MetricsResource(node)": f"{DOCUMENTS}.test_metrics",
        "def alarm": f"{DOCUMENTS}.test_log_observer",
    },
    "docs/multicast.md": {
        "CoAP": f"{BLOCKS}.GroupPageTests.test_ask",
        "--text $'M-SEARCH": f"{BLOCKS}.GroupPageTests.test_answer",
        "import Group, answer": f"{BLOCKS}.GroupPageTests.test_answer",
        "mcast listen": f"{BLOCKS}.GroupPageTests.test_watch",
        "--both": f"{BLOCKS}.GroupPageTests.test_both_ways",
    },
    "docs/operating.md": {
        "python3 -m venv": f"{OPERATING}.test_from_installation_to_names",
        "systemctl": f"{OPERATING}.test_from_installation_to_names",
        "[[service]]": f"{OPERATING}.test_from_installation_to_names",
        "MCAST_MDNS_OPTIONS=": f"{OPERATING}.test_from_installation_to_names",
        "Description=My site": f"{OPERATING}.test_from_installation_to_names",
        "LoadCredential": f"{OPERATING}.test_from_installation_to_names",
        "SupplementaryGroups": f"{OPERATING}.test_from_installation_to_names",
        "--resolver-socket": f"{OPERATING}.test_from_installation_to_names",
        "getent": f"{OPERATING}.test_from_installation_to_names",
    },
    "docs/reference/services-file.md": {"[[service]]": f"{PAGES}.ConfigurationTests.test_toml"},
    "docs/resolver.md": {
        "\ninstall(reactor)\n": f"{BLOCKS}.ResolverPageTests.test_names_and_addresses",
        "fetch_local.py": f"{BLOCKS}.ResolverPageTests.test_names_and_addresses",
        "reverse(": f"{BLOCKS}.ResolverPageTests.test_names_and_addresses",
    },
    "docs/testing.md": {
        "class DiscoveryTests": f"{DOCUMENTS}.test_of_a_program",
        "lan.advance(86400)": f"{DOCUMENTS}.test_a_day_without_a_packet",
    },
    "docs/top.md": {"--record": f"{BLOCKS}.ViewPageTests.test_recording"},
    "docs/tutorials/discoverable-web-site.md": {
        "twist web": f"{TUTORIALS}.WebSiteTests.test_step_by_step",
        "mcast browse": f"{TUTORIALS}.WebSiteTests.test_step_by_step",
        "node.publish(": f"{TUTORIALS}.WebSiteTests.test_step_by_step",
        "$ python site.py": f"{TUTORIALS}.WebSiteTests.test_step_by_step",
        "async for change": f"{TUTORIALS}.WebSiteTests.test_step_by_step",
        "$ python follow.py": f"{TUTORIALS}.WebSiteTests.test_step_by_step",
    },
    "docs/tutorials/echo-group.md": {
        "interfaces --check": f"{TUTORIALS}.EchoGroupTests.test_step_by_step",
        "$ twist mcast": f"{TUTORIALS}.EchoGroupTests.test_step_by_step",
        "ping 224": f"{TUTORIALS}.EchoGroupTests.test_step_by_step",
        "ping 'ff02": f"{TUTORIALS}.EchoGroupTests.test_step_by_step",
        "class ": f"{TUTORIALS}.EchoGroupTests.test_step_by_step",
        "$ python parrot.py": f"{TUTORIALS}.EchoGroupTests.test_step_by_step",
        "$ mcast ask": f"{TUTORIALS}.EchoGroupTests.test_step_by_step",
    },
    "docs/tutorials/simulated-network.md": {
        "def node_on": f"{DOCUMENTS}.test_tutorial",
        "second = node_on": f"{DOCUMENTS}.test_tutorial",
        "unplug()\nlan.advance(130)": f"{DOCUMENTS}.test_tutorial",
        "class PanelTests": f"{DOCUMENTS}.test_tutorial",
        "$ python -m twisted.trial": f"{TUTORIALS}.SimulatedNetworkTests.test_step_by_step",
    },
    "docs/view.md": {
        "twist mcast view": f"{BLOCKS}.ViewPageTests.test_programs",
        "LiveView(": f"{BLOCKS}.ViewPageTests.test_site_of_your_own",
        "curl": f"{BLOCKS}.ViewPageTests.test_programs",
    },
}
"""For each page what a block has that no other of the page has, and the test that runs it."""

INSTALLS = "an installation for development: .ci/run makes the same, and runs what follows"
MINUTES = "a run takes minutes: parsed here, and tests/network/test_conform.py runs parts of each role"
NO_ENGINE = "no container engine runs here: the options behind IMAGE are parsed"
FIGURE = "a figure"
USAGE = "a form, with parts left out"

NOT_RUN: dict[str, dict[str, str]] = {
    "README.md": {".[test]": INSTALLS},
    "CONTRIBUTING.md": {
        ".[dev]": INSTALLS,
        "ruff check": "the steps of .ci/run",
        "sphinx-build": "a step of .ci/run",
        "tests.network.test_echo": "it is part of the suite",
    },
    "docs/architecture.md": {"mcast/__init__.py": FIGURE, "tie_break": FIGURE},
    "docs/conform.md": {
        "$ sudo mcast conform": MINUTES,
        "tests.conform.mutants": "hours; tests/conform/test_mutants.py runs its parts",
    },
    "docs/endpoints.md": {"mdns:TYPE:endpoint": USAGE, "mdns:TYPE[:name": USAGE},
    "docs/explanation/multicast-dns.md": {"announcement": FIGURE, "PTR": FIGURE},
    "docs/howto/containers.md": {
        "--network host": NO_ENGINE,
        "macvlan": NO_ENGINE,
        "docker build": f"{NO_ENGINE}; hadolint reads the file",
    },
    "docs/howto/kubernetes.md": {"forward": "CoreDNS is no package of Debian"},
    "docs/top.md": {"txmcast[top]": "from the index, where it is not yet; tests/interop/test_top.py runs it"},
    "docs/tutorials/echo-group.md": {
        "pip install .": f"the same is typed by {OPERATING}.test_readme",
    },
}
"""Blocks that no test runs, and why; an entry may be of several."""


def found(block: Block, table: dict[str, dict[str, str]]) -> list[str]:
    """Return the entries of a table that a block has."""
    return [text for text in table.get(block.page, ()) if text in block.text]


class LedgerTests(SynchronousTestCase):
    def setUp(self) -> None:
        self.blocks = [block for page in pages() for block in blocks_of(page)]

    def test_every_block_is_run(self) -> None:
        """A new block needs a test that takes it from its page, and an entry in RUN_BY above."""
        missing = [
            f"{block.place} ({block.text.splitlines()[0]})"
            for block in self.blocks
            if not found(block, RUN_BY) and not found(block, NOT_RUN)
        ]
        self.assertEqual(missing, [])

    def test_each_entry_is_one_block(self) -> None:
        """No entry is of a block that is gone, and none in RUN_BY of two."""
        for table in (RUN_BY, NOT_RUN):
            seen = Counter((block.page, text) for block in self.blocks for text in found(block, table))
            wanted = {(page, text) for page, entries in table.items() for text in entries}
            self.assertEqual(wanted - seen.keys(), set())
            if table is RUN_BY:
                self.assertEqual({entry: number for entry, number in seen.items() if number > 1}, {})

    def test_none_stands_in_both(self) -> None:
        both = [block.place for block in self.blocks if found(block, RUN_BY) and found(block, NOT_RUN)]
        self.assertEqual(both, [])

    def test_tests_are_there(self) -> None:
        """Looked up in the source: some modules need packages that not everybody has."""
        for test in {test for entries in RUN_BY.values() for test in entries.values()}:
            module, name, method = test.rsplit(".", 2)
            source = Path(TOP, *module.split(".")).with_suffix(".py").read_text(encoding="utf-8")
            is_there = re.search(rf"(?ms)^class {name}\b.*^    def {method}\(", source)
            self.assertTrue(is_there, test)
