"""The escrow on a chain: planned without one, looked up, sent, and proven to be what this checkout compiles to.

Who holds the roles is part of the init code, so the same roles give the same address on every chain, and another owner another.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from eth_typing import HexStr
from eth_utils.crypto import keccak
from web3 import HTTPProvider, Web3
from web3.exceptions import Web3Exception

from escrow.contracts import bindings
from escrow.contracts.deploy import create2
from escrow.contracts.deploy.code import artifact, escrow_code, init_code
from escrow.contracts.deploy.errors import DeployError
from escrow.contracts.deploy.sender import Sender
from otc.core.fields import ZERO_ADDRESS, to_checksum
from otc.core.models import EscrowKind

CONTRACTS: Final[dict[str, str]] = {EscrowKind.TOKENS: "OTCEscrow", EscrowKind.RIGHTS: "RightsEscrow"}
DEVELOPMENT_CHAIN: Final = 31337  # where no address is anybody's in earnest
DELEGATED: Final = bytes.fromhex("ef0100")
# The constructor's own log: from nobody to the owner.
CREATION_LOG: Final = (bindings.OwnershipTransferred.TOPIC0, "0x" + "00" * 32)


@dataclass(frozen=True)
class Roles:
    """Lower-case addresses."""

    owner: str
    guardian: str
    fee_recipient: str


@dataclass(frozen=True)
class Plan:
    """A deployment of one escrow that is fully known before anything is sent. The same roles serve both."""

    chain_id: int
    roles: Roles
    kind: EscrowKind = EscrowKind.TOKENS

    @property
    def contract(self) -> str:
        return CONTRACTS[self.kind]

    @cached_property
    def init_code(self) -> bytes:
        return init_code(self.contract, self.roles.owner, self.roles.guardian, self.roles.fee_recipient)

    @cached_property
    def address(self) -> str:
        return create2.create2_address(self.init_code)

    def record(self, *, block: int, transaction: str) -> dict[str, Any]:
        """What is kept in deployments/: all that one needs to repeat and to check it."""
        compiled = artifact(self.contract)
        return {
            "contract": self.contract,
            "chain_id": self.chain_id,
            "address": to_checksum(self.address),
            "factory": to_checksum(create2.FACTORY),
            "salt": "0x" + create2.SALT.hex(),
            "init_code_hash": "0x" + keccak(self.init_code).hex(),
            "constructor": {
                "owner": to_checksum(self.roles.owner),
                "guardian": to_checksum(self.roles.guardian),
                "feeRecipient": to_checksum(self.roles.fee_recipient),
            },
            "compiler": compiled["compiler"],
            "source_sha256": compiled["sourceSha256"],
            "block": block,
            "transaction": transaction,
        }


@dataclass(frozen=True)
class Created:
    """Where the chain's history has it. `transaction` is 0x-hex."""

    block: int
    transaction: str


