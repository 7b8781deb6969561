"""`/metrics` for Prometheus: requests of this process, rows of the database, bounded labels."""

from __future__ import annotations

import ipaddress
import math
import time
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping

from django.conf import settings
from django.db.models import Count, Model
from django.http import HttpRequest, HttpResponse
from django.utils import timezone
from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    PlatformCollector,
    ProcessCollector,
    generate_latest,
)
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST

from apps.accounts.sockets import token_actor
from apps.core import answering
from apps.core.answering import Answered
from apps.deployments.models import Deployment, Run
from apps.live.hub import socket_count
from apps.mcp.models import McpServer
from apps.monitoring.models import Check, RoundTick

REGISTRY = CollectorRegistry()
ProcessCollector(registry=REGISTRY)
PlatformCollector(registry=REGISTRY)
SECONDS = Histogram(
    "portal_request_seconds",
    "Time to answer a request, by route.",
    ["method", "route"],
    buckets=(0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 10),
    registry=REGISTRY,
)
ANSWERS = Counter(
    "portal_answers", "Answers by route and class of status.", ["route", "status"],
    registry=REGISTRY,
)  # fmt: skip
METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})


BEGAN = timezone.now()
# Answers that wait on purpose: a long poll is no slow answer.
WAITING = ("/events/",)


def answered_by_this_process(prefix: str) -> Answered:
    """The 95th hundredth of the routes under a prefix, inside its bucket by proportion."""
    counts: dict[float, float] = defaultdict(float)
    for sample in (sample for family in SECONDS.collect() for sample in family.samples):
        route = sample.labels.get("route", "")
        is_wanted = route.startswith(prefix) and not any(part in route for part in WAITING)
        if sample.name.endswith("_bucket") and is_wanted:
            counts[float(sample.labels["le"])] += sample.value
    return Answered(BEGAN, int(counts.get(math.inf, 0)), hundredth(counts, 0.95))


def hundredth(counts: Mapping[float, float], share: float) -> float | None:
    """Of cumulative counts by upper bound; beyond the last bound, that bound."""
    wanted = counts.get(math.inf, 0) * share
    low, below = 0.0, 0.0
    if not wanted:
        return None
    for bound, count in sorted(counts.items()):
        if count >= wanted:
            return (
                low
                if bound == math.inf
                else low + (bound - low) * (wanted - below) / (count - below)
            )
        low, below = bound, count
    return low


answering.register(answered_by_this_process)


class RowCollector:
    """Reads counts when Prometheus asks. Statuses are words of fixed sets."""

    def collect(self) -> Iterator[Metric]:
        yield _counted("portal_runs", "Runs by status.", Run, "status")
        yield _counted("portal_deployments", "Deployments by status.", Deployment, "status")
        yield _counted("portal_checks", "Checks by health.", Check, "health")
        yield _counted("portal_mcp_servers", "MCP servers by wish.", McpServer, "wish")
        yield from _pulse()
        yield GaugeMetricFamily("portal_live_sockets", "Open WebSockets.", value=socket_count())


def _counted(name: str, text: str, model: type[Model], field: str) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text, labels=[field])
    rows = model._default_manager.order_by().values_list(field).annotate(Count("pk"))  # noqa: SLF001 - Django's public name
    for value, count in rows:
        family.add_metric([str(value)], count)
    return family


def _pulse() -> Iterator[Metric]:
    """The rounds of looks: how many came, came late, never came, and when the last one did."""
    tick = RoundTick.objects.filter(name="probe").first()
    if tick is None:
        return
    for name, words, value in (
        ("portal_probe_rounds", "Rounds of looks that began.", tick.ticks),
        ("portal_probe_rounds_late", "Rounds that began more than half a period late.", tick.late),
        ("portal_probe_rounds_missed", "Rounds that never began.", tick.missed),
    ):
        yield CounterMetricFamily(name, words, value=value)
    last = "portal_probe_last_round_timestamp_seconds"
    yield GaugeMetricFamily(last, "When the last round began.", value=tick.at.timestamp())


REGISTRY.register(RowCollector())


class MetricsMiddleware:
    """Labels are route patterns, never addresses: a scanner cannot make series."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        begun = time.perf_counter()
        response = self.get_response(request)
        match = request.resolver_match
        route = match.route if match else "unknown"
        method = request.method if request.method in METHODS else "other"
        SECONDS.labels(method, route).observe(time.perf_counter() - begun)
        ANSWERS.labels(route, f"{response.status_code // 100}xx").inc()
        return response


def metrics(request: HttpRequest) -> HttpResponse:
    """For a token of somebody who may look everywhere, or from an allow-listed network."""
    if not _may_scrape(request):
        return HttpResponse(
            "Send a token that may look everywhere, or list this network in"
            " PORTAL_METRICS_NETWORKS.\n",
            status=403,
            content_type="text/plain",
        )
    return HttpResponse(generate_latest(REGISTRY), content_type=CONTENT_TYPE_LATEST)


def _may_scrape(request: HttpRequest) -> bool:
    kind, _, text = request.headers.get("Authorization", "").partition(" ")
    if kind.lower() == "bearer":
        return token_actor(text.strip()).visible_environments() is None
    if "X-Forwarded-For" in request.headers or "Forwarded" in request.headers:
        # A proxy on this machine: the address is the proxy's, not the asker's.
        return False
    try:
        address = ipaddress.ip_address(request.META.get("REMOTE_ADDR", ""))
    except ValueError:
        return False
    return any(address in ipaddress.ip_network(net) for net in settings.METRICS_NETWORKS)
