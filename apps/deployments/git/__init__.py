"""Programs from git: which commit a ref names, and that commit's files, without a work tree."""

from apps.deployments.git.checkout import author_of, checked_out
from apps.deployments.git.remote import Remote, remote_of, resolve

__all__ = ["Remote", "author_of", "checked_out", "remote_of", "resolve"]
