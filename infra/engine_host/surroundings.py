"""The environment of the engine process: built from nothing, by an allow-list."""

import os
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.engine_host.protocol import Request

ALLOWED = frozenset(
    {
        "HOME",
        "USER",
        "LOGNAME",
        "PATH",
        "TMPDIR",
        "TZ",
        "SSL_CERT_FILE",
        "SSL_CERT_DIR",
        "HTTP_PROXY",
        "HTTPS_PROXY",
        "NO_PROXY",
        "http_proxy",
        "https_proxy",
        "no_proxy",
    }
)
# Credentials of the state backend. They are there only when the run process handed them to this
# host.
ALLOWED_PREFIXES = ("AWS_", "AZURE_", "GOOGLE_", "PG")


def engine_environment(request: Request) -> dict[str, str]:
    """Every variable that the engine and its plugins see. The passphrase goes by file."""
    environment = {
        name: value
        for name, value in os.environ.items()
        if name in ALLOWED or name.startswith(ALLOWED_PREFIXES)
    }
    # The interpreter's folder first: launchers that say `python3` get the one that has the SDK.
    path = environment.get("PATH", os.defpath)
    environment["PATH"] = os.pathsep.join([str(Path(sys.executable).parent), path])
    environment.setdefault("HOME", str(request.work_dir))
    environment.setdefault("USER", "orchestra")  # Pulumi's locks ask who we are
    environment.update(
        LANG="C.UTF-8",
        NO_COLOR="1",
        PULUMI_PYTHON_CMD=sys.executable,
        PULUMI_HOME=str(request.pulumi_home),
        PULUMI_BACKEND_URL=request.backend_url,
        PULUMI_SKIP_UPDATE_CHECK="true",
        PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION="true",
        PULUMI_DISABLE_REGISTRY_RESOLVE="true",
        # The portal keeps a copy of every state; the engine's own would double the disk use.
        PULUMI_DIY_BACKEND_DISABLE_CHECKPOINT_BACKUPS="true",
    )
    if request.passphrase_file:
        environment["PULUMI_CONFIG_PASSPHRASE_FILE"] = request.passphrase_file
    return environment


def scrub_own() -> None:
    """Takes what could steer the Automation API out of our own environment."""
    for name in [name for name in os.environ if name.startswith("PULUMI_")]:
        del os.environ[name]


def prepare_folders(request: Request) -> None:
    """The run's own folders, for this user only."""
    for folder in (request.work_dir, request.pulumi_home):
        Path(folder).mkdir(mode=0o700, parents=True, exist_ok=True)


def path_first(environment: Mapping[str, str], folder: str) -> dict[str, str]:
    """The same environment with a folder first on its PATH: launchers beside the engine win."""
    return {**environment, "PATH": os.pathsep.join([folder, environment["PATH"]])}
