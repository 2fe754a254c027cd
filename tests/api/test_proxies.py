"""Behind nginx and Varnish with their caches on: nobody gets another's answer, nothing old is served,
and what is for everybody is kept by the proxy."""
import gzip
import http.client
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
import unittest

from tests.api.harness import ApiCase, Reply, event
from tests.api.test_answers import at, session, text

TIME = "/api/analytics/study-time"
PUBLIC = "/api/events/schema"


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


class Proxy:
    """A private one on a port of its own, ended by its process id."""

    def __init__(self, upstream):
        self.folder = tempfile.mkdtemp(prefix="doppel-proxy-")
        os.chmod(self.folder, 0o755)
        self.port = free_port()
        self.log = open(os.path.join(self.folder, "log"), "w+")
        self.process = subprocess.Popen(self.command(upstream), stdout=self.log, stderr=self.log, start_new_session=True)
        until = time.monotonic() + 60
        while True:
            try:
                if self.get("/healthz").status == 200:
                    return
            except OSError:
                pass
            if time.monotonic() > until or self.process.poll() is not None:
                self.close()
                raise RuntimeError("the proxy never answered")
            time.sleep(0.05)

    def get(self, path, **headers):
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        try:
            connection.request("GET", path, headers=headers)
            got = connection.getresponse()
            return Reply(got.status, got.headers, got.read())
        finally:
            connection.close()

    def close(self):
        try:
            os.killpg(self.process.pid, signal.SIGTERM)
            self.process.wait(20)
        except (ProcessLookupError, subprocess.TimeoutExpired):
            self.process.kill()
            self.process.wait()
        self.log.close()
        shutil.rmtree(self.folder, ignore_errors=True)


class Nginx(Proxy):
    program = "nginx"

    def command(self, upstream):
        config = os.path.join(self.folder, "nginx.conf")
        with open(config, "w") as f:
            f.write("""
daemon off; master_process off; pid {0}/pid; error_log {0}/error;
events {{ worker_connections 256; }}
http {{
    access_log off;
    client_body_temp_path {0}/body; proxy_temp_path {0}/temp; fastcgi_temp_path {0}/fcgi;
    uwsgi_temp_path {0}/uwsgi; scgi_temp_path {0}/scgi;
    proxy_cache_path {0}/cache keys_zone=all:1m max_size=16m use_temp_path=off;
    upstream doppel {{ server 127.0.0.1:{1}; keepalive 8; }}
    server {{
        listen 127.0.0.1:{2};
        location / {{
            proxy_pass http://doppel; proxy_http_version 1.1; proxy_set_header Connection "";
            proxy_cache all; proxy_cache_revalidate on;
            add_header X-Proxy $upstream_cache_status always;
        }}
    }}
}}
""".format(self.folder, upstream, self.port))
        return [shutil.which("nginx", path=os.environ["PATH"] + ":/usr/sbin"), "-c", config, "-p", self.folder]

    def kept(self, reply):
        return reply.headers["X-Proxy"] in ("HIT", "REVALIDATED")


class Varnish(Proxy):
    program = "varnishd"

    def command(self, upstream):
        os.mkdir(os.path.join(self.folder, "n"))
        return [shutil.which("varnishd", path=os.environ["PATH"] + ":/usr/sbin"), "-F", "-j", "none",
                "-n", os.path.join(self.folder, "n"), "-a", "127.0.0.1:%d" % self.port,
                "-b", "127.0.0.1:%d" % upstream, "-s", "malloc,16m", "-p", "thread_pool_min=5", "-T", "none"]

    def kept(self, reply):
        return " " in reply.headers["X-Varnish"]  # two transactions: this one, and the one that fetched


class Behind:
    dev = False

    @classmethod
    def setUpClass(cls):
        if not shutil.which(cls.proxy_class.program, path=os.environ["PATH"] + ":/usr/sbin"):
            raise unittest.SkipTest("%s is not installed: script/setup --test brings it" % cls.proxy_class.program)
        super().setUpClass()
        cls.proxy = cls.proxy_class(cls.server.port)
        cls.addClassCleanup(cls.proxy.close)
        maker = cls("runTest")
        cls.write, cls.ann, cls.bob = maker.key("ingest"), maker.key("read", learner="ann"), maker.key("read", learner="bob")
        cls.server.request("POST", "/api/events", session("ann", "s1", at(1, 10), 30, 5, 4) + session("bob", "s1", at(1, 10), 20, 5, 4),
                           key=cls.write)

    def runTest(self):
        pass

    def ask(self, path, key=None, **headers):
        if key:
            headers["Authorization"] = "Bearer " + key
        return self.proxy.get(path, **headers)

    def test_nobody_gets_another_learners_answer(self):
        for _ in range(3):
            ann, bob = self.ask(TIME, self.ann), self.ask(TIME, self.bob)
            self.assertEqual((ann.status, bob.status), (200, 200))
            self.assertNotEqual(ann.json["data"]["totalStudyTime"], bob.json["data"]["totalStudyTime"])
            self.assertFalse(self.proxy.kept(ann) or self.proxy.kept(bob))
            self.assertEqual(self.ask(TIME).status, 401)
            self.assertEqual(self.ask(TIME + "?userId=ann", self.bob).status, 404)
            self.assertEqual(self.ask(TIME + "?userId=ann", self.ann).status, 200)

    def test_a_write_is_read_at_once(self):
        key = self.key("read", learner="rya")
        for i in range(1, 15):
            self.server.request("POST", "/api/events", [event("rya", "study", id="e%d" % i, at=text(at(1, 10)), session="s%d" % i,
                                                              durationMs=60000)], key=self.write)
            self.assertEqual(self.ask(TIME, key).json["data"]["totalStudyTime"], i)

    def test_what_is_for_everybody_is_kept(self):
        first, second = self.ask(PUBLIC), self.ask(PUBLIC)
        self.assertTrue(self.proxy.kept(second), second.headers)
        self.assertEqual(first.body, second.body)
        self.assertRegex(second.headers["Cache-Control"], r"public, max-age=\d+, s-maxage=\d+, stale-while-revalidate=\d+")
        etag = second.headers["ETag"]
        self.assertEqual(self.ask(PUBLIC, **{"If-None-Match": etag}).status, 304)

    def test_forms_are_not_mixed(self):
        plain = self.ask(TIME, self.ann)
        for _ in range(40):  # a small answer has a packed form when it has been asked for often
            packed = self.ask(TIME, self.ann, **{"Accept-Encoding": "gzip"})
            if "Content-Encoding" in packed.headers:
                break
            self.assertEqual(packed.body, plain.body)
        again = self.ask(TIME, self.ann)
        self.assertEqual(packed.headers["Content-Encoding"], "gzip")
        self.assertNotIn("Content-Encoding", again.headers)
        self.assertEqual((gzip.decompress(packed.body), again.body), (plain.body, plain.body))
        reply = self.ask(TIME, self.ann, **{"If-None-Match": again.headers["ETag"]})
        self.assertIn((reply.status, reply.body), ((304, b""), (200, plain.body)))  # nginx asks without the condition

    def test_errors_are_not_kept(self):
        self.assertEqual(self.ask(TIME + "?userId=late", self.key("read")).status, 404)
        self.server.request("POST", "/api/events", [event("late", "activity")], key=self.write)
        self.assertEqual(self.ask(TIME + "?userId=late", self.key("read")).status, 200)


class BehindNginx(Behind, ApiCase):
    proxy_class = Nginx


class BehindVarnish(Behind, ApiCase):
    proxy_class = Varnish
