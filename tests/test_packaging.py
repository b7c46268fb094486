"""The plugin, the command and the package are found from a wheel, an sdist and an editable install.

Needs the package index for pip, setuptools and wheel; what mcast itself depends on is lent by this
interpreter.
"""

from __future__ import annotations

import functools
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import zipfile
from atexit import register
from email import message_from_string
from pathlib import Path

from tests.beside import RunBeside

REPOSITORY = Path(__file__).resolve().parents[1]
WORDS = (
    *(".ci", ".github", "mcast", "tests", "docs", "benchmarks", "changes", "contrib", "fuzz", "twisted"),
    ".pre-commit-config.yaml",
)
"""Folders of the source distribution, and a file; so are all files whose name has no leading dot."""


def run(*words: str | Path, cwd: Path | None = None) -> str:
    """Run a program and return what it prints; its environment knows nothing of the repository."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")
    }
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=cwd, timeout=1200, check=False, env=environment
    )
    if done.returncode:
        raise AssertionError(f"{words}: status {done.returncode}\n{done.stdout}{done.stderr}")
    return done.stdout


@functools.cache
def workshop() -> Path:
    """Return a folder with a copy of the source and an environment that builds; deleted at the end."""
    folder = Path(tempfile.mkdtemp(prefix="mcast-packaging-"))
    register(shutil.rmtree, folder, ignore_errors=True)
    # A copy, since setuptools leaves its traces in the source.
    (folder / "source").mkdir()
    leave = shutil.ignore_patterns("__pycache__", "*.egg-info", "build", "dropin.cache", "_trial_temp*")
    for each in REPOSITORY.iterdir():
        if each.name in WORDS and each.is_dir():
            shutil.copytree(each, folder / "source" / each.name, ignore=leave)
        elif each.is_file() and (each.name in WORDS or not each.name.startswith(".")):
            shutil.copy(each, folder / "source")
    environment(folder / "builder")
    download(folder / "builder", "pip", "setuptools", "wheel")
    return folder


def download(folder: Path, *names: str) -> None:
    """Install the newest of some packages of the index, which has its bad moments, in an environment."""
    for pause in (3, 10, 30, 0):
        try:
            install(folder, "--upgrade", *names)
            break
        except AssertionError:
            if not pause:
                raise
            time.sleep(pause)


def environment(folder: Path, *, with_pip: bool = True) -> None:
    """Make a virtual environment."""
    run(sys.executable, "-m", "venv", *([] if with_pip else ["--without-pip"]), folder)


def install(folder: Path, *words: str | Path) -> None:
    """Run pip's install in an environment."""
    run(folder / "bin" / "python", "-m", "pip", "install", "-q", "--disable-pip-version-check", *words)


def lend(folder: Path) -> None:
    """Let an environment import what this interpreter has installed, after its own."""
    (own,) = (folder / "lib").glob("python*/site-packages")
    lent = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    (own / "lent.pth").write_text("".join(f"{path}\n" for path in sorted(lent)))


def build(source: Path, what: str, target: Path) -> Path:
    """Build a wheel or an sdist as a build front end does, and return the file.

    The time of the source is said, as a packager does who wants the same file each time.
    """
    program = f"from setuptools import build_meta; print(build_meta.build_{what}({str(target)!r}))"
    target.mkdir(exist_ok=True)
    words = ("env", "SOURCE_DATE_EPOCH=1700000000", workshop() / "builder" / "bin" / "python")
    output = run(*words, "-c", program, cwd=source)
    return target / output.splitlines()[-1]


@functools.cache
def wheel() -> Path:
    return build(workshop() / "source", "wheel", workshop() / "wheel")


@functools.cache
def sdist() -> Path:
    return build(workshop() / "source", "sdist", workshop() / "sdist")


