"""Settings, secrets and protection in the admin: who may, what is said, what stays secret."""

import itertools
import logging
import sys

import pytest
from django.core.signals import got_request_exception
from django.test import Client
from django.urls import reverse
from django.views.debug import ExceptionReporter

from apps.audit.models import AuditEvent
from apps.environments.models import BaseSetting, Protection, Secret, Setting
from apps.environments.secrets import open_secrets
from apps.environments.services import set_secret, set_setting
from apps.live.models import Message
from tests.conftest import person

pytestmark = pytest.mark.django_db
CANARY = "canary-4711-never-shown"


def at(name, *args):
    return reverse(f"admin:{name}", args=args)


def text_of(answer):
    return answer.content.decode()


def hidden(client, address):
    """What the form of a page sends back unseen."""
    return {"seen": client.get(address).context["confirmation"].hidden["seen"]}


def events():
    return list(AuditEvent.objects.order_by("pk").values_list("event", flat=True))


def test_each_card_leads_to_its_forms_for_who_may(client, root, olga, development, actor):
    set_setting(actor(root), environment="development", key="region", value="eu")
    set_secret(actor(root), environment="development", key="api_key", value=CANARY)
    BaseSetting.objects.create(key="team", kind="text", value="ops")
    doors = {
        "edit_settings": [
            at("setting-add", "development"),
            at("setting-change", "development", "region"),
            at("setting-remove", "development", "region"),
            at("setting-change", "development", "team"),
        ],
        "edit_secrets": [
            at("secret-add", "development"),
            at("secret-change", "development", "api_key"),
        ],
        "edit_protection": [at("protection-change", "development")],
    }
    page = at("environment", "development")
    client.force_login(root)
    shown = text_of(client.get(page))
    for door in itertools.chain(*doors.values()):
        assert f'href="{door}"' in shown
        assert client.get(door).status_code == 200
    assert at("setting-remove", "development", "team") not in shown
    client.force_login(olga)
    shown = text_of(client.get(page))
    assert all(f'href="{door}"' in shown for door in doors["edit_settings"])
    for door in doors["edit_secrets"] + doors["edit_protection"]:
        assert f'href="{door}"' not in shown
        assert "disabled" in text_of(client.get(door))
    assert "edit secrets needs admin" in shown
    assert "edit protection needs admin" in shown


@pytest.mark.parametrize(
    ("kind", "typed", "value"),
    [
        ("text", "eu-west", "eu-west"),
        ("number", "2.5", 2.5),
        ("flag", "no", False),
        ("structure", '{"a": [1, null]}', {"a": [1, None]}),
    ],
)
def test_a_setting_is_added_changed_and_removed(client, olga, development, kind, typed, value):
    client.force_login(olga)
    card = f"{at('environment', 'development')}#settings"
    given = {"key": "own.key", "kind": kind, "value": typed, "note": "as asked"}
    assert client.post(at("setting-add", "development"), given).url == card
    row = Setting.objects.get()
    assert (row.key, row.kind, row.value, row.note) == ("own.key", kind, value, "as asked")
    change = at("setting-change", "development", "own.key")
    page = text_of(client.get(change))
    assert "Change own.key of development" in page
    seen = hidden(client, change)
    shown = client.get(change).context["asked"][0].value
    assert client.post(change, {"value": shown, "note": "again", **seen}).url == card
    row.refresh_from_db()
    assert (row.value, row.note, row.changed_by) == (value, "again", "olga")
    remove = at("setting-remove", "development", "own.key")
    assert client.post(remove, hidden(client, remove)).url == card
    assert not Setting.objects.exists()
    assert events() == [
        "environments.setting.changed",
        "environments.setting.changed",
        "environments.setting.removed",
    ]


