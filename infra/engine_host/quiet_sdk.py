"""
Switches two habits of the SDK off, in this process only.

Each registration records the Python call stack (four fifths of the state, with paths of this
machine), and each
debug line of the SDK becomes an engine event (two thirds of them). `tests/infra/test_quiet_sdk.py`
fails when the
SDK changes these places. `ORCHESTRA_LOUD_SDK=1` leaves the SDK as it is.
"""

import os
from typing import Any

import pulumi.log
from pulumi.runtime import resource
from pulumi.runtime.proto import source_pb2


def quieten_sdk() -> None:
    if os.environ.get("ORCHESTRA_LOUD_SDK") == "1":
        return
    # The two names are looked up in their modules at each call, so that replacing them reaches
    # every caller.
    vars(resource)["_get_stack_trace"] = _no_stack_trace
    vars(pulumi.log)["debug"] = _no_debug


def _no_stack_trace() -> source_pb2.StackTrace:
    return source_pb2.StackTrace()


def _no_debug(*_args: Any, **_keywords: Any) -> None:
    return None
