"""Puts the committed artifacts on a chain, and tells the database where.

A chain's escrow is recorded in its `Chain` row. The demonstration's deployment (chain 31337 only) is idempotent: what the row names and the
chain has is kept.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, cast

from eth_account import Account
from eth_typing import HexStr
from web3 import HTTPProvider, Web3
from web3.exceptions import TimeExhausted, Web3Exception
from web3.types import TxParams
from web3.utils.address import get_create_address

from escrow.contracts import bindings
from otc.core.chains import chain_register
from otc.core.models import Chain
from otc.stack import anvil
from otc.stack.errors import StackError
from points.models import PayToken
from points.services.pay_tokens import pay_token_register

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from hexbytes import HexBytes

ARTIFACTS: Final = Path(__file__).with_name("artifacts")
RECEIPT_SECONDS: Final = 120
# Far above what any of ours takes: unspent gas costs nothing, and a contract of the same batch can't be estimated against.
CALL_GAS: Final = 300_000
DEMO_NAME: Final = "Anvil"


@dataclass(frozen=True)
class TokenSpec:
    """A demonstration token: anyone mints it."""

    name: str
    symbol: str
    decimals: int


DEMO_TOKENS: Final = (TokenSpec("Forelock USD Coin", "fUSDC", 6), TokenSpec("Forelock Dai", "fDAI", 18))


@dataclass(frozen=True)
class Deployment:
    """Where things are: addresses in lower case; `tokens` by symbol; `kept` when nothing was sent."""

    chain_id: int
    escrow: str
    start_block: int
    tokens: dict[str, str]
    kept: bool


def artifact(name: str) -> dict[str, Any]:
    """The compiled contract: `abi`, `bytecode`, `deployedBytecode`."""
    content: dict[str, Any] = json.loads((ARTIFACTS / f"{name}.json").read_text(encoding="utf-8"))
    return content


class Deployer:
    """Sends a batch of transactions of one account: each with the next nonce, receipts awaited together."""

    def __init__(self, rpc_url: str, key: str) -> None:
        self.w3 = Web3(HTTPProvider(rpc_url))
        self.account: LocalAccount = Account.from_key(key)
        self.address = self.account.address.lower()
        self.chain_id = self.w3.eth.chain_id
        self._nonce = self.w3.eth.get_transaction_count(self.account.address)
        self._sent: list[tuple[str, HexBytes]] = []

    def create(self, name: str, *arguments: Any) -> str:
        """Sends the creation of contract `name`; returns the address it will have."""
        compiled = artifact(name)
        contract = self.w3.eth.contract(abi=compiled["abi"], bytecode=compiled["bytecode"])
        data = contract.constructor(*arguments).data_in_transaction
        address = get_create_address(self.account.address, self._nonce).lower()
        gas = self.w3.eth.estimate_gas({"from": self.account.address, "data": data})
        self._send({"data": data, "gas": gas + gas // 5}, f"creating {name}")
        return address

    def call(self, to: str, data: str, what: str) -> None:
        """Sends a call of `to`."""
        self._send({"to": self.w3.to_checksum_address(to), "data": HexStr(data), "gas": CALL_GAS}, what)

    def _send(self, fields: TxParams, what: str) -> None:
        block = self.w3.eth.get_block("latest")
        tip = self.w3.eth.max_priority_fee
        transaction: TxParams = {
            "chainId": self.chain_id,
            "nonce": self._nonce,
            "value": self.w3.to_wei(0, "wei"),
            "maxPriorityFeePerGas": tip,
            "maxFeePerGas": self.w3.to_wei(2 * block["baseFeePerGas"] + tip, "wei"),
            **fields,
        }
        signed = self.account.sign_transaction(cast("dict[str, Any]", transaction))
        self._sent.append((what, self.w3.eth.send_raw_transaction(signed.raw_transaction)))
        self._nonce = type(self._nonce)(self._nonce + 1)

    def settle(self) -> int:
        """Waits for everything sent; the block number of the first. StackError when one of them failed."""
        first = 0
        for what, sent in self._sent:
            try:
                receipt = self.w3.eth.wait_for_transaction_receipt(sent, timeout=RECEIPT_SECONDS, poll_latency=0.05)
            except TimeExhausted as error:
                raise StackError(
                    f"The transaction {what} (0x{sent.hex()}) found no block in {RECEIPT_SECONDS} s."
                ) from error
            if receipt["status"] != 1:
                raise StackError(f"The transaction {what} (0x{sent.hex()}) was reverted.")
            first = first or receipt["blockNumber"]
        self._sent.clear()
        return first


def escrow_deploy(
    *, rpc_url: str, key: str, owner: str, guardian: str, fee_recipient: str, tokens: Sequence[str]
) -> tuple[int, str, int]:
    """Creates the escrow and, if the key is the owner's, allows `tokens`. Returns (chain id, address, block). StackError when it fails."""
    try:
        deployer = Deployer(rpc_url, key)
        checksum = deployer.w3.to_checksum_address
        escrow = deployer.create("OTCEscrow", checksum(owner), checksum(guardian), checksum(fee_recipient))
        if owner.lower() == deployer.address:
            for token in tokens:
                deployer.call(escrow, bindings.encode_set_pay_token(token, True), f"allowing {token}")
        return deployer.chain_id, escrow, deployer.settle()
    except (Web3Exception, OSError) as error:
        raise StackError(f"The deployment failed: {error}") from error


