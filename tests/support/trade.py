"""A driver that walks trades through the public API, with the chain's reader and the keeper stepped by hand.

Every call goes over HTTP to a live server and every transaction through a real anvil. Only the two workers are functions here, so
that a test says when they look, and nothing waits for anything.
"""

from typing import Any

from eth_account import Account

from escrow.chain.watcher import Outcome, watch
from escrow.keeper.driver import drive_once
from escrow.keeper.signer import KeySigner
from otc.core.models import EscrowKind, escrow_key
from otc.rehearsal import abi
from otc.rehearsal.client import ApiError, Json, Venue
from otc.rehearsal.node import Node
from otc.rehearsal.progress import Console
from otc.rehearsal.wallets import KeyWallet, Wallet
from otc.rehearsal.world import Act, World, listed
from otc.stack import anvil as published
from otc.stack.demo import demo_deploy
from tests.support.anvil import Anvil

DAY = 86_400
FINAL_DEPTH = 2


class Silent:
    """Progress that nobody reads."""

    def write(self, text: str) -> int:
        return len(text)

    def flush(self) -> None: ...

    def isatty(self) -> bool:
        return False


class SteppedWorld(World):
    """Its API learns of a block when the reader is stepped, not when time passes."""

    def catch_up(self) -> None:
        for kind in EscrowKind:
            while watch(escrow_key(self.chain_id, kind)).outcome not in {Outcome.LEVEL, Outcome.HALTED}:
                pass


