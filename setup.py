"""Build txmcast. Everything declarative stands in pyproject.toml; here is only what setuptools wants in
code."""

from glob import glob

from setuptools import find_packages, setup

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
)
