"""Build txmcast. Everything declarative stands in pyproject.toml; here is only what setuptools wants in
code.

``TXMCAST_COMPILE=1 pip install .`` compiles the core, which decides and touches nothing, by mypyc; without it
the same sources run as they are. It takes a C compiler.
"""

import os
import sys
from glob import glob

from setuptools import Extension, find_packages, setup

COMPILED = (
    *("mcast/dns/building.py", "mcast/dns/codes.py", "mcast/dns/messages.py", "mcast/dns/names.py"),
    *("mcast/dns/rdata.py", "mcast/dns/reading.py", "mcast/dns/records.py", "mcast/dns/writing.py"),
    # What follows services, and its base classes with all that inherit from them.
    *("mcast/dnssd/addresses.py", "mcast/dnssd/browsing.py", "mcast/dnssd/collecting.py"),
    *("mcast/dnssd/enumeration.py", "mcast/dnssd/following.py", "mcast/dnssd/found.py"),
    *(
        "mcast/dnssd/link_id.py",
        "mcast/dnssd/resolving.py",
        "mcast/dnssd/shares.py",
        "mcast/dnssd/tracking.py",
    ),
    "mcast/unicast/gathering.py",
    *sorted(
        set(glob("mcast/mdns/**/*.py", recursive=True))
        - set(glob("mcast/mdns/**/__init__.py", recursive=True))
    ),
)
"""What is compiled: the modules that handle each packet, or each service that is found."""

is_compiled = os.environ.get("TXMCAST_COMPILE", "0") not in ("", "0")


def extensions() -> list[Extension]:
    """Return the modules to compile; none unless it is asked for."""
    # What the build needs is asked for first, when none of it is there yet.
    if not is_compiled or "egg_info" in sys.argv:
        return []
    from mypyc.build import mypycify

    # Only what is compiled is looked at: the rest imports packages that need not be there to build this.
    options = ["--config-file=", "--follow-imports=silent", "--ignore-missing-imports"]
    return list(mypycify([*options, *COMPILED], opt_level="3", debug_level="0"))


setup(
    # "twisted.plugins" is Twisted's namespace: only our one module goes into it.
    packages=[*find_packages(include=["mcast", "mcast.*"]), "twisted.plugins"],
    # An editable install then puts this very directory on sys.path, where Twisted looks for plugins.
    package_dir={"": "."},
    package_data={"mcast": ["py.typed"], "mcast.view": ["page/*"], "mcast.cli": ["completions/*"]},
    # Where a system looks for them, when it is installed for the whole machine; contrib/share.py made them.
    data_files=[
        ("share/man/man1", sorted(glob("contrib/man/*.1"))),
        ("share/bash-completion/completions", ["contrib/completions/mcast"]),
        ("share/zsh/site-functions", ["contrib/completions/_mcast"]),
        ("share/fish/vendor_completions.d", ["mcast/cli/completions/mcast.fish"]),
    ],
    ext_modules=extensions(),
    setup_requires=["mypy==2.4.1"] if is_compiled else [],
)
