import pytest

from otc.accounts.models import User
from points.models import Market, Project
from points.services import projects
from tests.support import rows
from tests.support.signed_offers import Wallet, wallet


@pytest.fixture
def seller() -> Wallet:
    return wallet(0x5E11E7)


@pytest.fixture
def buyer() -> Wallet:
    return wallet(0xB07E7)


@pytest.fixture
def chain(db):
    return rows.chain(fee_bps=50)


@pytest.fixture
def market(chain) -> Market:
    return rows.market(chain)


@pytest.fixture
def member(db) -> User:
    return User.objects.for_wallet("0x" + "ee" * 20)


@pytest.fixture
def project(member) -> Project:
    return projects.project_create(user=member, slug="ens", name="ENS")


@pytest.fixture
def program(member, project):
    return projects.program_create(
        user=member, project=project, slug="ens-airdrop", name="ENS airdrop", kind=1, unit_name="ENS", unit_decimals=18
    )


@pytest.fixture(autouse=True)
def media(tmp_path, settings):
    settings.MEDIA_ROOT = tmp_path
