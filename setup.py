"""Build txmcast. Everything declarative stands in pyproject.toml; here is only what setuptools wants in
code."""

from setuptools import find_packages, setup

setup(
    # "twisted.plugins" is Twisted's namespace: only our one module goes into it.
    packages=[*find_packages(include=["mcast", "mcast.*"]), "twisted.plugins"],
    # An editable install then puts this very directory on sys.path, where Twisted looks for plugins.
    package_dir={"": "."},
    package_data={"mcast": ["py.typed"]},
)
