"""Settings are typed: what the program could not use is refused when it is set."""

import pytest

from apps.audit.models import AuditEvent
from apps.core.errors import Forbidden, Invalid, NotFound
from apps.environments.models import Setting
from apps.environments.services import remove_setting, set_setting

SERVER = {
    "name": "memory",
    "role": "memory",
    "port": 8003,
    "package": "@modelcontextprotocol/server-memory",
    "version": "2026.8.31",
    "ecosystem": "npm",
    "transport": "http",
}


def test_sets_a_setting_and_records_old_and_new(development, olga, actor):
    who = actor(olga)
    set_setting(who, environment="development", key="gpu_instance_type", value="gpu_1x_a10")
    set_setting(who, environment="development", key="gpu_instance_type", value="gpu_1x_h100")
    assert Setting.objects.get().value == "gpu_1x_h100"
    event = AuditEvent.objects.first()
    assert (event.event, event.detail["old"], event.detail["new"]) == (
        "environments.setting.changed",
        "gpu_1x_a10",
        "gpu_1x_h100",
    )


@pytest.mark.parametrize(
    ("key", "value", "says"),
    [
        ("mcp_enabled", "yes", "takes yes or no"),
        ("database", {"kind": "oracle"}, "sqlite or postgres"),
        ("database", {"kind": "sqlite"}, "database.path takes a text"),
        ("database", {"kind": "postgres", "host": "h", "name": "n", "user": "u"}, "admin_user"),
        ("mcp", {"servers": [{**SERVER, "version": "^1.0"}]}, "one exact version"),
        ("mcp", {"servers": [{**SERVER, "version": "latest"}]}, "one exact version"),
        ("mcp", {"servers": [{**SERVER, "port": 80030}]}, "1 to 65535"),
        ("mcp", {"servers": [{**SERVER, "port": True}]}, "a port number"),
        ("mcp", {"servers": [{**SERVER, "name": "Memory Server"}]}, "lower case"),
        ("mcp", {"servers": [SERVER, {**SERVER, "name": "twin"}]}, "8003 twice"),
        ("mcp", {"servers": [{**SERVER, "transport": "stdio"}]}, "mcp.bridge"),
        ("mcp", {"host": "0.0.0.0", "servers": []}, "loopback"),
        ("monitoring", {"prometheus": "on"}, "yes or no"),
    ],
)
def test_refuses_what_the_program_could_not_use(development, olga, actor, key, value, says):
    with pytest.raises(Invalid) as refusal:
        set_setting(actor(olga), environment="development", key=key, value=value)
    assert refusal.value.code == "settings.malformed"
    assert says in refusal.value.text
    assert not Setting.objects.exists()
    assert not AuditEvent.objects.exists()


def test_an_unknown_environment_names_those_there_are(development, staging, olga, actor):
    with pytest.raises(NotFound) as refusal:
        set_setting(actor(olga), environment="prod", key="x", value=1)
    assert refusal.value.detail == ("There is no environment prod. There are development, staging.")


def test_a_viewer_may_not_change_and_a_stranger_may_not_see(development, vic, mallory, actor):
    with pytest.raises(Forbidden):
        set_setting(actor(vic), environment="development", key="x", value=1)
    with pytest.raises(NotFound):
        set_setting(actor(mallory), environment="development", key="x", value=1)


def test_a_setting_keeps_its_kind(development, olga, actor):
    who = actor(olga)
    set_setting(who, environment="development", key="team.size", value=3)
    with pytest.raises(Invalid):
        set_setting(who, environment="development", key="team.size", value="three")


def test_removing_what_is_not_there_is_said(development, olga, actor):
    with pytest.raises(NotFound) as refusal:
        remove_setting(actor(olga), environment="development", key="nothing")
    assert "has no setting nothing" in refusal.value.text
