"""`manage.py execute_run` with another engine host: `run_process.py RUN [SCRIPT ARGUMENT…]`."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))
os.environ["DJANGO_SETTINGS_MODULE"] = "tests.settings"


def main():
    import django

    django.setup()
    from django.core.management import call_command

    from apps.deployments import engine

    twin = [str(Path(__file__).with_name("fake_host.py"))]
    engine.HOST_COMMAND = (sys.executable, *(sys.argv[2:] or twin))
    call_command("execute_run", sys.argv[1])


if __name__ == "__main__":
    main()
