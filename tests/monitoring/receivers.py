"""A mail server and a webhook receiver that listen for real, and keep what they were sent."""

import contextlib
import email
import email.policy
import http.server
import socketserver
import threading
import time


@contextlib.contextmanager
def served(server):
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


class _Mail(socketserver.StreamRequestHandler):
    def say(self, text):
        self.wfile.write(f"{text}\r\n".encode())

    def handle(self):
        self.say("220 test ESMTP")
        for line in iter(self.rfile.readline, b""):
            verb = line.split()[0].upper().rstrip(b":") if line.split() else b""
            if verb == b"QUIT":
                self.say("221 bye")
                return
            if verb == b"RCPT" and self.server.refuses:
                self.say("550 nobody of this name")
            elif verb == b"DATA":
                self.say("354 go on")
                lines = iter(self.rfile.readline, b".\r\n")
                text = b"".join(part.removeprefix(b".") for part in lines)
                self.server.got.append(email.message_from_bytes(text, policy=email.policy.default))
                self.say("250 taken")
            else:
                self.say("250 ok")


class MailServer(socketserver.ThreadingTCPServer):
    """`got` holds the messages; with `refuses` no recipient is known."""

    allow_reuse_address = daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Mail)
        self.got, self.refuses = [], False


class _Hook(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.server.got.append((dict(self.headers), body))
        status, headers = self.server.answers.pop(0) if self.server.answers else (200, {})
        if status == "hang":
            time.sleep(headers)
            status, headers = 200, {}
        with contextlib.suppress(OSError):
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("Content-Length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

    def log_message(self, *_):
        pass


class Receiver(http.server.ThreadingHTTPServer):
    """`got` holds (headers, body); `answers` are taken one by one, then 200."""

    daemon_threads = True

    def __init__(self):
        super().__init__(("127.0.0.1", 0), _Hook)
        self.got, self.answers = [], []

    @property
    def url(self):
        return f"http://127.0.0.1:{self.server_port}/hook?token=s3cret"
