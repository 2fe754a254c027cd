"""Servers that calendars come from: a plain web server, a stand-in for Google, Radicale, Xandikos.

All on loopback, on ports that the kernel chooses; each ends with its close().
"""
import base64
import hashlib
import http.server
import json
import os
import re
import secrets
import shutil
import subprocess
import tempfile
import threading
import time
import urllib.parse


class Web:
    """Answers by `routes`: path -> function(handler, query, body) -> (status, headers, body)."""

    def __init__(self):
        web = self
        self.routes, self.requests = {}, []

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *args):
                pass

            def answer(self):
                parts = urllib.parse.urlsplit(self.path)
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                web.requests.append((self.command, parts.path, dict(self.headers), body))
                route = web.routes.get(parts.path)
                status, headers, text = (route(self, dict(urllib.parse.parse_qsl(parts.query)), body)
                                         if route else (404, {}, b"nothing here"))
                text = text.encode() if isinstance(text, str) else text
                try:
                    self.send_response(status)
                    for name, value in headers.items():
                        self.send_header(name, value)
                    self.send_header("Content-Length", str(len(text)))
                    self.end_headers()
                    self.wfile.write(text)
                except (BrokenPipeError, ConnectionResetError):
                    pass  # too much for the client, which has gone

            do_GET = do_POST = do_PUT = do_DELETE = do_PROPFIND = do_REPORT = answer

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()
        self.url = "http://127.0.0.1:%d" % self.server.server_address[1]

    def text(self, path, body, status=200, **headers):
        """A fixed answer; an ETag is honoured."""
        headers = {k.replace("_", "-"): v for k, v in headers.items()}

        def route(handler, query, sent):
            if "ETag" in headers and handler.headers.get("If-None-Match") == headers["ETag"]:
                return 304, headers, b""
            return status, headers, body
        self.routes[path] = route

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Google(Web):
    """OAuth 2 with PKCE, and the part of Calendar v3 that is used."""

    def __init__(self):
        super().__init__()
        self.client, self.secret = "client-1", "hush"
        self.codes, self.access, self.refresh = {}, set(), set()
        self.events, self.changes, self.sync_token, self.seen = [], [], 1, []
        self.page = 2
        self.routes = {"/auth": self.authorize, "/token": self.token, "/revoke": self.revoke,
                       "/v3/calendars/primary/events": self.list}

    def flags(self):
        return ["--google-client-id", self.client, "--google-client-secret", self.secret,
                "--google-auth-url", self.url + "/auth", "--google-token-url", self.url + "/token",
                "--google-revoke-url", self.url + "/revoke", "--google-api-url", self.url + "/v3"]

    def authorize(self, handler, query, body):
        for name in ("client_id", "redirect_uri", "state", "code_challenge", "scope"):
            if not query.get(name):
                return 400, {}, "no " + name
        if query["response_type"] != "code" or query["code_challenge_method"] != "S256" or \
                query["access_type"] != "offline" or query["client_id"] != self.client:
            return 400, {}, "bad request"
        code = secrets.token_urlsafe(12)
        self.codes[code] = (query["code_challenge"], query["redirect_uri"])
        back = urllib.parse.urlencode({"code": code, "state": query["state"]})
        return 302, {"Location": query["redirect_uri"] + "?" + back}, b""

    def tokens(self, with_refresh):
        access = "access-" + secrets.token_urlsafe(8)
        self.access.add(access)
        answer = {"access_token": access, "expires_in": 3600, "token_type": "Bearer", "scope": "x"}
        if with_refresh:
            answer["refresh_token"] = "refresh-" + secrets.token_urlsafe(8)
            self.refresh.add(answer["refresh_token"])
        return 200, {"Content-Type": "application/json"}, json.dumps(answer)

    def token(self, handler, query, body):
        form = dict(urllib.parse.parse_qsl(body.decode()))
        bad = 400, {"Content-Type": "application/json"}, json.dumps({"error": "invalid_grant"})
        if (form.get("client_id"), form.get("client_secret")) != (self.client, self.secret):
            return 401, {"Content-Type": "application/json"}, json.dumps({"error": "invalid_client"})
        if form["grant_type"] == "refresh_token":
            return self.tokens(False) if form["refresh_token"] in self.refresh else bad
        challenge, back = self.codes.pop(form["code"], (None, None))  # a code is good once
        own = base64.urlsafe_b64encode(hashlib.sha256(form["code_verifier"].encode()).digest()).rstrip(b"=")
        if challenge is None or own.decode() != challenge or form["redirect_uri"] != back:
            return bad
        return self.tokens(True)

    def revoke(self, handler, query, body):
        self.refresh.discard(dict(urllib.parse.parse_qsl(body.decode())).get("token"))
        return 200, {}, b""

    def list(self, handler, query, body):
        self.seen.append(query)
        if handler.headers.get("Authorization", "")[7:] not in self.access:
            return 401, {}, b"{}"
        if query.get("syncToken") == "gone":
            return 410, {}, b"{}"
        events = self.changes if query.get("syncToken") else self.events
        start = int(query.get("pageToken") or 0)
        answer = {"summary": "ann@example.org", "timeZone": "UTC", "items": events[start:start + self.page]}
        if start + self.page < len(events):
            answer["nextPageToken"] = str(start + self.page)
        else:
            answer["nextSyncToken"] = "t%d" % self.sync_token
        return 200, {"Content-Type": "application/json"}, json.dumps(answer)


