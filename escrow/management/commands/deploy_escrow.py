"""Deploys the escrow contract on a chain and registers it with this venue."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from eth_account import Account

from escrow.contracts import deploy
from otc.core.chains import chain_register
from otc.core.fields import normal_hex
from otc.stack import anvil
from otc.stack.errors import StackError


class Command(BaseCommand):
    help = (
        "Deploys OTCEscrow through RPC_URL. On the development chain (31337) it needs nothing else, keeps what is there, and brings "
        "two tokens along; elsewhere it needs a key file and the three addresses."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--rpc-url", default=os.environ.get("RPC_URL", ""))
        parser.add_argument("--keystore", type=Path, help="JSON keystore of the account that pays.")
        parser.add_argument("--password-file", type=Path, help="Its password.")
        parser.add_argument(
            "--owner", default="", help="May set fee (at most 2%%), tokens and guardian; give a timelock."
        )
        parser.add_argument("--guardian", default="", help="May pause entry for at most 7 days.")
        parser.add_argument("--fee-recipient", default="")
        parser.add_argument("--name", default="", help="What pages call the chain.")
        parser.add_argument("--safe-depth", type=int, default=2)
        parser.add_argument("--final-depth", type=int, default=64)

    def handle(self, **options: Any) -> None:
        url = options["rpc_url"]
        if not url:
            raise CommandError("Set RPC_URL or give --rpc-url: the endpoint of the chain to deploy on.")
        try:
            chain_id = int(anvil.rpc(url, "eth_chainId"), 16)
            if chain_id == anvil.CHAIN_ID:
                self._demo(url, options)
            else:
                self._real(url, chain_id, options)
        except anvil.RpcError as error:
            raise CommandError(f"Nothing useful answers at {url}: {error}") from error
        except StackError as error:
            raise CommandError(str(error)) from error

    def _demo(self, url: str, options: dict[str, Any]) -> None:
        done = deploy.demo_deploy(rpc_url=url, safe_depth=options["safe_depth"], final_depth=options["final_depth"])
        self.stdout.write(f"Escrow {'kept' if done.kept else 'deployed'}: {done.escrow} (block {done.start_block})")
        for symbol, address in done.tokens.items():
            self.stdout.write(f"{symbol}: {address}")

    def _real(self, url: str, chain_id: int, options: dict[str, Any]) -> None:
        roles = {}
        for name in ("owner", "guardian", "fee_recipient"):
            option = "--" + name.replace("_", "-")
            try:
                roles[name] = normal_hex(options[name], 20)
            except ValueError as error:
                raise CommandError(f"{option} {options[name]!r} is no address: 0x and 40 hex digits.") from error
        _id, escrow, block = deploy.escrow_deploy(rpc_url=url, key=self._key(options), tokens=[], **roles)
        chain_register(
            chain_id=chain_id,
            name=options["name"] or f"Chain {chain_id}",
            rpc_url=url,
            public_rpc_url="",
            escrow_address=escrow,
            start_block=block,
            safe_depth=options["safe_depth"],
            final_depth=options["final_depth"],
        )
        self.stdout.write(f"Escrow deployed: {escrow} (block {block}).")
        self.stdout.write(
            "Payment tokens are allowed by its owner, with setPayToken; the venue lists them when it sees that on chain."
        )

    @staticmethod
    def _key(options: dict[str, Any]) -> str:
        keystore, password = options["keystore"], options["password_file"]
        if keystore is None or password is None:
            raise CommandError("Give --keystore and --password-file: the account that pays for the deployment.")
        try:
            return str(Account.decrypt(keystore.read_text(), password.read_text().strip()).to_0x_hex())
        except (OSError, ValueError) as error:
            raise CommandError(f"The keystore {keystore} can't be opened: {error}") from error
