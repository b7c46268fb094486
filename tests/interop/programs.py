"""Programs on a test host, their output gathered line by line while they go on."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import TracebackType

from twisted.trial.unittest import SkipTest

from tests.network.lan import END_TIMEOUT, PATIENCE, REPOSITORY, Host, require_namespaces
from tests.signals import default_signals


def require_programs(*names: str) -> None:
    """Skip the test when this machine cannot run it; where CI is set everything must be there.

    :raises SkipTest: outside CI, when namespaces cannot be made or a program is missing.
    """
    require_namespaces()
    if os.environ.get("CI"):
        return
    # Debian keeps daemons where a user's PATH does not reach.
    path = os.pathsep.join([os.environ.get("PATH", ""), "/usr/sbin", "/sbin"])
    missing = [name for name in ("nsenter", "setpriv", *names) if shutil.which(name, path=path) is None]
    if missing:
        raise SkipTest(f"not installed: {', '.join(missing)}")


class Program:
    """A running program; its standard output and error are gathered in ``lines``.

    :param command: what to run, in the caller's network namespace.
    """

    def __init__(self, command: Sequence[str], *, environment: Mapping[str, str] | None = None) -> None:
        self.command = list(command)
        self.lines: list[str] = []
        self._changed = threading.Condition()
        # When the test run itself is killed, the program goes with it.
        with default_signals():
            self._process = subprocess.Popen(
                ["setpriv", "--pdeathsig", "KILL", *command],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                cwd=REPOSITORY,
                env={**os.environ, "PYTHONUNBUFFERED": "1", **(environment or {})},
                start_new_session=True,
            )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def __enter__(self) -> Program:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.end()

    @property
    def pid(self) -> int:
        return self._process.pid

    @property
    def is_running(self) -> bool:
        return self._process.poll() is None

    @property
    def output(self) -> str:
        """All lines so far."""
        with self._changed:
            return "\n".join(self.lines)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for raw in self._process.stdout:
            with self._changed:
                self.lines.append(raw.decode(errors="replace").rstrip("\n"))
                self._changed.notify_all()
        with self._changed:
            self._changed.notify_all()

    def wait_for(self, wanted: str | Callable[[str], bool], timeout: float = PATIENCE, start: int = 0) -> int:
        """Return the index of the first line, from ``start`` on, that holds the text or is accepted.

        :raises AssertionError: with all of the output, when there is none within ``timeout`` seconds or
            the program ends.
        """
        matches = wanted if callable(wanted) else (lambda line: wanted in line)
        deadline = time.monotonic() + timeout
        index = start
        with self._changed:
            while True:
                while index < len(self.lines):
                    if matches(self.lines[index]):
                        return index
                    index += 1
                left = deadline - time.monotonic()
                if left <= 0 or not self._reader.is_alive():
                    shown = wanted if isinstance(wanted, str) else "the awaited line"
                    everything = "\n".join(self.lines)
                    raise AssertionError(f"{self.command}: no {shown!r} in {timeout} s, but:\n{everything}")
                # Woken now and then, since the end of the reader is not announced under the lock.
                self._changed.wait(min(left, 0.2))

    def tell(self, line: str) -> None:
        """Write one line to the program's standard input."""
        assert self._process.stdin is not None
        self._process.stdin.write(line.encode() + b"\n")
        self._process.stdin.flush()

    def close_input(self) -> None:
        """Let the program read the end of its standard input."""
        assert self._process.stdin is not None
        self._process.stdin.close()

    def send_signal(self, number: int) -> None:
        self._process.send_signal(number)

    def wait(self, timeout: float = PATIENCE) -> int:
        """Return the exit status once the program has ended by itself.

        :raises AssertionError: when it has not within ``timeout`` seconds.
        """
        try:
            status = self._process.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self.command} did not end in {timeout} s:\n{self.output}") from None
        self._reader.join(END_TIMEOUT)
        return status

    def end(self, number: int = signal.SIGTERM) -> int:
        """Ask the program to end, kill it if it does not, and return its exit status."""
        if self._process.poll() is None:
            self._process.send_signal(number)
            try:
                self._process.wait(END_TIMEOUT)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        self._reader.join(END_TIMEOUT)
        for stream in (self._process.stdin, self._process.stdout):
            if stream is not None:
                stream.close()
        return self._process.returncode


class Room:
    """A mount namespace of a test host, with a ``/run`` of its own.

    ``ip netns exec`` gives each command private mounts, so what is mounted here is seen by nobody else; other
    programs come in by `start` and `run`.

    :param mounts: paths of this machine, each hidden in the room behind the file or folder given with it.
    """

    def __init__(self, host: Host, mounts: Mapping[str, Path] | None = None) -> None:
        script = "mount -t tmpfs tmpfs /run && "
        for place, content in (mounts or {}).items():
            script += f"mount --bind '{content}' '{place}' && "
        # The shell becomes a program that does nothing until its standard input ends.
        script += "echo ready && exec cat"
        self._keeper = Program(host.command("sh", "-c", script))
        try:
            self._keeper.wait_for("ready")
        except BaseException:
            self._keeper.end()
            raise

    def _inside(self, command: Sequence[str]) -> list[str]:
        return [
            "nsenter",
            f"--target={self._keeper.pid}",
            "--mount",
            "--net",
            f"--wd={REPOSITORY}",
            "--",
            *command,
        ]

    def start(self, *command: str, environment: Mapping[str, str] | None = None) -> Program:
        """Start a program in the room; the caller ends it."""
        return Program(self._inside(command), environment=environment)

    def run(self, *command: str, timeout: float = PATIENCE) -> subprocess.CompletedProcess[str]:
        """Run a program in the room to its end; its standard output and error are gathered together.

        :raises subprocess.TimeoutExpired: when it takes longer than ``timeout`` seconds; it is killed then.
        """
        return subprocess.run(
            self._inside(command),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )

    def close(self) -> None:
        self._keeper.end()
