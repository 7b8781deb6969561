"""
Looks at one thing each. No ORM, no Celery: a look goes in, a finding comes out.

Every look has a hard deadline, reads at most 1 MiB, follows no redirect and sends no credentials it
was not given. Text from a watched thing is untrusted and is cut to 200 characters.
"""

from apps.monitoring.probes.finding import Finding, Look
from apps.monitoring.probes.prober import Found, Prober, Ways

__all__ = ["Finding", "Found", "Look", "Prober", "Ways"]
