"""The setup and its readiness for production: the same engine, as a table, a page and REST."""

import datetime as dt
import io
import json
import socket
import ssl
import threading

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.core.management import call_command
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, NotFound
from apps.environments.choices import Finding
from apps.environments.models import Setting, Validation
from apps.environments.probes.tls import TlsRefused, certificate_days
from apps.environments.services import check_setup, set_secret, set_setting
from apps.environments.validation import Installation, certificate_checks, registry
from apps.environments.validation import readiness_checks as ready
from apps.environments.validation import setup_checks as basic
from apps.live.models import Tick
from tests.conftest import person


def found(look):
    return {item.code: item for item in look(Installation())}


@pytest.fixture
def at_home(db, settings, tmp_path):
    settings.ORCHESTRA_HOME = tmp_path
    settings.PULUMI_PASSPHRASE_FILE = str(tmp_path / "secrets" / "pulumi_passphrase")
    return tmp_path


def test_a_key_that_others_can_read_fails(at_home):
    assert "setup.keys_elsewhere" in found(basic.keys)
    folder = at_home / "secrets"
    folder.mkdir()
    key = folder / "field_keys"
    key.write_text("{}")
    key.chmod(0o644)
    item = found(basic.keys)["setup.key_readable"]
    assert item.status == Finding.FAILED
    assert "mode 644" in item.detail
    key.chmod(0o600)
    assert "setup.keys" in found(basic.keys)


def test_home_database_and_schedule_are_looked_at(at_home, monkeypatch):
    assert "setup.migrated" in found(basic.database)
    assert "setup.disk_free" in found(basic.home)
    monkeypatch.setattr(basic, "LEAST_FREE", 2**60)
    assert found(basic.home)["setup.disk"].status == Finding.FAILED
    assert found(basic.schedule)["setup.no_tick"].status == Finding.UNKNOWN
    tick = Tick.objects.create(name="schedule", at=timezone.now())
    assert "setup.ticks" in found(basic.schedule)
    tick.at -= dt.timedelta(minutes=5)
    tick.save()
    assert found(basic.schedule)["setup.late_tick"].status == Finding.WARNING


def test_a_home_that_is_no_folder_of_ours_fails(at_home, settings):
    settings.ORCHESTRA_HOME = at_home / "nowhere"
    assert found(basic.home)["setup.home"].status == Finding.FAILED


def test_what_suits_a_laptop_fails_production(at_home, settings):
    settings.ALLOWED_HOSTS = ["*"]
    items = found(ready.portal)
    for code in ("setup.not_production", "setup.no_tls", "setup.any_host", "setup.local_broker"):
        assert items[code].status == Finding.FAILED
        assert items[code].next_step


def test_a_portal_with_every_rule_passes(at_home, settings, monkeypatch):
    settings.PORTAL_PRODUCTION = settings.SECURE_TLS = True
    settings.ALLOWED_HOSTS = ["portal.example.com"]
    settings.CELERY_BROKER_URL = "amqp://broker.example.com"
    monkeypatch.setattr(ready, "connection", type("On", (), {"vendor": "postgresql"}))
    assert list(found(ready.portal)) == ["setup.portal"]


def test_the_frameworks_own_rules_are_among_them(at_home, settings):
    settings.SILENCED_SYSTEM_CHECKS = []
    settings.SECURE_HSTS_SECONDS = 0
    assert "security.W004" in found(ready.django)


def test_open_protection_and_too_few_people_are_named(production, root):
    assert {item.detail for item in ready.protection(Installation())} == {
        "production asks for no approval.",
        "production takes any branch.",
        "production takes what was verified nowhere.",
        "production asks for no evidence.",
    }
    rules = production.protection
    rules.required_approvals, rules.allowed_branches = 1, ["main"]
    rules.verified_in, rules.required_evidence = ["staging"], ["tests"]
    rules.save()
    assert list(found(ready.protection)) == ["protection.set"]
    # Root alone may approve, and may not approve what root asked for.
    assert found(ready.people)["people.too_few"].status == Finding.FAILED
    person("ada", "approver@production")
    assert list(found(ready.people)) == ["people.enough"]


def test_without_a_production_environment_there_is_nothing_to_be_ready(development):
    assert found(ready.protection)["setup.no_production"].status == Finding.FAILED


def test_undated_secrets_and_unexplained_differences_are_warned_of(
    production, staging, root, actor
):
    assert "matrix.explained" in found(ready.differences)
    assert found(ready.dates) == {}
    set_secret(actor(root), environment="production", key="api_key", value="canary-secret-31")
    set_setting(actor(root), environment="staging", key="x", value=1)
    assert "api_key" in found(ready.dates)["secret.no_date"].detail
    assert found(ready.differences)["matrix.unexplained"].status == Finding.WARNING


def test_every_environment_is_validated_and_production_counts(
    production, staging, quick_environments
):
    items = list(ready.environments(Installation()))
    assert [item.status for item in items] == [Finding.WARNING, Finding.FAILED]
    assert "manage.py validate_environment production" in items[1].next_step


@pytest.fixture
def quick_environments(monkeypatch):
    kept = {name: registry._environment[name] for name in ("settings",)}
    monkeypatch.setattr(registry, "_environment", kept)


