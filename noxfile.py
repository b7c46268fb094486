"""What .ci/run checks, a session each: ``nox --list``; ``nox -s lint types unit`` before each change."""

from __future__ import annotations

from pathlib import Path

import nox

nox.options.sessions = ["lint", "types", "unit"]
nox.options.reuse_existing_virtualenvs = True

VERSIONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
SLOW = {"network", "interop", "hostile", "__pycache__"}


def unit_tests() -> list[str]:
    """Return the packages and modules of tests that need neither root nor peers."""
    paths = sorted(Path("tests").iterdir())
    packages = [f"tests.{path.name}" for path in paths if path.is_dir() and path.name not in SLOW]
    return packages + [f"tests.{path.stem}" for path in paths if path.match("test_*.py")]


@nox.session
def lint(session: nox.Session) -> None:
    """Style and form."""
    session.install("-e", ".[dev]")
    session.run("ruff", "check", ".")
    session.run("ruff", "format", "--check", ".")


@nox.session
def types(session: nox.Session) -> None:
    """Types, for the platforms that cannot run here as well."""
    session.install("-e", ".[dev]")
    session.run("mypy")
    for platform in ("win32", "darwin"):
        session.run("mypy", "--platform", platform, "mcast", "twisted")


@nox.session(python=VERSIONS)
def unit(session: nox.Session) -> None:
    """Tests that need neither root nor peers."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "twisted.trial", *(session.posargs or unit_tests()))


@nox.session
def oldest(session: nox.Session) -> None:
    """Unit tests, and Twisted's own of ports, with the lowest version of each dependency."""
    constraints = Path(session.create_tmp(), "lowest.txt")
    printed = session.run("python", "contrib/lowest.py", silent=True)
    constraints.write_text(str(printed), encoding="utf-8")
    session.install("-e", ".[test]", "-c", str(constraints))
    session.run("python", "-m", "twisted.trial", "tests.network.test_contract", *unit_tests())


@nox.session
def network(session: nox.Session) -> None:
    """Real packets between network namespaces; needs Linux and root."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "twisted.trial", "tests.network", env={"CI": "true"})


@nox.session
def interop(session: nox.Session) -> None:
    """Real peers and hostile scenes; needs root and the Debian packages that .ci/run names."""
    session.install("-e", ".[test]")
    session.run("python", "-m", "twisted.trial", "tests.interop", "tests.hostile", env={"CI": "true"})


@nox.session
def docs(session: nox.Session) -> None:
    """The documentation site, and the pages that scripts make."""
    session.install("-e", ".[dev]")
    session.run("sphinx-build", "-q", "-W", "--keep-going", "-b", "html", "docs", "build/docs")
    for script in ("docs/conformance.py", "docs/limits.py", "contrib/share.py"):
        session.run("python", script, "--check", env={"COLUMNS": "80"})
