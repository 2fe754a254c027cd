"""Runs the real program for tests: a server on a free port over a fresh store, and the commands.

Every JSON reply is checked against the schema that openapi.json publishes for its operation and
status; a status that is not published fails, too. Classes marked @both_engines run on SQLite, and on
PostgreSQL when DOPPEL_TEST_POSTGRES names a server (each class in a database of its own).
"""
import contextlib
import datetime
import http.client
import itertools
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.parse

try:
    import jsonschema
except ImportError:
    sys.exit("tests/api needs python3-jsonschema: run script/setup --test")

from tests.api import prism

ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
BUILD = os.path.join(ROOT, os.environ.get("DOPPEL_TEST_BUILD", "build"))
DOPPEL = os.path.join(BUILD, "doppel")
QUICK = bool(os.environ.get("DOPPEL_TEST_QUICK"))
POSTGRES = os.environ.get("DOPPEL_TEST_POSTGRES")
READY_SECONDS = 30  # a sanitizer build on a busy machine; a release build takes a fraction of one

_counter = itertools.count(1)
touched = set()  # operationIds that some test has called


def clean_environment(**extra):
    """The environment without settings of whoever runs the tests."""
    env = {k: v for k, v in os.environ.items() if not k.startswith("DOPPEL_")}
    env.update(extra)
    return env


def run(*args, stdin=None, env=None, timeout=120, cwd=None):
    """One command, to its end; text in, text out."""
    return subprocess.run([DOPPEL, *args], input=stdin, capture_output=True, text=True, timeout=timeout,
                          env=env or clean_environment(), cwd=cwd)


# ---- stores ----

def psql(url, sql):
    done = subprocess.run(["psql", "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1", "-c", sql, url],
                          capture_output=True, text=True, timeout=60)
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [line.split("|") for line in done.stdout.splitlines()]


class Store:
    """A fresh database, gone at close()."""

    def __init__(self, engine, postgres=None, folder=None):
        self.engine = engine
        self.folder = folder or tempfile.mkdtemp(prefix="doppel-test-")
        self.own_folder = folder is None
        if engine == "sqlite":
            self.path = os.path.join(self.folder, "doppel.db")
            self.url = "sqlite:" + self.path
        else:
            self.server_url = postgres or POSTGRES
            self.name = "test_%d_%d" % (os.getpid(), next(_counter))
            psql(self.server_url, 'CREATE DATABASE "%s"' % self.name)
            parts = urllib.parse.urlsplit(self.server_url)
            self.url = urllib.parse.urlunsplit(parts._replace(path="/" + self.name))

    def query(self, sql):
        """Rows of text or numbers, from behind the server's back."""
        if self.engine == "sqlite":
            connection = sqlite3.connect("file:%s?mode=ro" % self.path, uri=True, timeout=30)
            try:
                return connection.execute(sql).fetchall()
            finally:
                connection.close()
        return psql(self.url, sql)

    def execute(self, sql):
        """One change, likewise."""
        if self.engine == "sqlite":
            with contextlib.closing(sqlite3.connect(self.path, timeout=30)) as connection, connection:
                connection.execute(sql)
        else:
            psql(self.url, sql)

    def event_ids(self):
        return [row[0] for row in self.query("SELECT id FROM events")]

    def close(self):
        if self.engine == "postgres":
            try:
                psql(self.server_url, 'DROP DATABASE IF EXISTS "%s" WITH (FORCE)' % self.name)
            except RuntimeError:
                pass  # its server is gone, and the database with it
        if self.own_folder:
            shutil.rmtree(self.folder, ignore_errors=True)


# ---- the server ----

def unique_names(pairs):
    """For json.loads: an object that names a member twice means one thing to one reader, another to the next."""
    members = dict(pairs)
    if len(members) < len(pairs):
        raise AssertionError("a name twice among " + ", ".join(name for name, _ in pairs))
    return members


class Reply:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body, object_pairs_hook=unique_names)

    def __repr__(self):
        return "%d %r" % (self.status, self.body[:400])


