"""A client of the public API, as a partner's would be: plain HTTP, problem documents as exceptions."""

import threading
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import requests
from eth_utils.address import to_checksum_address

from otc.rehearsal.wallets import Wallet, personal_digest, typed_digest

PREFIX = "/api/v1/"
TIMEOUT = 60  # seconds
PAGE = 200

Json = dict[str, Any]


class ApiError(Exception):
    """The API refused: `status`, the stable `code`, `detail`, and `errors` as (field, detail)."""

    def __init__(self, method: str, path: str, status: int, problem: Mapping[str, Any]) -> None:
        self.status = status
        self.code = str(problem.get("code", ""))
        self.detail = str(problem.get("detail", ""))
        self.errors = [(str(e.get("field", "")), str(e.get("detail", ""))) for e in problem.get("errors") or []]
        fields = "".join(f" [{field}: {detail}]" for field, detail in self.errors)
        super().__init__(f"{method} {path}: {status} {self.code}: {self.detail}{fields}")


class PreparationError(Exception):
    """The API prepared a transaction that would fail; the text is its own explanation."""


@dataclass(frozen=True, slots=True)
class Prepared:
    """An unsigned transaction of the API with its simulation."""

    transaction: Json
    ok: bool
    error: str
    issues: list[Json]


class Venue:
    """The API at `base_url`. Safe for threads: each has a connection of its own."""

    def __init__(self, base_url: str) -> None:
        self.base_url = base_url.rstrip("/")
        self._local = threading.local()

    # ------------------------------------------------------------ HTTP

    def request(self, method: str, path: str, *, token: str = "", **options: Any) -> Any:
        """The JSON answer. ApiError for every status from 400 on."""
        session: requests.Session | None = getattr(self._local, "session", None)
        if session is None:
            session = self._local.session = requests.Session()
            session.trust_env = False  # a proxy of the shell is not for a server on this machine
        headers = options.pop("headers", {}) | ({"Authorization": f"Bearer {token}"} if token else {})
        answer = session.request(method, self.base_url + PREFIX + path, headers=headers, timeout=TIMEOUT, **options)
        if answer.status_code >= requests.codes.bad_request:
            raise ApiError(method, path, answer.status_code, self._problem(answer))
        return orjson.loads(answer.content) if answer.content else {}

    @staticmethod
    def _problem(answer: requests.Response) -> Mapping[str, Any]:
        if "json" in answer.headers.get("Content-Type", ""):
            document = orjson.loads(answer.content)
            if isinstance(document, dict):
                return document
        return {"code": "not_json", "detail": answer.text[:300]}

    def get(self, path: str, *, token: str = "", **params: Any) -> Any:
        return self.request("GET", path, token=token, params=params)

    def post(self, path: str, body: Mapping[str, Any], *, token: str = "", key: str = "") -> Any:
        """`key` is the Idempotency-Key; without one each call is new."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": key or str(uuid.uuid4())}
        return self.request("POST", path, token=token, headers=headers, data=orjson.dumps(body))

    def pages(self, path: str, **params: Any) -> Iterator[Json]:
        """All rows of a list, page after page."""
        cursor: str | None = None
        while True:
            here = params | ({"cursor": cursor} if cursor else {})
            page = self.get(path, limit=PAGE, **here)
            yield from page["results"]
            cursor = page["next"]
            if not cursor:
                return

    # ------------------------------------------------------------ calls

    def sign_in(self, wallet: Wallet, chain_id: int) -> None:
        """Signs in with Ethereum; the wallet keeps the token."""
        asked = self.post("auth/nonce", {"address": to_checksum_address(wallet.address), "chain_id": chain_id})
        signature = wallet.sign_digest(personal_digest(asked["message"]))
        wallet.token = self.post("auth/verify", {"message": asked["message"], "signature": signature})["token"]

    def escrows(self, chain_id: int) -> list[Json]:
        """`status` of one chain: the escrow of tokens, then that of rights where there is one."""
        chains: list[Json] = self.get("status")["chains"]
        return [chain for chain in chains if chain["chain_id"] == chain_id]

    def chain(self, chain_id: int) -> Json:
        """`status` of one chain's escrow of tokens."""
        return next(chain for chain in self.escrows(chain_id) if chain["kind"] == "tokens")

    def upload_list(self, program: str, path: Path, *, token: str) -> int:
        """Uploads an allocation list; its id."""
        with path.open("rb") as file:
            answer = self.request(
                "POST",
                f"programs/{program}/allocation-lists",
                token=token,
                headers={"Idempotency-Key": str(uuid.uuid4())},
                files={"file": (path.name, file, "application/octet-stream")},
            )
        return int(answer["id"])

    def prepare_offer(self, wallet: Wallet, terms: Mapping[str, Any]) -> tuple[Json, bytes]:
        """Through `offers/prepare`: the completed offer, and the digest to sign."""
        prepared = self.post("offers/prepare", dict(terms), token=wallet.token)
        return prepared, typed_digest(prepared["typed_data"])

    def post_offer(self, wallet: Wallet, offer: Mapping[str, Any], digest: bytes) -> Json:
        """Signs the digest and posts the offer."""
        answer: Json = self.post(
            "offers", {"offer": dict(offer), "signature": wallet.sign_digest(digest)}, token=wallet.token
        )
        return answer

    def prepare(self, wallet: Wallet, action: str, **params: Any) -> Prepared:
        """Through `tx/prepare`, whatever its simulation says."""
        body = {"action": action, "account": to_checksum_address(wallet.address), "params": params}
        answer = self.post("tx/prepare", body, token=wallet.token)
        error = answer["simulation"]["error"]
        said = f"{error['name']}: {error['detail']}" if error else ""
        return Prepared(answer["transaction"], answer["simulation"]["ok"], said, answer["issues"])

    def sign(self, wallet: Wallet, action: str, **params: Any) -> str:
        """A signed raw transaction through `tx/prepare`. PreparationError when its simulation fails."""
        prepared = self.prepare(wallet, action, **params)
        if not prepared.ok:
            raise PreparationError(f"{wallet.name} {action} {params}: {prepared.error} {prepared.issues}")
        return wallet.sign_transaction(prepared.transaction)
