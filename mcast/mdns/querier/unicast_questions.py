"""QU questions: which questions ask for unicast responses (RFC 6762 §5.4)."""

from __future__ import annotations

from mcast.mdns.constants import ACTIVATION_PERIOD
from mcast.mdns.context import LinkContext
from mcast.mdns.querier.question_series import QuestionSeries


def asks_for_unicast(context: LinkContext, now: float) -> bool:
    """Whether the first question of a series that begins now asks for a unicast response.

    RFC 6762 §5.4: only "questions that are active and ready to be sent the moment of wake from sleep or
    interface activation". A question from a port of our own is answered by unicast without that.
    """
    is_new_link = now - context.up_since <= ACTIVATION_PERIOD
    return context.unicast_responses and is_new_link and not context.settings.own_port


def note_asked(series: QuestionSeries, unicast: bool, now: float) -> None:
    """Note that a question has left: unicast responses may come, and repeated questions are QM.

    :param unicast: whether it will get unicast responses.
    """
    if unicast:
        series.unicast_at = now
    series.is_unicast = False