class Trade:
    """One project with a market, and wallets that trade in it. Amounts are base units."""

    def __init__(self, base_url: str, anvil: Anvil, *, decimals: int = 6) -> None:
        self.anvil = anvil
        deployment = demo_deploy(rpc_url=anvil.url, safe_depth=1, final_depth=FINAL_DEPTH)
        watch(deployment.chain_id)
        self.world = SteppedWorld(Venue(base_url), Node(anvil.url), Console(Silent()), mine=False)
        self.venue, self.node, self.chain_id = self.world.venue, self.world.node, deployment.chain_id
        self.wallets = {role: self.world.known_wallet(role, published.key(role)) for role in published.ROLES}
        self.token = next(
            str(token["address"]).lower()
            for token in self.venue.get("pay-tokens")["results"]
            if token["decimals"] == decimals
        )
        self.market = ""
        self.settlement_token = ""

    def close(self) -> None:
        self.world.close()

    def sent_elsewhere(self) -> None:
        """Somebody else sent transactions of these wallets: counts on from the node."""
        for wallet in self.wallets.values():
            wallet.nonce = self.world.known_wallet(wallet.name, wallet.key).nonce

    def __getitem__(self, role: str) -> KeyWallet:
        return self.wallets[role]

    # ------------------------------------------------------------ the chain

    def act(self, wallet: Wallet, action: str, **params: Any) -> Json:
        """Through tx/prepare, signed, mined, and read by the watcher; the receipt."""
        return self.world.act(action, [Act(wallet, action, params)])[0]

    def refusal(self, wallet: Wallet, action: str, **params: Any) -> str:
        """Why tx/prepare won't: its code, or the contract's error of its simulation. AssertionError when it would."""
        try:
            prepared = self.venue.prepare(wallet, action, **params)
        except ApiError as error:
            if error.status >= 500:
                raise
            return error.code
        assert not prepared.ok, f"{action} {params} would go through"
        return prepared.error

    def pass_to(self, timestamp: int) -> None:
        """Moves the chain's clock; the reader sees it."""
        self.anvil.move_to(timestamp)
        self.world.catch_up()

    def finality(self) -> None:
        """Makes what happened final, and lets the reader know."""
        self.anvil.mine(FINAL_DEPTH + 1)
        self.world.catch_up()

    def keeper(self) -> int:
        """One turn of the keeper: it plans and sends, how many transactions; those are mined, read, and confirmed at finality."""
        signer = KeySigner(Account.from_key(published.key("keeper")))
        sent = drive_once(chain_id=self.chain_id, signer=signer).sent
        if sent:
            self.finality()
            drive_once(chain_id=self.chain_id, signer=signer)
        return sent

    # ------------------------------------------------------------ opening

    def open_market(self, *, kind: int = 1, long_stop_days: int = 90) -> Json:
        """A project with a program and a market on chain, by the resolver."""
        resolver = self["resolver"]
        self.venue.sign_in(resolver, self.chain_id)
        self.venue.post("projects", {"slug": "harbor", "name": "Harbor"}, token=resolver.token)
        program = {
            "project": "harbor",
            "slug": "harbor-airdrop",
            "name": "Harbor airdrop",
            "kind": kind,
            "unit_name": "HRB",
            "unit_decimals": 0,
        }
        self.venue.post("programs", program, token=resolver.token)
        market = {
            "program": "harbor-airdrop",
            "chain_id": self.chain_id,
            "pay_token": listed(self.token),
            "resolver": listed(resolver.address),
            "guardian": listed(self["guardian"].address),
            "objection": DAY,
            "min_window": DAY,
            "max_window": 7 * DAY,
            "long_stop": self.node.now() + long_stop_days * DAY,
            "rules_text": "One unit is one HRB of the published list.",
        }
        self.market = self.venue.post("markets", market, token=resolver.token)["market_id"]
        self.act(resolver, "create_market", market_id=self.market)
        return self.venue.get(f"markets/{self.market}")

    def fund(self, *wallets: Wallet, amount: int) -> None:
        """Payment tokens into the escrow: mint, approve, deposit."""
        self.world.mint("mint", [(wallet, self.token, amount) for wallet in wallets])
        params = {"token": listed(self.token), "amount": str(amount)}
        self.world.act("approve", [Act(wallet, "approve", params) for wallet in wallets])
        self.world.act("deposit", [Act(wallet, "deposit", params) for wallet in wallets])

    # ------------------------------------------------------------ trading

    def post(self, maker: Wallet, *, side: str, units: int, payment: int, collateral: int, **more: Any) -> str:
        """Posts an offer; its hash."""
        terms = {
            "maker": listed(maker.address),
            "market": self.market,
            "side": side,
            "units": str(units),
            "payment": str(payment),
            "collateral": str(collateral),
        }
        prepared, digest = self.venue.prepare_offer(maker, terms | more)
        return str(self.venue.post_offer(maker, prepared["offer"], digest)["offer_hash"])

    def take(self, taker: Wallet, offer_hash: str, units: int) -> Json:
        """Fills; the deal that this made."""
        before = {deal["deal_id"] for deal in self.deals()}
        self.act(taker, "fill", offer_hash=offer_hash, units=str(units))
        (made,) = [deal for deal in self.deals() if deal["deal_id"] not in before]
        return made

    def deals(self) -> list[Json]:
        return list(self.venue.pages("deals", market=self.market))

    def deal(self, deal_id: str) -> Json:
        answer: Json = self.venue.get(f"deals/{deal_id}")
        return answer

    def book(self) -> tuple[list[str], list[str]]:
        """Hashes of the bids and the asks on show."""
        book = self.venue.get(f"markets/{self.market}/book")
        return [row["offer_hash"] for row in book["bids"]], [row["offer_hash"] for row in book["asks"]]

    # ------------------------------------------------------------ settling

    def propose(self, *, ratio: tuple[int, int] = (10**18, 1), window: int = 2 * DAY) -> tuple[int, int]:
        """Terms by the resolver over a new token; (start, deadline)."""
        self.settlement_token = self.world.deploy_token(self["resolver"], "Harbor", "HRB", 18)
        start = self.node.now() + DAY + 600
        self.act(
            self["resolver"],
            "propose",
            market_id=self.market,
            token=listed(self.settlement_token),
            ratio_num=str(ratio[0]),
            ratio_den=str(ratio[1]),
            start=start,
            window=window,
        )
        return start, start + window

    def give_tokens(self, seller: Wallet, amount: int) -> None:
        """The seller has the settlement token and lets the escrow take it."""
        self.world.mint("mint", [(seller, self.settlement_token, amount)])
        self.act(seller, "approve", token=listed(self.settlement_token), amount=str(amount))

    # ------------------------------------------------------------ money

    def free(self, wallet: Wallet, token: str = "") -> int:
        """What the API says is free."""
        rows = self.venue.get(f"balances/{listed(wallet.address)}")["balances"]
        return sum(int(row["free"]) for row in rows if row["token"].lower() == (token or self.token))

    def held(self, wallet: Wallet, token: str = "") -> int:
        """What the wallet itself holds."""
        data = abi.call_data("balanceOf(address)", wallet.address)
        return abi.number(self.node.read(token or self.token, data))

    def withdraw(self, *wallets: Wallet, token: str = "") -> None:
        """Everybody takes out all that is free."""
        for wallet in wallets:
            amount = str(self.free(wallet, token))
            self.act(wallet, "withdraw", token=listed(token or self.token), amount=amount)

    def solvency(self, token: str = "") -> Json:
        rows = self.venue.pages("solvency", escrow="tokens")
        return next(row for row in rows if row["token"].lower() == (token or self.token))


def refusal(call: Any, *arguments: Any, **named: Any) -> ApiError:
    """The ApiError that the call must raise."""
    try:
        call(*arguments, **named)
    except ApiError as error:
        return error
    raise AssertionError("the API took what it must refuse")
