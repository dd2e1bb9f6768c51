"""Locks between posting here and the projector's facts, in the order of `otc.core.locks`.

A maker's row of MakerFunds stands for all facts about the maker: whoever posts for the maker, or writes facts about him, locks it
first. So a posted offer never misses a fact, and no fact misses a posted offer.
"""

from collections.abc import Iterable

from django.db import connection

from otc.core import locks
from otc.core.models import Chain
from points.models import MakerFunds, Market


def market_facts_lock(market_ids: Iterable[str]) -> None:
    """Holds what is known of these market ids, registered or not, until commit. Needs a transaction.

    The lock's space is the table that holds the facts: where a rebuild works on a copy of it, it keeps nobody from the table itself.
    """
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT pg_advisory_xact_lock(hashtextextended(id, 'points_unknownmarket'::regclass::oid::bigint))"
            " FROM unnest(%s::text[]) AS id",
            [sorted(market_ids)],
        )


def maker_lock(*, market: Market, maker: str) -> None:
    """Locks all funds rows of one maker on the market's chain; the one in its payment token is made with 0 when there is none. Needs
    a transaction.
    """
    rows = makers_lock(chain=market.chain, makers=[maker])
    if market.pay_token_id not in {row.pay_token_id for row in rows}:
        MakerFunds.objects.bulk_create([MakerFunds(pay_token=market.pay_token, maker=maker)], ignore_conflicts=True)
        makers_lock(chain=market.chain, makers=[maker])


def makers_lock(*, chain: Chain, makers: Iterable[str]) -> list[MakerFunds]:
    """Locks all funds rows of these makers on a chain, by id, and returns them. Needs a transaction."""
    return locks.lock_rows(MakerFunds.objects.filter(pay_token__chain=chain, maker__in=list(makers)))
