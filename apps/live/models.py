"""The durable stream behind every page that moves."""

from __future__ import annotations

from django.db import models


class Message(models.Model):
    """
    One thing that moved. The id is the sequence: it grows for every topic. Topics are those of the
    WebSocket contract: `deployment:<id>`, `environment:<slug>`, `fleet`, `mcp:<slug>`, `gpu`,
    `monitoring`. Run events have a table of their own.
    """

    topic = models.CharField(max_length=130)
    kind = models.CharField(max_length=60)
    payload = models.JSONField(default=dict)
    at = models.DateTimeField(auto_now_add=True)

    class Meta:
        ordering = ["id"]
        indexes = [models.Index(fields=["topic", "id"], name="live_topic")]

    def __str__(self) -> str:
        return f"{self.topic} {self.kind}"


class Tick(models.Model):
    """When the schedule last came all the way round: beat, broker, worker, database."""

    name = models.CharField(max_length=20, primary_key=True)
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.name} at {self.at}"
