"""The views of `mcast top`, in the order of their keys."""

from __future__ import annotations

from mcast.cli.top.groups_view import Groups
from mcast.cli.top.hosts_view import Hosts
from mcast.cli.top.lint_view import Lint
from mcast.cli.top.services_view import Services
from mcast.cli.top.traffic_views import Log, Packets
from mcast.cli.top.view import View

VIEWS: tuple[View, ...] = (Services(), Hosts(), Packets(), Lint(), Groups(), Log())
"""Keys 1 to 6."""
