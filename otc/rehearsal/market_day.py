"""A market day for the demonstration: what a newcomer finds on the screens of a fresh stack, made through the public API.

All teams and tokens are invented. Every part is made once: what stands already is left alone. On a chain that begins in the past the day
has a history, and one market is final with its delivery window open; the chain's clock is then set to the machine's.
"""

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import zip_longest

from otc.rehearsal import abi
from otc.rehearsal.client import ApiError, Json
from otc.rehearsal.wallets import KeyWallet, Wallet
from otc.rehearsal.world import Act, World, listed
from otc.stack import anvil

HOUR, DAY = 3_600, 86_400
HISTORY = 27 * HOUR  # how far in the past a chain must begin for the whole day to fit before now
POINTS, ALLOCATION, TOKEN, RIGHT = range(4)
BUY, SELL = 0, 1
E4 = 10_000  # prices below are ten-thousandths of the payment token
TIERS = (25, 50, 100, 100, 150, 200)  # collateral in percent of the payment
EXTRA_MAKERS = 4
ETHER = 100 * 10**18
MINTED, DEPOSITED = 400_000, 150_000  # whole payment tokens of each trader
MAX_FEE_BPS = 200
OFFER_LIFE = 14 * DAY
LONG_STOP = 120 * DAY
DELIVERY_WINDOW = 3 * DAY
# When markets trade, in hours before now: from, to. The first ends early enough for a day of objection to pass.
FINAL_TRADES = (26.5, 25.2)
PROPOSED_TRADES = (24.0, 8.0)
OPEN_TRADES = (7.5, 0.2)


@dataclass(frozen=True, slots=True)
class Book:
    """One market of a program. `phase` is how far it gets: open, proposed, final."""

    decimals: int  # of the payment token, which tells the two demo tokens apart
    price: int  # of one unit, in E4
    lot: int  # units of a typical offer
    offers: int
    fills: int
    phase: str = "open"


@dataclass(frozen=True, slots=True)
class Team:
    slug: str
    name: str
    about: str
    program: str
    title: str
    kind: int
    unit: str
    promise: str
    books: tuple[Book, ...]


TEAMS = (
    Team(
        "lumen",
        "Lumen",
        "A rollup for payments that settles in seconds.",
        "lumen-season-2",
        "Lumen points, season 2",
        POINTS,
        "point",
        "Points of season 2 as the team's dashboard shows them at its snapshot.",
        (Book(6, 420, 60_000, 12, 5), Book(18, 430, 40_000, 8, 3)),
    ),
    Team(
        "harbor",
        "Harbor",
        "Lending against real invoices.",
        "harbor-airdrop",
        "Harbor airdrop",
        ALLOCATION,
        "HRB",
        "What the published allocation list gives to an account.",
        (Book(6, 18_500, 900, 9, 8, "final"),),
    ),
    Team(
        "kestrel",
        "Kestrel",
        "Routing for orders across venues.",
        "kestrel-pre-tge",
        "Kestrel before its TGE",
        TOKEN,
        "KST",
        "Tokens unlocked at the token generation event.",
        (Book(18, 7_200, 2_500, 8, 5, "proposed"),),
    ),
    Team(
        "mosaic",
        "Mosaic",
        "Homes for makers, owned by them.",
        "mosaic-build-keys",
        "Mosaic BuildKeys",
        RIGHT,
        "key",
        "One BuildKey converts into tokens of the building it names.",
        (Book(18, 2_400_000, 12, 9, 3),),
    ),
)
SIGNED_TOKENS = {"harbor": ("Harbor", "HRB"), "kestrel": ("Kestrel", "KST")}


@dataclass(slots=True)
class Listed:
    """A book of a team as it stands on chain."""

    team: Team
    book: Book
    token: str
    market_id: str
    symbol: str


