"""
The worker of the embedded topology: `python -m orchestra_portal.worker`.

Celery's command line would bring its shell along, and the portal's own settings every page.
"""

from __future__ import annotations

import gc
import os
import sys
from typing import Any

CONCURRENCY = 4


def main() -> int:
    """Works until it is told to stop; its exit status."""
    os.environ["DJANGO_SETTINGS_MODULE"] = "orchestra_portal.worker_settings"
    from celery.signals import task_postrun, task_prerun, worker_ready  # noqa: PLC0415 - after the settings are named
    from django.db import close_old_connections  # noqa: PLC0415 - the same

    from orchestra_portal.celery import app  # noqa: PLC0415 - the same

    def tidy(**_: Any) -> None:
        close_old_connections()

    def settle(**_: Any) -> None:
        # What is loaded now stays: no collection needs to look at it again.
        gc.collect()
        gc.freeze()

    task_prerun.connect(tidy, weak=False)
    task_postrun.connect(tidy, weak=False)
    worker_ready.connect(settle, weak=False)
    # Tasks are short and wait for files and the database, so threads do; a fork each would cost
    # 50 MB. Gossip, mingle and heartbeat talk between workers: there is one.
    worker = app.Worker(
        pool_cls="threads",
        concurrency=CONCURRENCY,
        loglevel="INFO",
        quiet=True,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
    )
    worker.start()
    return int(worker.exitcode or 0)


if __name__ == "__main__":
    sys.exit(main())
