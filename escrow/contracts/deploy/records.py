"""What was deployed where: deployments/<chain id>-<contract>.json, committed with the sources it came from."""

import json
from pathlib import Path
from typing import Any, Final

from escrow.contracts.deploy.errors import DeployError

FOLDER: Final = Path(__file__).resolve().parents[1] / "deployments"


def path(chain_id: int, contract: str) -> Path:
    return FOLDER / f"{chain_id}-{contract}.json"


def read(chain_id: int, contract: str) -> dict[str, Any] | None:
    """The record of a contract on a chain, if there is one."""
    file = path(chain_id, contract)
    if not file.exists():
        return None
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def write(record: dict[str, Any]) -> Path:
    """Stores a record under its chain's id and its contract. DeployError, with the record, when the folder can't be written."""
    file = path(record["chain_id"], record["contract"])
    text = json.dumps(record, indent=1) + "\n"
    try:
        file.parent.mkdir(exist_ok=True)
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise DeployError(
            f"The escrow is deployed and registered, but {file} can't be written ({error}). Keep this:\n{text}"
        ) from error
    return file


def everywhere() -> list[dict[str, Any]]:
    """All records, by chain id and contract."""
    return sorted(
        (json.loads(file.read_text(encoding="utf-8")) for file in FOLDER.glob("*.json")),
        key=lambda r: (int(r["chain_id"]), r["contract"]),
    )
