"""What the stages of a rehearsal hand on to each other: who plays, what was opened, what was traded."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field

from eth_abi.abi import encode
from eth_utils.crypto import keccak

from otc.rehearsal.client import Json
from otc.rehearsal.plan import CONTRACT_WALLETS, SELL, WALLETS, FillPlan, MarketPlan, OfferPlan, Plan
from otc.rehearsal.wallets import ContractWallet, KeyWallet, Wallet

OWNERS, THRESHOLD = 3, 2  # of a contract wallet
DAY = 86_400

Hook = Callable[[], None]


@dataclass
class Cast:
    """The wallets, all from the seed. `traders` are complete once the contract wallets are deployed."""

    seed: int
    resolver: KeyWallet
    guardian: KeyWallet
    traders: list[Wallet]
    owners: list[list[KeyWallet]]

    @classmethod
    def of(cls, seed: int) -> "Cast":
        keys: list[Wallet] = [
            KeyWallet.derived(seed, f"trader {number}") for number in range(WALLETS - CONTRACT_WALLETS)
        ]
        owners = [
            [KeyWallet.derived(seed, f"owner {place} of wallet {number}") for place in range(OWNERS)]
            for number in range(CONTRACT_WALLETS)
        ]
        return cls(seed, KeyWallet.derived(seed, "resolver"), KeyWallet.derived(seed, "guardian"), keys, owners)

    def keyed(self) -> list[str]:
        """Addresses that send transactions, and so need ether."""
        traders = [wallet.address for wallet in self.traders if not isinstance(wallet, ContractWallet)]
        return [self.resolver.address, self.guardian.address, *traders] + [o.address for os in self.owners for o in os]


@dataclass
class OpenMarket:
    """A market of the plan, on chain. `long_stop` in unix seconds."""

    plan: MarketPlan
    market_id: str
    token: str
    long_stop: int


@dataclass
class TradedDeal:
    """A deal that the plan foresaw, found on chain."""

    deal_id: str
    offer: OfferPlan
    fill: FillPlan
    buyer: Wallet
    seller: Wallet
    units: int

    @property
    def key(self) -> str:
        """Tells the deal apart whatever the ids of this run are."""
        return f"{self.offer.number}/{self.offer.fills.index(self.fill)}"


@dataclass
class Stage:
    """Filled stage by stage."""

    cast: Cast
    plan: Plan
    rows: int
    total: int
    markets: dict[str, OpenMarket] = field(default_factory=dict)
    symbols: dict[str, str] = field(default_factory=dict)  # by token
    decimals: dict[str, int] = field(default_factory=dict)
    posted: dict[int, Json] = field(default_factory=dict)  # offer number → the offer as the API answered it
    deals: list[TradedDeal] = field(default_factory=list)
    settlement_token: str = ""
    minted: dict[tuple[str, str], int] = field(default_factory=dict)  # (token, wallet address)
    facts: dict[str, str] = field(default_factory=dict)  # for the report

    def wallet(self, number: int) -> Wallet:
        return self.cast.traders[number]

    def launched(self) -> Iterator[TradedDeal]:
        """Deals of the markets that settle."""
        return (deal for deal in self.deals if self.markets[deal.offer.market].plan.launches)

    def expected_deal(self, offer: OfferPlan, at: int) -> TradedDeal:
        """The deal that the offer's `at`-th fill makes: its id is the hash of the offer and of what was filled before."""
        before = sum(fill.units for fill in offer.fills[:at])
        offer_hash = bytes.fromhex(str(self.posted[offer.number]["offer_hash"])[2:])
        deal_id = "0x" + keccak(encode(["bytes32", "uint256"], [offer_hash, before])).hex()
        maker, taker = self.wallet(offer.maker), self.wallet(offer.fills[at].taker)
        buyer, seller = (taker, maker) if offer.side == SELL else (maker, taker)
        return TradedDeal(deal_id, offer, offer.fills[at], buyer, seller, offer.fills[at].units)

    def note_mint(self, wanted: Mapping[tuple[str, str], int]) -> None:
        for key, amount in wanted.items():
            self.minted[key] = self.minted.get(key, 0) + amount
