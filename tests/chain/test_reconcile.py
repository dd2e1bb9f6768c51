"""Every question that reconcile asks the contract: right on a chain where everything happened, and named when our answer is false."""

import json

import pytest
from django.core.management import CommandError, call_command
from django.db import transaction
from django.db.models import F

from escrow.chain import reconcile as module
from escrow.chain.reconcile import reconcile
from escrow.checks.verify import verify
from escrow.contracts import bindings
from escrow.contracts.deploy.tokens import RightSpec
from escrow.models import Account, AutoDelivery, Deal, DealTranche, DeliveredRight, KeptRight, SettlementTerms
from escrow.services import signing
from otc.core.errors import DomainError, ErrorCode
from otc.core.models import Chain
from otc.stack import anvil as published
from points.models import MakerEpoch, MakerNonces, Market, Offer, PayToken
from tests.chain.test_rights import LISTED, RightsVenue
from tests.chain.test_whole_protocol import EVIDENCE, HRB, USD, attested, deal, venue

__all__ = ["attested", "deal", "venue"]  # fixtures

pytestmark = pytest.mark.django_db


@pytest.fixture
def lived(venue, deal, attested):
    """Part-delivered by anyone on a standing approval; attested in part and disputed; offers filled in part and cancelled; an epoch, nonces,
    a fee and a pause.
    """
    said = signing.attestation_prepare(deal_id=attested.deal_id, evidence=EVIDENCE, units=40)
    venue.act("attestor", "attest", deal_id=attested.deal_id, attestation=said.struct)
    venue.act("buyer", "dispute", deal_id=attested.deal_id, evidence=EVIDENCE)
    venue.act("arbitrator", "appeal", deal_id=attested.deal_id)
    venue.market = Market.objects.get(pk=deal.market_id)
    venue.send("owner", venue.escrow, bindings.encode_set_fee(123))
    venue.mine()
    with_fee = venue.take("taker", venue.post("seller", min_fill=10), 30)
    gone = venue.post("seller", min_fill=10, units=50)
    venue.act("seller", "cancel", offer_hash=gone.offer_hash)
    start, _ = venue.propose()
    venue.pass_to(start)
    venue.mint("seller", venue.settlement_token, 100 * HRB)
    venue.act("seller", "approve", token=venue.settlement_token, amount=100 * HRB)
    for part, amount in ((deal, 60), (with_fee, 30)):
        venue.act("seller", "set_auto_deliver", market_id=venue.market.market_id, amount=amount * HRB)
        venue.act("taker", "deliver_for", deal_id=part.deal_id, to_escrow=True)
    venue.act("seller", "set_auto_deliver", market_id=venue.market.market_id, amount=7 * HRB)
    venue.act("taker", "invalidate_nonces", word=3, mask=6)
    venue.act("taker", "bump_epoch")
    venue.send("guardian", venue.escrow, bindings.encode_pause_entry(venue.anvil.now() + 3_600))
    venue.mine()
    return venue.chain


def change(queryset, **values):
    return lambda: queryset.all().update(**values)


ATTESTED, CANCELLED = Deal.objects.filter(phase__gt=0), Offer.objects.filter(cancelled_on_chain=True)
# By question: what is said falsely here, each way of it.
DAMAGE = {
    "feeBps": [change(Chain.objects, fee_bps=1)],
    "pausedUntil": [change(Chain.objects, paused_until=1)],
    "balances": [change(Account.objects.filter(kind="free", balance__gt=0), balance=F("balance") - 1)],
    "payTokenAllowed": [change(PayToken.objects, allowed=False)],
    "marketStatus": [change(Market.objects, status=4)],
    "filled": [change(Offer.objects.filter(filled_units=30), filled_units=31), change(CANCELLED, cancelled_on_chain=False)],
    "deals": [change(Deal.objects, units=F("units") + 1), change(Deal.objects, buyer_ref="0x" + "09" * 32)],
    "delivered": [change(DealTranche.objects, delivered=F("delivered") + 1)],
    "attestationOf": [
        change(ATTESTED, phase_until=1),
        change(ATTESTED, attested_units=41),
        change(ATTESTED, appeals=2),
        change(ATTESTED, phase=3, disputed_by=F("seller")),
        change(Market.objects.filter(settlement=1), bond_bps=999),
    ],
    "autoDeliver": [change(AutoDelivery.objects, amount=F("amount") + 1)],
    "nonces": [change(MakerNonces.objects, mask=14)],
    "epochs": [change(MakerEpoch.objects, epoch=F("epoch") + 1)],
    "liabilities": [change(Account.objects.filter(kind="external"), balance=F("balance") - 1)],
    "fees": [change(Account.objects.filter(kind="fees", balance__gt=0), balance=F("balance") - 1)],
    "token balance": [change(Account.objects.filter(kind="external"), balance=F("balance") + 1)],
}  # fmt: skip


