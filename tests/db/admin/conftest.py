from itertools import count

import pytest

from escrow.models import (
    Account,
    Attempt,
    AutoDelivery,
    ChainCursor,
    CheckRun,
    DealTranche,
    DealTransfer,
    DeliveredRight,
    EndpointHealth,
    Intent,
    KeptRight,
    MarketRecord,
    Reorg,
    RightMovement,
    Signer,
    Transfer,
)
from otc.accounts.models import SignInNonce, User
from otc.accounts.services import token_issue
from otc.core import flags
from otc.core.models import Chain, FlagName, IdempotencyRecord, OutboxEvent
from points.models import (
    AllocationList,
    AllocationRow,
    MakerEpoch,
    MakerFunds,
    MakerNonces,
    Offer,
    ProjectMember,
    UnknownMarket,
    UnknownOffer,
)
from tests.support import rows

_numbers = count(1)


class Venue:
    """One row or more of every model, about one deal between BUYER and SELLER."""

    def __init__(self):
        n = next(_numbers)
        self.chain = Chain.objects.filter(chain_id=31337).first() or rows.chain(halted="Reorg past finality")
        self.market = market = rows.market(self.chain)
        self.maker = f"0x{0xA0000000 + n:040x}"
        self.user = User.objects.for_wallet(self.maker)
        ProjectMember.objects.create(project=market.program.project, user=self.user)
        rows.terms(market)
        self.deal = deal = rows.deal(market)
        self.event = event = deal.opened_event
        MarketRecord.objects.create(market=market, created_event=event, cancel_confirmable_at=rows.START)
        DealTranche.objects.create(deal=deal, number=0, delivered=5)
        kept = KeptRight.objects.create(
            chain=self.chain, token=rows.TOKEN, right=rows.number(), user=rows.BUYER, amount=1
        )
        brought = rows.event(self.chain, name="RightsDelivered")
        RightMovement.objects.create(kept=kept, event=brought, amount=1, incoming=True)
        DeliveredRight.objects.create(
            deal=deal, event=brought, tranche=0, token=rows.TOKEN, right=7, amount=1, to_escrow=True
        )
        DealTransfer.objects.create(
            deal=deal, event=rows.event(self.chain, name="Resold"), side=0, from_address=self.maker, to_address=rows.BUYER,
            ref=rows.ZERO_HASH, opened_at=deal.opened_at, price=10**9,
        )  # fmt: skip
        AutoDelivery.objects.create(
            chain=self.chain, seller=self.maker, market_id=market.market_id, token=rows.TOKEN, amount=10**20
        )
        self.list = AllocationList.objects.create(
            program=market.program,
            uploaded_by=self.user,
            file="allocations/a.csv",
            file_name="a.csv",
            file_sha256=rows.word(n),
            file_size=10,
            state="ready",
            root=rows.word(n << 32),
        )
        AllocationRow.objects.create(list=self.list, position=0, address=self.maker, amount=10**30)
        self.offer = Offer.objects.create(
            market=market, offer_hash=deal.offer_hash, maker=self.maker, taker=rows.ZERO_ADDRESS, side=1, units=100,
            payment=250_000_000, collateral=125_000_000, min_fill=1, max_fee_bps=50, expiry=rows.START, epoch=0, salt=2**255,
            ref=rows.ZERO_HASH, signature=b"\x01" * 3000, price_e18=1, collateral_bps=5000,
        )  # fmt: skip
        MakerFunds.objects.create(pay_token=market.pay_token, maker=self.maker, free=10**12)
        MakerEpoch.objects.create(chain=self.chain, maker=self.maker, epoch=1)
        MakerNonces.objects.create(chain=self.chain, maker=self.maker, word=2**247, mask=1)
        UnknownMarket.objects.create(chain=self.chain, market_id=rows.word(n << 40), status=1)
        UnknownOffer.objects.create(chain=self.chain, offer_hash=rows.word(n << 48))
        account = {"chain": self.chain, "token": rows.TOKEN}
        self.free = Account.objects.create(**account, kind="free", owner=self.maker, balance=10**12)
        self.locked = Account.objects.create(**account, kind="locked", deal_id=deal.deal_id, balance=5)
        Transfer.objects.create(debit=self.free, credit=self.locked, amount=5, kind="lock", event=event, leg=0)
        self._keeper(n)
        SignInNonce.objects.create(nonce=f"{n:024x}")
        token_issue(user=self.user)
        flags.flag_set(name=FlagName.PAUSE_TAKING, on=False, reason=f"Test {n}")
        IdempotencyRecord.objects.create(
            scope=self.maker, endpoint="/api/v1/offers", key="k", request_hash=rows.word(n), status=201, body={"a": 1}
        )
        OutboxEvent.objects.create(type="deal.opened", aggregate=f"deal:{deal.deal_id}", sequence=1, payload={"a": 1})

    def _keeper(self, n):
        EndpointHealth.objects.create(chain=self.chain, digest=rows.word(n << 72), name="node.example:8545", width=500)
        Reorg.objects.create(chain=self.chain, from_number=10, to_number=8, events=1)
        CheckRun.objects.create(
            check_name="reconcile", chain=self.chain, block_number=10, checked=5, differing=1, seconds=0.5,
            differences=[{"what": "balances", "key": self.maker, "contract": "1", "ours": "2"}],
        )  # fmt: skip
        ChainCursor.objects.get_or_create(chain=self.chain, tip_number=10, tip_hash=rows.word(10), announce_from=0)
        self.signer = Signer.objects.create(
            chain_id=self.chain.chain_id, address=f"0x{0xB0000000 + n:040x}", halted="Unknown answer"
        )
        self.attempt = Attempt.objects.create(
            signer=self.signer, nonce=n, tx_hash=rows.word(n << 56), raw=b"\x02" * 5000, to=rows.ESCROW, calldata=b"",
            gas=100_000, max_fee=10**9, priority_fee=1,
        )  # fmt: skip
        self.intent = Intent.objects.create(
            chain=self.chain, key=f"deal:{self.deal.deal_id}:slash:0", action="slash", deal_id=self.deal.deal_id,
            state="sent", attempt=self.attempt,
        )  # fmt: skip
        self.failed = Intent.objects.create(
            chain=self.chain, key=f"deal:{rows.word(n << 80)}:refund", action="refund", deal_id=rows.word(n << 80),
            state="failed", reverts=3, detail="Reverted three times",
        )  # fmt: skip


@pytest.fixture
def make_venue(db):
    return Venue


@pytest.fixture
def venue(make_venue):
    return make_venue()


@pytest.fixture
def operator(db):
    return User.objects.create_superuser("operator", "a long enough password")


@pytest.fixture
def panel(client, operator):
    """A browser signed in as a superuser."""
    client.force_login(operator)
    return client
