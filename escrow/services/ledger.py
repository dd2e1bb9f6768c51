"""The ledger: transfers of events, posted, made final, or voided. One writer per chain (the holder of its cursor row)."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence

from django.db import connection

from escrow.chain.events import DealEvent, FoldEvent
from escrow.contracts import bindings
from escrow.domain import ledger
from escrow.domain.deals import FoldError
from escrow.domain.ledger import AccountKey, Movement, Parties
from escrow.models import Account, Transfer, TransferState
from escrow.services.bulk import copy_rows, next_ids, update_rows
from otc.core.models import Chain

PartiesOf = Callable[[FoldEvent], Parties]
Balances = dict[AccountKey, int]


def movements_of(item: FoldEvent, parties_of: PartiesOf) -> tuple[Movement, ...]:
    """What an event moves. `parties_of` an event: the deal's parties then; only asked for events of deals."""
    event = item.event
    match event:
        case bindings.Deposited():
            return ledger.deposited(token=event.token, user=event.user, amount=event.amount)
        case bindings.Withdrawn():
            return ledger.withdrawn(token=event.token, user=event.user, amount=event.amount)
        case bindings.FeesCollected():
            return ledger.fees_collected(token=event.token, amount=event.amount)
        case bindings.Filled():
            return ledger.filled(parties_of(item), payment=event.deal.payment, collateral=event.deal.collateral)
    return _of_deal(event, parties_of(item)) if isinstance(event, DealEvent) else ()


def _of_deal(event: DealEvent, parties: Parties) -> tuple[Movement, ...]:
    match event:
        case bindings.Settled():
            return ledger.settled(parties, to_buyer=event.to_buyer, to_seller=event.to_seller, fee=event.fee)
        case bindings.Delivered(to_escrow=True):
            return ledger.delivered_into_escrow(token=event.token, buyer=parties.buyer, received=event.received)
        case bindings.Disputed():
            return ledger.disputed(parties, by=event.by, bond=event.bond)
        case bindings.Resold():
            return ledger.resold(
                parties,
                lister=event.from_,
                taker=event.to,
                side=event.side,
                price=event.price,
                lister_pays=event.lister_pays,
                collateral=event.deal.collateral,
            )
    return ()


def transfers_write(*, chain: Chain, events: Sequence[FoldEvent], parties_of: PartiesOf, final_number: int) -> Balances:
    """Books the movements of new events: posted up to `final_number`, pending above it. Returns the new balance of each
    touched account. Errors: FoldError when an account would fall below zero.
    """
    moves = [(event, move) for event in events for move in movements_of(event, parties_of)]
    changes = ledger.deltas(move for _, move in moves)
    held = _load(chain, changes)
    balances: Balances = {}
    for key, change in changes.items():
        balances[key] = (held[key][1] if key in held else 0) + change
        if balances[key] < 0:
            raise FoldError(f"account {key} would fall to {balances[key]}")
    update_rows(
        Account,
        [("id", "bigint"), ("balance", "numeric")],
        [(held[key][0], balances[key]) for key, change in changes.items() if key in held and change],
    )
    ids = {key: pk for key, (pk, _) in held.items()} | _create(chain, balances, held)
    pending, posted = TransferState.PENDING.value, TransferState.POSTED.value
    copy_rows(
        Transfer,
        ["debit_id", "credit_id", "amount", "kind", "event_id", "leg", "state"],
        [
            (
                ids[move.debit],
                ids[move.credit],
                move.amount,
                move.kind,
                event.pk,
                move.leg,
                posted if event.block_number <= final_number else pending,
            )
            for event, move in moves
        ],
    )
    return balances


def free_in(*, chain: Chain, tokens: Collection[str]) -> Balances:
    """The free balances in these tokens. One that is listed late brings with it what lies in it already."""
    if not tokens:
        return {}
    rows = Account.objects.filter(chain=chain, kind=ledger.FREE, token__in=tokens, balance__gt=0)
    return {
        AccountKey(token, ledger.FREE, owner): balance
        for token, owner, balance in rows.values_list("token", "owner", "balance")
    }


