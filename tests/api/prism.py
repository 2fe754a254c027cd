"""A second opinion on every reply of the tests: Prism, a proxy from npm that validates against openapi.json.

The tests talk to the server as ever. Each request whose reply is checked is then made once more, to Prism, whose
upstream is a small server here that gives the recorded reply; what Prism finds wrong with it, it says in a header.
On when DOPPEL_TEST_PRISM names the program (script/test --prism does).
"""
import atexit
import http.client
import http.server
import itertools
import json
import os
import signal
import socket
import subprocess
import tempfile
import threading
import time

MARK = "X-Doppel-Replay"
# Not the replies' own: they belong to the connection, or say how the body was coded on it.
OF_THE_CONNECTION = {"connection", "keep-alive", "transfer-encoding", "content-length", "content-encoding", "date", "server"}


class Replay(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = -1  # head and body in one packet: the second of two would wait for the first one's acknowledgement
    disable_nagle_algorithm = True

    def answer(self):
        self.rfile.read(int(self.headers.get("Content-Length") or 0))
        status, headers, body = self.server.replies.get(self.headers.get(MARK), (404, [], b""))
        self.send_response_only(status)
        for name, value in headers:
            if name.lower() not in OF_THE_CONNECTION:
                self.send_header(name, value)
        if status >= 200 and status not in (204, 304):
            self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = answer

    def log_message(self, *_):
        pass


class Prism:
    def __init__(self, program, document):
        self.upstream = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Replay)
        self.upstream.replies = {}
        self.numbers = itertools.count(1)
        self.checked = 0
        threading.Thread(target=self.upstream.serve_forever, daemon=True).start()
        self.folder = tempfile.TemporaryDirectory()
        path = os.path.join(self.folder.name, "openapi.json")
        with open(path, "w") as f:
            json.dump(document, f)
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.log = open(os.path.join(self.folder.name, "log"), "w+")
        self.process = subprocess.Popen(
            [program, "proxy", "--port", str(self.port), "--verboseLevel", "silent", path,
             "http://127.0.0.1:%d" % self.upstream.server_address[1]],
            stdout=self.log, stderr=subprocess.STDOUT, start_new_session=True)
        atexit.register(self.stop)
        until = time.monotonic() + 120
        while not self.listens():
            if time.monotonic() > until or self.process.poll() is not None:
                raise RuntimeError("Prism did not start")
            time.sleep(0.1)

    def listens(self):
        with socket.socket() as s:
            return s.connect_ex(("127.0.0.1", self.port)) == 0

    def stop(self):
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait()
        self.upstream.shutdown()
        self.log.close()
        self.folder.cleanup()

    def violations(self, method, target, headers, body, reply):
        """What Prism says of the reply; requests may be wrong on purpose."""
        number = str(next(self.numbers))
        sent = {k: v for k, v in headers.items() if k.lower() not in ("accept-encoding", "if-none-match", "expect")}
        sent.setdefault("Authorization", "Bearer replayed")
        if body and reply.status >= 400:
            body = b"{}"  # refused: what is wrong on purpose may be more than Prism can take
        sent[MARK] = number
        self.upstream.replies[number] = (reply.status, reply.headers.items(), reply.body)
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=120)
        try:
            connection.request(method, target, body=body, headers=sent)
            got = connection.getresponse()
            got.read()
            found = self.told(got.getheader("sl-violations") or "[]")
        finally:
            connection.close()
            del self.upstream.replies[number]
        self.checked += 1
        return [v for v in found if v.get("location", [""])[0] == "response"]

    def told(self, text):
        """What it quotes of a strange request may not fit into a header: then it is looked at as text."""
        try:
            return json.loads(text)
        except ValueError:
            return [{"location": ["response"], "message": text}] if '"response"' in text else []


_prism = None
_lock = threading.Lock()


def check(document, method, target, headers, body, reply):
    """Raises AssertionError when Prism finds the reply wrong; does nothing where Prism is not asked for."""
    global _prism
    program = os.environ.get("DOPPEL_TEST_PRISM")
    if not program:
        return
    with _lock:
        if _prism is None:
            _prism = Prism(program, document)
    found = _prism.violations(method, target, headers, body, reply)
    if found:
        raise AssertionError("%s %s %d: Prism says: %s" % (method, target, reply.status, found[:3]))
