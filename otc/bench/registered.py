"""The rows that a venue has of the bench's chain before it reads it: the chain, the markets, the offers that were posted."""

from dataclasses import asdict

from escrow.contracts import hashing
from escrow.contracts.bindings import MarketTerms
from otc.bench.activity import Facts
from otc.core.models import Chain, EscrowKind, escrow_key
from points.models import Market, Offer, PayToken, Program, Project

FINAL_DEPTH = 64


def venue_registered(facts: Facts, *, url: str, chain_id: int, final_depth: int = FINAL_DEPTH) -> Chain:
    """Writes them, and returns the chain."""
    chain = Chain.objects.create(
        pk=escrow_key(chain_id, EscrowKind.TOKENS),
        chain_id=chain_id,
        name="Bench",
        rpc_urls=[url],
        escrow_address=facts.escrow,
        start_block=0,
        final_depth=final_depth,
    )
    PayToken.objects.create(chain=chain, address=facts.token, symbol="PAY", decimals=18, allowed=False)
    markets = {market.market_id: market for market in (market_registered(chain, terms) for terms in facts.markets)}
    rows = []
    for offer in facts.offers:
        members = asdict(offer)
        market = markets[members.pop("market")]
        del members["pay_token"]
        rows.append(
            Offer(
                market=market,
                offer_hash=hashing.offer_hash(offer, chain_id=chain_id, contract=facts.escrow),
                signature=b"",
                price_e18=offer.payment * 10**18 // offer.units,
                collateral_bps=offer.collateral * 10_000 // offer.payment,
                **members,
            )
        )
    Offer.objects.bulk_create(rows, batch_size=1_000)
    return chain


def market_registered(chain: Chain, terms: MarketTerms) -> Market:
    """A market as a project would have registered it."""
    project, _ = Project.objects.get_or_create(slug="bench", name="Bench")
    slug = f"season-{Market.objects.count()}"
    program = Program.objects.create(project=project, slug=slug, name=slug, kind=0, unit_name="point")
    stored = {name: value for name, value in asdict(terms).items() if name not in {"pay_token", "kind"}}
    return Market.objects.create(
        program=program,
        chain=chain,
        pay_token=PayToken.objects.get(chain=chain, address=terms.pay_token),
        market_id=hashing.market_id(terms),
        rules_text="As played.",
        **stored,
    )
