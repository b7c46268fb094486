"""docs/operating.md: an administrator installs, starts, configures and looks, and types what stands there."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import ClassVar

from tests.blocks import Block, block
from tests.interop.programs import Program, Room, require_programs
from tests.network.lan import REPOSITORY, LanTestCase, wait_until

PAGE = "docs/operating.md"

INSTALL_TIMEOUT = 1200
"""Our choice: seconds for an installation with its downloads, on a machine that is ten times slower."""

ATTEMPTS = 3
"""Our choice: an index has its bad moments."""

SYSTEMCTL = """
systemctl() {
    local words=() word
    for word in "$@"; do [ "$word" = --now ] || words+=("$word"); done
    SYSTEMD_OFFLINE=1 command systemctl "${words[@]}"
}
"""
"""It enables units; no manager runs in the test that could start them at once."""

ENVIRONMENT = {"PYTHONPATH": ""}
"""What is installed is used, and not what the tests run on."""

BARE = ("setpriv", "--bounding-set=-all", "--inh-caps=-all", "--no-new-privs")
"""Runs a program without a capability, and without a way to get one."""

LEFT_OUT = (
    *(".git", "__pycache__", "*.egg-info", "build", "dropin.cache"),
    *("_trial_temp*", ".mypy_cache", ".ruff_cache", ".hypothesis"),
    ".venv",  # the programs of a copy would go on installing into the one that was copied
)


class OperatingTests(LanTestCase):
    """Here is a machine with a copy of our source; its /opt, /etc and /var/lib are the test's."""

    hosts: ClassVar[int] = 2

    def setUp(self) -> None:
        require_programs("systemctl", "systemd-analyze", "getent")
        super().setUp()
        self.folder = Path(tempfile.mkdtemp(prefix="mcast-operating-"))
        self.addCleanup(shutil.rmtree, self.folder, True)
        self.source = self.folder / "source"
        shutil.copytree(REPOSITORY, self.source, ignore=shutil.ignore_patterns(*LEFT_OUT))
        # Tests beside this one make and remove folders of their namespaces in /etc/netns.
        shutil.copytree("/etc", self.folder / "etc", symlinks=True, ignore=shutil.ignore_patterns("netns"))
        for name in ("opt", "lib"):
            (self.folder / name).mkdir()

    def test_from_installation_to_names(self) -> None:
        self.install(block(PAGE, "python3 -m venv /opt/mcast"))
        here, _ = self.lan.hosts
        places = {"/opt": "opt", "/etc": "etc", "/var/lib": "lib"}
        self.room = Room(here, {place: self.folder / name for place, name in places.items()})
        self.addCleanup(self.room.close)
        self.type(block(PAGE, "systemctl enable --now"))
        self.assertTrue((self.folder / "etc/systemd/system/multi-user.target.wants").is_dir())
        service = self.start_unit("mcast-mdns")
        service.wait_for("joined")
        self.publish_a_first_service(block(PAGE, "[[service]]"))
        service.end()

        self.type(block(PAGE, "MCAST_MDNS_OPTIONS="))
        configured = self.start_unit("mcast-mdns")
        configured.wait_for("kitchen")
        echo = self.start_unit("mcast-echo")
        echo.wait_for("239.1.2.3")
        view = self.start_unit("mcast-view")
        view.wait_for("8765")
        self.check_drop_in("mcast-proxy", block(PAGE, "SupplementaryGroups="))
        self.check_drop_in("mcast-view", block(PAGE, "LoadCredential="))
        site = self.run_own_program(block(PAGE, "Description=My site"))
        for each in (configured, echo, view, site):
            each.end()
        self.look_up_by_the_system(block(PAGE, "--resolver-socket"), block(PAGE, "getent hosts"))

    def test_readme(self) -> None:
        """The first command of README.md: two parts of it install, the third runs what is installed."""
        shown = block("README.md", "pip install . &&")
        *installing, run = shown.script.split(" && ")
        self.install(shown._replace(text=" && ".join(installing)))
        installed = list(self.source.glob(".venv/lib/python*/site-packages/mcast"))
        self.assertEqual(len(installed), 1, "it was installed elsewhere")
        here, there = self.lan.hosts
        line = f"cd '{self.source}'; exec {run}"
        responder = Program(here.command("bash", "-c", line), environment=ENVIRONMENT)
        self.addCleanup(responder.end)
        responder.wait_for("Starting reactor")
        ping = (str(self.source / ".venv/bin/mcast"), "ping", "224.0.0.123:7645", "-c", "1")
        wait_until(lambda: "1 responder" in there.run(*ping, check=False), "an answer")

    def install(self, shown: Block) -> None:
        """Type the commands that install; they use the network of this machine, and join no group."""
        begin = f"unset PYTHONPATH; mount --bind '{self.folder}/opt' /opt && cd '{self.source}'"
        for _ in range(ATTEMPTS):
            done = subprocess.run(
                ("unshare", "--mount", "bash", "-c", f"{begin} && set -e && {shown.script}"),
                capture_output=True,
                text=True,
                timeout=INSTALL_TIMEOUT,
                check=False,
            )
            if done.returncode == 0:
                return
        self.fail(f"{ATTEMPTS} times: {done.stdout}{done.stderr}")

    def type(self, shown: Block) -> str:
        """Type the commands of a block here, as root; nothing manages services in the test."""
        script = f"set -e; cd '{self.source}'\n{SYSTEMCTL}\n{shown.script}"
        done = self.room.run("bash", "-c", script)
        self.assertEqual(done.returncode, 0, done.stdout)
        return done.stdout

    def start_unit(self, name: str) -> Program:
        """Start what a unit starts, with its options and its folders, without a capability."""
        unit = (self.folder / f"etc/systemd/system/{name}.service").read_text(encoding="utf-8")
        (command,) = re.findall(r"^ExecStart=(.*)$", unit, re.MULTILINE)
        (file,) = re.findall(r"^EnvironmentFile=-/(.*)$", unit, re.MULTILINE)
        options = self.folder / file
        variable, _, value = (
            options.read_text(encoding="utf-8").partition("=") if options.exists() else ("",) * 3
        )
        words = command.replace(f"${variable}", value.strip()) if variable else re.sub(r"\$\w+", "", command)
        for setting, folder in (("ConfigurationDirectory", "etc"), ("StateDirectory", "lib")):
            for made in re.findall(rf"^{setting}=(.*)$", unit, re.MULTILINE):
                (self.folder / folder / made).mkdir(parents=True, exist_ok=True)
        program = self.room.start(*BARE, *shlex.split(words), environment=ENVIRONMENT)
        self.addCleanup(program.end)
        return program

    def publish_a_first_service(self, shown: Block) -> None:
        *_, look = shown.script.splitlines()
        self.type(shown._replace(text=shown.text.replace(look, "")))

        def is_found() -> bool:
            line = f"unset PYTHONPATH; {look}"
            return "8080" in self.room.run("bash", "-c", line).stdout

        wait_until(is_found, "the first service")

    def check_drop_in(self, unit: str, shown: Block) -> None:
        folder = self.folder / "etc/systemd/system"
        drop_in = folder / f"{unit}.service.d/local.conf"
        drop_in.parent.mkdir()
        drop_in.write_text(shown.text, encoding="utf-8")
        file = f"/etc/systemd/system/{unit}.service"
        said = self.room.run("systemd-analyze", "verify", "--man=no", file)
        self.assertEqual((said.returncode, said.stdout), (0, ""))

    def run_own_program(self, shown: Block) -> Program:
        """Have systemd read the unit of a program that is not ours, and run what it starts."""
        (self.folder / "etc/systemd/system/site.service").write_text(shown.text, encoding="utf-8")
        said = self.room.run("systemd-analyze", "verify", "--man=no", "/etc/systemd/system/site.service")
        self.assertEqual((said.returncode, said.stdout), (0, ""))
        (command,) = re.findall(r"^ExecStart=(.*)$", shown.text, re.MULTILINE)
        program = self.room.start(*BARE, *shlex.split(command), environment=ENVIRONMENT)
        self.addCleanup(program.end)
        program.wait_for("published")
        return program

    def look_up_by_the_system(self, serve: Block, look: Block) -> None:
        """The printer is another host; the line of nsswitch.conf is the one of the page."""
        page = (REPOSITORY / PAGE).read_text(encoding="utf-8")
        (line,) = re.findall(r"`(hosts: files mdns4_minimal[^`]*)`", page)
        (self.folder / "etc/nsswitch.conf").write_text(f"passwd: files\n{line}\n", encoding="utf-8")
        _, there = self.lan.hosts
        command = there.command("unshare", "--mount", *self.in_opt("mdns --hostname printer"))
        printer = Program(command, environment=ENVIRONMENT)
        self.addCleanup(printer.end)
        printer.wait_for("printer.local")
        self.room.run("mkdir", "/run/avahi-daemon")
        line = f"exec {serve.script}"
        program = self.room.start("bash", "-c", line, environment=ENVIRONMENT)
        self.addCleanup(program.end)

        def is_found() -> bool:
            return there.ipv4() in self.room.run(*shlex.split(look.script)).stdout

        wait_until(is_found, "the printer")

    def in_opt(self, options: str) -> tuple[str, ...]:
        """Return a command that runs what was installed, where /opt is the test's."""
        return (
            "bash",
            "-c",
            f"mount --bind '{self.folder}/opt' /opt; exec /opt/mcast/bin/twist mcast {options}",
        )