@pytest.mark.parametrize(
    ("given", "field", "words"),
    [
        ({"key": "Own", "kind": "text", "value": "x"}, "key", "valid value"),
        ({"key": "own", "kind": "number", "value": "three"}, "value", "not a number"),
        ({"key": "own", "kind": "number", "value": "NaN"}, "value", "not a number"),
        ({"key": "own", "kind": "number", "value": "true"}, "value", "takes a number"),
        ({"key": "own", "kind": "flag", "value": "perhaps"}, "value", "not yes or no"),
        ({"key": "own", "kind": "structure", "value": '{"a": 1'}, "value", "line 1, column 8"),
        ({"key": "mcp_enabled", "kind": "text", "value": "on"}, "value", "not yes or no"),
        ({"key": "database", "kind": "text", "value": '{"kind": "x"}'}, "value", "sqlite or"),
        ({"key": "own", "kind": "text", "value": "x", "note": "n" * 201}, "note", "200"),
    ],
)
def test_a_setting_nobody_can_use_is_refused_beside_its_field(
    client, olga, development, given, field, words
):
    client.force_login(olga)
    answer = client.post(at("setting-add", "development"), given)
    assert answer.status_code == 400
    assert words in next(row.error for row in answer.context["asked"] if row.ask.name == field)
    page = text_of(answer)
    assert f'id="error_{field}"' in page
    assert 'aria-invalid="true"' in page
    for name, value in given.items():
        assert next(row.value for row in answer.context["asked"] if row.ask.name == name) == value
    assert not Setting.objects.exists()


def test_what_the_base_has_is_shown_and_own_values_go_over_it(client, olga, development):
    BaseSetting.objects.create(key="limits", kind="structure", value={"a": 1, "b": 2})
    client.force_login(olga)
    change = at("setting-change", "development", "limits")
    page = client.get(change)
    assert "From the base: {&quot;a&quot;: 1, &quot;b&quot;: 2}" in text_of(page)
    assert page.context["asked"][0].value == "{}"
    assert client.get(at("setting-remove", "development", "limits")).status_code == 404
    client.post(change, {"value": '{"b": null}', **hidden(client, change)})
    assert Setting.objects.get().value == {"b": None}
    assert "comes through from the base" in text_of(
        client.get(at("setting-remove", "development", "limits"))
    )


def test_who_looked_at_an_older_state_writes_over_nothing(client, root, development, actor):
    ours = actor(person("ann", "admin"))
    set_setting(ours, environment="development", key="region", value="eu")
    set_secret(ours, environment="development", key="api_key", value=CANARY)
    client.force_login(root)
    change = at("setting-change", "development", "region")
    anew = at("secret-change", "development", "api_key")
    rules = at("protection-change", "development")
    seen = {door: hidden(client, door) for door in (change, anew, rules)}
    set_setting(ours, environment="development", key="region", value="us")
    set_secret(ours, environment="development", key="api_key", value="another")
    Protection.objects.update(soak_minutes=5)
    before = AuditEvent.objects.count()
    given = {"value": "asia", "approval_hours": "3"}
    for door, marks in seen.items():
        answer = client.post(door, {**rules_of(development), **given, **marks})
        assert (answer.status_code, "edit.moved" in text_of(answer)) == (409, True), door
    add = {"key": "region", "kind": "text", "value": "asia"}
    answer = client.post(at("setting-add", "development"), add)
    assert "region of development was changed meanwhile by ann" in text_of(answer)
    assert (
        client.post(at("secret-add", "development"), {**add, "key": "api_key"}).status_code == 409
    )
    assert AuditEvent.objects.count() == before


def rules_of(place, **changes):
    """The form as the page fills it in."""
    row = Protection.objects.get(environment=place)
    flags = ("typed_confirmation", "automatic_rollback", "drift_correction")
    numbers = ("required_approvals", "approval_hours", "soak_minutes", "drift_minutes")
    return {
        **{name: getattr(row, name) for name in numbers},
        **{name: "yes" for name in flags if getattr(row, name)},
        "allowed_branches": " ".join(row.allowed_branches),
        "verified_in": row.verified_in,
        "required_evidence": row.required_evidence,
        **changes,
    }


