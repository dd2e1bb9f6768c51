"""Before the first trade: the allocation list, the project with its markets, and wallets with money in the escrow."""

from collections import defaultdict
from pathlib import Path

from otc.rehearsal import abi
from otc.rehearsal.client import Json
from otc.rehearsal.plan import MarketPlan
from otc.rehearsal.stage import DAY, THRESHOLD, Hook, OpenMarket, Stage
from otc.rehearsal.world import Act, Surprise, World, listed
from otc.stack import anvil

ETHER = 10**18
FEE_BPS = 50
OBJECTION = DAY
MIN_WINDOW, MAX_WINDOW = DAY, 14 * DAY
LONG_STOP_NEVER, LONG_STOP = 20 * DAY, 180 * DAY  # after the market's creation
ALLOCATION_KIND = 1
SAMPLES = 12  # proofs asked of the server and verified by it
IMPORT_SECONDS = 150.0
RULES = (
    "One unit is one base unit of the allocation that the published list gives to an account. Deliver the token that the "
    "project names, at the ratio it signs, within the window. Market: {key}."
)


def fund_gas(world: World, stage: Stage) -> None:
    """Ether for everybody who sends transactions, from the development node."""
    world.node.give_ether(stage.cast.keyed(), 1_000 * ETHER)


def deploy_contract_wallets(world: World, stage: Stage) -> None:
    """The last traders: contract wallets whose owners sign two of three."""
    wanted = [(f"contract wallet {at}", owners, THRESHOLD) for at, owners in enumerate(stage.cast.owners)]
    stage.cast.traders += world.deploy_wallets(wanted)


def set_fee(world: World) -> None:
    """A fee, so that there is one to count, where the deployment has none."""
    if world.view("feeBps()") == 0:
        owner = world.known_wallet("owner", anvil.key("owner"))
        raw = owner.sign_transaction(world.plain(world.escrow, abi.call_data("setFee(uint256)", FEE_BPS)))
        world.broadcast([raw], label="set the fee")
        world.catch_up()


def sign_in(world: World, stage: Stage) -> None:
    wallets = [stage.cast.resolver, *stage.cast.traders]
    world.each("Wallets sign in", wallets, lambda wallet: world.venue.sign_in(wallet, world.chain_id))


def open_program(world: World, stage: Stage) -> str:
    """The project and its program; the program's slug."""
    token = stage.cast.resolver.token
    project = world.venue.post("projects", {"slug": "ens-rehearsal", "name": "ENS (rehearsal)"}, token=token)
    program = world.venue.post(
        "programs",
        {
            "project": project["slug"],
            "slug": "ens-airdrop",
            "name": "ENS airdrop",
            "kind": ALLOCATION_KIND,
            "unit_name": "ENS",
            "unit_decimals": 18,
        },
        token=token,
    )
    return str(program["slug"])


def import_list(world: World, stage: Stage, program: str, path: Path, interrupt: Hook | None = None) -> Json:
    """Uploads the list and follows its import; `interrupt` runs once, when a part of it has been read."""
    list_id = world.venue.upload_list(program, path, token=stage.cast.resolver.token)
    found: Json = {}
    hooks = [interrupt] if interrupt else []
    with world.console.bar(f"Allocation list: {stage.rows:,} rows", 100) as bar:

        def finished() -> bool:
            found.update(world.venue.get(f"allocation-lists/{list_id}", token=stage.cast.resolver.token))
            bar.to(100 * int(found["bytes_read"]) // max(1, int(found["file_size"])))
            if hooks and found["state"] == "importing" and int(found["bytes_read"]):
                hooks.pop()()
            return found["state"] in {"ready", "refused"}

        world.until(finished, "the allocation list is read", seconds=IMPORT_SECONDS)
        bar.to(100)
    if (found["state"], found["row_count"], int(found["total"])) != ("ready", stage.rows, stage.total):
        raise Surprise(f"The list came out as {found}, not {stage.rows} rows of {stage.total} base units.")
    return found


def prove_sample(world: World, found: Json, sample: list[tuple[str, int]]) -> None:
    """Proofs of some rows, from the server, verified against the list's root; a wrong amount must not verify."""

    def prove(row: tuple[str, int]) -> None:
        address, amount = row
        answer = world.venue.get(f"allocation-lists/{found['id']}/proof", address=listed(address))
        for offset, wanted in ((0, True), (1, False)):
            claim = {
                "format": "standard",
                "root": found["root"],
                "address": listed(address),
                "amount": str(amount + offset),
                "proof": answer["proof"],
            }
            if world.venue.post("merkle/verify", claim)["valid"] is not wanted:
                raise Surprise(f"The proof of {address} over {amount + offset} should be {wanted}.")

    world.each("Proofs of a sample verify", sample, prove)


def open_markets(world: World, stage: Stage, program: str) -> None:
    """Creates the plan's markets on chain, two for each of the demo tokens."""
    tokens: dict[int, str] = {}
    for token in world.venue.get("pay-tokens")["results"]:
        if token["chain_id"] == world.chain_id and token["allowed"]:
            address = str(token["address"]).lower()
            tokens.setdefault(int(token["decimals"]), address)
            stage.symbols[address], stage.decimals[address] = token["symbol"], int(token["decimals"])
    now = world.node.now()
    for market in stage.plan.markets:
        stage.markets[market.key] = _declare(world, stage, program, market, tokens[market.decimals], now)
    world.act(
        "Markets are created on chain",
        [
            Act(stage.cast.resolver, "create_market", {"market_id": market.market_id})
            for market in stage.markets.values()
        ],
    )


def _declare(world: World, stage: Stage, program: str, plan: MarketPlan, token: str, now: int) -> OpenMarket:
    long_stop = now + (LONG_STOP if plan.launches else LONG_STOP_NEVER)
    answer = world.venue.post(
        "markets",
        {
            "program": program,
            "chain_id": world.chain_id,
            "pay_token": listed(token),
            "resolver": listed(stage.cast.resolver.address),
            "guardian": listed(stage.cast.guardian.address),
            "objection": OBJECTION,
            "min_window": MIN_WINDOW,
            "max_window": MAX_WINDOW,
            "long_stop": long_stop,
            "rules_text": RULES.format(key=plan.key),
        },
        token=stage.cast.resolver.token,
    )
    return OpenMarket(plan, answer["market_id"], token, long_stop)


def deposit(world: World, stage: Stage) -> None:
    """Every wallet mints what its part of the plan needs, and deposits it."""
    needs: dict[tuple[int, str], int] = defaultdict(int)
    for (number, market), amount in stage.plan.needs().items():
        needs[number, stage.markets[market].token] += amount
    wanted = [
        (stage.wallet(number), token, amount + 10 ** stage.decimals[token])  # and some change in the wallet
        for (number, token), amount in sorted(needs.items())
        if amount
    ]
    world.mint("Wallets get demo tokens", wanted)
    stage.note_mint({(token, wallet.address): amount for wallet, token, amount in wanted})
    funded = [
        (wallet, {"token": listed(token), "amount": str(amount - 10 ** stage.decimals[token])})
        for wallet, token, amount in wanted
    ]
    world.act("Wallets approve", [Act(wallet, "approve", params) for wallet, params in funded], wait=False)
    world.act("Wallets deposit", [Act(wallet, "deposit", params) for wallet, params in funded])
