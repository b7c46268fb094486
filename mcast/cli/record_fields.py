"""What is said of a record in JSON, by `mcast query` and `mcast dump`."""

from __future__ import annotations

import base64
from typing import Any

from mcast.dns.presentation import show_data
from mcast.dns.records import Record, show_type


def record_fields(record: Record) -> dict[str, Any]:
    """Return what is said of a record in JSON."""
    return {
        "name": str(record.name),
        "type": show_type(record.type),
        "class": record.rclass,
        "ttl": record.ttl,
        "cache_flush": record.cache_flush,
        "data": show_data(record),
        "rdata_base64": base64.b64encode(record.rdata).decode("ascii"),
    }