def test_an_admin_changes_several_rules_at_once(client, root, development, staging):
    client.force_login(root)
    rules = at("protection-change", "staging")
    wanted = {
        "required_approvals": "2",
        "allowed_branches": "main, release/*",
        "verified_in": ["development"],
        "required_evidence": ["tests", "security_review"],
        "typed_confirmation": "yes",
    }
    assert text_of(client.get(rules)).count('type="checkbox"') == 1 + 5 + 3
    answer = client.post(rules, {**rules_of(staging, **wanted), **hidden(client, rules)})
    assert answer.url == f"{at('environment', 'staging')}#protection"
    row = Protection.objects.get(environment=staging)
    assert (row.required_approvals, row.typed_confirmation) == (2, True)
    assert row.allowed_branches == ["main", "release/*"]
    assert row.verified_in == ["development"]
    assert row.required_evidence == ["tests", "security_review"]
    event = AuditEvent.objects.get()
    assert set(event.detail["new"]) == set(wanted)
    page = client.get(rules)
    assert text_of(page).count(" checked") == 1 + 2 + 1
    # Boxes without a tick are sent by no browser: they take away.
    plain = rules_of(staging, verified_in=[], required_evidence=["tests"])
    del plain["typed_confirmation"]
    client.post(rules, {**plain, **hidden(client, rules)})
    row.refresh_from_db()
    assert (row.verified_in, row.required_evidence) == ([], ["tests"])
    assert not row.typed_confirmation


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"required_approvals": "many"}, "required_approvals"),
        ({"required_approvals": "21"}, "required_approvals"),
        ({"approval_hours": "0"}, "approval_hours"),
        ({"soak_minutes": "-1"}, "soak_minutes"),
        ({"drift_minutes": "9" * 5000}, "drift_minutes"),
        ({"drift_minutes": ""}, "drift_minutes"),
        ({"allowed_branches": "-x"}, "allowed_branches"),
        ({"verified_in": ["production"]}, "verified_in"),
        ({"required_evidence": ["hope"]}, "required_evidence"),
    ],
)
def test_a_rule_that_means_nothing_is_refused_beside_its_field(
    client, root, development, staging, production, changes, field
):
    client.force_login(root)
    answer = client.post(at("protection-change", "staging"), rules_of(staging, **changes))
    assert answer.status_code == 400
    assert [row.ask.name for row in answer.context["asked"] if row.error] == [field]
    assert not AuditEvent.objects.exists()


def test_a_form_that_changes_no_rule_says_so(client, root, staging):
    client.force_login(root)
    answer = client.post(at("protection-change", "staging"), rules_of(staging))
    assert (answer.status_code, "protection.same" in text_of(answer)) == (400, True)


def test_production_is_typed_before_anything_of_it_is_changed(client, root, production, actor):
    client.force_login(root)
    set_setting(actor(root), environment="production", key="region", value="eu")
    before = AuditEvent.objects.count()
    doors = {
        at("setting-add", "production"): {"key": "own", "kind": "text", "value": "x"},
        at("setting-change", "production", "region"): {"value": "us"},
        at("setting-remove", "production", "region"): {},
        at("secret-add", "production"): {"key": "api_key", "value": CANARY},
        at("protection-change", "production"): rules_of(production, soak_minutes=9),
    }
    for door, given in doors.items():
        answer = client.post(door, {**given, "confirm": "producton"})
        assert answer.status_code == 400
        assert "You typed “producton”" in text_of(answer)
        assert CANARY not in text_of(answer)
    assert AuditEvent.objects.count() == before
    door, given = next(iter(doors.items()))
    assert client.post(door, {**given, "confirm": "production"}).status_code == 302


@pytest.mark.parametrize("who", ["vic", "olga", "mallory"])
def test_who_has_no_right_sets_no_secret_and_no_rule(client, request, development, who):
    client.force_login(request.getfixturevalue(who))
    status = 404 if who == "mallory" else 403
    given = {"key": "api_key", "value": CANARY}
    answer = client.post(at("secret-add", "development"), given)
    assert answer.status_code == status
    assert CANARY not in text_of(answer)
    answer = client.post(
        at("protection-change", "development"), rules_of(development, soak_minutes=9)
    )
    assert answer.status_code == status
    if who != "olga":
        given = {"key": "own", "kind": "text", "value": "x"}
        assert client.post(at("setting-add", "development"), given).status_code == status
    assert not AuditEvent.objects.exists()


