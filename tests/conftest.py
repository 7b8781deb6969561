"""People, environments and the machine's parts, for every test."""

import pytest
from django.contrib.auth import get_user_model

from apps.accounts.actors import actor_for_user
from apps.accounts.models import RoleBinding
from apps.environments.models import Environment, Protection, Stack

pytest_plugins = ["tests.parts"]


def pytest_collection_modifyitems(items):
    """Whoever uses the twin of the engine host starts processes; the quick tests go without."""
    for item in items:
        if "fake_host" in item.fixturenames:
            item.add_marker("process")


@pytest.fixture(autouse=True, scope="session")
def settled_broker():
    """Celery reads the broker once, when first asked: never while a test has another there."""
    from orchestra_portal.celery import app

    assert app.conf.broker_url == "memory://"


def person(name, *roles, superuser=False):
    """A user with roles: `"operator"` everywhere, `"operator@staging"` in one environment."""
    user = get_user_model().objects.create_user(
        name, password="correct horse battery", is_staff=True, is_superuser=superuser
    )
    for role in roles:
        kind, _, place = role.partition("@")
        RoleBinding.objects.create(user=user, role=kind, environment=place or "*")
    return user


@pytest.fixture
def olga(db):
    """Operator everywhere."""
    return person("olga", "operator")


@pytest.fixture
def ada(db):
    """Approver everywhere."""
    return person("ada", "approver")


@pytest.fixture
def vic(db):
    """Viewer everywhere."""
    return person("vic", "viewer")


@pytest.fixture
def mallory(db):
    """A person with a login and no role."""
    return person("mallory")


@pytest.fixture
def root(db):
    """A superuser."""
    return person("root", superuser=True)


@pytest.fixture
def actor():
    """From a person to their actor."""
    return actor_for_user


def make_environment(slug, tier, rank, colour):
    environment = Environment.objects.create(
        slug=slug, name=slug.title(), tier=tier, rank=rank, colour=colour
    )
    Stack.objects.create(environment=environment)
    Protection.objects.create(environment=environment)
    return environment


@pytest.fixture
def development(db):
    return make_environment("development", "development", 10, "teal")


@pytest.fixture
def staging(db):
    return make_environment("staging", "staging", 30, "bronze")


@pytest.fixture
def production(db):
    return make_environment("production", "production", 40, "crimson")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory):
    """A self-signed certificate with its key, for 127.0.0.1, in one PEM file."""
    import datetime as dt
    import ipaddress

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = dt.datetime.now(dt.UTC)
    address = x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
    signed = (
        x509.CertificateBuilder(name, name, key.public_key(), 1, now, now + dt.timedelta(1))
        .add_extension(address, critical=False)
        .sign(key, hashes.SHA256())
    )
    pem = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )
    path = tmp_path_factory.mktemp("tls") / "server.pem"
    path.write_bytes(pem + signed.public_bytes(serialization.Encoding.PEM))
    return path
