"""Terms are proposed and become final; sellers deliver, in part, or not; the keeper slashes and refunds; all withdraw."""

from collections import defaultdict
from collections.abc import Iterator

from otc.rehearsal.client import Json
from otc.rehearsal.plan import Conduct
from otc.rehearsal.stage import DAY, Hook, Stage, TradedDeal
from otc.rehearsal.trading import refused
from otc.rehearsal.wallets import Wallet
from otc.rehearsal.world import Act, Surprise, World, listed

AFTER_OBJECTION = 3_600  # seconds between the end of the objection period and the start of delivery
WINDOW = 3 * DAY
RATIO = (1, 1)  # base units of the token for one unit
BATCH_OF_DELIVERIES = 12
PART = (3, 10)  # of what is due, by sellers who deliver in part
KEEPER_SECONDS = 120.0
FINALITY_BLOCKS = 12


def propose(world: World, stage: Stage) -> tuple[int, int]:
    """Deploys the token and proposes it for the markets that settle; (start, deadline)."""
    stage.settlement_token = world.deploy_token(stage.cast.resolver, "ENS (rehearsal)", "ENS", 18)
    stage.symbols[stage.settlement_token], stage.decimals[stage.settlement_token] = "ENS", 18
    start = world.node.now() + DAY + AFTER_OBJECTION
    launching = [market for market in stage.markets.values() if market.plan.launches]
    world.act(
        "The project proposes settlement terms",
        [
            Act(
                stage.cast.resolver,
                "propose",
                {
                    "market_id": market.market_id,
                    "token": listed(stage.settlement_token),
                    "ratio_num": str(RATIO[0]),
                    "ratio_den": str(RATIO[1]),
                    "start": start,
                    "window": WINDOW,
                },
            )
            for market in launching
        ],
    )
    early = next(stage.launched())
    if not refused(world, Act(early.seller, "deliver", {"deal_id": early.deal_id})):
        raise Surprise("A delivery within the objection period was not refused.")
    return start, start + WINDOW


def deliver(world: World, stage: Stage) -> None:
    """Each seller does what the plan says of it."""
    sellers = _by_seller(stage)
    wanted = {
        seller: sum(_intended(stage.plan.conduct[seller], deal.units) for deal in deals)
        for seller, deals in sellers.items()
    }
    delivering = [(stage.wallet(seller), amount) for seller, amount in wanted.items() if amount]
    token = stage.settlement_token
    world.mint("Sellers get the token", [(wallet, token, amount) for wallet, amount in delivering])
    stage.note_mint({(token, wallet.address): amount for wallet, amount in delivering})
    world.act(
        "Sellers approve the token",
        [Act(wallet, "approve", {"token": listed(token), "amount": str(amount)}) for wallet, amount in delivering],
        wait=False,
    )
    world.act("Sellers deliver in part", list(_parts(stage, sellers)))
    world.act("Sellers deliver in batches", list(_batches(stage, sellers)))


def _by_seller(stage: Stage) -> dict[int, list[TradedDeal]]:
    number_of = {wallet.address: number for number, wallet in enumerate(stage.cast.traders)}
    sellers: dict[int, list[TradedDeal]] = defaultdict(list)
    for deal in stage.launched():
        sellers[number_of[deal.seller.address]].append(deal)
    return dict(sorted(sellers.items()))


def _intended(conduct: Conduct, due: int) -> int:
    """Tokens that a seller gives for a deal in the end."""
    if conduct is Conduct.NONE:
        return 0
    return due * PART[0] // PART[1] if conduct in {Conduct.PART, Conduct.PART_ESCROW} else due


def _parts(stage: Stage, sellers: dict[int, list[TradedDeal]]) -> Iterator[Act]:
    for seller, deals in sellers.items():
        conduct = stage.plan.conduct[seller]
        if conduct in {Conduct.PART, Conduct.PART_ESCROW, Conduct.TWO_STEPS}:
            for deal in deals:
                yield Act(
                    deal.seller,
                    "deliver",
                    {
                        "deal_id": deal.deal_id,
                        "amount": str(deal.units * PART[0] // PART[1]),
                        "to_escrow": conduct is Conduct.PART_ESCROW,
                    },
                )


def _batches(stage: Stage, sellers: dict[int, list[TradedDeal]]) -> Iterator[Act]:
    for seller, deals in sellers.items():
        conduct = stage.plan.conduct[seller]
        if conduct not in {Conduct.FULL, Conduct.FULL_ESCROW, Conduct.TWO_STEPS}:
            continue
        for at in range(0, len(deals), BATCH_OF_DELIVERIES):
            chunk = deals[at : at + BATCH_OF_DELIVERIES]
            to_escrow = conduct is Conduct.FULL_ESCROW
            deliveries = [{"deal_id": deal.deal_id, "to_escrow": to_escrow} for deal in chunk]
            yield Act(stage.wallet(seller), "deliver_batch", {"deliveries": deliveries})


# ---------------------------------------------------------------- the keeper's part


def keeper_closes(world: World, stage: Stage, title: str, *, launches: bool, interrupt: Hook | None = None) -> None:
    """Waits until the keeper has closed every deal of these markets.

    `interrupt` runs when the keeper's first transactions lie in the node's pool: sent, and in no block yet.
    """
    markets = [m.market_id for m in stage.markets.values() if m.plan.launches is launches]
    open_before = sum(len(_open(world, market)) for market in markets)
    with world.console.bar(title, open_before) as bar:
        if interrupt is not None:
            world.until(lambda: world.node.pooled() > 0, "the keeper sends its first transaction")
            interrupt()

        def closed() -> bool:
            left = sum(len(_open(world, market)) for market in markets)
            bar.to(open_before - left)
            return left == 0

        world.until(closed, f"{title} ({open_before} deals)", seconds=KEEPER_SECONDS, mine=True)


def _open(world: World, market: str) -> list[Json]:
    return list(world.venue.pages("deals", market=market, outcome="open"))


def check_too_late(world: World, stage: Stage, deadline: int) -> None:
    """A second past the deadline nobody delivers any more."""
    late = next(d for d in stage.launched() if stage.plan.conduct[_number(stage, d.seller)] is Conduct.NONE)
    if world.node.now() <= deadline:
        raise Surprise("The chain's clock did not pass the deadline.")
    if not refused(world, Act(late.seller, "deliver", {"deal_id": late.deal_id})):
        raise Surprise("A delivery after the deadline was not refused.")


def _number(stage: Stage, wallet: Wallet) -> int:
    return next(number for number, each in enumerate(stage.cast.traders) if each is wallet)


def finality(world: World) -> None:
    """Lets everything become final, for the ledger to post it."""
    world.node.mine(FINALITY_BLOCKS)
    world.catch_up()


# ---------------------------------------------------------------- money out


def withdraw_all(world: World, stage: Stage) -> None:
    """Every wallet takes out what the API says is free, in every token."""
    answers = world.each(
        "Wallets ask for their balances",
        stage.cast.traders,
        lambda wallet: world.venue.get(f"balances/{listed(wallet.address)}"),
    )
    acts = [
        Act(wallet, "withdraw", {"token": row["token"], "amount": row["free"]})
        for wallet, answer in zip(stage.cast.traders, answers, strict=True)
        for row in answer["balances"]
        if int(row["free"])
    ]
    world.act("Everybody withdraws", acts)
