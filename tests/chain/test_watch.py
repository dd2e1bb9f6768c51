"""The chain reader on a real anvil: a trade watched from deposit to withdrawal, forks, and the contract asked whether all is true."""

import pytest
from django.core.management import call_command

from escrow.chain.blooms import blooms_of, suspects
from escrow.chain.reconcile import reconcile
from escrow.chain.watcher import Outcome, watch, watch_step
from escrow.checks.verify import verify
from escrow.contracts import bindings
from escrow.contracts.deploy.tokens import TokenSpec, token_deploy
from escrow.contracts.structs import deal_preimage
from escrow.domain import payouts
from escrow.models import Account, ChainEvent, Deal, DealOutcome, SettlementTerms, Transfer
from escrow.selectors.balances import balances
from escrow.selectors.deals import deal_timeline, deal_view, deals_of, settlement_terms
from escrow.selectors.receipts import receipt
from escrow.selectors.solvency import solvency, tokens_held
from escrow.services.rebuild import chain_forget, projection_refold
from otc.core.flags import is_on
from otc.core.models import Chain, FlagName, OutboxEvent
from otc.stack import anvil as published
from points.models import MakerFunds, Market, Offer
from tests.support.direct_trade import BUYER, DAY, OWNER, SELLER, DirectTrade
from tests.support.projection_state import projection_state

pytestmark = pytest.mark.django_db


@pytest.fixture
def trade(anvil):
    return DirectTrade(anvil)


def catch_up(chain: Chain) -> None:
    result = watch(chain.pk, budget=30)
    while result.outcome is Outcome.EXTENDED:
        result = watch(chain.pk, budget=30)
    assert result.outcome is Outcome.LEVEL, result
    chain.refresh_from_db()


def assert_true(chain: Chain) -> None:
    """The contract's storage says what the database says, and the database agrees with itself."""
    report = reconcile(chain)
    assert report.drifts == []
    assert report.checked > 5
    assert [done.broken for done in verify([chain])] == [{}, {}]


def open_two_deals(trade: DirectTrade) -> tuple[Deal, Deal, Offer]:
    """A partial offer of 1,000 units with two fills: 400 and 350."""
    market = trade.register()
    trade.create_market()
    trade.deposit(BUYER, 10_000_000)
    trade.deposit(SELLER, 5_000_000)
    offer = trade.offer(units=1_000, payment=7_777_777, collateral=3_333_333, min_fill=10)
    row = trade.post(offer, market)
    trade.fill(offer, 400)
    trade.fill(offer, 350)
    catch_up(trade.chain)
    first, second = deals_of().order_by("id")
    return first, second, row


def settlement_token(trade: DirectTrade) -> str:
    spec = TokenSpec("Harbor", "HRB", 18)
    with trade.anvil.mining():
        return token_deploy(rpc_url=trade.anvil.url, key=published.KEYS[0], spec=spec)


