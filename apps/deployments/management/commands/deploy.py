"""`manage.py deploy ENV [--watch] [--yes]`: a door on `request_deployment`."""

from apps.deployments.choices import Kind
from apps.deployments.management.asking import AskingCommand


class Command(AskingCommand):
    help = "Plans a deployment of an environment; with --yes applies the plan."
    kind = Kind.DEPLOY
