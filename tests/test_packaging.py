"""The plugin, the command and the package are found from a wheel, an sdist and an editable install.

Needs the package index for pip, setuptools and wheel; what mcast itself depends on is lent by this
interpreter.
"""

from __future__ import annotations

import functools
import os
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tempfile
import time
import zipfile
from atexit import register
from pathlib import Path

from tests.beside import RunBeside

REPOSITORY = Path(__file__).resolve().parents[1]
WORDS = ("mcast", "tests", "docs", "benchmarks", "twisted")


def run(*words: str | Path, cwd: Path | None = None) -> str:
    """Run a program and return what it prints; its environment knows nothing of the repository."""
    environment = {
        name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "PYTHONHOME")
    }
    done = subprocess.run(
        words, capture_output=True, text=True, cwd=cwd, timeout=300, check=False, env=environment
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
        if each.name in WORDS:
            shutil.copytree(each, folder / "source" / each.name, ignore=leave)
        elif each.is_file():
            shutil.copy(each, folder / "source")
    environment(folder / "builder")
    for pause in (3, 10, 0):  # an index has its bad moments
        try:
            install(folder / "builder", "--upgrade", "pip", "setuptools", "wheel")
            break
        except AssertionError:
            if not pause:
                raise
            time.sleep(pause)
    return folder


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
    """Build a wheel or an sdist as a build front end does, and return the file."""
    program = f"from setuptools import build_meta; print(build_meta.build_{what}({str(target)!r}))"
    target.mkdir(exist_ok=True)
    output = run(workshop() / "builder" / "bin" / "python", "-c", program, cwd=source)
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
        self.assertEqual(run(folder / "bin" / "mcast", "--version", cwd=folder), "mcast 0.1.0\n")
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

    def test_no_tests(self) -> None:
        names = zipfile.ZipFile(wheel()).namelist()
        self.assertEqual([name for name in names if name.startswith(("tests/", "benchmarks/", "docs/"))], [])


class SourceDistributionTests(InstalledTestCase):
    def test_works(self) -> None:
        """A wheel built from the sdist is complete."""
        folder = workshop() / "unpacked"
        with tarfile.open(sdist()) as archive:
            archive.extractall(folder)
        (source,) = folder.iterdir()
        self.assert_works(self.installed(build(source, "wheel", workshop() / "wheel-2"), "from-sdist"))

    def test_holds_what_is_needed_to_test(self) -> None:
        with tarfile.open(sdist()) as archive:
            names = {name.partition("/")[2] for name in archive.getnames()}
        for name in (
            "LICENSE",
            "README.md",
            "tests/test_packaging.py",
            "benchmarks/load.c",
            "mcast/py.typed",
        ):
            self.assertIn(name, names)


class EditableTests(InstalledTestCase):
    def test_works(self) -> None:
        folder = workshop() / "editable"
        environment(folder)
        install(folder, "--upgrade", "setuptools", "wheel")
        install(folder, "--no-deps", "--no-build-isolation", "-e", workshop() / "source")
        lend(folder)
        self.assert_works(folder)