def test_a_whole_trade_from_deposit_to_withdrawal(trade):
    trade.send(OWNER, bindings.encode_set_fee(150))
    first, second, row = open_two_deals(trade)
    assert_true(trade.chain)
    row.refresh_from_db()
    assert (row.filled_units, row.state) == (750, "open")
    assert trade.chain.fee_bps == 150
    assert first.offer_id == row.pk
    assert first.payment == 7_777_777 * 400 // 1_000
    assert (
        bindings.decode_deal_hash_result(trade.view(bindings.encode_deal_hash(deal_preimage(first))))
        == (receipt(first)["deal_hash"])
    )

    token = settlement_token(trade)
    trade.propose(trade.settlement(token))
    catch_up(trade.chain)
    terms = SettlementTerms.objects.get()
    assert (terms.token_symbol, terms.token_decimals, terms.market.status) == ("HRB", 18, 2)
    due = bindings.decode_due_result(trade.view(bindings.encode_due(deal_preimage(first), 0)))
    assert due == payouts.due_in_tranche(first.units, settlement_terms(terms), 0) == 600
    view = deal_view(deals_of().get(pk=first.pk))
    assert (view.deadline, view.terms_final) == (terms.start + terms.window, False)

    trade.mint(SELLER, 10_000, token=token)
    trade.anvil.move_to(terms.start)
    trade.deliver(first, 250)
    trade.deliver(second, 400, to_escrow=True)
    catch_up(trade.chain)
    assert_true(trade.chain)
    view = deal_view(deals_of().get(pk=first.pk))
    assert view.terms_final
    assert view.tranches[0].delivered == 250
    assert [row.free for row in balances(BUYER, chain=trade.chain) if row.token == token] == [400]

    trade.deliver(second, 125)
    trade.anvil.move_to(terms.start + terms.window + 1)
    trade.send(OWNER, bindings.encode_slash(deal_preimage(first), 0))
    catch_up(trade.chain)
    assert_true(trade.chain)
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.outcome, second.outcome) == (DealOutcome.SLASHED, DealOutcome.DELIVERED)
    part = payouts.delivery_payout(
        payment=first.payment, collateral=first.collateral, fee_bps=150, before=0, after=250, whole=600
    )
    assert (first.paid_to_seller, first.fee_paid) == (part.to_seller, part.fee)
    assert first.paid_to_buyer + first.paid_to_seller + first.fee_paid == first.payment + first.collateral
    assert second.fee_paid == second.payment * 150 // 10_000
    assert [fact.name for fact in deal_timeline(first)] == ["Filled", "Delivered", "Settled", "Settled"]

    for who in (BUYER, SELLER):
        for balance in balances(who, chain=trade.chain):
            if balance.free:
                trade.send(who, bindings.encode_withdraw(balance.token, balance.free, who))
    trade.send(OWNER, bindings.encode_collect_fees(trade.token))
    trade.anvil.mine(4)
    catch_up(trade.chain)
    assert_true(trade.chain)
    assert not Account.objects.filter(balance__gt=0).exists()
    assert not Transfer.objects.exclude(state="posted").exists()
    found = solvency(trade.chain, [row.token for row in tokens_held([trade.chain])])
    assert {(row.payment, row.held, row.liabilities) for row in found.rows} == {(False, 0, 0), (True, 0, 0)}
    told = list(OutboxEvent.objects.filter(aggregate=f"deal:{first.deal_id}").values_list("sequence", "type", "depth"))
    assert told[:2] == [(1, "deal.opened", "seen"), (2, "deal.final", "final")]
    assert [kind for _, kind, _ in told].count("deal.final") == 4


def test_tranches_settle_each_on_its_own(trade):
    deal, _, _ = open_two_deals(trade)
    token = settlement_token(trade)
    settlement = trade.settlement(token, tranches=3)
    trade.propose(settlement)
    trade.mint(SELLER, 10_000, token=token)
    for tranche in range(3):
        due = bindings.decode_due_result(trade.view(bindings.encode_due(deal_preimage(deal), tranche)))
        terms = payouts.Terms(3, 2, settlement.start, DAY, 2_500, 3, 2 * DAY)
        assert due == payouts.due_in_tranche(deal.units, terms, tranche)
        opens = settlement.start + tranche * settlement.period
        if tranche == 1:
            trade.anvil.move_to(opens + DAY + 1)
            trade.send(OWNER, bindings.encode_slash(deal_preimage(deal), 1))
        else:
            trade.anvil.move_to(opens)
            trade.deliver(deal, due, tranche=tranche)
        catch_up(trade.chain)
        assert_true(trade.chain)
    deal.refresh_from_db()
    assert deal.outcome == DealOutcome.SLASHED
    assert deal.paid_to_buyer == sum(
        payouts.share_of_tranche(total, terms, 1) for total in (deal.payment, deal.collateral)
    )


def test_a_reorg_takes_back_what_it_took_and_nothing_else(trade):
    trade.chain.final_depth = 8
    trade.chain.save()
    market = trade.register()
    trade.create_market()
    trade.deposit(BUYER, 10_000_000)
    trade.deposit(SELLER, 5_000_000)
    offer = trade.offer(units=1_000, payment=7_777_777, collateral=3_333_333, min_fill=10)
    row = trade.post(offer, market)
    trade.fill(offer, 400)
    trade.anvil.mine(2)
    trade.fill(offer, 350)
    catch_up(trade.chain)
    assert Deal.objects.count() == 2

    trade.anvil.reorg(2)
    assert watch_step(trade.chain.pk).outcome is Outcome.REWOUND
    catch_up(trade.chain)
    assert_true(trade.chain)
    deal = deals_of().get()
    row.refresh_from_db()
    assert (deal.units, row.filled_units) == (400, 400)
    told = OutboxEvent.objects.get(type="deal.reverted").payload
    assert (told["exists"], [fact["fact"] for fact in told["reverted"]]) == (False, ["deal.opened"])
    assert MakerFunds.objects.get(maker=BUYER).free == 10_000_000 - deal.payment

    trade.anvil.reorg(4)
    catch_up(trade.chain)
    assert not Deal.objects.exists()
    trade.fill(offer, 100)
    catch_up(trade.chain)
    assert_true(trade.chain)
    before = projection_state(trade.chain)
    chain_forget(chain_id=trade.chain.pk)
    catch_up(trade.chain)
    assert projection_state(trade.chain) == before
    assert deals_of(party=BUYER).get(outcome=DealOutcome.OPEN).units == 100


