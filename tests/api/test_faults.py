"""Faults: the process killed, the disk full, the database restarted, the server stopped under load.

The rule that all of them test: an event that was acknowledged is there, once; and what was computed
from the events equals what the log gives.
"""
import http.client
import json
import os
import random
import shutil
import signal
import subprocess
import tempfile
import threading
import time
import unittest
from collections import Counter

from tests.api.harness import (QUICK, ROOT, Server, Store, both_engines, engines, event, run,
                               wait_until)

POSTGRES_PRIVATE = os.path.join(ROOT, "tools", "postgres_private.sh")


class Load:
    """Threads that post batches on connections kept alive, and remember what was acknowledged."""

    def __init__(self, server, threads=4, batch=20):
        self.server, self.batch = server, batch
        self.lock = threading.Lock()
        self.acknowledged, self.sent = set(), set()
        self.statuses = Counter()
        self.lost = []  # (when the request was sent whole, why no reply came)
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.run, args=(i,)) for i in range(threads)]

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_):
        self.stopping.set()
        for thread in self.threads:
            thread.join(timeout=60)
            if thread.is_alive():
                raise AssertionError("a client hangs")

    def run(self, number):
        connection = None
        while not self.stopping.is_set():
            if connection is None:
                connection = http.client.HTTPConnection("127.0.0.1", self.server.port, timeout=30)
                try:
                    connection.connect()
                except OSError:
                    connection = None
                    if self.server.process.poll() is not None or self.stopping.wait(0.01):
                        return
                    continue
            if not self.post(connection, number):
                connection.close()
                connection = None
        if connection:
            connection.close()

    def post(self, connection, number):
        events = [event(learner="l%d" % (number % 3)) for _ in range(self.batch)]
        with self.lock:
            self.sent.update(e["id"] for e in events)
        sent_at = None
        try:
            connection.request("POST", "/api/events", body=json.dumps(events),
                               headers={"Content-Type": "application/json"})
            sent_at = time.monotonic()
            reply = connection.getresponse()
            body = reply.read()
        except (OSError, http.client.HTTPException) as e:
            with self.lock:
                self.lost.append((sent_at, repr(e)))
            return False
        with self.lock:
            self.statuses[reply.status] += 1
            if reply.status == 200:
                self.acknowledged.update(r["id"] for r in json.loads(body)["data"]["results"]
                                         if r["status"] in ("accepted", "duplicate"))
        if reply.status in (503, 507):
            self.stopping.wait(0.02)
        return reply.getheader("Connection", "").lower() != "close"


def assert_kept(case, store, acknowledged, sent):
    """Each acknowledged event is stored once; nothing is stored that was not sent."""
    stored = Counter(store.event_ids())
    twice = [i for i, n in stored.items() if n > 1]
    case.assertEqual(twice, [], "stored twice")
    case.assertEqual(sorted(acknowledged - stored.keys())[:5], [], "acknowledged and lost")
    case.assertEqual(sorted(stored.keys() - sent)[:5], [], "never sent")


def assert_sums_equal_the_log(case, store):
    done = run("rebuild", "--verify", "--database", store.url, timeout=600)
    case.assertEqual((done.returncode, done.stderr), (0, ""), done.stdout)


@both_engines
class KillNine:
    """kill -9 at random moments under load."""
    rounds = {"sqlite": 50, "postgres": 15}

    @classmethod
    def setUpClass(cls):
        cls.store = Store(cls.engine)
        cls.addClassCleanup(cls.store.close)

    def test_acknowledged_events_survive_once(self):
        rng = random.Random(20251020)
        acknowledged, sent = set(), set()
        rounds = 5 if QUICK else self.rounds[self.engine]
        for _ in range(rounds):
            server = Server(self.store.url, "--no-access-log", "--sqlite-checkpoint-pages=1000").start()
            load = Load(server)
            with load:
                time.sleep(rng.uniform(0.02, 0.4))  # the moment is what is tested
                server.kill()
            acknowledged |= load.acknowledged
            sent |= load.sent
        self.assertGreater(len(acknowledged), 20 * rounds, "hardly any load")
        assert_kept(self, self.store, acknowledged, sent)
        assert_sums_equal_the_log(self, self.store)
        if self.engine == "sqlite":
            self.assertEqual(self.store.query("PRAGMA integrity_check"), [("ok",)])


def mount_tmpfs(folder, size):
    """A small disk of our own. A reason when that is not possible here."""
    if os.geteuid() != 0:
        return "only root may mount a small disk"
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=" + size, "doppel-test", folder],
                          capture_output=True, text=True)
    return done.stderr.strip() if done.returncode else None