class Site:
    """One chain as a deployment sees it. Every method raises DeployError when the endpoint fails."""

    def __init__(self, rpc_url: str) -> None:
        self.rpc_url = rpc_url
        self.w3 = Web3(HTTPProvider(rpc_url))

    def require_chain(self, chain_id: int) -> None:
        """Refuses an endpoint of another chain."""
        try:
            found = self.w3.eth.chain_id
        except (Web3Exception, OSError) as error:
            raise DeployError(f"Nothing useful answers at {self.rpc_url}: {error}") from error
        if found != chain_id:
            raise DeployError(
                f"The endpoint {self.rpc_url} is of chain {found}, not of chain {chain_id}: nothing was sent."
            )

    def code(self, address: str) -> bytes:
        try:
            return bytes(self.w3.eth.get_code(self.w3.to_checksum_address(address)))
        except (Web3Exception, OSError) as error:
            raise DeployError(f"The endpoint {self.rpc_url} does not tell the code at {address}: {error}") from error

    def is_contract(self, address: str) -> bool:
        """False for an account with a key, even if it lets a contract act for it (EIP-7702)."""
        code = self.code(address)
        return bool(code) and not code.startswith(DELEGATED)

    def require_factory(self) -> None:
        found = self.code(create2.FACTORY)
        if not found:
            raise DeployError(create2.FACTORY_MISSING)
        if found != create2.FACTORY_CODE:
            raise DeployError(create2.FACTORY_FOREIGN)

    def require_escrow(self, contract: str, address: str, chain_id: int) -> None:
        """Refuses code that is not what this checkout compiles to."""
        if self.code(address) != escrow_code(contract, chain_id=chain_id, address=address):
            raise DeployError(f"The code at {to_checksum(address)} is not what this checkout's sources compile to.")

    def roles(self, address: str) -> Roles:
        """Who holds the roles now."""
        return Roles(
            owner=bindings.decode_owner_result(self._call(address, bindings.encode_owner())),
            guardian=bindings.decode_guardian_result(self._call(address, bindings.encode_guardian())),
            fee_recipient=bindings.decode_fee_recipient_result(self._call(address, bindings.encode_fee_recipient())),
        )

    def created(self, address: str) -> Created:
        """Finds the creation by the log that it left."""
        try:
            logs = self.w3.eth.get_logs(
                {
                    "address": self.w3.to_checksum_address(address),
                    "topics": [HexStr(topic) for topic in CREATION_LOG],
                    "fromBlock": 0,
                    "toBlock": "latest",
                }
            )
        except (Web3Exception, OSError) as error:
            raise DeployError(
                f"The escrow stands at {address}, but the endpoint does not search all blocks for its first ({error}): "
                "tell it with --start-block, from an explorer."
            ) from error
        if not logs:
            raise DeployError(
                f"The escrow stands at {address}, but the endpoint knows no log of its creation: give --start-block."
            )
        return Created(logs[0]["blockNumber"], logs[0]["transactionHash"].to_0x_hex())

    def _call(self, address: str, data: str) -> str:
        try:
            answer = self.w3.eth.call({"to": self.w3.to_checksum_address(address), "data": HexStr(data)})
        except (Web3Exception, OSError) as error:
            raise DeployError(f"The escrow at {address} does not answer: {error}") from error
        return answer.to_0x_hex()


def roles_require(site: Site, plan: Plan, *, allow_key_owner: bool) -> list[str]:
    """Warnings about the roles; DeployError for those that are refused. On the development chain anything but zero goes."""
    roles = plan.roles
    for name, address in (("owner", roles.owner), ("guardian", roles.guardian), ("fee recipient", roles.fee_recipient)):
        if address == ZERO_ADDRESS:
            raise DeployError(f"The {name} can't be the zero address: nothing was sent.")
    if plan.chain_id == DEVELOPMENT_CHAIN:
        return []
    if not allow_key_owner and not site.is_contract(roles.owner):
        raise DeployError(
            f"The owner {to_checksum(roles.owner)} is no contract on chain {plan.chain_id}: it is a single key, which one theft or one loss "
            "takes for ever. Give a Safe or a timelock that stands on this chain, or say --allow-key-owner. Nothing was sent."
        )
    return [
        f"The {name} {to_checksum(address)} is no contract on chain {plan.chain_id}: is it meant to be a single key?"
        for name, address in (
            ("owner", roles.owner),
            ("guardian", roles.guardian),
            ("fee recipient", roles.fee_recipient),
        )
        if not site.is_contract(address)
    ]


def escrow_deploy(site: Site, plan: Plan, *, key: str) -> Created:
    """Sends the creation, and proves what came of it. DeployError when it fails."""
    site.require_factory()
    sender = Sender(site.rpc_url, key)
    sender.create2(plan.init_code, f"creating {plan.contract}")
    (receipt,) = sender.settle()
    site.require_escrow(plan.contract, plan.address, plan.chain_id)
    found = site.roles(plan.address)
    if found != plan.roles:
        raise DeployError(f"The escrow at {plan.address} names other roles than it was given: {found}.")
    return Created(receipt["blockNumber"], receipt["transactionHash"].to_0x_hex())