class InstalledTestCase(RunBeside):
    beside_group = "packaging"  # they share a workshop

    def assert_works(self, folder: Path) -> None:
        """The plugin, the command and the package of an environment are there, and are its own."""
        python = folder / "bin" / "python"
        shown = run(python, "-m", "twisted", "mcast", "--help", cwd=folder)
        self.assertIn("--group=", shown)
        for shown in (
            run(folder / "bin" / "mcast", "--version", cwd=folder),
            run(python, "-m", "twisted", "mcast", "--version", cwd=folder),
        ):
            self.assertEqual(shown.splitlines()[0], "mcast 0.1.0")
            self.assertIn("\nPython: ", shown)
            self.assertIn("\nTwisted: ", shown)
        self.assertIn("ping", run(folder / "bin" / "mcast", "--help", cwd=folder))
        self.assertNotIn(
            str(REPOSITORY), run(python, "-c", "import mcast; print(mcast.__file__)", cwd=folder)
        )

    def installed(self, built: Path, name: str) -> Path:
        """Return a fresh environment with a wheel installed."""
        folder = workshop() / name
        environment(folder, with_pip=False)
        builder = workshop() / "builder" / "bin" / "python"
        run(builder, "-m", "pip", "--python", folder / "bin" / "python", "install", "-q", "--no-deps", built)
        lend(folder)
        return folder


class WheelTests(InstalledTestCase):
    def test_works(self) -> None:
        self.assert_works(self.installed(wheel(), "from-wheel"))

    def test_nothing_of_twisted_is_overwritten(self) -> None:
        """Of Twisted's package there is our plugin only; an __init__.py there would replace its own."""
        names = zipfile.ZipFile(wheel()).namelist()
        self.assertEqual(
            [name for name in names if name.startswith("twisted/")], ["twisted/plugins/mcast_plugin.py"]
        )

    def test_typed(self) -> None:
        self.assertIn("mcast/py.typed", zipfile.ZipFile(wheel()).namelist())

    def test_every_package(self) -> None:
        """What can be imported from the repository can be imported from the wheel."""
        names = set(zipfile.ZipFile(wheel()).namelist())
        modules = {str(each.relative_to(REPOSITORY)) for each in (REPOSITORY / "mcast").rglob("*.py")}
        self.assertEqual(modules - names, set())

    def test_reproducible(self) -> None:
        """The same source makes the same file, octet by octet, wherever it lies and whenever."""
        source = workshop() / "elsewhere" / "source-2"
        leave = shutil.ignore_patterns("__pycache__", "*.egg-info", "build")
        shutil.copytree(workshop() / "source", source, ignore=leave)
        for path in source.rglob("*.py"):
            os.utime(path, (1_600_000_000, 1_600_000_000))
        again = build(source, "wheel", workshop() / "wheel-again")
        self.assertEqual(again.read_bytes(), wheel().read_bytes())

    def test_what_a_system_looks_for(self) -> None:
        """Manual pages and completion come with it, and what "mcast --completion" prints."""
        names = zipfile.ZipFile(wheel()).namelist()
        for end in (
            "share/man/man1/mcast-ping.1",
            "share/man/man1/twist-mcast.1",
            "share/bash-completion/completions/mcast",
            "share/zsh/site-functions/_mcast",
            "share/fish/vendor_completions.d/mcast.fish",
            "mcast/cli/completions/mcast.bash",
        ):
            self.assertTrue(any(name.endswith(end) for name in names), end)

    def test_no_tests(self) -> None:
        names = zipfile.ZipFile(wheel()).namelist()
        self.assertEqual([name for name in names if name.startswith(("tests/", "benchmarks/", "docs/"))], [])


class SourceDistributionTests(InstalledTestCase):
    def test_works(self) -> None:
        """A wheel built from the sdist is complete."""
        folder = workshop() / "unpacked"
        with tarfile.open(sdist()) as archive:
            archive.extractall(folder, filter="data")
        (source,) = folder.iterdir()
        self.assert_works(self.installed(build(source, "wheel", workshop() / "wheel-2"), "from-sdist"))

    def test_holds_everything(self) -> None:
        """No file of the source is left out but those that serve the repository itself."""
        with tarfile.open(sdist()) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        source = workshop() / "source"
        ours = {str(each.relative_to(source)) for each in source.rglob("*") if each.is_file()}
        made = ("__pycache__/", ".egg-info/", "dropin.cache")  # by builds and tests before this one
        built = {name for name in ours if name.startswith("build/") or any(each in name for each in made)}
        self.assertEqual(sorted(ours - built - names), [])

    def test_tests_run_from_it(self) -> None:
        folder = workshop() / "tested"
        with tarfile.open(sdist()) as archive:
            archive.extractall(folder, filter="data")
        (source,) = folder.iterdir()
        modules = (
            "tests.test_house",
            "tests.test_contributing",
            "tests.test_conformance",
            "tests.test_limits",
            "tests.dns",
            "tests.tap",
        )
        run(sys.executable, "-m", "twisted.trial", *modules, cwd=source)