class DiskFull(unittest.TestCase):
    """The disk fills up under load: clear refusals, nothing broken, and it goes on by itself."""

    def setUp(self):
        self.folder = tempfile.mkdtemp(prefix="doppel-full-")
        self.addCleanup(shutil.rmtree, self.folder, True)
        why = mount_tmpfs(self.folder, "160m")
        if why:
            self.skipTest("no small disk: " + why)
        self.addCleanup(subprocess.run, ["umount", "-l", self.folder])
        self.store = Store("sqlite", folder=self.folder)

    def fill(self):
        """All but a little of what is left."""
        with open(os.path.join(self.folder, "ballast"), "wb", buffering=0) as f:
            free = os.statvfs(self.folder)
            f.write(b"\0" * max(0, free.f_bavail * free.f_frsize - 256 * 1024))

    def test_full_then_free_again(self):
        server = Server(self.store.url, "--no-access-log").start()
        self.addCleanup(server.kill)
        with Load(server) as load:
            wait_until(lambda: load.statuses[200] >= 5, what="some load")
            self.fill()
            wait_until(lambda: load.statuses[507] + load.statuses[503] >= 5, what="a refusal")
            refused = server.post("/api/events", [event()])
            self.assertIn(refused.status, (503, 507))
            wait_until(lambda: server.get("/readyz").status == 503, what="being not ready")
            read = server.get("/api/analytics/sessions", query={"userId": "l0"})
            self.assertEqual(read.status, 200, "reading does not need the disk: %r" % read)
            os.unlink(os.path.join(self.folder, "ballast"))
            before = load.statuses[200]
            wait_until(lambda: load.statuses[200] >= before + 5, what="recovery")
            wait_until(lambda: server.get("/readyz").status == 200, what="readiness")
        self.assertEqual(set(load.statuses) - {200, 503, 507}, set(), load.statuses)
        self.assertEqual(load.lost, [])
        self.assertEqual(server.stop(), 0)
        assert_kept(self, self.store, load.acknowledged, load.sent)
        assert_sums_equal_the_log(self, self.store)
        self.assertEqual(self.store.query("PRAGMA integrity_check"), [("ok",)])


@unittest.skipUnless("postgres" in engines(), "DOPPEL_TEST_POSTGRES names no server")
class PostgresRestart(unittest.TestCase):
    """PostgreSQL goes away and comes back, as in a crash, while events arrive."""

    def test_requests_fail_clearly_then_all_goes_on(self):
        folder = tempfile.mkdtemp(prefix="doppel-pg-")
        self.addCleanup(shutil.rmtree, folder, True)
        started = subprocess.run([POSTGRES_PRIVATE, "start", folder], capture_output=True, text=True,
                                 timeout=120)
        self.addCleanup(subprocess.run, [POSTGRES_PRIVATE, "stop", folder])
        self.assertEqual(started.returncode, 0, started.stderr)
        store = Store("postgres", postgres=started.stdout.strip())
        self.addCleanup(store.close)
        server = Server(store.url, "--no-access-log").start()
        self.addCleanup(server.kill)
        with Load(server) as load:
            for _ in range(2 if QUICK else 5):
                before = load.statuses[200]
                wait_until(lambda: load.statuses[200] >= before + 10, what="some load")
                subprocess.run([POSTGRES_PRIVATE, "restart", folder], check=True, capture_output=True,
                               timeout=120)
            before = load.statuses[200]
            wait_until(lambda: load.statuses[200] >= before + 10, what="going on by itself")
            wait_until(lambda: server.get("/readyz", check=False).status == 200, what="readiness")
        self.assertEqual(set(load.statuses) - {200, 503}, set(), load.statuses)
        self.assertEqual(load.lost, [])
        self.assertEqual(server.stop(), 0)
        # An event whose commit was cut off may be there or not; the client was told 503 and sends
        # it again under the same id.
        assert_kept(self, store, load.acknowledged, load.sent)
        assert_sums_equal_the_log(self, store)


@both_engines
class Stop:
    """SIGTERM under load: what was received is answered."""

    @classmethod
    def setUpClass(cls):
        pass  # each test stops a server of its own

    def setUp(self):
        self.store = Store(self.engine)
        self.addCleanup(self.store.close)

    def test_no_received_request_is_dropped(self):
        server = Server(self.store.url, "--no-access-log").start()
        self.addCleanup(server.kill)
        with Load(server, threads=8) as load:
            wait_until(lambda: load.statuses[200] >= 50, what="some load")
            stopped_at = time.monotonic()
            self.assertEqual(server.stop(), 0, server.log_text())
        dropped = [why for sent_at, why in load.lost if sent_at is not None and sent_at < stopped_at]
        self.assertEqual(dropped, [])
        self.assertEqual(set(load.statuses) - {200, 503}, set())
        assert_kept(self, self.store, load.acknowledged, load.sent)
        assert_sums_equal_the_log(self, self.store)

    def test_a_request_half_arrived_is_still_answered(self):
        server = Server(self.store.url, "--no-access-log").start()
        self.addCleanup(server.kill)
        one = event()
        body = json.dumps(one).encode()
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.putrequest("POST", "/api/events")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", str(len(body)))
        connection.endheaders()
        connection.send(body[:20])
        wait_until(lambda: b"requests" in server.get("/metrics", check=False).body, what="a second request")
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)  # the server is stopping while the rest is under way
        self.assertIsNone(server.process.poll(), "it did not wait")
        connection.send(body[20:])
        reply = connection.getresponse()
        self.assertEqual(reply.status, 200, reply.read())
        reply.read()
        connection.close()
        self.assertEqual(server.wait(), 0)
        self.assertIn(one["id"], self.store.event_ids())

    def test_a_second_signal_does_not_wait(self):
        server = Server(self.store.url).start()
        self.addCleanup(server.kill)
        connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=30)
        connection.putrequest("POST", "/api/events")
        connection.putheader("Content-Type", "application/json")
        connection.putheader("Content-Length", "1000")
        connection.endheaders()
        connection.send(b"{")
        server.get("/healthz")
        server.process.send_signal(signal.SIGTERM)
        time.sleep(0.2)
        self.assertIsNone(server.process.poll(), "it did not wait for the request")
        begun = time.monotonic()
        self.assertEqual(server.stop(), 128 + signal.SIGTERM)
        self.assertLess(time.monotonic() - begun, 2)
        connection.close()


if __name__ == "__main__":
    unittest.main()
