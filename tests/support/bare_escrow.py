"""The escrow alone on an anvil: no server, no database. Contracts from the committed artifacts, calls that say how they failed."""

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import requests
from eth_abi.abi import encode
from eth_account.messages import SignableMessage, encode_typed_data
from eth_utils.crypto import keccak

from escrow.contracts import bindings
from otc.stack import anvil as published
from tests.support.anvil import Anvil

PROJECT = Path(__file__).resolve().parents[2]
ARTIFACTS = PROJECT / "escrow" / "contracts" / "artifacts"
GAS = 8_000_000
BATCH = 250  # calls in one request

# As wallets see them: the names and types of IEscrow.sol.
TYPES = {
    "Offer": "address maker,address taker,uint8 side,bytes32 market,address payToken,uint256 units,uint256 payment,"
    "uint256 collateral,uint256 minFill,uint256 maxFeeBps,uint256 expiry,uint256 epoch,uint256 salt,bytes32 ref",
    "Resale": "bytes32 deal,uint8 side,uint256 price,bool listerPays,address taker,uint256 expiry,uint256 epoch,uint256 salt",
    "Close": "bytes32 deal,uint256 toBuyer,uint256 toSeller,uint256 deadline",
    "Attestation": "bytes32 deal,uint256 units,bytes32 evidence,uint256 validUntil",
}


def fields_of(kind: str) -> list[dict[str, str]]:
    """The members of a signed type, as EIP-712 JSON wants them."""
    pairs = (member.split(" ") for member in TYPES[kind].split(","))
    return [{"name": name, "type": of} for of, name in pairs]


def digest_of(message: SignableMessage) -> bytes:
    """What a key signs for it (EIP-191 version 1)."""
    return keccak(b"\x19" + message.version + message.header + message.body)


class BareEscrow:
    """A deployed OTCEscrow with one allowed token. Accounts by role are anvil's; everybody's calls go through its own keys."""

    def __init__(self, anvil: Anvil) -> None:
        self.anvil = anvil
        anvil.automine(on=False)  # a block is made when it is asked for; the fixture turns it on again
        owner = published.address("owner")
        created = encode(["address"] * 3, [owner, published.address("guardian"), owner])
        self.address = self.deploy(ARTIFACTS / "OTCEscrow.json", created)
        self.token = self.new_token("Dollar")
        self.must(owner, bindings.encode_set_pay_token(self.token, True))

    @property
    def domain(self) -> dict[str, Any]:
        return {"name": "Forelock", "version": "1", "chainId": self.anvil.chain_id, "verifyingContract": self.address}

    # ------------------------------------------------------------ the chain

    def new_token(self, name: str) -> str:
        return self.deploy(ARTIFACTS / "DemoToken.json", encode(["string", "string", "uint8"], [name, name, 6]))

    def deploy(self, artifact: Path, arguments: bytes = b"") -> str:
        """From an artifact with `bytecode`, by the owner; the address in lower case."""
        code = json.loads(artifact.read_text(encoding="utf-8"))["bytecode"]
        fields = {"from": published.address("owner"), "data": code + arguments.hex(), "gas": hex(GAS)}
        receipt = self.receipt(self.anvil.rpc("eth_sendTransaction", fields))
        assert receipt["status"] == "0x1", artifact.name
        return str(receipt["contractAddress"])

    def receipt(self, sent: str) -> dict[str, Any]:
        """Of a transaction that waits in the pool."""
        self.anvil.mine()
        receipt: dict[str, Any] = self.anvil.rpc("eth_getTransactionReceipt", sent)
        return receipt

    def send(self, sender: str, data: str, *, to: str | None = None) -> dict[str, Any]:
        """The receipt, whatever its status."""
        fields = {"from": sender, "to": to or self.address, "data": data, "gas": hex(GAS)}
        return self.receipt(self.anvil.rpc("eth_sendTransaction", fields))

    def must(self, sender: str, data: str, *, to: str | None = None) -> dict[str, Any]:
        receipt = self.send(sender, data, to=to)
        assert receipt["status"] == "0x1", self.refusal(sender, data, to=to)
        return receipt

    def refusal(self, sender: str, data: str, *, to: str | None = None) -> str:
        """The revert data of a call, 0x-hex; it must revert."""
        answer = self._post([{"from": sender, "to": to or self.address, "data": data, "gas": hex(GAS)}])[0]
        assert "error" in answer, f"went through: {answer}"
        return str(answer["error"].get("data") or "0x")

    def views(self, calls: Iterable[str]) -> list[str]:
        """The answers of many calls to the escrow, in order, asked for in batches."""
        asked = [{"to": self.address, "data": data} for data in calls]
        return [str(answer["result"]) for answer in self._post(asked)]

    def _post(self, asked: list[dict[str, str]]) -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = []
        for start in range(0, len(asked), BATCH):
            body = [
                {"jsonrpc": "2.0", "id": start + i, "method": "eth_call", "params": [call, "latest"]}
                for i, call in enumerate(asked[start : start + BATCH])
            ]
            answers = requests.post(self.anvil.url, json=body, timeout=60).json()
            found += sorted(answers, key=lambda answer: int(answer["id"]))
        return found

    # ------------------------------------------------------------ money and hashes

    def fund(self, user: str, amount: int) -> None:
        """Into the free balance of `user`, from the owner's pocket."""
        owner = published.address("owner")
        for selector, who in (("mint(address,uint256)", owner), ("approve(address,uint256)", self.address)):
            data = keccak(text=selector)[:4] + encode(["address", "uint256"], [who, amount])
            self.must(owner, "0x" + data.hex(), to=self.token)
        self.must(owner, bindings.encode_deposit(self.token, amount, user))

    def free(self, user: str) -> int:
        return bindings.decode_balances_result(self.views([bindings.encode_balances(self.token, user)])[0])

    def typed(self, kind: str, message: dict[str, Any]) -> SignableMessage:
        return encode_typed_data(self.domain, {kind: fields_of(kind)}, message)