def certificate(tmp_path, days):
    """A certificate of this host's own, and the file that holds it with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - dt.timedelta(days=40))
        .not_valid_after(now + dt.timedelta(days=days, hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path / "certificate.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


@pytest.fixture
def https(tmp_path, settings, monkeypatch):
    """A TLS server for one handshake, trusted or not."""
    threads = []

    def serve(days, *, trusted=True):
        file = certificate(tmp_path, days)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        server = socket.create_server(("127.0.0.1", 0))

        def answer():
            with server, server.accept()[0] as plain:
                try:
                    context.wrap_socket(plain, server_side=True).close()
                except OSError:
                    plain.close()

        threads.append(threading.Thread(target=answer))
        threads[-1].start()
        if trusted:
            monkeypatch.setenv("SSL_CERT_FILE", str(file))
        else:
            monkeypatch.delenv("SSL_CERT_FILE", raising=False)
        port = server.getsockname()[1]
        settings.PORTAL_URL = f"https://localhost:{port}"
        return port

    yield serve
    for thread in threads:
        thread.join()


@pytest.mark.parametrize(
    ("days", "code"), [(60, "certificate.valid"), (5, "certificate.ends_soon")]
)
def test_the_portals_certificate_is_read_from_outside(https, db, days, code):
    https(days)
    item = found(ready.certificate)[code]
    assert f"{days} days" in item.detail


def test_a_certificate_that_ran_out_or_is_not_trusted_fails(https, db):
    https(-2)
    assert "expired" in found(ready.certificate)["certificate.refused"].detail
    with pytest.raises(TlsRefused):
        certificate_days("localhost", https(60, trusted=False))


@pytest.mark.parametrize(
    ("days", "code"),
    [(60, "certificate.valid"), (5, "certificate.ends_soon"), (-2, "certificate.refused")],
)
def test_certificates_that_settings_point_at_are_read(https, development, days, code):
    port = https(days)
    Setting.objects.create(
        environment=development, key="hooks", kind="map",
        value={"chat": f"https://localhost:{port}/in", "plain": "http://localhost:1"},
    )  # fmt: skip
    (item,) = certificate_checks.certificates(registry.Subject(development))
    assert item.code == code
    assert f"localhost:{port} (hooks.chat)" in item.detail


def test_an_address_that_nobody_answers_at_is_unknown_and_more_than_eight_are_named(development):
    (item,) = certificate_checks.certificates(registry.Subject(development))
    assert item.status == Finding.SKIPPED
    value = {f"h{n}": f"wss://127.0.0.1:{n}" for n in range(1, 11)} | {"bad": "https://a:99999999"}
    Setting.objects.create(environment=development, key="hooks", kind="map", value=value)
    items = list(certificate_checks.certificates(registry.Subject(development)))
    assert {item.status for item in items} == {Finding.UNKNOWN}
    assert [item.code for item in items[:8]] == ["certificate.unreachable"] * 8
    assert len(items) == 9
    assert items[8].detail.count("127.0.0.1:") == 2
    assert all(item.next_step for item in items)


def test_without_tls_or_without_an_answer_no_certificate_is_judged(db, settings):
    settings.PORTAL_URL = "http://127.0.0.1:8100"
    assert found(ready.certificate)["certificate.none"].status == Finding.SKIPPED
    settings.PORTAL_URL = "https://127.0.0.1:1"
    assert found(ready.certificate)["certificate.unreachable"].status == Finding.UNKNOWN


@pytest.fixture
def few(monkeypatch):
    """One look of each kind: the doors are what is tried."""
    made = {name: registry._setup[name] for name in ("database", "protection")}
    monkeypatch.setattr(registry, "_setup", made)


def test_readiness_is_only_looked_at_when_asked(development, root, actor, few):
    row = check_setup(actor(root))
    assert (row.status, row.environment, row.occasion) == ("passed", None, "setup")
    row = check_setup(actor(root), production_ready=True)
    assert (row.status, row.occasion) == ("failed", "readiness")
    assert AuditEvent.objects.filter(event="environments.setup.checked").count() == 2
    assert str(row) == "validation of the setup"


def test_it_needs_the_right_everywhere(development, actor, vic, few, client):
    with pytest.raises(Forbidden):
        check_setup(actor(vic))
    ned = person("ned", "operator@development")
    with pytest.raises(NotFound):
        check_setup(actor(ned))
    client.force_login(ned)
    assert client.get(reverse("admin:environments_environment_setup")).status_code == 404
    client.force_login(vic)
    text = client.get(reverse("admin:environments_environment_setup")).content.decode()
    assert '<button class="op-btn" disabled>Check the setup' in text


def test_the_command_is_a_table_and_exits_with_1(development, few):
    out = io.StringIO()
    call_command("check_setup", stdout=out)
    assert "STATUS" in out.getvalue()
    assert "Setup: 1 passed." in out.getvalue()
    out = io.StringIO()
    with pytest.raises(SystemExit) as end:
        call_command("check_setup", "--production-ready", stdout=out)
    assert end.value.code == 1
    assert "There is no environment of tier production." in out.getvalue()
    out = io.StringIO()
    with pytest.raises(SystemExit):
        call_command("check_setup", "--production-ready", "--json", stdout=out)
    assert json.loads(out.getvalue())["items"][0]["code"] == "setup.no_production"


def test_the_page_asks_first_and_shows_the_checklist(development, root, few, client):
    client.force_login(root)
    page = reverse("admin:environments_environment_setup")
    assert "Nobody has checked the setup yet." in client.get(page).content.decode()
    ask = reverse("admin:environments_environment_check_setup")
    assert "Nothing is changed" in client.get(ask).content.decode()
    assert client.post(ask).headers["Location"] == page
    text = client.get(page).content.decode()
    assert "setup.no_production" in text
    fragment = client.get(page, {"fragment": "page"}).content.decode()
    assert "<html" not in fragment


def test_rest_checks_the_setup(development, root, few):
    door = APIClient()
    door.force_authenticate(root)
    door.force_login(root)
    body = door.post("/api/v1/setup-checks/", {"production_ready": True}).json()
    assert body["status"] == "failed"
    assert Validation.objects.get().pk == body["id"]
