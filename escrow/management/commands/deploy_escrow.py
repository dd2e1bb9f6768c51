"""Deploys the two escrow contracts on a chain, at the addresses they have on every chain, and registers them with this venue."""

import os
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError
from eth_account import Account

from escrow.contracts.deploy import records
from escrow.contracts.deploy.errors import DeployError
from escrow.contracts.deploy.escrow import (
    CONTRACTS,
    DEVELOPMENT_CHAIN,
    Created,
    Plan,
    Roles,
    Site,
    escrow_deploy,
    roles_require,
)
from otc.core.chains import chain_escrow_set, chain_register
from otc.core.errors import DomainError
from otc.core.fields import normal_hex, to_checksum
from otc.core.models import Chain, EscrowKind, escrow_key

SAFE_DEPTH, FINAL_DEPTH = 2, 64


class Command(BaseCommand):
    help = (
        "Deploys OTCEscrow and RightsEscrow by CREATE2: the same roles give the same addresses on every chain, told before anything is "
        "sent. Run again, it finds the contracts, proves their code, and repairs the chain's rows; then it needs no key."
    )

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument(
            "--chain", type=int, required=True, help="The chain's id; the endpoint must be of that chain."
        )
        parser.add_argument(
            "--rpc-url",
            default=os.environ.get("RPC_URL", ""),
            help="Its endpoint; RPC_URL unless given, then the first one of the chain's row.",
        )
        parser.add_argument("--keystore", type=Path, help="JSON keystore of the account that pays; it gets no right.")
        parser.add_argument("--password-file", type=Path, help="Its password.")
        recorded = "Needed unless deployments/ has this chain."
        parser.add_argument(
            "--owner",
            default="",
            help=f"May set fee (at most 2%%), tokens and guardian: a Safe's or a timelock's address. {recorded}",
        )
        parser.add_argument("--guardian", default="", help=f"May pause entry for at most 7 days. {recorded}")
        parser.add_argument("--fee-recipient", default="", help=recorded)
        parser.add_argument("--allow-key-owner", action="store_true", help="Take an owner without code: a single key.")
        parser.add_argument(
            "--start-block", type=int, help="Where the escrows stand already, the block the first of them came in."
        )
        parser.add_argument("--name", default="", help="What pages call the chain, in a new row.")
        parser.add_argument("--safe-depth", type=int, default=SAFE_DEPTH, help="In a new row.")
        parser.add_argument("--final-depth", type=int, default=FINAL_DEPTH, help="In a new row.")

    def handle(self, **options: Any) -> None:
        chain_id = options["chain"]
        known = {kind: records.read(chain_id, contract) for kind, contract in CONTRACTS.items()}
        rows = {kind: Chain.objects.filter(pk=escrow_key(chain_id, kind)).first() for kind in CONTRACTS}
        try:
            site = self._site(chain_id, list(rows.values()), options)
            roles = self._roles(options, next(filter(None, known.values()), None))
            plans = [Plan(chain_id, roles, kind) for kind in EscrowKind]
            for plan in plans:
                self.stdout.write(f"{plan.contract}'s address on chain {chain_id}: {to_checksum(plan.address)}")
            for plan in plans:  # all refusals come before anything is sent
                self._refuse_another(plan, rows[plan.kind], known[plan.kind])
            for plan in plans:
                self._bring(site, plan, rows[plan.kind], known[plan.kind], options)
        except (DeployError, DomainError) as error:
            raise CommandError(str(error)) from error

    def _bring(
        self, site: Site, plan: Plan, row: Chain | None, record: dict[str, Any] | None, options: dict[str, Any]
    ) -> None:
        """One of the escrows: kept or sent, registered, recorded."""
        if site.code(plan.address):
            created = self._keep(site, plan, record, options["start_block"])
        else:
            created = self._send(site, plan, options)
        self._register(site, plan, created, row, options)
        if record is None and plan.chain_id != DEVELOPMENT_CHAIN:
            file = records.write(plan.record(block=created.block, transaction=created.transaction))
            self.stdout.write(
                f"Written: {file.name} in deployments/. Commit it; `manage.py build_contracts` tells wallets."
            )

    def _site(self, chain_id: int, rows: list[Chain | None], options: dict[str, Any]) -> Site:
        url = options["rpc_url"] or next((url for row in rows if row for url in row.rpc_urls), "")
        if not url:
            raise CommandError("Set RPC_URL or give --rpc-url: the endpoint of the chain to deploy on.")
        site = Site(url)
        site.require_chain(chain_id)
        return site

    @staticmethod
    def _roles(options: dict[str, Any], record: dict[str, Any] | None) -> Roles:
        """As given, else as recorded."""
        known = record["constructor"] if record else {}
        names = {"owner": "owner", "guardian": "guardian", "fee_recipient": "feeRecipient"}
        found = {}
        for name, recorded in names.items():
            given = options[name] or known.get(recorded, "")
            try:
                found[name] = normal_hex(given, 20)
            except ValueError as error:
                option = "--" + name.replace("_", "-")
                raise CommandError(f"{option} {given!r} is no address: 0x and 40 hex digits.") from error
        return Roles(**found)

    @staticmethod
    def _refuse_another(plan: Plan, row: Chain | None, record: dict[str, Any] | None) -> None:
        """A chain has one escrow of each kind of a venue."""
        if record is not None and record["address"].lower() != plan.address:
            raise CommandError(
                f"deployments/{records.path(plan.chain_id, plan.contract).name} names the escrow {record['address']}, made with other roles or from other sources. "
                "Check out the sources it came from, or remove the file to begin with a new escrow. Nothing was sent."
            )
        if row is not None and row.escrow_address != plan.address and row.head_number is not None:
            raise CommandError(
                f"The database serves the escrow {to_checksum(row.escrow_address)} on {row} and has read its deals: another escrow "
                "needs another database. Nothing was sent."
            )

    def _keep(self, site: Site, plan: Plan, record: dict[str, Any] | None, start_block: int | None) -> Created:
        site.require_escrow(plan.contract, plan.address, plan.chain_id)
        for name, address in vars(site.roles(plan.address)).items():
            if address != getattr(plan.roles, name):
                self.stderr.write(f"Since it was deployed, its {name.replace('_', ' ')} became {to_checksum(address)}.")
        if record is not None:
            created = Created(record["block"], record["transaction"])
        elif start_block is not None:
            created = Created(start_block, "")
        else:
            created = site.created(plan.address)
        self.stdout.write(f"{plan.contract} kept: its code is this checkout's (since block {created.block}).")
        return created

    def _send(self, site: Site, plan: Plan, options: dict[str, Any]) -> Created:
        site.require_factory()
        for warning in roles_require(site, plan, allow_key_owner=options["allow_key_owner"]):
            self.stderr.write(warning)
        created = escrow_deploy(site, plan, key=self._key(options))
        self.stdout.write(
            f"{plan.contract} deployed and verified: block {created.block}, transaction {created.transaction}."
        )
        self.stdout.write(
            "Payment tokens are allowed by its owner, with setPayToken; the venue lists them when it sees that on chain."
        )
        return created

    def _register(self, site: Site, plan: Plan, created: Created, row: Chain | None, options: dict[str, Any]) -> None:
        if row is not None:
            chain_escrow_set(pk=row.pk, escrow_address=plan.address, start_block=created.block)
            return
        chain_register(
            chain_id=plan.chain_id,
            kind=plan.kind,
            name=options["name"] or f"Chain {plan.chain_id}",
            rpc_url=site.rpc_url,
            public_rpc_url="",
            escrow_address=plan.address,
            start_block=created.block,
            safe_depth=options["safe_depth"],
            final_depth=options["final_depth"],
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