def token_deploy(*, rpc_url: str, key: str, spec: TokenSpec) -> str:
    """Creates a demonstration token; its address."""
    deployer = Deployer(rpc_url, key)
    address = deployer.create("DemoToken", spec.name, spec.symbol, spec.decimals)
    deployer.settle()
    return address


def demo_deploy(*, rpc_url: str, safe_depth: int, final_depth: int) -> Deployment:
    """The demonstration's escrow and tokens on a chain 31337, and their rows. Keeps what is there.

    StackError when the database names an escrow that this chain does not have, or that was built from other sources.
    """
    w3 = Web3(HTTPProvider(rpc_url))
    chain = Chain.objects.filter(chain_id=anvil.CHAIN_ID).first()
    if chain is not None:
        _check_code(w3, chain.escrow_address)
        rows = {token.symbol: token.address for token in PayToken.objects.filter(chain=chain)}
        _register(
            rpc_url=rpc_url,
            escrow=chain.escrow_address,
            start_block=chain.start_block,
            depths=(safe_depth, final_depth),
        )
        return Deployment(anvil.CHAIN_ID, chain.escrow_address, chain.start_block, rows, kept=True)
    key, owner = anvil.key("owner"), anvil.address("owner")
    deployer = Deployer(rpc_url, key)
    checksum = w3.to_checksum_address
    escrow = deployer.create("OTCEscrow", checksum(owner), checksum(anvil.address("guardian")), checksum(owner))
    tokens = {spec.symbol: deployer.create("DemoToken", spec.name, spec.symbol, spec.decimals) for spec in DEMO_TOKENS}
    for symbol, token in tokens.items():
        deployer.call(escrow, bindings.encode_set_pay_token(token, True), f"allowing {symbol}")
    start_block = deployer.settle()
    row = _register(rpc_url=rpc_url, escrow=escrow, start_block=start_block, depths=(safe_depth, final_depth))
    for spec in DEMO_TOKENS:
        pay_token_register(chain=row, address=tokens[spec.symbol], symbol=spec.symbol, decimals=spec.decimals)
    return Deployment(anvil.CHAIN_ID, escrow, start_block, tokens, kept=False)


def _register(*, rpc_url: str, escrow: str, start_block: int, depths: tuple[int, int]) -> Chain:
    return chain_register(
        chain_id=anvil.CHAIN_ID,
        name=DEMO_NAME,
        rpc_url=rpc_url,
        public_rpc_url=rpc_url,
        escrow_address=escrow,
        start_block=start_block,
        safe_depth=depths[0],
        final_depth=depths[1],
    )


def _check_code(w3: Web3, escrow: str) -> None:
    code = bytes(w3.eth.get_code(w3.to_checksum_address(escrow)))
    if not code:
        raise StackError(
            f"The database knows an escrow at {escrow}, but the chain has none there (its state was lost): "
            "start over with `python3 manage.py up --fresh`."
        )
    if not same_code(bytes.fromhex(artifact("OTCEscrow")["deployedBytecode"][2:]), code):
        raise StackError(
            f"The escrow at {escrow} was built from other sources than this checkout's: "
            "start over with `python3 manage.py up --fresh`."
        )


def same_code(compiled: bytes, deployed: bytes) -> bool:
    """True when `deployed` is `compiled` with its immutables filled in, which the compiler leaves as zeros."""
    return len(compiled) == len(deployed) and all(a in {0, b} for a, b in zip(compiled, deployed, strict=True))
