"""Kept answers: when they are used, when they are void, who may see them, and what the headers say."""
import calendar
import gzip
import json
import os
import re
import shutil
import socket
import subprocess
import tempfile
import threading
import time
import unittest

from tests.api.harness import (ROOT, ApiCase, Server, Store, both_engines, clean_environment, document, engines, event,
                               run, wait_until)
from tests.api.test_answers import MINUTE, at, now, session, text

TIME = "/api/analytics/study-time"
HEAT = "/api/analytics/study-time-heatmap"
LIST = "/api/learning/sessions"
STATS = "/api/cache/stats"
DROP = "/api/cache/invalidate"
WARM = "/api/cache/warm"


class Cached:
    # The night's writes would make kept answers void at any moment; what is void stays so until it is asked for.
    flags = ("--cache-alone", "--no-night", "--cache-ahead", "0")

    def ask(self, learner, path=TIME, query=None, status=200, **kw):
        reply = self.server.get(path, query={"userId": learner, **(query or {})}, **kw)
        if status:
            self.assertEqual(reply.status, status, reply)
        return reply

    def how(self, reply):
        told = reply.headers["Cache-Status"].split(", ")[-1]
        self.assertTrue(told.startswith("doppel-memory; "), told)
        return told.split("; ")[1]

    def use(self, endpoint):
        return next(e for e in self.server.get(STATS).json["data"]["endpoints"] if e["id"] == endpoint)

    def study(self, learner, minutes, name):
        self.server.events([event(learner, "study", id=name, at=text(at(1, 10)), session=name, durationMs=minutes * 60000)])

    def minutes(self, learner):
        return self.ask(learner).json["data"]["totalStudyTime"]


class Talk:
    """One connection, so that one loop answers: it remembers what it was asked."""

    def __init__(self, server):
        self.socket = socket.create_connection(("127.0.0.1", server.port), timeout=60)

    def ask(self, head):
        """Status line, header lines in their order, body."""
        self.socket.sendall(head)
        got = b""
        while b"\r\n\r\n" not in got:
            got += self.socket.recv(65536)
        lines, body = got.split(b"\r\n\r\n", 1)
        lines = lines.decode().split("\r\n")
        length = [int(line.split(": ")[1]) for line in lines if line.startswith("Content-Length: ")]
        while length and len(body) < length[0]:
            body += self.socket.recv(65536)
        return lines, body

    def close(self):
        self.socket.close()


# What may differ from one reply to the next.
CHANGING = (r"^(Date|X-Request-Id): .*", r"^(Age): [0-9]+$", r"^(Server-Timing: total;dur=)[0-9]+\.[0-9]{3}$",
            r"^(Cache-Status: .*; ttl=)-?[0-9]+")


def unchanging(reply):
    lines, body = reply
    for pattern in CHANGING:
        lines = [re.sub(pattern, r"\1", line) for line in lines]
    return lines, re.sub(rb'"instance":"[^"]*"', b"", body)


# An event of each kind about one learner, of things that are there and of new ones.
EVERY_KIND = ("answer", "review", "study", "reading", "activity", "hint", "session_started", "session_paused", "session_resumed",
              "session_completed", "session_noted", "objective_completed", "mission_created", "mission_started",
              "mission_completed", "load", "search", "search_click", "assessment", "grade", "enrolled", "withdrawn",
              "feedback", "viewed")


def all_kinds(learner, name, objective):
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - 60))
    return [event(learner, kind, id="%s-%d" % (name, i), at=now, session=name, item="item-" + name, correct=False, score=0.2,
                  rating=1, objective=objective, durationMs=600000, latencyMs=3000, course="course-" + name,
                  mission="mission-" + name, data={"loadScore": 90, "query": "q", "results": 3, "mission": "mission-" + name,
                                                   "date": now[:10], "estimatedMinutes": 30, "objectives": [objective]})
            for i, kind in enumerate(EVERY_KIND)]


