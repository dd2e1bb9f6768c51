import pytest

from otc.accounts.models import User
from points.models import Market, Project
from points.services import projects
from tests.support import rows
from tests.support.api_client import Client
from tests.support.signed_offers import Wallet, give_funds, wallet


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


@pytest.fixture
def anyone(db) -> Client:
    return Client()


@pytest.fixture
def team(member) -> Client:
    return Client(member)


@pytest.fixture
def stranger(db) -> Client:
    return Client(User.objects.for_wallet("0x" + "dd" * 20))


@pytest.fixture
def funded(market, seller) -> None:
    """The seller has free what one offer of `terms_of` needs."""
    give_funds(market, seller.address, 2500)
