"""Several servers on one database that share a Redis: what one writes, the others know, whatever Redis does."""
import contextlib
import json
import os
import random
import resource
import shutil
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.parse

from tests.api.harness import POSTGRES, QUICK, ROOT, Server, Store, event, run, wait_until
from tests.api.test_answers import at, text

TIME = "/api/analytics/study-time"
HEAT = "/api/analytics/study-time-heatmap"
STATS = "/api/cache/stats"
REDIS = shutil.which("redis-server") or shutil.which("valkey-server")
HEARD_SECONDS = 5  # other nodes hear within 100 ms where the machine is not busy
PREFERENCES = "/api/user/preferences"


class Redis:
    """A private one, that may die and come back on its port."""

    def __init__(self):
        self.folder = tempfile.mkdtemp(prefix="doppel-redis-")
        self.start()

    def script(self, verb):
        done = subprocess.run([os.path.join(ROOT, "tools/redis_private.sh"), verb, self.folder],
                              capture_output=True, text=True, timeout=60)
        if done.returncode:
            raise RuntimeError(done.stderr)
        return done.stdout.strip()

    def start(self):
        self.url = self.script("start")
        self.port = urllib.parse.urlsplit(self.url).port

    def crash(self):
        self.script("crash")

    def close(self):
        self.script("stop")
        shutil.rmtree(self.folder, ignore_errors=True)

    def call(self, *words):
        """One command: text, numbers, lists of them; an error is raised."""
        with socket.create_connection(("127.0.0.1", self.port), timeout=30) as s, s.makefile("rb") as f:
            sent = [w if isinstance(w, bytes) else str(w).encode() for w in words]
            s.sendall(b"*%d\r\n" % len(sent) + b"".join(b"$%d\r\n%s\r\n" % (len(w), w) for w in sent))
            return self.read(f)

    def read(self, f):
        kind, rest = f.read(1), f.readline().strip()
        if kind == b"+":
            return rest
        if kind == b":":
            return int(rest)
        if kind == b"$":
            return f.read(int(rest) + 2)[:-2] if int(rest) >= 0 else None
        if kind == b"*":
            return [self.read(f) for _ in range(int(rest))]
        raise RuntimeError(rest.decode())

    def everything(self):
        """All keys, fields and values there are, as bytes."""
        for key in self.call("KEYS", "*"):
            yield key
            kind = self.call("TYPE", key)
            if kind == b"hash":
                yield from self.call("HGETALL", key)
            elif kind == b"string":
                yield self.call("GET", key) or b""
            elif kind != b"none":  # gone meanwhile
                raise AssertionError("a key of type %r" % kind)


class Garbage:
    """Accepts on a port, and says nonsense to whatever it is asked."""

    def __init__(self, port):
        self.listener = socket.socket()
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        self.listener.bind(("127.0.0.1", port))
        self.listener.listen(64)
        self.asked = 0
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def serve(self):
        dice = random.Random(7)
        nonsense = [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"$-5\r\n", b"*1000000000\r\n", b"+OK\r\n" * 50,
                    b"$99999999999999999999\r\n", b":-1\r\n*2\r\n", b"*3\r\n$2\r\nD2\r\n", bytes(range(256)), b""]
        while True:
            try:
                peer, _ = self.listener.accept()
            except OSError:
                return
            with peer:
                try:
                    peer.settimeout(1)
                    peer.recv(65536)
                    self.asked += 1
                    peer.sendall(dice.choice(nonsense))
                except OSError:
                    pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.thread.join()


