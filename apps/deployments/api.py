"""REST: deployments, runs and their events. Parse, call one verb, show."""

from __future__ import annotations

import time
from typing import Any, ClassVar

from django.http import HttpResponse, StreamingHttpResponse
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from apps.core.api import PortalViewSet, ReadOnlyViewSet
from apps.core.errors import Invalid
from apps.deployments import serializers as shapes
from apps.deployments import services
from apps.deployments.logs import log_lines
from apps.deployments.models import Deployment, Run, RunEvent
from apps.environments.lookup import find_environment
from apps.environments.models import Environment

MOST_EVENTS = 1000
LONGEST_WAIT = 30.0
LOOK_EVERY = 0.1
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="The plan's fingerprint, in quotes."
)


class DeploymentViewSet(ReadOnlyViewSet[Deployment]):
    """What operators asked for."""

    queryset = Deployment.objects.select_related("environment__protection", "environment__stack")
    serializer_class = shapes.DeploymentSerializer
    filters: ClassVar[dict[str, str]] = {
        "environment": "environment__slug",
        "status": "status",
        "kind": "kind",
    }
    orderings = ("id", "requested_at")
    lookup_value_regex = r"\d+"

    def get_serializer_class(self) -> Any:
        return (
            shapes.DeploymentSerializer
            if self.action == "list"
            else shapes.DeploymentDetailSerializer
        )

    @extend_schema(
        request=shapes.DeploymentInput, responses={201: shapes.DeploymentDetailSerializer}
    )
    def create(self, request: Request) -> Response:  # noqa: ARG002 - DRF's signature
        """Starts planning."""
        body = self.body(shapes.DeploymentInput)
        row = services.request_deployment(self.actor, **body)
        return self._answer(row.pk, status.HTTP_201_CREATED)

    @extend_schema(
        request=shapes.DecisionInput,
        responses=shapes.DeploymentDetailSerializer,
        parameters=[IF_MATCH],
    )
    @action(detail=True, methods=["post"])
    def approve(self, request: Request, pk: str) -> Response:
        """One person's yes to the plan named by If-Match."""
        body = self.body(shapes.DecisionInput)
        services.approve_deployment(
            self.actor, deployment=int(pk), fingerprint=if_match(request), **body
        )
        return self._answer(pk)

    @extend_schema(
        request=shapes.GlassInput,
        responses=shapes.DeploymentDetailSerializer,
        parameters=[IF_MATCH],
    )
    @action(detail=True, methods=["post"], url_path="break-glass")
    def break_glass(self, request: Request, pk: str) -> Response:
        """Applies the plan without the approvals it lacks."""
        body = self.body(shapes.GlassInput)
        services.break_glass(self.actor, deployment=int(pk), fingerprint=if_match(request), **body)
        return self._answer(pk)

    @extend_schema(
        request=shapes.CommentInput,
        responses=shapes.DeploymentDetailSerializer,
        parameters=[IF_MATCH],
    )
    @action(detail=True, methods=["post"])
    def reject(self, request: Request, pk: str) -> Response:
        """A no to the plan."""
        body = self.body(shapes.CommentInput)
        given = if_match(request) if "If-Match" in request.headers else ""
        services.reject_deployment(self.actor, deployment=int(pk), fingerprint=given, **body)
        return self._answer(pk)

    @extend_schema(request=shapes.NoInput, responses=shapes.DeploymentDetailSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Drops a waiting plan, or asks the run under way to stop."""
        self.body(shapes.NoInput)
        services.cancel_deployment(self.actor, deployment=int(pk))
        return self._answer(pk)

    @extend_schema(request=shapes.SuccessorInput, responses=shapes.DeploymentDetailSerializer)
    @action(detail=True, methods=["post"])
    def supersede(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Drops it in favour of a later one in its line, by default the last."""
        body = self.body(shapes.SuccessorInput)
        services.supersede_deployment(self.actor, deployment=int(pk), **body)
        return self._answer(pk)

    @extend_schema(request=shapes.NoInput, responses=shapes.DeploymentDetailSerializer)
    @action(detail=True, methods=["post"])
    def replan(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """A new plan of the same request."""
        self.body(shapes.NoInput)
        services.replan_deployment(self.actor, deployment=int(pk))
        return self._answer(pk)

    @extend_schema(request=shapes.RecoveryInput, responses=shapes.DeploymentDetailSerializer)
    @action(detail=True, methods=["post"])
    def recover(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Reads the real things back and plans again."""
        body = self.body(shapes.RecoveryInput)
        services.recover_deployment(self.actor, deployment=int(pk), **body)
        return self._answer(pk)

    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        response = super().retrieve(request, *args, **kwargs)
        return tagged(response)

    def _answer(self, pk: int | str, code: int = status.HTTP_200_OK) -> Response:
        row = self.get_queryset().get(pk=pk)
        body = shapes.DeploymentDetailSerializer(row, context=self.get_serializer_context()).data
        response = Response(body, status=code)
        if code == status.HTTP_201_CREATED:
            response["Location"] = body["links"]["self"]
        return tagged(response)


def if_match(request: Request) -> str:
    """The fingerprint of `If-Match: "<fingerprint>"`. Raises Invalid when it is missing."""
    given = request.headers.get("If-Match", "").strip().removeprefix("W/").strip('"')
    if not given or given == "*":
        raise Invalid(
            "fingerprint.missing",
            "A decision names the plan it is for.",
            next_step='Send the fingerprint of the plan as If-Match: "<fingerprint>".',
            errors={"If-Match": "The plan's fingerprint, in quotes."},
        )
    return str(given)


def tagged(response: Response) -> Response:
    """The plan's fingerprint as ETag, ready for If-Match."""
    if fingerprint := response.data.get("fingerprint"):
        response["ETag"] = f'"{fingerprint}"'
    return response


class RunViewSet(ReadOnlyViewSet[Run]):
    """Engine operations and their events."""

    queryset = Run.objects.select_related("stack__environment", "deployment")
    serializer_class = shapes.RunSerializer
    filters: ClassVar[dict[str, str]] = {
        "environment": "stack__environment__slug",
        "deployment": "deployment",
        "status": "status",
        "operation": "operation",
    }
    orderings = ("id", "requested_at")
    extra_parameters = ("after", "wait", "limit")
    lookup_value_regex = r"\d+"

    @extend_schema(request=shapes.NoInput, responses=shapes.RunSerializer)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Asks the run to stop."""
        self.body(shapes.NoInput)
        services.cancel_run(self.actor, run=int(pk))
        row = self.get_queryset().get(pk=pk)
        return Response(self.get_serializer(row).data)

    @extend_schema(
        parameters=[
            OpenApiParameter("after", int, description="Only events with a higher sequence."),
            OpenApiParameter("wait", float, description="Seconds to wait for one, up to 30."),
            OpenApiParameter("limit", int, description="At most so many, up to 1000."),
        ],
        responses=shapes.EventSerializer(many=True),
    )
    @action(detail=True, methods=["get"])
    def events(self, request: Request, pk: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Events in order and without gaps; with `wait` the answer comes with the next one."""
        run = self.get_object()
        after = number(request, "after", 0, 2**62)
        limit = int(number(request, "limit", MOST_EVENTS, MOST_EVENTS)) or MOST_EVENTS
        deadline = time.monotonic() + number(request, "wait", 0, LONGEST_WAIT)
        rows = RunEvent.objects.filter(run=run, sequence__gt=after).order_by("sequence")
        found = list(rows[:limit])
        while not found and not run.is_terminal and time.monotonic() < deadline:
            time.sleep(LOOK_EVERY)
            run.refresh_from_db(fields=["status", "last_sequence"])
            found = list(rows.all()[:limit])
        return Response(
            {
                "results": shapes.EventSerializer(found, many=True).data,
                "last_sequence": found[-1].sequence if found else int(after),
                "run_status": run.status,
                "is_over": run.is_terminal and len(found) < limit,
            }
        )

    @extend_schema(responses={(200, "text/plain"): str})
    @action(detail=True, methods=["get"])
    def log(self, request: Request, pk: str) -> StreamingHttpResponse | HttpResponse:  # noqa: ARG002 - DRF's signature
        """The whole log as text, one event a line."""
        run = self.get_object()
        return StreamingHttpResponse(log_lines(run), content_type="text/plain; charset=utf-8")


def number(request: Request, name: str, default: float, most: float) -> float:
    """A number of the query between 0 and `most`. Raises Invalid."""
    text = request.query_params.get(name)
    if text is None:
        return default
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= most:
        raise Invalid(
            "input.invalid",
            f"{name} is {text!r}; it takes a number from 0 to {most:.0f}.",
            errors={name: f"A number from 0 to {most:.0f}."},
        )
    return value


class EnvironmentVerbs(PortalViewSet[Environment]):
    """Verbs on an environment that make a deployment or a run."""

    queryset = Environment.objects.all()
    # What these verbs answer is a run, not an environment.
    serializer_class = shapes.RunSerializer  # type: ignore[assignment]  # a run, see above
    lookup_field = "slug"

    @extend_schema(request=shapes.NoInput, responses={201: shapes.RunSerializer})
    @action(detail=True, methods=["post"], url_path="detect-drift")
    def detect_drift(self, request: Request, slug: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Looks whether the real things are still as declared."""
        self.body(shapes.NoInput)
        find_environment(self.actor, slug)
        run = services.request_drift(self.actor, environment=slug)
        row = Run.objects.select_related("stack__environment").get(pk=run.pk)
        return Response(self.get_serializer(row).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=shapes.ReasonInput, responses={201: shapes.DeploymentDetailSerializer})
    @action(detail=True, methods=["post"])
    def refresh(self, request: Request, slug: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Accepts drift: a deployment that writes the real things into the state."""
        body = self.body(shapes.ReasonInput)
        return self._deployment(services.accept_drift(self.actor, environment=slug, **body))

    @extend_schema(request=shapes.ReasonInput, responses={201: shapes.DeploymentDetailSerializer})
    @action(detail=True, methods=["post"], url_path="correct-drift")
    def correct_drift(self, request: Request, slug: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Corrects drift: a deployment that brings the real things back to the declaration."""
        body = self.body(shapes.ReasonInput)
        return self._deployment(services.correct_drift(self.actor, environment=slug, **body))

    @extend_schema(
        request=shapes.PromotionInput, responses={201: shapes.DeploymentDetailSerializer}
    )
    @action(detail=True, methods=["post"])
    def promote(self, request: Request, slug: str) -> Response:  # noqa: ARG002 - DRF's signature
        """Plans exactly the revision that is verified in the environment `from`."""
        body = self.body(shapes.PromotionInput)
        source = body.pop("from")
        return self._deployment(
            services.promote(self.actor, environment=slug, source=source, **body)
        )

    def _deployment(self, row: Deployment) -> Response:
        related = Deployment.objects.select_related("environment__protection")
        context = self.get_serializer_context()
        shape = shapes.DeploymentDetailSerializer(related.get(pk=row.pk), context=context)
        return Response(shape.data, status=status.HTTP_201_CREATED)
