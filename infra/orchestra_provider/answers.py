"""
Parts of the servicer's answers: outputs with secrets kept, outputs not known yet, failures with
secrets masked.
"""

from collections.abc import Iterable
from typing import Any, NoReturn

import grpc
from google.protobuf import any_pb2
from pulumi.runtime.proto import provider_pb2, status_pb2

from infra.orchestra_provider.errors import Failure, HalfMadeError
from infra.orchestra_provider.resource import ResourceType
from infra.orchestra_provider.values import (
    UNKNOWN,
    Properties,
    keep_secret,
    secret_texts,
    to_struct,
)

MASK = "[secret]"


def outputs_of(inputs: Properties, outputs: Properties, *sources: Properties) -> Properties:
    """Outputs of a resource: its inputs as they are, and what the create or update added."""
    return {**keep_secret(outputs, inputs, *sources), **inputs}


def foreseen(kind: ResourceType[Any], inputs: Properties) -> Properties:
    """Outputs that a preview can promise."""
    return {**dict.fromkeys(kind.computed, UNKNOWN), **inputs}


def masked(text: str, sources: Iterable[Properties]) -> str:
    """
    The text without the secrets of the call: the engine masks settings, but not the inputs of
    resources.
    """
    texts = {secret for source in sources for secret in secret_texts(source)}
    for secret in sorted(texts, key=len, reverse=True):
        text = text.replace(secret, MASK)
    return text


def check_failure(failure: Failure, news: Properties) -> provider_pb2.CheckFailure:
    return provider_pb2.CheckFailure(
        property=failure.property, reason=masked(failure.reason, [news])
    )


def refuse_half_made(
    context: grpc.ServicerContext, identifier: str, sources: list[Properties], error: HalfMadeError
) -> NoReturn:
    """The protocol's partial failure: the engine records id and outputs, so no orphan."""
    inputs = sources[0]
    reasons = [masked(reason, sources) for reason in error.reasons]
    detail = any_pb2.Any()
    detail.Pack(
        provider_pb2.ErrorResourceInitFailed(
            id=identifier,
            inputs=to_struct(inputs),
            properties=to_struct(outputs_of(inputs, error.outputs, *sources[1:])),
            reasons=reasons,
        )
    )
    message = "; ".join(reasons)
    status = status_pb2.Status(
        code=grpc.StatusCode.UNKNOWN.value[0], message=message, details=[detail]
    )
    context.set_trailing_metadata((("grpc-status-details-bin", status.SerializeToString()),))
    context.abort(grpc.StatusCode.UNKNOWN, message)
