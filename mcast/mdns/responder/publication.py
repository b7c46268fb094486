"""One record group of a link, and which groups point to a name (RFC 6762 §8)."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from dataclasses import dataclass
from typing import Final

from mcast.dns.names import Name
from mcast.mdns.responder.announcer import UpdateLimit
from mcast.mdns.responder.record_group import RecordGroup
from mcast.mdns.responder.record_set import RecordSet
from mcast.mdns.responder.zone import NO_ENTRIES, Entries, FormerRecord


@dataclass(slots=True, eq=False)
class Publication:
    """One record group on this link."""

    owner: Hashable
    group: RecordGroup
    update: RecordGroup | None = None
    """What the group will be, once its new names are claimed and the time has come."""
    wake_at: float | None = None
    """When to try the update; None while it waits for its names."""
    is_published: bool = False
    published: Entries = NO_ENTRIES
    """What the zone has of it."""
    former: tuple[FormerRecord, ...] = ()
    """What others still have in their caches while the group is out of use."""
    lost_names: frozenset[bytes] = frozenset()
    """Verified names that another host turned out to have."""
    lost_targets: frozenset[bytes] = frozenset()
    """Names of ours that it pointed to and that another host turned out to have."""
    pointing_to: tuple[bytes, ...] = ()
    """What `Pointing` has noted of it."""
    # Made when needed, since most groups are never updated: three objects for each of thousands.
    limit: UpdateLimit | None = None
    announcing: dict[RecordSet, float] | None = None
    """Sets that an update has changed, and when each was last multicast before that."""

    @property
    def is_announced(self) -> bool:
        """Whether the group as it was asked for last is in use, and what an update changed was multicast."""
        if not self.is_published or self.update is not None:
            return False
        announcing = (self.announcing or {}).items()
        return not any(each.is_current and each.multicast_at == at for each, at in announcing)

    @property
    def wanted(self) -> RecordGroup:
        """The group as it was asked for last."""
        return self.update or self.group

    def probed_names(self) -> tuple[Name, ...]:
        """The names that the group needs, each once, those of a pending update included."""
        names = self.group.probed_names
        return tuple(dict.fromkeys(names + self.update.probed_names)) if self.update else names

    def verified_names(self) -> tuple[Name, ...]:
        """The same for the names that need no probing."""
        names = self.group.verified_names
        return tuple(dict.fromkeys(names + self.update.verified_names)) if self.update else names

    def targets(self) -> tuple[bytes, ...]:
        """The keys of the names that it points to, with those of a pending update."""
        targets = self.group.targets
        return tuple(dict.fromkeys(targets + self.update.targets)) if self.update else targets


class Pointing:
    """Which groups have records that point to a name, as an SRV record does to its host."""

    __slots__ = ("_by_target",)

    def __init__(self) -> None:
        self._by_target: Final[dict[bytes, dict[Publication, None]]] = {}

    def at(self, name_key: bytes) -> list[Publication]:
        """Return the groups that point to a name, oldest first."""
        return list(self._by_target.get(name_key, ()))

    def note(self, publication: Publication) -> None:
        """Take note of what a group points to now."""
        before, after = publication.pointing_to, publication.targets()
        if before == after:
            return
        self._drop(publication, [key for key in before if key not in after])
        for key in after:
            self._by_target.setdefault(key, {})[publication] = None
        publication.pointing_to = after

    def forget(self, publication: Publication) -> None:
        """Take note that a group is no more."""
        self._drop(publication, publication.pointing_to)
        publication.pointing_to = ()

    def _drop(self, publication: Publication, keys: Iterable[bytes]) -> None:
        for key in keys:
            groups = self._by_target[key]
            groups.pop(publication, None)
            if not groups:
                del self._by_target[key]
