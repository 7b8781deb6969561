"""A team's own program: servers from configuration, each after the one before it."""

import pulumi
from naming import process_name


class Server(pulumi.CustomResource):
    def __init__(self, name, props, opts=None):
        super().__init__("orchestra:mcp:Server", name, {**props, "url": None}, opts)


previous = None
for number, server in enumerate(pulumi.Config("orchestra").require_object("servers")):
    props = {**server, "process": process_name(server["port"])}
    opts = pulumi.ResourceOptions(depends_on=[previous] if previous else [])
    previous = Server(f"server-{number}", props, opts)
print("all servers declared")  # noqa: T201 (a test looks for it in the output)
pulumi.export("last", previous.url)