def test_a_secret_is_set_and_comes_out_of_nothing(client, root, development, caplog, capfd):
    """The canary goes through every way the page can end, and stands in none of its sinks."""
    caplog.set_level(logging.DEBUG)
    client.force_login(root)
    add, anew = at("secret-add", "development"), at("secret-change", "development", "api_key")
    bodies = []

    def post(door, status, **given):
        answer = client.post(door, given)
        assert answer.status_code == status, text_of(answer)[:300]
        bodies.append(text_of(answer))
        bodies.append(str(answer.headers))
        return answer

    post(add, 400, key="API KEY", value=CANARY)
    post(add, 400, key="api_key", value=CANARY, lines=f"{CANARY}\nb")
    post(add, 400, key="api_key", value=CANARY, rotate_within_days="9999")
    post(add, 400, key="api_key", value=CANARY, rotate_within_days="soon")
    post(add, 400, key="api_key", value="")
    post(add, 400, key="api_key", value=CANARY * 4000)
    assert not Secret.objects.exists()
    post(add, 302, key="api_key", value=CANARY, rotate_within_days="30")
    post(add, 409, key="api_key", value=CANARY)
    post(anew, 409, value=CANARY, seen="7")
    post(anew, 302, value=CANARY, **hidden(client, anew))
    post(anew, 302, lines=f"{CANARY}\r\nb\r\n", **hidden(client, anew))
    pages = [
        at("environment", "development"),
        add,
        anew,
        at("activity"),
        at("environments_environment_matrix"),
    ]
    pages += [at("environments_secret_changelist"), at("audit_auditevent_changelist")]
    bodies += [text_of(client.get(page)) for page in pages]
    rows = [*Secret.objects.values(), *AuditEvent.objects.values(), *Message.objects.values()]
    written = "".join(capfd.readouterr())
    for sink in (*bodies, repr(rows), caplog.text, written, str(client.session.items())):
        assert CANARY not in sink
    found = list(Secret.objects.order_by("version").values_list("version", flat=True))
    assert found == [1, 2, 3]
    assert [value for _, value in open_secrets(development)] == [f"{CANARY}\nb\n"]
    assert Secret.objects.get(version=1).rotation_due_at is not None


def test_a_failure_of_ours_keeps_the_secret_too(root, development, monkeypatch, caplog):
    """Also in Django's report of a failure, which shows what was posted and held."""

    def broken(*_, **__):
        raise RuntimeError("the store broke")

    reports = []

    def report(request, **_):
        maker = ExceptionReporter(request, *sys.exc_info())
        reports.extend([maker.get_traceback_html(), maker.get_traceback_text()])

    monkeypatch.setattr("apps.environments.services.securing.record", broken)
    client = Client(raise_request_exception=False)
    client.force_login(root)
    given = {"key": "api_key", "value": CANARY, "lines": ""}
    got_request_exception.connect(report)
    try:
        answer = client.post(at("secret-add", "development"), given)
        lines = {**given, "value": "", "lines": CANARY}
        assert client.post(at("secret-add", "development"), lines).status_code == 500
    finally:
        got_request_exception.disconnect(report)
    assert answer.status_code == 500
    assert len(reports) == 4
    assert all("the store broke" in each for each in [*reports, caplog.text])
    assert not [each for each in [*reports, caplog.text, text_of(answer)] if CANARY in each]


def test_a_number_of_days_that_cannot_be_is_refused_by_the_verb(development, root, actor):
    from apps.core.errors import Invalid

    for days in (0, -1, 3651):
        with pytest.raises(Invalid, match="within 1 to 3650 days"):
            set_secret(
                actor(root),
                environment="development",
                key="a",
                value="x",
                rotate_within_days=days,
            )