class Server:
    """`doppel serve` on a free port. start() returns when it is ready."""

    def __init__(self, database, *flags, dev=True, env=None, check=True, command=()):
        self.flags = [*command, DOPPEL, "serve", "--listen", "127.0.0.1:0", "--database", database,
                      *(["--dev"] if dev else []), *flags]
        self.env = env or clean_environment()
        self.check = check
        self.process = None

    def start(self):
        self.log = tempfile.TemporaryFile(mode="w+")
        self.process = subprocess.Popen(self.flags, stdout=subprocess.PIPE, stderr=self.log, text=True,
                                        env=self.env)
        line = self.process.stdout.readline()
        match = re.fullmatch(r"listening on (https?)://127\.0\.0\.1:(\d+)\n", line)
        if not match:
            self.process.kill()
            self.process.wait()
            raise RuntimeError("no address on standard output: %r; %s" % (line, self.log_text()))
        self.port = int(match[2])
        end = time.monotonic() + READY_SECONDS
        while self.request("GET", "/readyz", check=False).status != 200:
            if time.monotonic() > end:
                self.kill()
                raise RuntimeError("never ready; " + self.log_text())
            time.sleep(0.02)
        return self

    def log_text(self):
        if not self.log.closed:
            self.log.seek(0)
            self.log_read = self.log.read()
        return self.log_read

    def request(self, method, path, body=None, headers=None, key=None, query=None, check=None,
                timeout=60):
        """One request on a connection of its own. `body`: bytes, text, or anything JSON."""
        headers = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
        if isinstance(body, str):
            body = body.encode()
        if body is not None:
            headers.setdefault("Content-Type", "application/json")
        if key:
            headers["Authorization"] = "Bearer " + key
        target = path + ("?" + urllib.parse.urlencode(query) if query else "")
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=timeout)
        try:
            try:
                connection.request(method, target, body=body, headers=headers)
            except (BrokenPipeError, ConnectionResetError):
                pass  # refused before all was sent: the reply is there to be read
            got = connection.getresponse()
            reply = Reply(got.status, got.headers, got.read())
        finally:
            connection.close()
        if self.check if check is None else check:
            check_schema(method, path, reply)
            if operation(method, path):
                prism.check(document(), method, target, headers, body, reply)
        return reply

    def get(self, path, **kw):
        return self.request("GET", path, **kw)

    def post(self, path, body=None, **kw):
        return self.request("POST", path, body=body, **kw)

    def events(self, events, **kw):
        """POST /api/events; the data of the reply."""
        reply = self.post("/api/events", events, **kw)
        if reply.status not in (200, 201, 202, 207):
            raise AssertionError("events refused: %r" % reply)
        return reply.json["data"]

    def send_raw(self, data, timeout=30):
        """Bytes as they are; all that comes back until the server closes."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=timeout) as s:
            s.sendall(data)
            got = b""
            while True:
                try:
                    piece = s.recv(65536)
                except ConnectionResetError:
                    return got
                if not piece:
                    return got
                got += piece

    def stop(self, sig=signal.SIGTERM, timeout=60):
        """The exit code."""
        if self.process.poll() is None:
            self.process.send_signal(sig)
        return self.wait(timeout)

    def wait(self, timeout=60):
        """The exit code of a server that is stopping by itself."""
        code = self.process.wait(timeout=timeout)
        self.process.stdout.close()
        self.log_text()
        self.log.close()
        return code

    def kill(self):
        self.stop(signal.SIGKILL)


# ---- what the replies must look like ----

_document = None


def document():
    global _document
    if _document is None:
        done = run("openapi")
        if done.returncode:
            raise RuntimeError(done.stderr)
        _document = json.loads(done.stdout)
    return _document


def operation(method, path):
    """The path's entry of the document, literal segments before parameters; None: not published."""
    path = path.split("?")[0]
    found = None
    for template, item in document()["paths"].items():
        pattern = re.sub(r"\\\{[^/]+?\\\}", "[^/]+", re.escape(template))
        if method.lower() in item and re.fullmatch(pattern, path):
            if found is None or template.count("{") < found[0].count("{"):
                found = (template, item[method.lower()])
    return found and found[1]


def check_round_trips(method, path, row, reply):
    """The budget of its row; looking up who asks, and whom by an e-mail, comes before it."""
    made = re.search(r'store;dur=[0-9.]+;desc="([0-9]+)"', reply.headers.get("Server-Timing") or "")
    if made and int(made[1]) > row["x-store-round-trips"] + 1:
        raise AssertionError("%s %s: %s round trips, not %d" % (method, path, made[1], row["x-store-round-trips"]))