def _create(chain: Chain, balances: Balances, held: Mapping[AccountKey, tuple[int, int]]) -> dict[AccountKey, int]:
    missing = [key for key in balances if key not in held]
    ids = next_ids(Account, len(missing))
    copy_rows(
        Account,
        ["id", "chain_id", "token", "kind", "owner", "deal_id", "balance"],
        [(pk, chain.pk, *key, balances[key]) for pk, key in zip(ids, missing, strict=True)],
    )
    return dict(zip(missing, ids, strict=True))


def _load(chain: Chain, keys: Iterable[AccountKey]) -> dict[AccountKey, tuple[int, int]]:
    """(id, balance) of the accounts that exist."""
    plain = [key for key in keys if key.deal is None]
    deals = [key for key in keys if key.deal is not None]
    found: dict[AccountKey, tuple[int, int]] = {}
    with connection.cursor() as cursor:
        if plain:
            cursor.execute(
                "SELECT k.place, a.id, a.balance FROM unnest(%s::bytea[], %s::text[], %s::bytea[])"
                " WITH ORDINALITY AS k(token, kind, owner, place) JOIN escrow_account a"
                " ON a.chain_id = %s AND a.token = k.token AND a.kind = k.kind AND a.owner = k.owner"
                " AND a.deal_id IS NULL",
                [_raw(key.token for key in plain), [key.kind for key in plain], _raw(k.owner for k in plain), chain.pk],
            )
            found |= {plain[place - 1]: (pk, int(balance)) for place, pk, balance in cursor.fetchall()}
        if deals:
            cursor.execute(
                "SELECT k.place, a.id, a.balance FROM unnest(%s::bytea[], %s::bytea[])"
                " WITH ORDINALITY AS k(token, deal, place) JOIN escrow_account a"
                " ON a.chain_id = %s AND a.token = k.token AND a.kind = 'locked' AND a.owner = %s AND a.deal_id = k.deal",
                [
                    _raw(key.token for key in deals),
                    _raw(key.deal for key in deals if key.deal is not None),
                    chain.pk,
                    bytes(20),
                ],
            )
            found |= {deals[place - 1]: (pk, int(balance)) for place, pk, balance in cursor.fetchall()}
    return found


def _raw(values: Iterable[str]) -> list[bytes]:
    return [bytes.fromhex(value[2:]) for value in values]


def transfers_post(*, chain: Chain, final_number: int) -> None:
    """Pending transfers of events up to `final_number` become posted."""
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE escrow_transfer t SET state = 'posted' FROM escrow_chainevent e"
            " WHERE t.event_id = e.id AND t.state = 'pending' AND e.chain_id = %s AND e.block_number <= %s",
            [chain.pk, final_number],
        )


def transfers_void(*, event_ids: Sequence[int]) -> Balances:
    """Takes back the transfers of events that a reorg removed. Returns the new balance of each touched account.

    Errors: FoldError when one was posted already: what is final is never taken back.
    """
    if Transfer.objects.filter(event_id__in=event_ids, state=TransferState.POSTED).exists():
        raise FoldError("a final transfer would be taken back")
    with connection.cursor() as cursor:
        cursor.execute(
            "WITH gone AS (UPDATE escrow_transfer SET state = 'void' WHERE event_id = ANY(%s) AND state = 'pending'"
            " RETURNING debit_id, credit_id, amount),"
            " change AS (SELECT account, sum(amount) AS amount FROM ("
            " SELECT debit_id AS account, amount FROM gone UNION ALL SELECT credit_id, -amount FROM gone) parts"
            " GROUP BY account)"
            " UPDATE escrow_account a SET balance = a.balance"
            " + CASE WHEN a.kind = 'external' THEN -change.amount ELSE change.amount END"
            " FROM change WHERE a.id = change.account RETURNING a.token, a.kind, a.owner, a.deal_id, a.balance",
            [list(event_ids)],
        )
        return {
            AccountKey(_hex(token), kind, _hex(owner), None if deal is None else _hex(deal)): int(balance)
            for token, kind, owner, deal, balance in cursor.fetchall()
        }


def _hex(value: memoryview) -> str:
    return "0x" + bytes(value).hex()