@unittest.skipUnless(POSTGRES and REDIS, "needs DOPPEL_TEST_POSTGRES and a Redis server")
class Nodes(unittest.TestCase):
    """PostgreSQL alone: a SQLite file is one server's."""
    count = 2
    flags = ()

    @classmethod
    def make_redis(cls):
        """The one that the servers are told, and what is to be closed."""
        redis = Redis()
        return redis, redis

    @classmethod
    def setUpClass(cls):
        cls.redis, owner = cls.make_redis()
        cls.addClassCleanup(owner.close)
        cls.store = Store("postgres")
        cls.addClassCleanup(cls.store.close)
        cls.nodes = []
        for _ in range(cls.count):
            node = Server(cls.store.url, "--redis", cls.redis.url, "--no-night", *cls.flags).start()
            cls.addClassCleanup(cls.stop, node)
            cls.nodes.append(node)
        cls.a, cls.b = cls.nodes[0], cls.nodes[-1]

    @classmethod
    def stop(cls, node):
        code = node.stop()
        if code != 0:
            raise AssertionError("a server ended with %d: %s" % (code, node.log_text()[-2000:]))

    def setUp(self):
        self.all_well()

    def redis_of(self, node):
        return node.get(STATS).json["data"]["redis"]

    def all_well(self):
        for node in self.nodes:
            wait_until(lambda: node.get(STATS).json["data"]["redisHealthy"], what="a healthy Redis")

    def study(self, node, learner, name, minutes=1):
        node.events([event(learner, "study", id=name, at=text(at(1, 10)), session=name, durationMs=minutes * 60000)])

    def minutes(self, node, learner):
        """None: there is nobody of that name."""
        reply = node.get(TIME, query={"userId": learner}, check=False)
        self.assertIn(reply.status, (200, 404), reply)
        return reply.json["data"]["totalStudyTime"] if reply.status == 200 else None

    def seen(self, node, learner, minutes):
        """How long it takes until that is the answer, in seconds."""
        begin = time.monotonic()
        while True:
            got = self.minutes(node, learner)
            took = time.monotonic() - begin
            if got == minutes:
                return took
            self.assertLess(took, HEARD_SECONDS, "%r, not %d" % (got, minutes))

    def how(self, node, learner, path=TIME):
        reply = node.get(path, query={"userId": learner})
        self.assertEqual(reply.status, 200, reply)
        return reply.headers["Cache-Status"]