class MarketDay:
    """Makes the day in `world`. `can_travel`: the chain lies HISTORY behind the clock, and may be moved up to it."""

    def __init__(self, world: World, *, wall_clock: int) -> None:
        self.world = world
        self.now = wall_clock
        self.can_travel = world.node.now() < wall_clock - HISTORY + HOUR
        self.resolver = self._role("resolver")
        self.guardian = self._role("guardian")
        names = ("seller", "buyer", "maker", "taker")
        extra = [KeyWallet.derived(0, f"market day maker {number}") for number in range(EXTRA_MAKERS)]
        self.traders: list[KeyWallet] = [self._role(name) for name in names]
        self.traders += [world.known_wallet(wallet.name, wallet.key) for wallet in extra]
        self.extra = [wallet.address for wallet in extra]

    def _role(self, name: str) -> KeyWallet:
        return self.world.known_wallet(name, anvil.key(name))

    # ------------------------------------------------------------ the day

    def make(self) -> bool:
        """Fills what is missing; False when all of it stood already."""
        missing = [(team, book) for team in TEAMS for book in team.books if not self._stands(team, book)]
        if not missing:
            return False
        self.world.catch_up()  # markets are judged by a chain that has been read
        self.world.node.give_ether(self.extra, ETHER)
        self.world.venue.sign_in(self.resolver, self.world.chain_id)
        for team in TEAMS:
            self._open_program(team)
        books = self._open_markets(missing)
        self._fund(sorted({book.token for book in books}))
        self._trade_all(books)
        return True

    def _stands(self, team: Team, book: Book) -> bool:
        markets = self._markets(team)
        return any(self._is(market, book) and market["status"] != "none" for market in markets)

    def _markets(self, team: Team) -> list[Json]:
        return (
            list(self.world.venue.pages("markets", program=team.program))
            if self._known(f"programs/{team.program}")
            else []
        )

    @staticmethod
    def _is(market: Json, book: Book) -> bool:
        return int(market["pay_token"]["decimals"]) == book.decimals

    def _known(self, path: str) -> bool:
        try:
            self.world.venue.get(path)
        except ApiError as error:
            if error.status == 404:  # noqa: PLR2004 - not there yet
                return False
            raise
        return True

    # ------------------------------------------------------------ listing

    def _open_program(self, team: Team) -> None:
        venue, token = self.world.venue, self.resolver.token
        if not self._known(f"projects/{team.slug}"):
            venue.post("projects", {"slug": team.slug, "name": team.name, "description": team.about}, token=token)
        if not self._known(f"programs/{team.program}"):
            body = {
                "project": team.slug,
                "slug": team.program,
                "name": team.title,
                "kind": team.kind,
                "unit_name": team.unit,
                "unit_decimals": 0,
                "description": team.promise,
            }
            venue.post("programs", body, token=token)

    def _open_markets(self, missing: list[tuple[Team, Book]]) -> list[Listed]:
        tokens = {
            int(token["decimals"]): token
            for token in self.world.venue.get("pay-tokens")["results"]
            if token["chain_id"] == self.world.chain_id
        }
        found = [self._declare(team, book, tokens[book.decimals]) for team, book in missing]
        acts = [Act(self.resolver, "create_market", {"market_id": each.market_id}) for each in found]
        self.world.act("Markets", acts)
        return found

    def _declare(self, team: Team, book: Book, token: Json) -> Listed:
        body = {
            "program": team.program,
            "chain_id": self.world.chain_id,
            "pay_token": token["address"],
            "resolver": listed(self.resolver.address),
            "guardian": listed(self.guardian.address),
            "objection": DAY,
            "min_window": DAY,
            "max_window": 14 * DAY,
            # The same terms give the same market: a date, not a moment.
            "long_stop": (self.now + LONG_STOP) // DAY * DAY,
            "rules_text": f"{team.title}. {team.promise} The team's wallet proposes token and ratio; the guardian may object for a "
            "day; sellers deliver within the window, or their collateral goes to the buyer.",
        }
        market = self.world.venue.post("markets", body, token=self.resolver.token)
        return Listed(team, book, str(token["address"]).lower(), market["market_id"], token["symbol"])

    # ------------------------------------------------------------ money

    def _fund(self, tokens: list[str]) -> None:
        """Every trader has payment tokens in the wallet and in the escrow."""
        world = self.world
        scale = {token: 10 ** abi.number(world.node.read(token, abi.call_data("decimals()"))) for token in tokens}
        poor = [
            (wallet, token)
            for wallet in self.traders
            for token in tokens
            if world.view("balances(address,address)", token, wallet.address) < DEPOSITED * scale[token] // 2
        ]
        world.mint("Demo tokens", [(wallet, token, MINTED * scale[token]) for wallet, token in poor])
        params = [(w, {"token": listed(token), "amount": str(DEPOSITED * scale[token])}) for w, token in poor]
        world.act("Approvals", [Act(wallet, "approve", each) for wallet, each in params], wait=False)
        world.act("Deposits", [Act(wallet, "deposit", each) for wallet, each in params])

    # ------------------------------------------------------------ trading

    def _trade_all(self, books: list[Listed]) -> None:
        """Offers, deals and terms in the order of a day: settled markets trade no more, so their deals stand before their terms."""
        order = {"final": 0, "proposed": 1, "open": 2}
        ordered = sorted(books, key=lambda listing: order[listing.book.phase])
        takes = {each.market_id: self._takes(each, self._post(each)) for each in ordered}
        for each in ordered:
            if each.book.phase != "open":
                begin, end = FINAL_TRADES if each.book.phase == "final" else PROPOSED_TRADES
                self._take(takes.pop(each.market_id), begin=begin, end=end)
                self._propose(each)
        # What is left are the open markets: their deals come in turns.
        turns = zip_longest(*takes.values())
        self._take([act for turn in turns for act in turn if act is not None], begin=OPEN_TRADES[0], end=OPEN_TRADES[1])
        self._travel(hours=0)
        self.world.catch_up()  # windows are judged by the time that was read
        for each in ordered:
            if each.book.phase == "final" and self.can_travel:
                self._deliver_some(each)
        self.world.catch_up()

    def _travel(self, *, hours: float) -> None:
        """Moves the chain up to so many hours before now."""
        wanted = self.now - int(hours * HOUR)
        if self.can_travel and self.world.node.now() < wanted:
            self.world.node.move_to(wanted)

    def _post(self, each: Listed) -> list[Json]:
        """Posts the book; the answers, with maker and side."""
        chance = random.Random(f"market day {each.team.slug} {each.book.decimals}")  # noqa: S311 - repeats on purpose
        offers = list(self._offers(each, chance))

        def post(item: tuple[KeyWallet, Json]) -> Json:
            maker, terms = item
            prepared, digest = self.world.venue.prepare_offer(maker, terms)
            return self.world.venue.post_offer(maker, prepared["offer"], digest)

        posted = self.world.each(f"Offers: {each.team.title}, {each.symbol}", offers, post)
        return [
            {
                "offer_hash": answer["offer_hash"],
                "maker": maker,
                "units": int(terms["units"]),
                "parts": terms["min_fill"] != terms["units"],
            }
            for answer, (maker, terms) in zip(posted, offers, strict=True)
        ]

    def _offers(self, each: Listed, chance: random.Random) -> Iterator[tuple[KeyWallet, Json]]:
        """Sells above the price, buys below it, at every tier of collateral. Those to be filled come first, near the price."""
        book = each.book
        for number in range(book.offers):
            side = SELL if number % 5 < 3 else BUY  # noqa: PLR2004 - three of five sell
            away = chance.randint(2, 20) if number < book.fills else chance.randint(20, 140)  # thousandths
            price = book.price * (1_000 + away if side == SELL else 1_000 - away) // 1_000
            units = max(1, book.lot * chance.randint(4, 24) // 10)
            payment = units * price * 10**book.decimals // E4
            parts = chance.random() < 0.6 and units > 10  # noqa: PLR2004 - most can be taken in part
            yield (
                # The first four roles play in every book, so that each of their portfolios shows something.
                self.traders[number % len(self.traders)],
                {
                    "maker": listed(self.traders[number % len(self.traders)].address),
                    "side": "buy" if side == BUY else "sell",
                    "market": each.market_id,
                    "units": str(units),
                    "payment": str(payment),
                    "collateral": str(payment * chance.choice(TIERS) // 100),
                    "min_fill": str(max(1, units // 10) if parts else units),
                    "max_fee_bps": MAX_FEE_BPS,
                    "expiry": self.now + OFFER_LIFE,
                },
            )

    def _takes(self, each: Listed, posted: list[Json]) -> list[Act]:
        """The first offers find takers: most for all they have, some in part."""
        acts = []
        for number, offer in enumerate(posted[: each.book.fills]):
            units = offer["units"] * 2 // 5 if offer["parts"] and number % 2 else offer["units"]
            params = {"offer_hash": offer["offer_hash"], "units": str(units)}
            acts.append(Act(self._taker(number, offer["maker"]), "fill", params))
        return acts

    def _take(self, acts: list[Act], *, begin: float, end: float) -> None:
        """Deals, one after another between so many hours ago and so many; all at once where the clock can't be moved."""
        if not self.can_travel:
            self.world.act("Deals", acts, wait=False)
            return
        for number, act in enumerate(acts):
            self._travel(hours=begin + (end - begin) * number / max(1, len(acts) - 1))
            self.world.act("Deal", [act], wait=False)

    def _taker(self, number: int, maker: Wallet) -> KeyWallet:
        """The roles take turns: buyer, seller, taker."""
        turn = [self.traders[1], self.traders[0], self.traders[3]]
        turn = [wallet for wallet in turn if wallet is not maker]
        return turn[number % len(turn)]

    # ------------------------------------------------------------ settling

    def _propose(self, each: Listed) -> None:
        """The team names its token; delivery starts when the day of objection is over."""
        name, symbol = SIGNED_TOKENS[each.team.slug]
        token = self.world.deploy_token(self.resolver, f"{name} (demo)", symbol, 18)
        params = {
            "market_id": each.market_id,
            "token": listed(token),
            "ratio_num": str(10**18),
            "ratio_den": "1",
            "start": self.world.node.now() + DAY + 300,
            "window": DELIVERY_WINDOW,
        }
        self.world.act(f"Terms: {each.team.title}", [Act(self.resolver, "propose", params)])

    def _deliver_some(self, each: Listed) -> None:
        """Every seller gets the token; most deliver their first deal; the roles seller and buyer leave theirs to the visitor."""
        world = self.world
        deals = list(world.venue.pages("deals", market=each.market_id))
        token = deals[0]["settlement"]["token"].lower()
        by_seller = {wallet: [d for d in deals if d["seller"].lower() == wallet.address] for wallet in self.traders}
        owed = {w: sum(int(d["units"]) for d in mine) * 10**18 for w, mine in by_seller.items() if mine}
        world.mint(f"Tokens: {each.team.title}", [(wallet, token, amount) for wallet, amount in owed.items()])
        giving = [wallet for wallet in owed if wallet not in self.traders[:2]]
        approvals = [Act(w, "approve", {"token": listed(token), "amount": str(owed[w])}) for w in giving]
        world.act("Approvals", approvals, wait=False)
        world.act(
            "Deliveries", [Act(w, "deliver", {"deal_id": by_seller[w][0]["deal_id"]}) for w in giving], wait=False
        )