class Compared(Cached):
    """A learner with a history, of whom kept answers are compared with new ones."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        made = run("simulate", "--learners", "1", "--days", "60", "--seed", "5", "--out", "-")
        events = [json.loads(line) for line in made.stdout.splitlines()]
        for i in range(0, len(events), 500):
            cls.server.events(events[i:i + 500])
        cls.rich = events[0]["learner"]
        cls.objective = next(e["objective"] for e in events if e.get("objective"))
        for path in ("/api/analytics/patterns/analyze", "/api/analytics/predictions/generate"):
            reply = cls.server.post(path, {"userId": cls.rich})
            assert reply.status in (200, 201), reply

    def paths(self):
        for path, operations in document()["paths"].items():
            parameters = operations.get("get", {}).get("parameters", [])
            if "{" not in path and any(p["name"] == "userId" for p in parameters):
                yield path

    def without_time(self, reply):
        """Without the instants of this time of any day, and what counts from now: when it was made."""
        def blank(m):
            at_s = calendar.timegm(time.strptime(m.group(1).decode(), "%Y-%m-%dT%H:%M:%S"))
            return b"0" if abs((time.time() - at_s + 43200) % 86400 - 43200) < 900 else m.group(0)
        return re.sub(rb'"(20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d+)?Z"', blank,
                      re.sub(rb'"(executionTimeMs|ageSeconds)":[0-9.]+', b'"now":0', reply.body))

    def assert_same(self, a, b, path):
        """Some estimates move a little with every second."""
        if isinstance(a, float) or isinstance(b, float):
            self.assertAlmostEqual(a, b, delta=0.01 * max(1, abs(a)), msg=path)
        elif isinstance(a, dict):
            self.assertEqual(a.keys(), b.keys(), path)
            for name in a:
                self.assert_same(a[name], b[name], path + " " + name)
        elif isinstance(a, list):
            self.assertEqual(len(a), len(b), path)
            for one, other in zip(a, b):
                self.assert_same(one, other, path)
        else:
            self.assertEqual(a, b, path)


@both_engines
class Settled(Compared):
    """An answer outlives what it was not read from: it must not say anything that the write changed."""

    def assert_kept_are_true(self, learner, write, least, ended):
        """What outlives the write says what a new answer says, and who are kept or ended is not nobody."""
        before = {path: self.ask(learner, path, status=None) for path in self.paths()}
        write()
        kept = {path: self.ask(learner, path, status=None) for path in before}
        kept = {path: reply for path, reply in kept.items()
                if "Cache-Status" in reply.headers and self.how(reply) == "hit"}
        self.server.post(DROP, {"all": True})
        for path, reply in kept.items():
            now = self.ask(learner, path, status=None)
            self.assertEqual(self.how(now), "fwd=uri-miss", path)
            self.assert_same(json.loads(self.without_time(reply)), json.loads(self.without_time(now)), path)
        self.assertGreaterEqual(len(kept), least)
        self.assertFalse(set(kept) & set(ended))

    # What is written together: the more an event ends, the less is left to be wrong.
    TOGETHER = (("answer",), ("review",), ("study", "reading", "activity", "hint"), ("load",), ("search", "search_click"),
                ("session_started", "session_paused", "session_resumed", "session_completed", "session_noted"),
                ("objective_completed",), ("mission_created", "mission_started", "mission_completed"))

    def test_events_of_a_learner_with_a_history(self):
        of_kind = {e["kind"]: e for e in all_kinds(self.rich, "new", self.objective)}
        rest = tuple(k for k in of_kind if not any(k in some for some in self.TOGETHER))
        for kinds in (*self.TOGETHER, rest):
            with self.subTest(kinds):
                self.assert_kept_are_true(self.rich, lambda k=kinds: self.server.events([of_kind[kind] for kind in k]), 13, [LIST])

    def test_events_of_a_learner_of_whom_little_is_known(self):
        self.server.events([event("thin", "activity", id="thin-0", at=text(at(1, 10)))])
        for e in all_kinds("thin", "new-thin", self.objective)[:2]:
            self.assert_kept_are_true("thin", lambda e=e: self.server.events([e]), 4, [LIST])
        self.assert_kept_are_true("thin", lambda: self.server.events(all_kinds("thin", "newer", self.objective)), 4, [LIST])

    def test_other_writes(self):
        def send(method, path, body):
            reply = self.server.request(method, path, {"userId": self.rich, **body})
            self.assertIn(reply.status, (200, 201), (path, reply))
        for method, path, body, least, ended in (
                ("PATCH", "/api/personalization/preferences", {"disabledFeatures": ["durations"]}, 30, ["/api/personalization/preferences"]),
                ("POST", "/api/analytics/behavioral-insights/goals", {"goalType": "CUSTOM", "title": "Read", "targetValue": 5,
                                                                     "deadline": text(at(-20, 10))}, 30,
                 ["/api/analytics/behavioral-insights/goals"]),
                ("POST", "/api/orchestration/exams", {"name": "Finals", "date": text(at(-20, 10))[:10]}, 20, ["/api/orchestration/exams"]),
                ("PATCH", "/api/user/profile", {"name": "Ada"}, 0, ["/api/user/profile", "/api/analytics/patterns"]),
                ("POST", "/api/analytics/predictions/generate", {}, 10, [])):
            with self.subTest(path):
                self.assert_kept_are_true(self.rich, lambda m=method, p=path, b=body: send(m, p, b), least, ended)

    def test_changes_end_them(self):
        path = "/api/user/preferences"
        self.ask(self.rich, path)
        self.server.events([event(self.rich, "activity", id="settled-1")])
        self.assertEqual(self.how(self.ask(self.rich, path)), "hit")
        reply = self.server.request("PATCH", "/api/user/profile", {"userId": self.rich, "name": "Ada"})
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual(self.how(self.ask(self.rich, path)), "fwd=uri-miss")

    def test_invalidating_a_learner_or_a_key_ends_them(self):
        path = "/api/user/preferences"
        for what in ({"tags": ["learner:" + self.rich]}, {"all": True}):
            self.ask(self.rich, path)
            self.assertEqual(self.how(self.ask(self.rich, path)), "hit")
            self.server.post(DROP, what)
            self.assertEqual(self.how(self.ask(self.rich, path)), "fwd=uri-miss", what)

    def test_who_was_nobody_is_found_with_his_first_event(self):
        for path in ("/api/user/preferences", "/api/analytics/patterns"):
            self.ask("new-" + path[-5:], path, status=404)
            self.server.events([event("new-" + path[-5:], "activity", id="new" + path)])
            self.ask("new-" + path[-5:], path)


@both_engines
class Kept(Cached):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.server.events(session("ann", "s1", at(1, 10), 30, 10, 8) + session("bob", "s1", at(2, 10), 20, 10, 8))

    def test_the_second_is_a_hit_and_the_same(self):
        first, second = self.ask("ann", HEAT), self.ask("ann", HEAT)
        self.assertEqual((self.how(first), self.how(second)), ("fwd=uri-miss", "hit"))
        self.assertEqual((first.body, first.headers["ETag"]), (second.body, second.headers["ETag"]))
        self.assertIn("; stored", first.headers["Cache-Status"])
        self.assertGreater(int(re.search(r"; ttl=(\d+)", second.headers["Cache-Status"])[1]), 0)
        self.assertNotIn("Age", first.headers)
        self.assertLess(int(second.headers["Age"]), 60)
        self.assertEqual(second.headers["Cache-Control"], "private, no-cache")
        self.assertIn("Accept-Encoding", second.headers["Vary"])
        self.assertIn("total;dur=", second.headers["Server-Timing"])

    def test_what_grows_is_fresh_for_seconds_only(self):
        """An open session lasts until now; one that never began, or is over, lasts as long as it lasts."""
        for learner, grows, events in (("open", True, session("open", "o1", now() - 30 * MINUTE, 30, 3, 2, complete=False)),
                                       ("over", False, session("over", "o1", now() - 30 * MINUTE, 20, 3, 2)),
                                       ("asked", False, session("asked", "o1", now() - 30 * MINUTE, 30, 3, 2, complete=False)[1:])):
            self.server.events(events)
            for path in (LIST, LIST + "/recent"):
                ttl = int(re.search(r"; ttl=(\d+)", self.ask(learner, path).headers["Cache-Status"])[1])
                (self.assertLessEqual if grows else self.assertGreater)(ttl, 5, (learner, path))

    def test_two_spellings_are_one_question(self):
        self.ask("ann", HEAT, {"weeks": "12"})
        for target in ("?weeks=12&userId=ann", "?userId=ann&weeks=12", "?userId=%61nn&weeks=12&unknown=x", "?weeks=012&userId=ann"):
            reply = self.server.get(HEAT + target)
            if reply.status == 200:  # a leading zero may be refused; it must not be another entry
                self.assertEqual(self.how(reply), "hit", target)
        self.assertEqual(self.how(self.ask("ann", HEAT, {"weeks": "13"})), "fwd=uri-miss")
        self.ask("bob", HEAT)
        self.assertEqual(self.how(self.ask("bob", HEAT, {"weeks": "6"})), "hit", "the default, said")

    def test_learners_do_not_share(self):
        self.assertNotEqual(self.minutes("ann"), self.minutes("bob"))
        self.assertNotEqual(self.minutes("ann"), self.minutes("bob"))

    def test_different_rights_do_not_share(self):
        self.study("eve", 10, "e1")
        general, own, wide = self.key("read"), self.key("read", learner="eve"), self.key("read,write")
        for key in (general, own, wide):
            self.assertEqual(self.how(self.ask("eve", key=key)), "fwd=uri-miss")
        for key in (general, own, wide):
            self.assertEqual(self.how(self.ask("eve", key=key)), "hit")
        other = self.key("read", learner="bob")
        self.assertProblem(self.server.get(TIME, query={"userId": "eve"}, key=other), 404)
        self.assertNotIn("key=", self.ask("eve", key=general).headers["Cache-Status"])
        self.assertIn('key="', self.ask("eve", key=self.key("admin")).headers["Cache-Status"])

    def test_a_write_is_read_at_once(self):
        for i in range(1, 60):
            self.study("rya", 1, "r%d" % i)
            self.assertEqual(self.minutes("rya"), i)
            self.assertEqual(self.minutes("rya"), i)
        self.assertGreaterEqual(self.use("get_study_time")["hits"], 59)

    def test_writes_and_reads_at_once_are_never_stale(self):
        """Each writer reads its own write back while others fill the same entries."""
        wrong = []

        def work(learner):
            for i in range(1, 40):
                self.study(learner, 1, "%s-%d" % (learner, i))
                seen = self.minutes(learner)
                if seen != i:
                    wrong.append((learner, i, seen))

        def read(stop):
            while not stop.is_set():
                for i in range(4):
                    self.server.get(TIME, query={"userId": "par%d" % i}, check=False)

        stop = threading.Event()
        writers = [threading.Thread(target=work, args=("par%d" % i,)) for i in range(4)]
        readers = [threading.Thread(target=read, args=(stop,)) for _ in range(3)]
        for t in writers + readers:
            t.start()
        for t in writers:
            t.join()
        stop.set()
        for t in readers:
            t.join()
        self.assertEqual(wrong, [])

    def test_not_modified(self):
        etag = self.ask("ann").headers["ETag"]
        reply = self.ask("ann", headers={"If-None-Match": etag}, status=304)
        self.assertEqual((reply.body, reply.headers["ETag"]), (b"", etag))
        self.assertEqual(self.ask("ann", headers={"If-None-Match": '"other"'}).headers["ETag"], etag)
        self.study("ann", 5, "later")
        self.assertNotEqual(self.ask("ann", headers={"If-None-Match": etag}).headers["ETag"], etag)

    def test_compressed_forms(self):
        plain = self.ask("ann", HEAT, {"weeks": "20"})
        packed = self.ask("ann", HEAT, {"weeks": "20"}, headers={"Accept-Encoding": "gzip"}, check=False)
        self.assertEqual(packed.headers["Content-Encoding"], "gzip")
        self.assertEqual(gzip.decompress(packed.body), plain.body)
        self.assertLess(len(packed.body), len(plain.body))
        self.assertNotEqual(packed.headers["ETag"], plain.headers["ETag"])
        for _ in range(17):  # what is kept is gzip; the better form is made for what is asked for often
            best = self.ask("ann", HEAT, {"weeks": "20"}, headers={"Accept-Encoding": "gzip, br"}, check=False)
        self.assertEqual(best.headers["Content-Encoding"], "br")
        again = [self.ask("ann", HEAT, {"weeks": "20"}) for _ in range(20)]
        self.assertEqual({(r.body, r.headers["ETag"]) for r in again}, {(plain.body, plain.headers["ETag"])})
        self.assertEqual({self.how(r) for r in again}, {"hit"})
        self.assertNotIn("Content-Encoding", self.ask("ann", HEAT, {"weeks": "20"}, headers={"Accept-Encoding": "gzip;q=0"}).headers)
        for form in (plain, packed, best):
            encoding = form.headers["Content-Encoding"] or "identity"
            reply = self.ask("ann", HEAT, {"weeks": "20"}, headers={"Accept-Encoding": encoding, "If-None-Match": form.headers["ETag"]},
                             status=304)
            self.assertEqual(reply.headers["ETag"], form.headers["ETag"])

    def test_the_short_way_says_what_the_long_way_says(self):
        """The same bytes again are answered without being read; a target of another spelling is read."""
        self.study("sue", 10, "e1")
        general, own, admin = self.key("read"), self.key("read", learner="sue"), self.key("admin")
        path = HEAT + "?userId=sue&weeks=30"
        etag = dict(line.split(": ", 1) for line in self.short_and_long(path, {}, general)[0][1:])["ETag"]
        for key in (general, own, admin, None):
            for extra in ({}, {"Accept-Encoding": "gzip"}, {"Accept-Encoding": "br, gzip"}, {"If-None-Match": etag},
                          {"If-None-Match": '"other"'}, {"Accept-Encoding": "gzip", "If-None-Match": etag},
                          {"Origin": "http://localhost:3000"}, {"Range": "bytes=0-9"}, {"X-Request-Id": "mine"},
                          {"traceparent": "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"},
                          {"Connection": "keep-alive"}, {"If-Modified-Since": "Sun, 06 Nov 1994 08:49:37 GMT"}):
                lines, _ = self.short_and_long(path, extra, key)
                self.assertIn("304" if extra.get("If-None-Match") == etag else "200", lines[0], (key, extra))
        for key in (general, own, admin):
            self.short_and_long(LIST + "?userId=sue&limit=1", {}, key)
            self.short_and_long(path, {"Cookie": "c" * 3000}, key)
        lines, _ = self.short_and_long(TIME + "?userId=nobody-at-all", {}, general)
        self.assertIn("404", lines[0])
        lines, _ = self.short_and_long(path, {}, self.key("read", learner="bob"))
        self.assertIn("404", lines[0])
        lines, _ = self.short_and_long(path, {}, self.key("ingest"))
        self.assertIn("403", lines[0])
        lines, _ = self.short_and_long(path, {}, general[:-1] + ("a" if general[-1] != "a" else "b"))
        self.assertIn("401", lines[0])

    def short_and_long(self, target, extra, key):
        headers = {"Host": "localhost", "Accept": "*/*", **extra, **({"Authorization": "Bearer " + key} if key else {})}
        rest = " HTTP/1.1\r\n" + "".join("%s: %s\r\n" % h for h in headers.items()) + "\r\n"
        talk = Talk(self.server)
        self.addCleanup(talk.close)
        for _ in range(20):  # by then each form is made, and the head is known
            short = talk.ask(("GET " + target + rest).encode())
        for n in range(3):
            self.spelling = getattr(self, "spelling", 0) + 1
            long = talk.ask(("GET " + target + "&spelling=%d" % self.spelling + rest).encode())
            again = talk.ask(("GET " + target + rest).encode())
            for reply in (short, again):
                self.assertEqual(unchanging(reply), unchanging(long))
        return long

    def test_the_short_way_ends_with_the_key(self):
        self.study("rex", 10, "e1")
        key = self.key("read")
        head = ("GET %s?userId=rex HTTP/1.1\r\nHost: a\r\nX-API-Key: %s\r\n\r\n" % (TIME, key)).encode()
        talk = Talk(self.server)
        self.addCleanup(talk.close)
        for _ in range(6):
            lines, _ = talk.ask(head)
            self.assertIn("200", lines[0])
        minutes = [json.loads(talk.ask(head)[1])["data"]["totalStudyTime"]]
        self.study("rex", 5, "e2")
        minutes.append(json.loads(talk.ask(head)[1])["data"]["totalStudyTime"])
        self.assertEqual(minutes, [10, 15])
        done = run("key", "revoke", key.split("_")[1], "--database", self.store.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: "401" in talk.ask(head)[0][0], what="the revoked key is refused")
        for _ in range(6):
            self.assertIn("401", talk.ask(head)[0][0])

    def test_headers_of_the_endpoint_are_kept(self):
        self.server.events(session("many", "a", at(1, 10), 30, 2, 1) + session("many", "b", at(2, 10), 30, 2, 1))
        first, second = (self.ask("many", LIST, {"limit": "1"}) for _ in range(2))
        self.assertEqual((self.how(first), self.how(second)), ("fwd=uri-miss", "hit"))
        self.assertIn('rel="next"', first.headers["Link"])
        self.assertEqual(first.headers.get_all("Link"), second.headers.get_all("Link"))

    def test_refusals_are_shared_for_a_moment_and_end_with_the_first_event(self):
        for _ in range(2):
            self.assertProblem(self.ask("newcomer", status=404), 404)
        self.study("newcomer", 3, "n1")
        self.assertEqual(self.minutes("newcomer"), 3)

    def test_nobody_does_not_reach_the_store(self):
        """Once the filter of learners is complete."""
        until = time.monotonic() + 30
        while self.server.get(STATS).json["data"]["learnersInFilter"] is None:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.02)

        def calls():
            page = self.server.get("/metrics", check=False).body.decode()
            return int(re.search(r'doppel_store_calls_total\{statement="learner_head"\} (\d+)', page)[1])

        self.minutes("ann")
        before = calls()
        for i in range(200):
            self.ask("nobody-%d" % i, status=404)
        self.assertLess(calls() - before, 20, "the filter is right about most who are not there")

    def test_one_flight(self):
        """Many ask at once for what is not there: one fill."""
        before = self.server.get(STATS).json["data"]["memory"]["fills"]
        gate = threading.Barrier(32)
        replies = []

        def go():
            gate.wait()
            replies.append(self.server.get(HEAT, query={"userId": "ann", "weeks": "33"}, check=False).status)

        threads = [threading.Thread(target=go) for _ in range(32)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(replies, [200] * 32)
        self.assertEqual(self.server.get(STATS).json["data"]["memory"]["fills"] - before, 1)

    def test_another_program_writes(self):
        """An import beside the server is seen soon, without a restart."""
        self.study("cli", 1, "c1")
        self.assertEqual(self.minutes("cli"), 1)
        lines = [{"id": "c2", "learner": "cli", "at": text(at(1, 12)), "kind": "study", "session": "c2", "durationMs": 60000},
                 {"id": "c3", "learner": "fresh", "at": text(at(1, 12)), "kind": "study", "session": "c3", "durationMs": 60000}]
        path = os.path.join(self.store.folder, "more.ndjson")
        with open(path, "w") as f:
            f.writelines(json.dumps(line) + "\n" for line in lines)
        done = run("import", "events", path, "--database", self.store.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        until = time.monotonic() + 20
        while self.minutes("cli") != 2 or self.server.get(TIME, query={"userId": "fresh"}).status != 200:
            self.assertLess(time.monotonic(), until, "the import was never seen")
            time.sleep(0.05)
        time.sleep(1.2)  # it made several commits: a second look may void the next test's answers

    def test_erasure_leaves_nothing(self):
        self.study("gone", 4, "g1")
        self.minutes("gone")
        done = run("erase", "gone", "--yes", "--database", self.store.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        until = time.monotonic() + 20
        while self.server.get(TIME, query={"userId": "gone"}).status != 404:
            self.assertLess(time.monotonic(), until)
            time.sleep(0.05)
        time.sleep(1.2)


@both_engines
class Administered(Cached):
    def setUp(self):
        self.drop(all=True)
        for learner in ("ann", "bob"):
            self.study(learner, 5, "s-" + learner)
            self.ask(learner)
            self.ask(learner, HEAT)
            self.assertEqual(self.how(self.ask(learner)), "hit")

    def drop(self, **body):
        reply = self.server.post(DROP, body)
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]["dropped"]

    def test_by_tag(self):
        self.assertEqual(self.drop(tags=["learner:ann"])["tags"], 1)
        self.assertEqual(self.how(self.ask("ann")), "fwd=uri-miss")
        self.assertEqual(self.how(self.ask("bob")), "hit")
        self.assertGreaterEqual(self.drop(tags=["endpoint:get_study_time"])["memory"], 2)
        self.assertEqual(self.how(self.ask("bob")), "fwd=uri-miss")
        self.assertEqual(self.how(self.ask("bob", HEAT)), "hit")

    def test_by_key(self):
        admin = self.key("admin")
        told = self.ask("ann", key=admin)
        key = re.search(r'key="((?:[^"\\]|\\.)*)"', told.headers["Cache-Status"])[1].replace('\\"', '"').replace("\\\\", "\\")
        self.assertEqual(self.how(self.ask("ann", key=admin)), "hit")
        self.assertEqual(self.drop(keys=[key])["memory"], 1)
        self.assertEqual(self.how(self.ask("ann", key=admin)), "fwd=uri-miss")
        self.assertEqual(self.how(self.ask("ann")), "hit")

    def test_by_pattern_and_all(self):
        self.assertEqual(self.drop(pattern="*|learner=ann")["memory"], 2)
        self.assertEqual(self.how(self.ask("bob")), "hit")
        self.drop(all=True)
        self.assertEqual(self.how(self.ask("bob")), "fwd=uri-miss")
        self.assertEqual(self.server.get(STATS).json["data"]["memory"]["entries"], 1)

    def test_stats(self):
        data = self.server.get(STATS).json["data"]
        use = next(e for e in data["endpoints"] if e["id"] == "get_study_time")
        self.assertGreater(use["hits"], 0)
        self.assertEqual((use["freshSeconds"], data["redis"], data["redisHealthy"], data["type"]), (120, None, False, "HYBRID_CACHE"))
        self.assertRegex(data["stats"]["hitRate"], r"^\d+\.\d\d%$")
        self.assertLessEqual(data["memory"]["bytes"], data["memory"]["bytesMax"])

    def memory(self):
        return self.server.get(STATS).json["data"]["memory"]

    def warm(self, **body):
        """Until all is made; nobody else asks meanwhile, so what is a hit then, warming has made."""
        before = self.memory()["fills"]
        reply = self.server.post(WARM, body or None)
        self.assertEqual(reply.status, 202, reply)
        told = reply.json["data"]

        def made():  # what an earlier write had made again is fresh, and not made once more
            memory = self.memory()
            return memory["fills"] >= before + told["answers"] or memory["entries"] >= told["answers"]

        wait_until(made, what="warm answers")
        return told

    def hits(self, learner, **kw):
        """Of the reads of that learner, how many find their answer made?"""
        replies = [self.server.get(path, query={"userId": learner}, **kw) for path in (TIME, HEAT, LIST)]
        return [self.how(reply) for reply in replies].count("hit")

    def test_warming(self):
        general, own = self.key("read"), self.key("read", learner="ann")
        self.hits("ann", key=general)
        self.hits("ann", key=own)
        self.drop(all=True)
        told = self.warm(learners=["ann"])
        self.assertEqual(told["learners"], 1)
        self.assertEqual([self.hits("ann", key=key) for key in (general, own)], [3, 3])
        self.assertEqual(self.how(self.ask("bob", key=general)), "fwd=uri-miss")
        self.study("ann", 9, "s-later")
        self.assertEqual(self.how(self.ask("ann", key=general)), "fwd=uri-miss", "a write makes it void as ever")

    def test_warming_those_who_studied_last(self):
        self.drop(all=True)
        self.assertGreaterEqual(self.warm()["learners"], 2)
        self.assertEqual((self.hits("ann"), self.hits("bob")), (3, 3))

    def test_warming_before_the_usual_hour(self):
        self.study("usu", 5, "u1")
        self.drop(all=True)
        before = self.memory()["fills"]
        soon = int((time.time() + 300 + 3) * 1e6)  # the default is five minutes before
        self.store.execute("UPDATE learners SET usual_at = %d WHERE external_id = 'usu'" % soon)
        wait_until(lambda: self.memory()["fills"] >= before + 10, 60, "answers made ready")
        wait_until(lambda: self.hits("usu") == 3, what="all three")

    def command(self, *args, code=0, env=None):
        done = run("cache", *args, "--server", "http://127.0.0.1:%d" % self.server.port, env=env)
        self.assertEqual(done.returncode, code, done.stderr)
        return dict(line.split("\t") for line in done.stdout.splitlines()) if code == 0 else done.stderr

    def test_commands(self):
        stats = self.command("stats")
        self.assertGreater(int(stats["memory.entries"]), 0)
        self.assertGreater(int(stats["endpoints.get_study_time.hits"]), 0)
        self.assertEqual(stats["redis"], "null")
        self.assertEqual(self.command("invalidate", "--tag", "learner:ann", "--tag=learner:x")["dropped.tags"], "2")
        self.assertEqual(self.how(self.ask("ann")), "fwd=uri-miss")
        self.assertEqual(self.command("invalidate", "--pattern", "*|learner=bob")["dropped.memory"], "2")
        self.assertGreaterEqual(int(self.command("invalidate", "--all")["dropped.memory"]), 1)
        before = self.memory()["fills"]
        told = self.command("warm", "ann", 'no "such" one')
        self.assertEqual(told["learners"], "2")
        wait_until(lambda: self.memory()["fills"] >= before + int(told["answers"]) // 2, what="warm answers")
        self.assertIn("tags[0]", self.command("invalidate", "--tag", "nonsense", code=1))
        self.assertIn("needs --key", self.command("invalidate", code=2))
        wrong = dict(clean_environment(), DOPPEL_KEY="dpl_wrong")
        self.assertIn("(401)", self.command("stats", code=1, env=wrong))
        self.assertIn("no key", self.command("stats", "--api-key", "a b", code=2))
        good = dict(clean_environment(), DOPPEL_KEY=self.key("admin"))
        self.assertIn("memory.hits", self.command("stats", env=good))
        self.assertIn("(403)", self.command("stats", "--api-key", self.key("read"), code=1))

    def test_commands_find_the_server_by_its_settings(self):
        done = run("cache", "stats", "--listen", "0.0.0.0:%d, 127.0.0.1:1" % self.server.port)
        self.assertIn("memory.hits", done.stdout, done.stderr)
        for server in ("ftp://127.0.0.1", "127.0.0.1:1", "http://a b", ""):
            self.assertEqual(run("cache", "stats", "--server=" + server).returncode, 2, server)
        done = run("cache", "stats", "--server", "http://127.0.0.1:1")
        self.assertEqual((done.returncode, done.stdout), (1, ""))
        self.assertIn("cannot ask http://127.0.0.1:1", done.stderr)

    def test_bad_input(self):
        self.assertProblem(self.server.post(WARM, {"learners": ["x", ""]}), 400, field="learners[1]")
        self.assertProblem(self.server.post(WARM, {"learners": ["x"] * 1001}), 400, field="learners")
        self.assertProblem(self.server.post(DROP, {}), 400, field="keys")
        self.assertProblem(self.server.post(DROP, {"tags": ["nonsense"]}), 400, field="tags[0]")
        self.assertProblem(self.server.post(DROP, {"tags": ["learner:"]}), 400, field="tags[0]")
        self.assertProblem(self.server.post(DROP, {"keys": "x"}), 400, field="keys")
        self.assertProblem(self.server.post(DROP, {"pattern": ""}), 400, field="pattern")
        for path, method in ((STATS, "GET"), (DROP, "POST"), (WARM, "POST")):
            body = {"all": True} if method == "POST" else None
            self.assertProblem(self.server.request(method, path, body, key=self.key("read,write,ingest")), 403)


@both_engines
class Ahead(Compared):
    """Answers are made again after a write, before anybody asks."""
    flags = ("--cache-alone", "--no-night", "--cache-ahead", "1")

    def memory(self):
        return self.server.get(STATS).json["data"]["memory"]

    def quiet(self):
        """Nobody waits for his answers, and none is being made."""
        before = None
        def settled():
            nonlocal before
            last, before = before, (lambda m: (m["aheadLearners"], m["fills"], m["aheadMade"]))(self.memory())
            return last == before and before[0] == 0
        wait_until(settled, what="a quiet server")

    def write(self, learner, name, minutes=5, made=None):
        """Until the writer's learner has his answers again: `made` of them."""
        before = self.memory()["aheadMade"]
        self.study(learner, minutes, name)
        if made:
            wait_until(lambda: self.memory()["aheadMade"] >= before + made, what="answers made again")

    def test_after_a_write_they_are_fresh(self):
        self.study("ann", 5, "a1")
        self.assertEqual(self.how(self.ask("ann")), "fwd=uri-miss")
        self.ask("ann", HEAT)
        for i in range(1, 4):
            used = self.memory()["aheadUsed"]
            self.write("ann", "a1-%d" % i, made=2)
            for path in (TIME, HEAT):
                self.assertEqual(self.how(self.ask("ann", path)), "hit", path)
            self.assertEqual(self.minutes("ann"), 5 + 5 * i)
            self.assertEqual(self.memory()["aheadUsed"], used + 2)

    def test_made_together_they_say_what_each_would_say_alone(self):
        paths = [path for path in self.paths() if self.ask(self.rich, path, status=None).status == 200]
        self.server.events([e for e in all_kinds(self.rich, "together", self.objective) if e["kind"] not in ("enrolled", "withdrawn")])
        wait_until(lambda: self.memory()["aheadMade"] > 0, what="answers made again")
        self.quiet()
        kept = {}
        for path in paths:
            reply = self.ask(self.rich, path, status=None)
            if reply.status == 200 and reply.headers["Cache-Status"] and self.how(reply) == "hit":
                kept[path] = reply
        self.assertGreater(len(kept), 30)
        self.assertGreater(self.memory()["aheadUsed"], 20)
        self.server.post(DROP, {"all": True})
        for path, reply in kept.items():
            now = self.ask(self.rich, path, status=None)
            self.assertEqual(self.how(now), "fwd=uri-miss", path)
            self.assert_same(json.loads(self.without_time(reply)), json.loads(self.without_time(now)), path)

    def test_nothing_else_is_made(self):
        self.study("bob", 5, "b1")
        self.study("nobody-asks", 5, "n1")
        self.ask("bob")
        self.ask("bob", HEAT, query={"weeks": 3})  # with a parameter: made when it is asked for
        before = self.memory()["aheadMade"]
        self.write("bob", "b2", made=1)
        self.study("nobody-asks", 5, "n2")
        self.quiet()
        self.assertEqual(self.memory()["aheadMade"], before + 1)
        self.assertEqual(self.how(self.ask("bob")), "hit")
        for learner, path in (("bob", LIST), ("bob", HEAT), ("nobody-asks", TIME)):
            self.assertEqual(self.how(self.ask(learner, path)), "fwd=uri-miss", (learner, path))

    def test_each_has_his_own_rights(self):
        general, own = self.key("read"), self.key("read", learner="eve")
        self.study("eve", 5, "e1")
        for key in (general, own):
            self.ask("eve", key=key)
        self.write("eve", "e2", made=2)
        for key in (general, own):
            reply = self.ask("eve", key=key)
            self.assertEqual((self.how(reply), reply.json["data"]["totalStudyTime"]), ("hit", 10))

    def test_what_nobody_reads_is_told(self):
        self.study("may", 5, "m1")
        self.ask("may")
        wasted = self.memory()["aheadWasted"]
        for i in range(3):
            self.write("may", "m2-%d" % i, made=1)
        wait_until(lambda: self.memory()["aheadWasted"] >= wasted + 2, what="waste counted")
        text_ = self.server.get("/metrics").body.decode()
        told = {fate: float(re.search(r'doppel_cache_ahead_total{fate="%s"} (\S+)' % fate, text_)[1]) for fate in ("made", "used", "wasted")}
        self.assertGreaterEqual(told["made"], told["used"] + told["wasted"])

    def test_nothing_is_made_for_who_was_erased(self):
        self.study("gone", 5, "g1")
        self.ask("gone")
        self.ask("gone", HEAT)
        made = self.memory()["aheadMade"]
        done = run("erase", "gone", "--yes", "--database", self.store.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        wait_until(lambda: self.server.get(TIME, query={"userId": "gone"}).status == 404, what="the erasure seen")
        self.quiet()
        self.assertEqual(self.memory()["aheadMade"], made)
        time.sleep(1.2)  # it made several commits: a second look may void the next test's answers

    def test_who_withdraws_is_not_shown(self):
        self.study("shy", 5, "y1")
        self.ask("shy")
        reply = self.server.request("PATCH", "/api/user/privacy", {"userId": "shy", "behavioralAnalysisEnabled": False})
        self.assertEqual(reply.status, 200, reply)
        self.quiet()
        self.assertNotIn('"totalStudyTime":5', self.ask("shy", status=None).body.decode().replace(" ", ""))

    def test_a_storm_of_writes_is_never_stale_and_leaves_the_queue_bounded(self):
        learners = ["s%d" % i for i in range(8)]
        for learner in learners:
            self.study(learner, 1, "first-" + learner)
            self.ask(learner)
            self.ask(learner, HEAT)
        wrong, most = [], []

        def storm(learner):
            for i in range(1, 31):
                self.study(learner, 1, "%s-%d" % (learner, i))
                if i % 3 == 0 and self.minutes(learner) != i + 1:
                    wrong.append((learner, i))
                if i % 10 == 0:
                    most.append(self.memory()["aheadLearners"])
        threads = [threading.Thread(target=storm, args=(learner,)) for learner in learners]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual(wrong, [])
        self.assertLessEqual(max(most), len(learners))
        self.quiet()
        for learner in learners:
            self.assertEqual(self.minutes(learner), 31)


@both_engines
class NotAhead(Cached):
    def test_off_is_off(self):
        self.study("ann", 5, "s1")
        for i in range(3):
            self.assertEqual(self.how(self.ask("ann")), "fwd=uri-miss")
            self.study("ann", 5, "s2-%d" % i)
        memory = self.server.get(STATS).json["data"]["memory"]
        self.assertEqual((memory["aheadMade"], memory["aheadLearners"], memory["aheadLeft"]), (0, 0, 0))


@both_engines
class Nothing(Cached):
    flags = ("--cache-bytes-max", "0", "--no-night")

    def test_without_memory_all_is_made(self):
        self.study("ann", 5, "s")
        for _ in range(3):
            self.assertEqual(self.how(self.ask("ann")), "fwd=uri-miss")
        self.assertEqual(self.server.get(STATS).json["data"]["memory"]["entries"], 0)


@unittest.skipUnless("postgres" in engines(), "DOPPEL_TEST_POSTGRES names no server")
class StoreDown(Cached, ApiCase):
    """PostgreSQL goes away under a server with kept answers, and comes back."""

    @classmethod
    def setUpClass(cls):
        pass  # a server and a database of its own

    def private(self, command, folder):
        return subprocess.run([os.path.join(ROOT, "tools", "postgres_private.sh"), command, folder], check=True,
                              capture_output=True, text=True, timeout=120).stdout.strip()

    def setUp(self):
        folder = tempfile.mkdtemp(prefix="doppel-pg-")
        self.addCleanup(shutil.rmtree, folder, True)
        url = self.private("start", folder)
        self.addCleanup(self.private, "stop", folder)
        self.folder = folder
        self.store = Store("postgres", postgres=url)
        self.addCleanup(self.store.close)
        # An answer is too old to be a hit at once: each call tries the database first.
        self.server = Server(self.store.url, "--no-night", "--cache-blind-time", "0").start()
        self.addCleanup(self.server.kill)

    def test_kept_answers_serve_while_the_database_is_down(self):
        for learner in ("ann", "bob"):
            self.study(learner, 7, learner)
        first = self.ask("ann")
        self.assertEqual((self.how(first), self.how(self.ask("ann"))), ("fwd=uri-miss", "fwd=uri-miss"))
        self.private("crash", self.folder)
        for _ in range(3):
            reply = self.ask("ann")
            self.assertIn("doppel-memory; hit; detail=stale-if-error", reply.headers["Cache-Status"])
            self.assertEqual((reply.body, reply.headers["ETag"]), (first.body, first.headers["ETag"]))
            self.assertGreaterEqual(int(reply.headers["Age"]), 0)
        self.ask("ann", headers={"If-None-Match": first.headers["ETag"]}, status=304)
        self.assertProblem(self.server.get(TIME, query={"userId": "bob"}), 503)
        self.assertEqual(self.use("get_study_time")["rescued"], 4)
        self.private("restart", self.folder)
        wait_until(lambda: self.server.get("/readyz", check=False).status == 200, what="readiness")
        self.study("ann", 1, "more")
        wait_until(lambda: self.how(self.ask("ann")) == "fwd=uri-miss", what="the database")
        self.assertEqual(self.minutes("ann"), 8)
        self.assertEqual(self.minutes("bob"), 7)
