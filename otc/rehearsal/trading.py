"""Offers are posted and taken; some are cancelled, withdrawn, expire, or lose their cover."""

from collections import defaultdict

from otc.rehearsal.client import ApiError, Json, PreparationError
from otc.rehearsal.plan import BUY, Fate, FillPlan, OfferPlan
from otc.rehearsal.stage import DAY, Stage
from otc.rehearsal.world import Act, Surprise, World, listed

MAX_FEE_BPS = 200
OFFER_LIFE, SHORT_LIFE = 60 * DAY, 3_600  # seconds
BATCH_OF_FILLS = 4
EARLY = (Fate.TRADED, Fate.CANCELLED, Fate.NONCE_KILLED, Fate.WITHDRAWN, Fate.EXPIRED)
STATE_OF = {
    Fate.CANCELLED: "cancelled",
    Fate.NONCE_KILLED: "cancelled",
    Fate.WITHDRAWN: "cancelled",
    Fate.EXPIRED: "expired",
    Fate.HIDDEN: "open",
}


def post(world: World, stage: Stage, fates: tuple[Fate, ...], title: str) -> None:
    """Posts the offers of these fates through offers/prepare, signature and POST."""
    now = world.node.now()

    def post_one(offer: OfferPlan) -> Json:
        maker, market = stage.wallet(offer.maker), stage.markets[offer.market]
        terms = {
            "maker": listed(maker.address),
            "side": "buy" if offer.side == BUY else "sell",
            "market": market.market_id,
            "units": str(offer.units),
            "payment": str(offer.payment),
            "collateral": str(offer.collateral),
            "min_fill": str(offer.min_fill),
            "max_fee_bps": MAX_FEE_BPS,
            "expiry": min(now + (SHORT_LIFE if offer.fate is Fate.EXPIRED else OFFER_LIFE), market.long_stop),
        }
        prepared, digest = world.venue.prepare_offer(maker, terms)
        if prepared["offer_hash"] != "0x" + digest.hex():
            raise Surprise(f"offers/prepare names {prepared['offer_hash']}, its typed data hashes to {digest.hex()}.")
        return world.venue.post_offer(maker, prepared["offer"], digest)

    offers = [offer for offer in stage.plan.offers if offer.fate in fates]
    for offer, answer in zip(offers, world.each(title, offers, post_one), strict=True):
        stage.posted[offer.number] = answer


def fill(world: World, stage: Stage, pairs: list[tuple[OfferPlan, FillPlan]], title: str) -> None:
    """Takes offers: a taker with several in this round takes up to four by one transaction."""
    by_taker: dict[int, list[Json]] = defaultdict(list)
    for offer, part in pairs:
        by_taker[part.taker].append({"offer_hash": stage.posted[offer.number]["offer_hash"], "units": str(part.units)})
    single, batches = [], []
    for taker, fills in sorted(by_taker.items()):
        wallet = stage.wallet(taker)
        for at in range(0, len(fills), BATCH_OF_FILLS):
            chunk = fills[at : at + BATCH_OF_FILLS]
            if len(chunk) == 1:
                single.append(Act(wallet, "fill", chunk[0]))
            else:
                batches.append(Act(wallet, "fill_batch", {"fills": chunk}))
    world.act(title, single)
    world.act(f"{title}, several at once", batches)


def find_deals(world: World, stage: Stage) -> None:
    """Every planned fill must be a deal of the API under the id that follows from its offer; and no other deal exists."""
    expected = [stage.expected_deal(offer, at) for offer in stage.plan.offers for at in range(len(offer.fills))]
    with world.console.bar("Deals are listed", len(expected)) as bar:
        found = {row["deal_id"]: row for market in stage.markets.values() for row in _deals(world, market.market_id)}
        for deal in bar.over(expected):
            row = found.pop(deal.deal_id, None)
            parties = (deal.buyer.address, deal.seller.address, deal.units)
            if row is None or (str(row["buyer"]).lower(), str(row["seller"]).lower(), int(row["units"])) != parties:
                raise Surprise(f"Deal {deal.key} should be {deal.deal_id} of {parties}, the API has {row}.")
    if found:
        raise Surprise(f"The API lists {len(found)} deals that nobody made: {next(iter(found))}.")
    stage.deals = expected


