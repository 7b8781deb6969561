"""A server made with the official SDK, which speaks both eras. PORT."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("sdk", version="3.1.4", instructions="For tests.")


@server.tool()
def add(a: int, b: int) -> int:
    """Adds two numbers."""
    return a + b


@server.tool()
def echo(text: str) -> str:
    """Says it again."""
    return text


if __name__ == "__main__":
    server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