def check_schema(method, path, reply):
    row = operation(method, path)
    if row is None:
        return
    touched.add(row["operationId"])
    check_round_trips(method, path, row, reply)
    answers = row["responses"]
    answer = answers.get(str(reply.status)) or answers.get("default")
    if answer is None:
        raise AssertionError("%s %s: status %d is not published: %r" % (method, path, reply.status, reply))
    if "$ref" in answer:
        for part in answer["$ref"].lstrip("#/").split("/"):
            answer = answer[part] if part in answer else document()[part]
    kind = (reply.headers.get("Content-Type") or "").split(";")[0].strip()
    content = answer.get("content", {})
    if reply.body and kind not in content:
        raise AssertionError("%s %s %d: %s is not published" % (method, path, reply.status, kind))
    if kind != "application/json" and not kind.endswith("+json"):
        return
    schema = dict(content[kind].get("schema", {}), components=document().get("components", {}))
    errors = sorted(jsonschema.Draft202012Validator(schema).iter_errors(reply.json), key=str)
    if errors:
        raise AssertionError("%s %s %d: at %s: %s" % (
            method, path, reply.status, "/".join(map(str, errors[0].absolute_path)), errors[0].message))


# ---- test classes ----

def engines():
    return ["sqlite"] + (["postgres"] if POSTGRES else [])


_now = None


def now():
    """What the tests of a class take for the present: the second in which it began (UTC)."""
    return _now or datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def begin_now():
    """No class sees the day change: one that begins in a day's last minutes waits for the next day."""
    global _now
    left = 86400 - time.time() % 86400
    if left < 120:
        time.sleep(left + 1)
    _now = datetime.datetime.now(datetime.timezone.utc).replace(microsecond=0)


def both_engines(cls):
    """The class once per engine; `cls` itself must not be a TestCase."""
    module = sys.modules[cls.__module__]
    for engine in engines():
        name = "%s_%s" % (cls.__name__, engine)
        made = type(name, (cls, ApiCase), {"engine": engine, "__module__": cls.__module__,
                                           "__qualname__": name, "__doc__": cls.__doc__})
        setattr(module, name, made)
    return cls


class ApiCase(unittest.TestCase):
    """One store and one server per class, from setUpClass to tearDownClass."""
    engine = "sqlite"
    flags = ()
    dev = True
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        begin_now()
        cls.store = Store(cls.engine)
        cls.addClassCleanup(cls.store.close)
        cls.server = Server(cls.store.url, *cls.flags, dev=cls.dev).start()
        cls.addClassCleanup(cls.stop_server)

    @classmethod
    def stop_server(cls):
        code = cls.server.stop()
        if code != 0:
            raise AssertionError("the server ended with %d: %s" % (code, cls.server.log_text()[-2000:]))

    def key(self, scope, learner=None):
        args = ["key", "create", "--scope", scope, "--database", self.store.url]
        done = run(*args, *(["--learner", learner] if learner else []))
        self.assertEqual(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def assertProblem(self, reply, status, code=None, field=None):
        """An RFC 9457 document, with the members that older clients read."""
        self.assertEqual(reply.status, status, reply)
        self.assertEqual(reply.headers["Content-Type"].split(";")[0], "application/problem+json")
        problem = reply.json
        self.assertIs(problem["success"], False)
        self.assertEqual(problem["status"], status)
        if code:
            self.assertEqual(problem["error"]["code"], code, problem)
        if field:
            self.assertIn(field, json.dumps(problem))
        return problem


_event_counter = itertools.count(1)


def event(learner="ann", kind="answer", **members):
    """A valid event, a minute after the one before."""
    n = next(_event_counter)
    made = {"id": "e%d-%d" % (os.getpid(), n), "learner": learner, "kind": kind,
            "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(1735725600 + 60 * n))}
    if kind == "answer":
        made.update(item="i%d" % (n % 20), skills=["s%d" % (n % 5)], correct=n % 3 != 0, durationMs=20000,
                    session="s%d" % (n // 30))
    made.update(members)
    return {k: v for k, v in made.items() if v is not None}


def wait_until(true, seconds=30, what="it"):
    end = time.monotonic() + seconds
    while not true():
        if time.monotonic() > end:
            raise AssertionError("%s did not come true in %d s" % (what, seconds))
        time.sleep(0.02)
