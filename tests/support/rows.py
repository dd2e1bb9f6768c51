"""Rows of a venue without a chain behind it: one chain, one market, deals between named parties."""

from itertools import count

from escrow.models import Attempt, Block, ChainEvent, Deal, DealOutcome, SettlementTerms, Signer
from otc.core.fields import ZERO_ADDRESS, ZERO_HASH
from otc.core.models import Chain, EscrowKind, escrow_key
from points.models import Market, MarketStatus, PayToken, Program, Project

ESCROW = "0x" + "e5" * 20
TOKEN = "0x" + "70" * 20
BUYER = "0x" + "b1" * 20
SELLER = "0x" + "5e" * 20
RESOLVER = "0x" + "4e" * 20
GUARDIAN = "0x" + "6a" * 20
START, WINDOW, PERIOD = 1_800_000_000, 86_400, 100_000
LONG_STOP = START + 10_000_000

_numbers = count(1)


def number() -> int:
    return next(_numbers)


def word(value: int) -> str:
    return f"0x{value:064x}"


UNREAD = dict.fromkeys(
    ["head_number", "head_time", "head_hash", "safe_number", "final_number"]
)  # of a chain before its first step


def chain(*, chain_id: int = 31337, kind: str = EscrowKind.TOKENS, **values: object) -> Chain:
    """An escrow whose chain was read up to block 10, safe to 9, final to 7."""
    defaults = {
        "name": "Test chain",
        "rpc_urls": ["http://127.0.0.1:9"],
        "escrow_address": ESCROW,
        "start_block": 0,
        "head_number": 10,
        "head_time": START,
        "head_hash": word(10),
        "safe_number": 9,
        "final_number": 7,
    }
    return Chain.objects.create(pk=escrow_key(chain_id, kind), chain_id=chain_id, kind=kind, **{**defaults, **values})


def market(on: Chain, *, status: int = MarketStatus.OPEN, **values: object) -> Market:
    n = number()
    project = Project.objects.create(slug=f"project-{n}", name=f"Project {n}")
    program = Program.objects.create(
        project=project, slug=f"program-{n}", name=f"Program {n}", kind=0, unit_name="point"
    )
    pay_token, _ = PayToken.objects.get_or_create(chain=on, address=TOKEN, defaults={"symbol": "USDT", "decimals": 6})
    defaults = {
        "market_id": word(n << 64),
        "resolver": RESOLVER,
        "guardian": GUARDIAN,
        "attestor": ZERO_ADDRESS,
        "arbitrator": ZERO_ADDRESS,
        "objection": 86_400,
        "min_window": 86_400,
        "max_window": 864_000,
        "long_stop": LONG_STOP,
        "rules_hash": ZERO_HASH,
        "rules_text": "Rules.",
    }
    return Market.objects.create(
        program=program, chain=on, pay_token=pay_token, status=status, **{**defaults, **values}
    )


def event(on: Chain, *, block_number: int = 5, name: str = "Filled", **about: object) -> ChainEvent:
    block, _ = Block.objects.get_or_create(
        chain=on,
        number=block_number,
        canonical=True,
        defaults={"hash": word(block_number), "parent_hash": word(block_number - 1), "timestamp": START - 100},
    )
    return ChainEvent.objects.create(
        chain=on,
        block=block,
        block_number=block_number,
        log_index=number(),
        tx_hash=word(number()),
        address=on.escrow_address,
        topics=[],
        data=b"",
        name=name,
        args={},
        **about,
    )


def terms(of: Market, **values: object) -> SettlementTerms:
    """Proposes: a tranche of one day from START."""
    of.status = MarketStatus.PROPOSED
    of.save()
    defaults = {
        "token": "0x" + "77" * 20,
        "token_symbol": "NEW",
        "token_decimals": 18,
        "ratio_num": 10**18,
        "ratio_den": 1,
        "start": START,
        "window": WINDOW,
        "tge_bps": 10_000,
        "tranches": 1,
        "period": 0,
        "final_at": START,
    }
    return SettlementTerms.objects.create(
        market=of, event=event(of.chain, name="Proposed", market_id=of.market_id), **{**defaults, **values}
    )


def deal(of: Market, *, block_number: int = 5, **values: object) -> Deal:
    defaults = {
        "deal_id": word(number() << 128 | 1 << 200),
        "offer_hash": word(number()),
        "maker_side": 1,
        "buyer": BUYER,
        "seller": SELLER,
        "units": 100,
        "payment": 250_000_000,
        "collateral": 125_000_000,
        "fee_bps": 50,
        "buyer_ref": ZERO_HASH,
        "seller_ref": ZERO_HASH,
        "opened_at": START - 100,
    }
    deal_id = values.get("deal_id", defaults["deal_id"])
    if values.get("outcome", DealOutcome.OPEN) != DealOutcome.OPEN:
        values.setdefault("closed_event", event(of.chain, name="Settled", deal_id=deal_id))
        amounts = {**defaults, **values}
        values.setdefault("paid_to_seller", amounts["payment"] + amounts["collateral"] + amounts.get("bond", 0))
    return Deal.objects.create(
        chain=of.chain,
        market=of,
        pay_token=of.pay_token,
        opened_event=event(of.chain, block_number=block_number, deal_id=deal_id),
        **{**defaults, **values},
    )


def attempt(signer: Signer, nonce: int = 0, **values: object) -> Attempt:
    """A transaction of the keeper that was signed and never sent."""
    defaults = {
        "tx_hash": word(0xA000 + nonce),
        "raw": b"",
        "to": ESCROW,
        "calldata": b"",
        "gas": 1,
        "max_fee": 1,
        "priority_fee": 1,
    }
    return Attempt.objects.create(signer=signer, nonce=nonce, **{**defaults, **values})