class Together(Nodes):
    def test_a_write_is_heard(self):
        took = []
        for i in range(1, 41 if QUICK else 301):
            one, other = self.nodes[i % 2], self.nodes[(i + 1) % 2]
            self.study(one, "ann", "a%d" % i)
            self.assertEqual(self.minutes(one, "ann"), i, "read your write")
            took.append(self.seen(other, "ann", i))
            self.assertEqual(self.minutes(one, "ann"), i)
        print("%d writes heard by the other server after %.1f ms (median), %.1f ms (most)" % (
            len(took), 1000 * statistics.median(took), 1000 * max(took)), file=sys.stderr)
        self.assertLess(statistics.median(took), 1)  # HEARD_SECONDS bounds each

    def test_a_new_learner_is_found(self):
        for node in self.nodes:
            wait_until(lambda: node.get(STATS).json["data"]["learnersInFilter"] is not None, what="the filter")
        for i in range(20):
            name = "new-%d" % i
            self.assertIsNone(self.minutes(self.b, name))
            self.study(self.a, name, name)
            self.assertEqual(self.minutes(self.a, name), 1)
            self.seen(self.b, name, 1)

    def test_the_other_node_finds_it_in_redis(self):
        self.study(self.a, "eve", "e1")
        self.seen(self.b, "eve", 1)
        first = self.how(self.a, "eve", HEAT)
        self.assertIn("fwd=uri-miss; stored", first)

        def other():
            return (self.how(self.b, "eve", HEAT).startswith("doppel-redis; hit") and
                    self.how(self.b, "eve", HEAT).split("; ")[:2] == ["doppel-memory", "hit"])

        # It may ask before the first node's value has arrived, and then has it in memory; and where
        # everything was void a moment ago (another test's import), Redis is not believed at first.
        until, i = time.monotonic() + 60, 1
        while not other():
            self.assertLess(time.monotonic(), until, "never found in Redis")
            i += 1
            self.study(self.a, "eve", "e%d" % i)
            self.seen(self.b, "eve", i)
            self.how(self.a, "eve", HEAT)
            time.sleep(0.01)
        self.assertGreater(self.redis_of(self.b)["hits"], 0)
        # What is made ahead of questions would not be in Redis: the first who asks makes it for all.
        self.assertEqual([node.get(STATS).json["data"]["memory"]["aheadMade"] for node in self.nodes], [0, 0])

    def test_what_events_leave_alone_ends_with_a_change(self):
        def title(node):
            return node.get("/api/user/profile", query={"userId": "sue"}).json["data"]["user"]["name"]

        def outlived():
            """Another test's import may make everything void just then."""
            nonlocal studied
            for node in self.nodes:
                self.how(node, "sue", PREFERENCES)
            studied += 1
            self.study(self.a, "sue", "s%d" % studied)
            for node in self.nodes:
                self.seen(node, "sue", studied)
            return all("doppel-memory; hit" in self.how(node, "sue", PREFERENCES) for node in self.nodes)

        studied = 1
        self.study(self.a, "sue", "s1")
        wait_until(outlived, what="an answer that outlives an event")
        changed = self.a.request("PATCH", "/api/user/profile", {"userId": "sue", "name": "Susan"})
        self.assertEqual(changed.status, 200, changed)
        wait_until(lambda: "doppel-memory; fwd" in self.how(self.b, "sue", PREFERENCES), HEARD_SECONDS, "the change")
        wait_until(lambda: title(self.b) == "Susan", HEARD_SECONDS, "the name")

    def test_dropping_on_one_is_dropping_on_all(self):
        self.study(self.a, "drop", "d1")
        self.seen(self.b, "drop", 1)
        wait_until(lambda: "doppel-memory; hit" in self.how(self.b, "drop"), what="a hit")
        self.assertEqual(self.a.post("/api/cache/invalidate", {"tags": ["learner:drop"]}).status, 200)
        wait_until(lambda: "doppel-memory; fwd" in self.how(self.b, "drop"), HEARD_SECONDS, "the drop")

    def test_an_import_beside_is_seen_by_both(self):
        self.study(self.a, "imp", "i1")
        for node in self.nodes:
            self.seen(node, "imp", 1)
        path = os.path.join(self.store.folder, "more.ndjson")
        with open(path, "w") as f:
            f.write(json.dumps({"id": "i2", "learner": "imp", "at": text(at(1, 12)), "kind": "study",
                                "session": "i2", "durationMs": 60000}) + "\n")
        done = run("import", "events", path, "--database", self.store.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        for node in self.nodes:
            wait_until(lambda: self.minutes(node, "imp") == 2, what="the import")

    def test_erasure_leaves_nothing_in_redis(self):
        name = "to-be-forgotten"
        self.study(self.a, name, "f1")
        for node in self.nodes:
            self.seen(node, name, 1)
            for _ in range(2):
                self.how(node, name, HEAT)
                self.how(node, name, PREFERENCES)

        def found():
            return [part for part in self.redis.everything() if name.encode() in part]

        until, i = time.monotonic() + 60, 1
        while not found():  # where everything was void a moment ago, Redis is not used at first
            self.assertLess(time.monotonic(), until, "no kept answer in Redis")
            i += 1
            self.study(self.a, name, "f%d" % i)
            self.how(self.a, name, HEAT)
            time.sleep(0.05)
        done = run("erase", name, "--yes", "--database", self.store.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        for node in self.nodes:
            wait_until(lambda: self.minutes(node, name) is None, what="the erasure")
        wait_until(lambda: not found(), what="a Redis that has forgotten")
        for node in self.nodes:
            self.assertIsNone(self.minutes(node, name))
        self.assertEqual(found(), [])

    def test_flushall(self):
        for i in range(1, 11):
            self.study(self.a, "flush", "fl%d" % i)
            self.assertEqual(self.minutes(self.a, "flush"), i)
            self.redis.call("FLUSHALL")
            self.assertEqual(self.minutes(self.a, "flush"), i)
            self.seen(self.b, "flush", i)
        self.all_well()


class Trouble(Nodes):
    """Writers read back what they wrote; nobody sees an error, whatever becomes of Redis."""
    flags = ("--cache-blind-time", "300ms")
    learners = 4

    def setUp(self):
        super().setUp()
        self.wrong, self.written, self.stopping = [], {}, threading.Event()
        self.replies = 0

    def write_and_read(self, me):
        dice = random.Random(me)
        learner, n = "%s-%d" % (self.id().rsplit("_", 1)[-1], me), 0
        while not self.stopping.is_set() and not self.wrong:
            one, other = dice.sample(self.nodes, 2)
            try:
                n += 1
                self.study(one, learner, "%s-%d" % (learner, n))
                for _ in range(dice.randint(1, 3)):
                    got = self.minutes(one, learner)
                    if got != n:
                        self.wrong.append("%s reads %r on its own node after %d" % (learner, got, n))
                self.seen(other, learner, n)
                self.written[learner] = n
            except Exception as e:  # noqa: BLE001 - any is a failure of the test, told by it
                self.wrong.append(repr(e))

    def read(self, me):
        """Other reads: what they say may be a moment old, but it is never an error, nor from the future."""
        dice = random.Random(100 + me)
        while not self.stopping.is_set() and not self.wrong:
            learner = "%s-%d" % (self.id().rsplit("_", 1)[-1], dice.randrange(self.learners))
            reply = dice.choice(self.nodes).get(dice.choice((TIME, HEAT)), query={"userId": learner}, check=False)
            self.replies += 1
            if reply.status not in (200, 404):
                self.wrong.append("%s: %r" % (learner, reply))

    def under_load(self, trouble):
        work = [threading.Thread(target=self.write_and_read, args=(i,)) for i in range(self.learners)]
        work += [threading.Thread(target=self.read, args=(i,)) for i in range(2)]
        for t in work:
            t.start()
        try:
            trouble()
        finally:
            self.stopping.set()
            for t in work:
                t.join()
        self.assertEqual(self.wrong, [])
        self.assertEqual(len(self.written), self.learners)
        for learner, n in self.written.items():
            for node in self.nodes:
                self.assertEqual(self.minutes(node, learner), n)
        self.all_well()

    def progress(self, replies=60):
        """So much is read and written before the next blow, or it has failed."""
        until, before = self.replies + replies, sum(self.written.values())
        wait_until(lambda: self.wrong or (self.replies >= until and sum(self.written.values()) > before), 60, "progress")

    def test_killed_and_restarted(self):
        def trouble():
            for i in range(3 if QUICK else 10):
                self.progress()
                self.redis.crash()
                self.progress()
                self.redis.start()
                if i % 2:
                    self.all_well()
            self.progress()

        self.under_load(trouble)

    def test_garbage(self):
        def trouble():
            self.progress()
            self.redis.crash()
            fake = Garbage(self.redis.port)
            try:
                wait_until(lambda: fake.asked >= 5, what="questions")
                self.progress(120)
            finally:
                fake.close()
                self.redis.start()
            self.all_well()
            self.progress()

        self.under_load(trouble)

    def test_read_only(self):
        """A replica takes no writes, and still publishes: what was true before must not be believed."""
        master = Redis()
        self.addCleanup(master.close)

        def trouble():
            self.progress()
            self.redis.call("REPLICAOF", "127.0.0.1", master.port)
            try:
                self.progress(120)
            finally:
                self.redis.call("REPLICAOF", "NO", "ONE")
            self.all_well()
            self.progress()

        self.under_load(trouble)

    def test_full(self):
        def trouble():
            self.progress()
            self.redis.call("CONFIG", "SET", "maxmemory", "1")
            try:
                self.progress(120)
            finally:
                self.redis.call("CONFIG", "SET", "maxmemory", "0")
            self.progress()

        self.under_load(trouble)

    def test_hangs(self):
        def trouble():
            self.progress()
            for _ in range(3):
                self.redis.call("CLIENT", "PAUSE", "700", "ALL")
                self.progress()

        self.under_load(trouble)


class Cluster:
    """Redis servers that share the slots; a server may be told another slot's place, as when one is moved."""
    SLOTS = 16384

    def __init__(self, count=3):
        self.folder, self.servers, self.processes = tempfile.mkdtemp(prefix="doppel-redis-"), [], []
        for i in range(count):
            with socket.socket() as one, socket.socket() as other:
                one.bind(("127.0.0.1", 0))
                other.bind(("127.0.0.1", 0))
                port, bus = one.getsockname()[1], other.getsockname()[1]
            folder = os.path.join(self.folder, str(i))
            os.mkdir(folder)
            self.processes.append(subprocess.Popen(
                [REDIS, "--bind", "127.0.0.1", "--port", str(port), "--cluster-enabled", "yes", "--cluster-port", str(bus), "--save", "",
                 "--appendonly", "no", "--dir", folder], stdout=subprocess.DEVNULL))
            server = Redis.__new__(Redis)
            server.port, server.bus = port, bus
            server.url = "redis://127.0.0.1:%d" % port
            self.servers.append(server)
        for server in self.servers:
            wait_until(lambda s=server: self.answers(s), what="a Redis of the cluster")
        for i, server in enumerate(self.servers):
            server.call("CLUSTER", "ADDSLOTSRANGE", i * self.SLOTS // count, (i + 1) * self.SLOTS // count - 1)
            self.servers[0].call("CLUSTER", "MEET", "127.0.0.1", server.port, server.bus)
        for server in self.servers:
            wait_until(lambda s=server: b"cluster_state:ok" in s.call("CLUSTER", "INFO"), 60, "the cluster")

    def answers(self, server):
        try:
            return server.call("PING") == b"PONG"
        except OSError:
            return False

    def keeper(self, key):
        """Which server has the slot of that key, by what it says of itself."""
        slot = self.servers[0].call("CLUSTER", "KEYSLOT", key)
        for first, last, master in (row[:3] for row in self.servers[0].call("CLUSTER", "SLOTS")):
            if first <= slot <= last:
                return next(s for s in self.servers if s.port == master[1])
        raise AssertionError("nobody has slot %d" % slot)

    def move(self, key, to):
        """The slot goes to another server, and what is in it is lost: it may always be."""
        slot, old = self.servers[0].call("CLUSTER", "KEYSLOT", key), self.keeper(key)
        name = to.call("CLUSTER", "MYID")
        old.call("FLUSHALL")
        for server in [to] + [s for s in self.servers if s is not to]:
            with contextlib.suppress(RuntimeError):  # the old one has got a key again: it hears of it
                server.call("CLUSTER", "SETSLOT", slot, "NODE", name)
        wait_until(lambda: self.keeper(key) is to, 60, "the slot's new place")

    def close(self):
        for process in self.processes:
            process.kill()
            process.wait()
        shutil.rmtree(self.folder, ignore_errors=True)


@unittest.skipUnless(POSTGRES and REDIS, "needs DOPPEL_TEST_POSTGRES and a Redis server")
class Clustered(Nodes):
    """All keys lie in one slot; the servers are told one that does not have it, and then another."""
    flags = ("--redis-prefix", "{doppel}:")
    KEY = "{doppel}:{bus}:seq"

    @classmethod
    def make_redis(cls):
        cls.cluster = Cluster()
        return cls.others()[0], cls.cluster

    @classmethod
    def others(cls):
        keeper = cls.cluster.keeper(cls.KEY)
        return [s for s in cls.cluster.servers if s is not keeper]

    def kept_there(self, server, name):
        def found():
            self.how(self.a, name, HEAT)
            return any(name.encode() in part for part in server.everything())
        return found

    def test_the_keys_are_found_and_followed(self):
        for i, name in enumerate(("before", "after", "again")):
            if i:
                self.cluster.move(self.KEY, self.others()[0])
                self.all_well()
            for minutes in range(1, 6):
                one, other = self.nodes[minutes % 2], self.nodes[(minutes + 1) % 2]
                self.study(one, name, "%s%d" % (name, minutes))
                self.assertEqual(self.minutes(one, name), minutes, "read your write")
                self.seen(other, name, minutes)
            n = 5

            def write_and_look():  # where everything was void a moment ago, Redis is not used at first
                nonlocal n
                n += 1
                self.study(self.a, name, "%s%d" % (name, n))
                return self.kept_there(self.cluster.keeper(self.KEY), name)()
            wait_until(write_and_look, 60, "an answer on the server that has the slot")
            for server in self.others():
                self.assertFalse([k for k in server.everything() if name.encode() in k])


class Crowd(Nodes):
    """Many ask at once for what is not there: each answer is made once, over all nodes."""
    count = 1
    flags = ("--requests-in-flight-max", "20000")

    def all_at_once(self, targets):
        """The server is held while they ask: when it goes on, all are there."""
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        self.addCleanup(resource.setrlimit, resource.RLIMIT_NOFILE, (soft, hard))
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        with contextlib.ExitStack() as all_open:
            peers = []
            for target in targets:
                peers.append(all_open.enter_context(socket.create_connection(("127.0.0.1", self.a.port), timeout=60)))
                peers[-1].sendall(("GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n" % target).encode())
            self.a.process.send_signal(signal.SIGSTOP)
            try:
                for peer in peers:
                    peer.sendall(b"\r\n")
            finally:
                self.a.process.send_signal(signal.SIGCONT)
            return {peer.recv(65536)[9:12] for peer in peers}

    def fills(self):
        return self.a.get(STATS).json["data"]["memory"]["fills"]

    def crowd(self, targets):
        before = self.fills()
        self.assertEqual(self.all_at_once(targets), {b"200"})
        return self.fills() - before

    def test_one_key(self):
        self.study(self.a, "ann", "c1")
        self.assertEqual(self.crowd([HEAT + "?userId=ann&weeks=31"] * 2000), 1)

    def test_many_keys(self):
        names = ["m%d" % i for i in range(500)]
        self.a.events([event(n, "study", session="s", durationMs=60000) for n in names])
        self.assertEqual(self.crowd([HEAT + "?userId=" + n for n in names for _ in range(4)]), len(names))


del Nodes