def _deals(world: World, market_id: str) -> list[Json]:
    return list(world.venue.pages("deals", market=market_id))


# ---------------------------------------------------------------- offers that never trade


def kill_offers(world: World, stage: Stage) -> None:
    """Cancels, invalidates and withdraws what the plan says, and lets time pass over the short-lived."""
    of = _by_fate(stage)
    cancels = [
        Act(stage.wallet(o.maker), "cancel", {"offer_hash": stage.posted[o.number]["offer_hash"]})
        for o in of[Fate.CANCELLED]
    ]
    world.act("Makers cancel on chain", cancels)
    invalidations = []
    for offer in of[Fate.NONCE_KILLED]:
        salt = int(stage.posted[offer.number]["offer"]["salt"])
        params = {"chain_id": world.chain_id, "word": str(salt >> 8), "mask": str(1 << (salt & 255))}
        invalidations.append(Act(stage.wallet(offer.maker), "invalidate_nonces", params))
    world.act("Makers invalidate nonces", invalidations)

    def withdraw(offer: OfferPlan) -> None:
        path = f"offers/{stage.posted[offer.number]['offer_hash']}/withdraw"
        world.venue.post(path, {}, token=stage.wallet(offer.maker).token)

    world.each("Makers withdraw from the book", of[Fate.WITHDRAWN], withdraw)
    world.move_to(world.node.now() + SHORT_LIFE + 1)


def uncover_offers(world: World, stage: Stage) -> None:
    """Makers post, then take their whole free balance out: the book must hide what it can't back."""
    hidden = _by_fate(stage)[Fate.HIDDEN]
    post(world, stage, (Fate.HIDDEN,), "Makers post offers to be uncovered")
    acts = []
    for maker, token in sorted({(o.maker, stage.markets[o.market].token) for o in hidden}):
        free = world.view("balances(address,address)", token, stage.wallet(maker).address)
        acts.append(Act(stage.wallet(maker), "withdraw", {"token": listed(token), "amount": str(free)}))
    world.act("Makers take their cover away", acts)


def check_dead_offers(world: World, stage: Stage) -> int:
    """State, absence from the book, and a refused fill for every offer that can't trade; how many."""
    lost = [offer for offer in stage.plan.offers if offer.fate is not Fate.TRADED]
    shown: set[str] = set()
    for market in stage.markets.values():
        book = world.venue.get(f"markets/{market.market_id}/book")
        shown |= {row["offer_hash"] for row in book["bids"] + book["asks"]}

    def check(offer: OfferPlan) -> None:
        offer_hash = stage.posted[offer.number]["offer_hash"]
        state = world.venue.get(f"offers/{offer_hash}")["state"]
        if state != STATE_OF[offer.fate] or offer_hash in shown:
            raise Surprise(f"Offer {offer.number} ({offer.fate.value}) is {state}, in the book: {offer_hash in shown}.")
        taker = stage.wallet((offer.maker + 1) % 100)
        if not refused(world, Act(taker, "fill", {"offer_hash": offer_hash, "units": str(offer.units)})):
            raise Surprise(f"Offer {offer.number} ({offer.fate.value}) could still be taken.")

    world.each("Dead and uncovered offers are refused", lost, check)
    return len(lost)


def refused(world: World, act: Act) -> bool:
    """Whether the API refuses to prepare this, or its simulation fails."""
    try:
        world.venue.sign(act.wallet, act.action, **act.params)
    except PreparationError:
        return True
    except ApiError as error:
        if error.status >= 500:  # noqa: PLR2004 - a server's own fault is no refusal
            raise
        return True
    return False


def _by_fate(stage: Stage) -> dict[Fate, list[OfferPlan]]:
    of: dict[Fate, list[OfferPlan]] = defaultdict(list)
    for offer in stage.plan.offers:
        of[offer.fate].append(offer)
    return of