class MetadataTests(InstalledTestCase):
    def setUp(self) -> None:
        with zipfile.ZipFile(wheel()) as archive:
            (name,) = (name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
            self.names = archive.namelist()
            self.metadata = message_from_string(archive.read(name).decode())

    def test_licence(self) -> None:
        """An SPDX expression and the text (PEP 639)."""
        self.assertEqual(self.metadata["License-Expression"], "MIT")
        self.assertEqual(self.metadata.get_all("License-File"), ["LICENSE"])
        self.assertEqual(
            [name for name in self.names if name.endswith("LICENSE")],
            ["txmcast-0.1.0.dist-info/licenses/LICENSE"],
        )

    def test_every_version_that_is_tested(self) -> None:
        """The classifiers name the versions of Python that .ci/run knows."""
        tested = re.findall(r"OTHER_VERSIONS=\((.*)\)", (REPOSITORY / ".ci" / "run").read_text())
        python = "Programming Language :: Python :: "
        named = [each.removeprefix(python) for each in self.metadata.get_all("Classifier", [])]
        self.assertEqual([each for each in named if re.fullmatch(r"3\.\d+", each)], tested[0].split())

    def test_every_platform(self) -> None:
        for system in ("POSIX :: Linux", "POSIX :: BSD", "MacOS", "Microsoft :: Windows"):
            self.assertIn(f"Operating System :: {system}", self.metadata.get_all("Classifier", []))

    def test_who_and_what(self) -> None:
        self.assertEqual(self.metadata["Author"], "the mcast developers")
        self.assertIn("multicast", self.metadata["Keywords"])


class PluginCacheTests(InstalledTestCase):
    """Twisted's list of plugins in a folder that the user who starts the program may not write to."""

    if not hasattr(os, "geteuid") or os.geteuid() != 0:
        skip = "needs root, to give a folder to somebody else"

    def test_is_written_once_by_who_installs(self) -> None:
        """Whoever may not write it hears of it at each start until somebody who may has run `twist` once."""
        folder = self.installed(wheel(), "system-wide")
        (plugins,) = folder.glob("lib/python*/site-packages/twisted/plugins")
        # Root without capabilities, since another user may not be able to read this interpreter.
        os.chown(plugins, 65534, 65534)
        python = folder / "bin" / "python"
        bare = ("setpriv", "--bounding-set=-all", "--inh-caps=-all")
        start = (*bare, python, "-c", LISTING, plugins)
        self.assertIn("Unable to write to plugin cache", run(*start, cwd=folder))
        run(folder / "bin" / "python", "-m", "twisted", "--help", cwd=folder)
        self.assertTrue((plugins / "dropin.cache").exists())
        self.assertEqual(run(*start, cwd=folder), "")


LISTING = """
import sys
from twisted.application.service import IServiceMaker
from twisted.plugin import getPlugins
from twisted.python import log

told = []
log.addObserver(lambda event: told.append(log.textFromEventDict(event) or ""))
assert "mcast" in [each.tapname for each in getPlugins(IServiceMaker)]
for line in told:
    if sys.argv[1] in line:
        print(line)
"""
"""Prints what listing the plugins logs about the folder that it is given."""


class EditableTests(InstalledTestCase):
    def test_works(self) -> None:
        folder = workshop() / "editable"
        environment(folder)
        download(folder, "setuptools", "wheel")
        install(folder, "--no-deps", "--no-build-isolation", "-e", workshop() / "source")
        lend(folder)
        self.assert_works(folder)