def drifts(chain) -> dict[str, list[module.Drift]]:
    found: dict[str, list[module.Drift]] = {}
    for drift in reconcile(chain).drifts:
        found.setdefault(drift.what, []).append(drift)
    return found


def test_each_question_is_right_and_is_named_when_our_answer_is_false(lived, deal, attested):
    assert drifts(lived) == {}
    assert [done.broken for done in verify([lived])] == [{}, {}]
    assert {question.what for question in module._questions(lived)} == set(DAMAGE)
    for what, ways in DAMAGE.items():
        for damage in ways:
            with transaction.atomic():
                assert damage(), f"nothing to damage for {what}"
                found = drifts(lived)
                assert what in found, f"{what} was false, {found} was told"
                assert all(drift.contract != drift.ours for drift in found[what])
                transaction.set_rollback(True)
    assert drifts(lived) == {}


def test_a_difference_names_whose_it_is_and_both_values(lived, deal, attested):
    DealTranche.objects.filter(deal=deal).update(delivered=61 * HRB)
    Deal.objects.filter(pk=attested.pk).update(attested_units=41)
    seller, token = published.address("seller"), lived.pay_tokens.get(decimals=6).address
    free = Account.objects.get(owner=seller, token=token)
    Account.objects.filter(pk=free.pk).update(balance=5)
    found = {(drift.what, drift.key): (drift.contract, drift.ours) for drift in reconcile(lived).drifts}
    assert found["delivered", f"{deal.deal_id} 0"] == (str(60 * HRB), str(61 * HRB))
    assert found["balances", f"{token} {seller}"] == (str(free.balance), "5")
    contract, ours = found["attestationOf", attested.deal_id]
    assert (eval(contract)[2], eval(ours)[2]) == (40, 41)  # noqa: S307 - tuples of numbers
    assert len(found) == 3


def test_rights_that_the_escrow_keeps_and_their_terms(anvil):
    made = RightsVenue(anvil)
    made.deploy_rights(RightSpec("Harbor key", "KEY"))
    deal = made.deal()
    made.propose_rights(allowed_ids=[str(right) for right in LISTED])
    made.mint_pieces("seller", *LISTED)
    made.pass_to(deal.market.settlement_terms.start)
    made.tell("seller", "approve_rights", token=made.rights)
    allowed = [str(right) for right in LISTED]
    made.tell("seller", "deliver_rights", deal_id=deal.deal_id, ids=["5"], allowed_ids=allowed, to_escrow=True)
    assert KeptRight.objects.get().amount == 1
    assert drifts(made.chain) == {}
    assert [done.broken for done in verify([made.chain])] == [{}, {}]
    KeptRight.objects.update(amount=2)
    SettlementTerms.objects.update(ids_root="0x" + "01" * 32)
    DeliveredRight.objects.update(amount=3)
    found = drifts(made.chain)
    assert set(found) == {"rights", "rightsOf"}
    assert found["rights"][0].key == f"{made.rights} 5 {published.address('buyer')}"
    (of_chain, _) = verify([made.chain])
    assert set(of_chain.broken) == {"rights.kept", "rights.delivered"}


def test_a_bond_that_only_the_database_knows_is_found_by_verify(lived, attested):
    assert Deal.objects.get(pk=attested.pk).bond == 25 * USD
    Deal.objects.filter(pk=attested.pk).update(bond=26 * USD)
    (of_chain, _) = verify([lived])
    assert {"deals.fold", "deals.shares", "ledger.locked"} == set(of_chain.broken)


def test_what_is_read_meanwhile_is_no_difference(venue, deal, monkeypatch):
    """The block, and our side of the comparison, are those of the beginning."""
    questions = module._questions

    def then_read(chain):
        yield from questions(chain)
        venue.act("buyer", "withdraw", token=venue.token.address, amount=5)

    monkeypatch.setattr(module, "_questions", then_read)
    before = venue.chain.head_number
    report = reconcile(venue.chain)
    assert (report.block_number, report.drifts) == (before, [])
    assert venue.chain.head_number > before


def test_the_command_exits_with_1_on_a_difference_and_with_2_when_it_could_not_ask(venue, deal, capsys):
    of_tokens = ("--chain", str(venue.chain.pk))  # the escrow of rights was not read
    call_command("reconcile", *of_tokens)
    Deal.objects.update(units=1)
    with pytest.raises(CommandError) as caught:
        call_command("reconcile", "--json", *of_tokens)
    assert caught.value.returncode == 1
    (drift,) = json.loads(capsys.readouterr().out.splitlines()[-1])["drifts"]
    assert (drift["what"], drift["key"]) == ("deals", deal.deal_id)
    Chain.objects.update(rpc_urls=["http://127.0.0.1:9"])
    with pytest.raises(CommandError, match="No endpoint") as caught:
        call_command("reconcile", *of_tokens)
    assert caught.value.returncode == 2
    Chain.objects.update(head_hash=None)
    with pytest.raises(DomainError) as refused:
        reconcile(venue.chain)
    assert refused.value.code == ErrorCode.CHAIN_UNAVAILABLE
