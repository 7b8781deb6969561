"""Serves the provider as a plugin: `python -m infra.orchestra_provider [engine address]`."""

import os

from infra.orchestra_provider.server import serve_plugin

if __name__ == "__main__":
    # Taken before anything slow: a parent that dies meanwhile is noticed.
    serve_plugin(os.getppid())
