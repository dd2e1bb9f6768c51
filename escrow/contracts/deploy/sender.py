"""Transactions of one account, in a row."""

from typing import TYPE_CHECKING, Any, Final, cast

from eth_account import Account
from eth_typing import HexStr
from web3 import HTTPProvider, Web3
from web3.exceptions import TimeExhausted, Web3Exception
from web3.types import TxParams, TxReceipt
from web3.utils.address import get_create_address

from escrow.contracts.deploy import create2
from escrow.contracts.deploy.errors import DeployError

if TYPE_CHECKING:
    from eth_account.signers.local import LocalAccount
    from hexbytes import HexBytes

RECEIPT_SECONDS: Final = 120
# Far above what any of ours takes: unspent gas costs nothing, and a contract of the same batch can't be estimated against.
CALL_GAS: Final = 300_000


class Sender:
    """Sends a batch of transactions of one account: each with the next nonce, receipts awaited together.

    Everything that the node refuses is a DeployError.
    """

    def __init__(self, rpc_url: str, key: str) -> None:
        self.w3 = Web3(HTTPProvider(rpc_url))
        self.account: LocalAccount = Account.from_key(key)
        self._sent: list[tuple[str, HexBytes]] = []
        try:
            self.chain_id = self.w3.eth.chain_id
            self._nonce = self.w3.eth.get_transaction_count(self.account.address)
        except (Web3Exception, OSError) as error:
            raise DeployError(f"Nothing useful answers at {rpc_url}: {error}") from error

    def create(self, init_code: bytes, what: str) -> str:
        """Sends a creation; returns the address it will have, which depends on the account's nonce."""
        address = get_create_address(self.account.address, self._nonce).lower()
        self._send({"data": HexStr("0x" + init_code.hex())}, what)
        return address

    def create2(self, init_code: bytes, what: str) -> str:
        """Sends a creation to the factory; returns the address it will have."""
        to = self.w3.to_checksum_address(create2.FACTORY)
        self._send({"to": to, "data": HexStr(create2.factory_call(init_code))}, what)
        return create2.create2_address(init_code)

    def call(self, to: str, data: str, what: str) -> None:
        """Sends a call of `to`."""
        self._send({"to": self.w3.to_checksum_address(to), "data": HexStr(data), "gas": CALL_GAS}, what)

    def _send(self, fields: TxParams, what: str) -> None:
        try:
            self._sent.append((what, self.w3.eth.send_raw_transaction(self._signed(fields))))
        except (Web3Exception, OSError) as error:
            raise DeployError(f"The node refuses the transaction {what}: {error}") from error
        self._nonce = type(self._nonce)(self._nonce + 1)

    def _signed(self, fields: TxParams) -> bytes:
        base = self.w3.eth.fee_history(1, "latest")["baseFeePerGas"][-1]
        tip = self.w3.eth.max_priority_fee
        if "gas" not in fields:
            estimated = self.w3.eth.estimate_gas({"from": self.account.address, **fields})
            fields = {**fields, "gas": estimated + estimated // 5}
        transaction: TxParams = {
            "chainId": self.chain_id,
            "nonce": self._nonce,
            "value": self.w3.to_wei(0, "wei"),
            "maxPriorityFeePerGas": tip,
            "maxFeePerGas": self.w3.to_wei(2 * base + tip, "wei"),
            **fields,
        }
        return bytes(self.account.sign_transaction(cast("dict[str, Any]", transaction)).raw_transaction)

    def settle(self) -> list[TxReceipt]:
        """Waits for everything sent; the receipts in order. DeployError when one of them failed."""
        receipts = []
        for what, sent in self._sent:
            try:
                receipt = self.w3.eth.wait_for_transaction_receipt(sent, timeout=RECEIPT_SECONDS, poll_latency=0.05)
            except TimeExhausted as error:
                raise DeployError(
                    f"The transaction {what} (0x{sent.hex()}) found no block in {RECEIPT_SECONDS} s. Run this again once it has."
                ) from error
            except (Web3Exception, OSError) as error:
                raise DeployError(f"The node does not tell what became of 0x{sent.hex()}, {what}: {error}") from error
            if receipt["status"] != 1:
                raise DeployError(f"The transaction {what} (0x{sent.hex()}) was reverted.")
            receipts.append(receipt)
        self._sent.clear()
        return receipts
