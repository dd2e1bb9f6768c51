"""Demonstration tokens: anyone mints them."""

from dataclasses import dataclass

from escrow.contracts.deploy.code import init_code
from escrow.contracts.deploy.sender import Sender


@dataclass(frozen=True)
class TokenSpec:
    name: str
    symbol: str
    decimals: int

    def init_code(self) -> bytes:
        return init_code("DemoToken", self.name, self.symbol, self.decimals)


@dataclass(frozen=True)
class RightSpec:
    """An ERC-721; without a symbol an ERC-1155."""

    name: str = ""
    symbol: str = ""

    def init_code(self) -> bytes:
        return init_code("DemoRight", self.name, self.symbol) if self.symbol else init_code("DemoPass")


def token_deploy(*, rpc_url: str, key: str, spec: TokenSpec | RightSpec) -> str:
    """Creates a demonstration token, a new one each time; its address."""
    sender = Sender(rpc_url, key)
    address = sender.create(spec.init_code(), f"creating {spec.symbol}")
    sender.settle()
    return address
