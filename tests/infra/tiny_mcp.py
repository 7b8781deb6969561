"""A real MCP server in forty lines, for tests of supervision. PORT [crash]."""

import http.server
import json
import os
import pathlib
import sys


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        length = int(self.headers["content-length"])
        message = json.loads(self.rfile.read(length))
        result = {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "serverInfo": {"name": os.environ.get("SERVER_NAME", "tiny"), "version": "1"},
            "environment": dict(os.environ),
            "cwd": str(pathlib.Path.cwd()),
        }
        body = json.dumps({"jsonrpc": "2.0", "id": message.get("id"), "result": result}).encode()
        self.send_response(200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True


if __name__ == "__main__":
    if sys.argv[2:] == ["crash"]:
        sys.exit("cannot open the knowledge graph")
    Server(("127.0.0.1", int(sys.argv[1])), Handler).serve_forever()
