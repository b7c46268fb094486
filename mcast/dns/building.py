"""Filling a message up to the size that a packet may have (RFC 6762 §17)."""

from __future__ import annotations

from typing import Final, NamedTuple

from mcast.dns.codes import Flag
from mcast.dns.messages import HEADER, Question
from mcast.dns.reading import HEADER_SIZE
from mcast.dns.records import Record
from mcast.dns.writing import MAX_POINTER, Writer


class Checkpoint(NamedTuple):
    """A state of a `MessageBuilder`; of no use to others."""

    counts: tuple[int, int, int, int]
    """How many entries each section has."""
    writer: Writer
    mark: tuple[int, int]
    """What the writer has written."""


class MessageBuilder:
    """Fills a message up to a size, and says what does not fit.

    Sections may be filled in any order. An entry for an earlier section is measured behind the others, and
    `build` brings all into order: each ending of a name is spelled out once, wherever it stands first, so
    that the size is the same.

    :param max_size: the most octets of the message (RFC 6762 §17: the MTU less IP and UDP headers).
    :param oversize: the most octets of a message with one record besides questions, which may be larger than
        ``max_size`` since a record that is too large goes alone, in fragments (RFC 6762 §17). By default
        nothing may be larger.
    :param id: non-zero only in legacy unicast responses (RFC 6762 §18.1).
    :param flags: `QUERY_FLAGS` or `RESPONSE_FLAGS`.
    :param legacy: leave SRV targets uncompressed (RFC 6762 §18.14).
    """

    def __init__(
        self, max_size: int, *, flags: int = 0, id: int = 0, legacy: bool = False, oversize: int = 0
    ) -> None:
        self.max_size: Final = max_size
        self.flags = flags
        """May be changed until `build`, as when it turns out that TC must be set."""
        self.id: Final = id
        self._legacy: Final = legacy
        self._oversize: Final = oversize
        self._writer = Writer(legacy)
        self._questions: list[Question] = []
        self._sections: tuple[list[Record], list[Record], list[Record]] = ([], [], [])
        self._last = 0
        self._is_ordered = True
        # A name that stands where no pointer reaches is spelled out again.
        self._is_measured: Final = max(max_size, oversize) <= MAX_POINTER

    def add_question(self, question: Question) -> bool:
        """Add a question; return False, with nothing changed, when it does not fit.

        :raises ValueError: as `encode`; nothing is changed then either.
        """
        entries = self._questions
        entries.append(question)
        if self._last == 0 or self._is_measured:
            writer = self._writer
            mark = writer.mark()
            try:
                writer.write_question(question.name, question.type, question.rclass, question.unicast)
                fits = self._fits(writer)
            except ValueError:
                entries.pop()
                writer.rewind(mark)
                raise
            if not fits:
                entries.pop()
                writer.rewind(mark)
            elif self._last:
                self._is_ordered = False
            return fits
        return self._rewrite(entries)

    def add_answer(self, record: Record) -> bool:
        """Add an answer, or to a query a known answer; as `add_question`."""
        return self._add(1, record)

    def add_authority(self, record: Record) -> bool:
        """Add an authority record, in a probe a proposed record (RFC 6762 §8.2); as `add_question`."""
        return self._add(2, record)

    def add_additional(self, record: Record) -> bool:
        """Add an additional record; as `add_question`."""
        return self._add(3, record)

    def _add(self, section: int, record: Record) -> bool:
        entries = self._sections[section - 1]
        entries.append(record)
        if section < self._last and not self._is_measured:
            return self._rewrite(entries)
        writer = self._writer
        mark = writer.mark()
        try:
            writer.write_record(record)
        except ValueError:
            entries.pop()
            writer.rewind(mark)
            raise
        if not self._fits(writer):
            entries.pop()
            writer.rewind(mark)
            return False
        if section < self._last:
            self._is_ordered = False
        else:
            self._last = section
        return True

    def _fits(self, writer: Writer) -> bool:
        size = len(writer.buffer)
        if size <= self.max_size:
            return True
        # RFC 6762 §17: a packet above the MTU holds no more than one resource record.
        return size <= self._oversize and self.record_count == 1

    def _rewrite(self, entries: list[Question] | list[Record]) -> bool:
        """Write the message anew with the last one of ``entries``, or leave it as it is without."""
        writer = Writer(self._legacy)
        try:
            self._write_all(writer)
        except ValueError:
            entries.pop()
            raise
        if not self._fits(writer):
            entries.pop()
            return False
        self._writer = writer
        return True

    def _order(self) -> None:
        """Write the message anew, each entry in its section."""
        if not self._is_ordered:
            self._writer = Writer(self._legacy)
            self._write_all(self._writer)
            self._is_ordered = True

    def _write_all(self, writer: Writer) -> None:
        for question in self._questions:
            writer.write_question(question.name, question.type, question.rclass, question.unicast)
        for section in self._sections:
            for record in section:
                writer.write_record(record)

    def checkpoint(self) -> Checkpoint:
        """Return the present state, for `rollback`."""
        answers, authorities, additionals = self._sections
        counts = (len(self._questions), len(answers), len(authorities), len(additionals))
        return Checkpoint(counts, self._writer, self._writer.mark())

    def rollback(self, checkpoint: Checkpoint) -> None:
        """Take out everything that was added since `checkpoint` returned this value."""
        questions, *counts = checkpoint.counts
        del self._questions[questions:]
        for section, count in zip(self._sections, counts, strict=True):
            del section[count:]
        self._last = max([number for number, count in enumerate(counts, 1) if count], default=0)
        if self._writer is checkpoint.writer:
            self._writer.rewind(checkpoint.mark)
        else:
            # The message was written anew in the meantime, so that the octets have moved.
            self._is_ordered = False
            self._order()

    @property
    def size(self) -> int:
        """Octets of the message so far."""
        return len(self._writer.buffer)

    @property
    def is_empty(self) -> bool:
        """Whether nothing was added."""
        return not (self._questions or self.record_count)

    @property
    def question_count(self) -> int:
        """How many questions there are."""
        return len(self._questions)

    @property
    def record_count(self) -> int:
        """How many records there are, in all sections."""
        answers, authorities, additionals = self._sections
        return len(answers) + len(authorities) + len(additionals)

    def build(self, *, truncated: bool = False) -> bytes:
        """Return the message; the builder stays as it is.

        :param truncated: set TC, as when more known answers follow (RFC 6762 §7.2).
        """
        self._order()
        answers, authorities, additionals = self._sections
        header = HEADER.pack(
            self.id,
            self.flags | Flag.TRUNCATED if truncated else self.flags,
            len(self._questions),
            len(answers),
            len(authorities),
            len(additionals),
        )
        return header + self._writer.buffer[HEADER_SIZE:]
