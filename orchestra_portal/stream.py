"""What can be followed live: every kind of topic with its source and its rule."""

from __future__ import annotations

from apps.core.permissions import Actor
from apps.deployments.stream import RunEventSource, may_follow_deployment, may_follow_run
from apps.environments.models import Environment
from apps.live.messages import MessageSource
from apps.live.topics import register, sees_something
from apps.mcp.models import McpServer


def may_follow_environment(actor: Actor, name: str) -> bool:
    return Environment.objects.visible_to(actor).filter(slug=name).exists()


def may_follow_server(actor: Actor, name: str) -> bool:
    return McpServer.objects.visible_to(actor).filter(slug=name).exists()


def register_topics() -> None:
    messages = MessageSource()
    register("run", RunEventSource(), may_follow_run)
    register("deployment", messages, may_follow_deployment)
    register("environment", messages, may_follow_environment)
    register("mcp", messages, may_follow_server)
    for wide in ("fleet", "gpu", "monitoring"):
        register(wide, messages, sees_something, named=False)