# ---- CalDAV servers from Debian ----

def listening_port(pid, seconds=60):
    """The TCP port that the process listens on."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        sockets = set()
        try:
            for name in os.listdir("/proc/%d/fd" % pid):
                try:
                    match = re.fullmatch(r"socket:\[(\d+)\]", os.readlink("/proc/%d/fd/%s" % (pid, name)))
                except OSError:
                    continue
                if match:
                    sockets.add(match[1])
        except OSError:
            break
        with open("/proc/net/tcp") as table:
            for line in table.readlines()[1:]:
                words = line.split()
                if words[3] == "0A" and words[9] in sockets:
                    return int(words[1].split(":")[1], 16)
        time.sleep(0.05)
    raise RuntimeError("the server does not listen")


class Dav:
    def __init__(self, command):
        self.folder = tempfile.mkdtemp(prefix="doppel-dav-")
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen(self.prepare(), stdout=self.log, stderr=subprocess.STDOUT)
        try:
            self.url = "http://127.0.0.1:%d" % listening_port(self.process.pid)
        except RuntimeError:
            self.close()
            raise

    def close(self):
        self.process.terminate()
        try:
            self.process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Radicale(Dav):
    program, user, password, refuses = "radicale", "ann", "s3cret", True
    home, calendar = "/ann/", "/ann/work/"

    def __init__(self):
        super().__init__(self.program)

    def prepare(self):
        with open(os.path.join(self.folder, "users"), "w") as users:
            users.write("%s:%s\n" % (self.user, self.password))
        return [self.program, "--config", "", "--server-hosts", "127.0.0.1:0",
                "--storage-filesystem-folder", os.path.join(self.folder, "store"), "--auth-type", "htpasswd",
                "--auth-htpasswd-filename", os.path.join(self.folder, "users"),
                "--auth-htpasswd-encryption", "plain", "--auth-delay", "0"]


class Xandikos(Dav):
    program, user, password, refuses = "xandikos", "ann", "any", False
    home, calendar = "/ann/calendars/", "/ann/calendars/calendar/"

    def __init__(self):
        super().__init__(self.program)

    def prepare(self):
        return [self.program, "-d", os.path.join(self.folder, "store"), "--defaults",
                "--current-user-principal", "/ann/", "-l", "127.0.0.1", "-p", "0"]