def test_every_block_with_a_log_of_ours_has_the_escrow_in_its_bloom_filter(trade):
    open_two_deals(trade)
    numbers = set(ChainEvent.objects.values_list("block_number", flat=True))
    head = trade.chain.head_number
    blooms = blooms_of(trade.anvil.rpc("eth_getBlockByNumber", hex(number), False) for number in range(head + 1))
    assert len(blooms) == head + 1 > len(numbers) > 3
    assert set(suspects(blooms, trade.chain.escrow_address, with_logs=())) >= numbers
    assert suspects(blooms, trade.chain.escrow_address, with_logs=numbers) == []


def test_a_reorg_below_finality_halts_and_pauses_the_keeper(trade):
    open_two_deals(trade)
    trade.anvil.mine(4)
    catch_up(trade.chain)
    trade.anvil.reorg(6)
    assert watch_step(trade.chain.pk).outcome is Outcome.HALTED
    trade.chain.refresh_from_db()
    assert "was final" in trade.chain.halted
    assert is_on(FlagName.PAUSE_KEEPER)
    assert Deal.objects.count() == 2
    assert watch(trade.chain.pk).outcome is Outcome.HALTED

    call_command("watch", "--chain", str(trade.chain.pk), "--reindex")
    trade.chain.refresh_from_db()
    assert trade.chain.halted == ""
    assert_true(trade.chain)


def test_a_market_registered_after_it_came_to_the_chain_is_adopted(trade):
    trade.create_market()
    trade.deposit(BUYER, 10_000_000)
    trade.deposit(SELLER, 5_000_000)
    offer = trade.offer(units=1_000, payment=7_777_777, collateral=3_333_333, min_fill=10)
    trade.fill(offer, 400)
    token = settlement_token(trade)
    trade.propose(trade.settlement(token))
    trade.mint(SELLER, 10_000, token=token)
    catch_up(trade.chain)
    assert not Deal.objects.exists()
    assert_true(trade.chain)

    trade.register()
    catch_up(trade.chain)
    deal = Deal.objects.get()
    market = Market.objects.get()
    assert (market.status, market.deal_count, market.settlement_terms.token_symbol) == (2, 1, "HRB")
    trade.anvil.move_to(market.settlement_terms.start)
    trade.deliver(deals_of().get(), 600)
    catch_up(trade.chain)
    assert_true(trade.chain)
    deal.refresh_from_db()
    assert deal.outcome == DealOutcome.DELIVERED


def test_an_offer_posted_after_its_first_fill_gets_its_deals(trade):
    market = trade.register()
    trade.create_market()
    trade.deposit(BUYER, 10_000_000)
    trade.deposit(SELLER, 5_000_000)
    offer = trade.offer(units=1_000, payment=7_777_777, collateral=3_333_333, min_fill=10)
    trade.fill(offer, 400)
    catch_up(trade.chain)
    assert Deal.objects.get().offer_id is None
    row = trade.post(offer, market)
    Offer.objects.filter(pk=row.pk).update(
        filled_units=400
    )  # what posting learns of an offer that the chain knew before
    trade.fill(offer, 100)
    catch_up(trade.chain)
    assert set(Deal.objects.values_list("offer_id", flat=True)) == {row.pk}
    before = projection_state(trade.chain)
    projection_refold(chain_id=trade.chain.pk)
    assert projection_state(trade.chain) == before


def test_a_market_registered_late_is_adopted_whole_though_it_goes_on_meanwhile(trade):
    """The step that first sees the row also brings a fill, a delivery's terms and nothing of its past."""
    trade.create_market()
    trade.deposit(BUYER, 10_000_000)
    trade.deposit(SELLER, 5_000_000)
    offer = trade.offer(units=1_000, payment=7_777_777, collateral=3_333_333, min_fill=10)
    trade.fill(offer, 400)
    catch_up(trade.chain)
    trade.register()
    trade.fill(offer, 100)
    trade.propose(trade.settlement(settlement_token(trade)))
    catch_up(trade.chain)
    assert sorted(Deal.objects.values_list("units", flat=True)) == [100, 400]
    assert Market.objects.get().deal_count == 2
    assert_true(trade.chain)
    before = projection_state(trade.chain)
    projection_refold(chain_id=trade.chain.pk)
    assert projection_state(trade.chain) == before
