"""Calendars: what is connected, busy times in, planned sessions out."""
import base64
import datetime
import http.client
import json
import os
import re
import shutil
import sqlite3
import threading
import unittest
import urllib.parse

from tests.api.calendar_servers import Google, Radicale, Web, Xandikos
from tests.api.harness import ApiCase, Server, both_engines, engines, event, now, psql, run

STATUS, CONNECT, SYNC = "/api/calendar/status", "/api/calendar/connect", "/api/calendar/sync"
DISCONNECT, CALLBACK = "/api/calendar/disconnect", "/api/calendar/callback"
KEY = "k1:" + base64.b64encode(bytes(range(32))).decode()
OTHER_KEY = "k2:" + base64.b64encode(bytes(range(32, 64))).decode()


def ahead(days, hour=9, minute=0):
    """So many days from today, at that hour (UTC)."""
    return (now() + datetime.timedelta(days=days)).replace(hour=hour, minute=minute, second=0)


def stamp(t):
    return t.strftime("%Y%m%dT%H%M%SZ")


def iso(t):
    return t.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def vevent(start, minutes=60, uid="e1", title="Lecture", more=""):
    return "BEGIN:VEVENT\r\nUID:%s\r\nDTSTAMP:20250101T000000Z\r\nSUMMARY:%s\r\nDTSTART:%s\r\nDURATION:PT%dM\r\n%sEND:VEVENT\r\n" % (
        uid, title, stamp(start), minutes, more)


def calendar(*events):
    return "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:-//t//t//EN\r\n" + "".join(events) + "END:VCALENDAR\r\n"


class Base:
    flags = ("--calendar-key", KEY, "--calendar-private", "--public-url", "https://learn.example.org/")

    def learner(self, name):
        self.server.events([event(name, "activity")])
        return name

    def post(self, path, learner, **body):
        return self.server.post(path, {"userId": learner, **body})

    def connect(self, learner, provider, **body):
        return self.post(CONNECT, learner, provider=provider, **body)

    def status(self, learner):
        return self.server.get(STATUS, query={"userId": learner}).json

    def disconnect(self, learner, **body):
        return self.server.request("DELETE", DISCONNECT, {"userId": learner, **body})

    def busy(self, learner):
        return [tuple(map(str, row)) for row in self.store.query(
            "SELECT b.starts_at, b.ends_at, b.title FROM busy_times b JOIN learners l ON l.learner_id = b.learner_id"
            " WHERE l.external_id = '%s' ORDER BY 1, 3" % learner)]

    def starts(self, learner):
        return [(iso(datetime.datetime.fromtimestamp(int(row[0]) // 1000000, datetime.timezone.utc)), row[2])
                for row in self.busy(learner)]

    def write(self, sql):
        if self.engine == "sqlite":
            connection = sqlite3.connect(self.store.path, timeout=30)
            try:
                with connection:
                    connection.execute(sql)
            finally:
                connection.close()
        else:
            psql(self.store.url, sql)

    def plan(self, learner, plan, start, minutes=60, title="Study", state="PLANNED", changed=1):
        us = int(start.timestamp()) * 1000000
        self.write("INSERT INTO planned_sessions (learner_id, plan, starts_at, ends_at, title, state, changed_at)"
                   " SELECT learner_id, '%s', %d, %d, '%s', '%s', %d FROM learners WHERE external_id = '%s'" % (
                       plan, us, us + minutes * 60000000, title, state, changed, learner))

    def planned(self, learner, columns):
        return self.store.query("SELECT %s FROM planned_sessions p JOIN learners l ON l.learner_id = p.learner_id"
                                " WHERE l.external_id = '%s' ORDER BY plan" % (columns, learner))

    def change(self, learner, plan, what):
        self.write("UPDATE planned_sessions SET %s WHERE plan = '%s' AND learner_id ="
                   " (SELECT learner_id FROM learners WHERE external_id = '%s')" % (what, plan, learner))

    def assertTrips(self, reply, most):
        match = re.search(r'desc="(\d+)"', reply.headers["Server-Timing"])
        self.assertLessEqual(int(match[1]), most)


@both_engines
class Uploads(Base):
    def test_nothing_is_connected(self):
        self.learner("nil")
        reply = self.server.get(STATUS, query={"userId": "nil"})
        self.assertEqual(reply.status, 200, reply)
        self.assertTrips(reply, 1)
        self.assertEqual((reply.json["connected"], reply.json["lastSyncAt"], reply.json["calendars"]), (False, None, []))
        self.assertIsInstance(reply.json["message"], str)
        self.assertProblem(self.post(SYNC, "nil"), 404, "CALENDAR_NOT_CONNECTED")
        reply = self.disconnect("nil")
        self.assertEqual((reply.status, reply.json["success"], reply.json["removed"]), (200, True, 0))

    def test_upload(self):
        self.learner("una")
        text = calendar(vevent(ahead(1), more="RRULE:FREQ=DAILY;COUNT=3\r\n"), vevent(ahead(2, 12), uid="e2", title="Lab"),
                        vevent(ahead(3), uid="e3", more="TRANSP:TRANSPARENT\r\n"))
        reply = self.post(SYNC, "una", ical=text, daysAhead=2)
        self.assertEqual(reply.status, 200, reply)
        self.assertTrips(reply, 3)
        self.assertEqual(self.starts("una"), [(iso(ahead(1)), "Lecture"), (iso(ahead(2)), "Lecture"),
                                              (iso(ahead(2, 12)), "Lab"), (iso(ahead(3)), "Lecture")])
        self.assertEqual(reply.json["calendars"][0]["busyTimes"], 4)
        status = self.status("una")
        self.assertEqual((status["connected"], status["provider"]), (True, "UPLOAD"))
        self.assertEqual(status["calendars"][0]["busyTimes"], 4)
        # another takes its place; and without one the conflicts are told anew
        self.assertEqual(self.post(SYNC, "una", ical=calendar(vevent(ahead(1, 15)))).status, 200)
        self.assertEqual(self.starts("una"), [(iso(ahead(1, 15)), "Lecture")])
        self.assertEqual(self.post(SYNC, "una").json["syncedEvents"], 1)

    def test_intervals(self):
        self.learner("ivo")
        busy = [{"start": iso(ahead(1, 10)), "end": iso(ahead(1, 11)), "title": "Dentist"},
                {"start": iso(ahead(1, 14)), "end": iso(ahead(1, 15)), "tentative": True}]
        self.assertEqual(self.post(SYNC, "ivo", busy=busy).status, 200)
        self.assertEqual(self.starts("ivo"), [(iso(ahead(1, 10)), "Dentist"), (iso(ahead(1, 14)), "")])
        self.assertEqual(self.connect("ivo", "UPLOAD", busy=[]).json["syncedEvents"], 0)
        self.assertEqual(self.busy("ivo"), [])
        self.assertProblem(self.post(SYNC, "ivo", busy=[{"start": iso(ahead(1)), "end": iso(ahead(1))}]), 400,
                           field="busy[0].end")
        self.assertProblem(self.post(SYNC, "ivo", busy=[{"start": "soon", "end": iso(ahead(1))}]), 400, field="busy[0].start")

    def test_conflicts(self):
        self.learner("con")
        self.plan("con", "p1", ahead(1, 9), 60)
        self.plan("con", "p2", ahead(1, 13), 60)
        self.plan("con", "p3", ahead(2, 9), 60, state="CANCELLED")
        self.plan("con", "p4", ahead(2, 12), 60)
        busy = [(1, 8, 10, False), (1, 10, 11, False), (1, 13, 14, True), (2, 9, 10, False), (2, 12, 13, True)]
        busy = [{"start": iso(ahead(d, a)), "end": iso(ahead(d, b)), "title": "x", "tentative": t} for d, a, b, t in busy]
        busy.append({"start": iso(ahead(2, 12, 30)), "end": iso(ahead(2, 23, 30)), "title": "y"})
        found = self.post(SYNC, "con", busy=busy).json["conflicts"]
        self.assertEqual([(c["planId"], c["conflictType"], c["eventSummary"], c.get("recommendedTimeStart")) for c in found],
                         [("p1", "FULL_OVERLAP", "x", iso(ahead(1, 11))), ("p4", "PARTIAL_OVERLAP", "y", None)])
        self.assertEqual((found[0]["eventStart"], found[0]["eventEnd"]), (iso(ahead(1, 8)), iso(ahead(1, 10))))

    def test_bad_text(self):
        self.learner("bad")
        for text, status in (("", 400), ("hello", 422), ("BEGIN:VCALENDAR\r\n", 422), ("BEGIN:VCALENDAR\nX\nEND:VCALENDAR", 422),
                             ("BEGIN:VCALENDAR\r\n" + "BEGIN:A\r\n" * 9, 422), (5, 400), (None, 400),
                             (calendar(*[vevent(ahead(1))] * 20) + "X:" + "y" * (5 << 20), 400)):
            with self.subTest(text=str(text)[:20]):
                self.assertProblem(self.connect("bad", "UPLOAD", ical=text), status, field="ical")
        self.assertEqual(self.status("bad")["connected"], False)

    def test_hostile_rules_end(self):
        self.learner("hos")
        rules = ["FREQ=SECONDLY", "FREQ=YEARLY;BYDAY=6MO;BYMONTH=1", "FREQ=DAILY;BYMONTH=2;BYMONTHDAY=30", "FREQ=DAILY"]
        text = calendar(*[vevent(ahead(1), uid="u%d" % i, more="RRULE:%s\r\n" % rules[i % 4]) for i in range(2000)])
        reply = self.post(SYNC, "hos", ical=text)
        self.assertEqual(reply.status, 200, reply)
        self.assertTrue(reply.json["calendars"][0]["truncated"])
        self.assertLessEqual(len(self.busy("hos")), 5000)

    def test_bad_input(self):
        self.learner("inp")
        for body, field in (({}, "provider"), ({"provider": "YAHOO"}, "provider"), ({"provider": "OUTLOOK"}, "provider"),
                            ({"provider": "ICAL"}, "url"), ({"provider": "CALDAV", "url": "https://x"}, "username"),
                            ({"provider": "CALDAV", "url": "https://x", "username": "a"}, "password"),
                            ({"provider": "UPLOAD"}, "ical"), ({"provider": "UPLOAD", "ical": "x", "busy": []}, "ical"),
                            ({"provider": "ICAL", "url": 5}, "url"), ({"provider": "ICAL", "url": "x" * 3000}, "url"),
                            ({"provider": "CALDAV", "url": "https://x", "username": "a" * 201}, "username")):
            with self.subTest(body=body):
                self.assertProblem(self.server.post(CONNECT, {"userId": "inp", **body}), 400, field=field)
        for days in (0, 31, "x", 1.5):
            self.assertProblem(self.post(SYNC, "inp", daysAhead=days), 400, field="daysAhead")
        self.assertProblem(self.post(SYNC, "inp", ical="x", busy=[]), 400, field="busy")
        self.assertProblem(self.disconnect("inp", provider="YAHOO"), 400, field="provider")
        self.assertProblem(self.server.get(STATUS), 400, field="userId")
        for call in (lambda: self.server.get(STATUS, query={"userId": "nobody"}), lambda: self.post(SYNC, "nobody"),
                     lambda: self.connect("nobody", "FEED"), lambda: self.disconnect("nobody")):
            self.assertProblem(call(), 404, "USER_NOT_FOUND")

    def test_rights(self):
        self.learner("own")
        self.learner("oth")
        own, reader = self.key("read,write", "own"), self.key("read", "own")
        self.assertEqual(self.server.post(SYNC, {"busy": []}, key=own).status, 200)
        self.assertEqual(self.server.get(STATUS, key=own).json["connected"], True)
        for method, path, body in (("POST", SYNC, {"userId": "oth", "busy": []}), ("DELETE", DISCONNECT, {"userId": "oth"}),
                                   ("POST", CONNECT, {"userId": "oth", "provider": "FEED"})):
            self.assertProblem(self.server.request(method, path, body, key=own), 404)
            self.assertProblem(self.server.request(method, path, {**body, "userId": "own"}, key=reader), 403)
        self.assertProblem(self.server.get(STATUS, query={"userId": "oth"}, key=own), 404)

    def test_erasure_and_export(self):
        self.learner("era")
        self.assertEqual(self.post(SYNC, "era", ical=calendar(vevent(ahead(1), title="Secret meeting"))).status, 200)
        self.connect("era", "FEED")
        self.plan("era", "p1", ahead(1))
        data = self.server.get("/api/analytics/export", query={"userId": "era"}).json
        self.assertEqual((data["busyTimes"][0]["title"], data["calendars"][0]["provider"], data["plannedSessions"][0]["plan"]),
                         ("Secret meeting", "UPLOAD", "p1"))
        # withdrawing analysis takes what was planned by it; the calendar is the learner's own doing
        self.server.request("PATCH", "/api/user/privacy", {"userId": "era", "behavioralAnalysisEnabled": False})
        self.assertEqual((self.planned("era", "plan"), len(self.busy("era"))), ([], 1))
        ids = self.store.query("SELECT learner_id FROM learners WHERE external_id = 'era'")[0][0]
        self.erase("era")
        for table in ("calendars", "busy_times", "calendar_feeds", "calendar_states", "planned_sessions"):
            rows = self.store.query("SELECT count(*) FROM %s WHERE learner_id = %s" % (table, ids))
            self.assertEqual(int(rows[0][0]), 0, table)

    def erase(self, learner):
        self.server.stop()
        done = run("erase", learner, "--yes", "--database", self.store.url)
        type(self).server = Server(self.store.url, *self.flags, dev=self.dev).start()
        self.assertEqual(done.returncode, 0, done.stderr)


@both_engines
class Feeds(Base):
    def feed(self, url, **headers):
        return self.server.get(urllib.parse.urlsplit(url).path, headers={k.replace("_", "-"): v for k, v in headers.items()})

    def test_feed(self):
        self.learner("fay")
        reply = self.connect("fay", "FEED")
        self.assertEqual(reply.status, 200, reply)
        url = reply.json["feedUrl"]
        self.assertRegex(url, r"^https://learn\.example\.org/calendar/feed/[\w-]{43}\.ics$")
        token = url.split("/")[-1][:-4]
        self.assertNotIn(token, str(self.store.query("SELECT * FROM calendar_feeds")))
        self.plan("fay", "p1", ahead(1), 45, title="Grüße; a, b\\c " + "ü" * 60, changed=1735725600000000)
        self.plan("fay", "p2", ahead(2), state="CANCELLED")
        got = self.feed(url)
        self.assertEqual((got.status, got.headers["Content-Type"]), (200, "text/calendar; charset=utf-8"))
        self.assertTrips(got, 1)
        self.check_text(got.body)
        lines = re.sub(b"\r\n ", b"", got.body).decode().split("\r\n")
        for line in ("DTSTART:" + stamp(ahead(1)), "DTEND:" + stamp(ahead(1, 9, 45)), "DTSTAMP:20250101T100000Z",
                     "SUMMARY:Grüße\\; a\\, b\\\\c " + "ü" * 60, "STATUS:CANCELLED", "STATUS:CONFIRMED"):
            self.assertIn(line, lines)
        self.assertEqual(len({line for line in lines if line.startswith("UID:")}), 2)
        # the same again while nothing changes, and another text when something does
        self.assertEqual(self.feed(url, If_None_Match=got.headers["ETag"]).status, 304)
        self.change("fay", "p1", "title = 'Other', changed_at = changed_at + 1000000")
        again = self.feed(url, If_None_Match=got.headers["ETag"])
        self.assertEqual(again.status, 200)
        self.assertEqual(re.findall(rb"UID:.*", got.body), re.findall(rb"UID:.*", again.body))

    def check_text(self, body):
        """RFC 5545: CRLF, at most 75 octets a line, no character cut in two, what must be there."""
        self.assertTrue(body.endswith(b"END:VCALENDAR\r\n"))
        self.assertNotIn(b"\n", body.replace(b"\r\n", b""))
        for line in body.split(b"\r\n"):
            self.assertLessEqual(len(line), 75)
            line.decode()
        for needed in (b"BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:", b"UID:", b"DTSTAMP:"):
            self.assertIn(needed, body)

    def test_feed_comes_back_as_nothing(self):
        """Our own sessions, subscribed to elsewhere and read again, keep nobody busy."""
        self.learner("fob")
        url = self.connect("fob", "FEED").json["feedUrl"]
        self.plan("fob", "p1", ahead(1))
        text = self.feed(url).body.decode()
        self.assertEqual(self.post(SYNC, "fob", ical=text).json["syncedEvents"], 0)

    def test_revoked(self):
        self.learner("rev")
        first = self.connect("rev", "FEED").json["feedUrl"]
        second = self.connect("rev", "FEED").json["feedUrl"]
        self.assertProblem(self.feed(first), 404)
        self.assertEqual(self.feed(second).status, 200)
        self.assertEqual(self.status("rev")["feed"]["active"], True)
        self.disconnect("rev")  # calendars; not the feed
        self.assertEqual(self.feed(second).status, 200)
        self.assertEqual(self.disconnect("rev", provider="FEED").json["removed"], 1)
        self.assertProblem(self.feed(second), 404)
        self.assertEqual(self.status("rev")["feed"], {"active": False, "createdAt": None})
        for path in ("x", "x.ics", ".ics", "a" * 43 + ".ics", second.split("/")[-1][:-4], "a" * 500 + ".ics"):
            self.assertIn(self.server.get("/calendar/feed/" + path).status, (400, 404), path)


@both_engines
class Addresses(Base):
    """iCalendar by URL."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        cls.web = Web()
        cls.addClassCleanup(cls.web.close)

    def test_url(self):
        self.learner("ule")
        self.web.text("/secret-u/c.ics", calendar(vevent(ahead(1), more="RRULE:FREQ=WEEKLY;COUNT=2\r\n")), ETag='"v1"')
        reply = self.connect("ule", "ICAL", url=self.web.url + "/secret-u/c.ics?key=tok-4711")
        self.assertEqual(reply.status, 200, reply)
        self.assertEqual((reply.json["connected"], reply.json["syncedEvents"]), (True, 2))
        self.assertEqual(self.starts("ule"), [(iso(ahead(1)), "Lecture"), (iso(ahead(8)), "Lecture")])
        # what opens it is kept sealed, and told to nobody
        stored = str(self.store.query("SELECT * FROM calendars"))
        for secret in ("secret-u", "tok-4711"):
            self.assertNotIn(secret, stored)
            self.assertNotIn(secret, json.dumps(self.status("ule")))
            self.assertNotIn(secret, self.server.log_text())
        self.assertEqual(self.status("ule")["calendarId"], self.web.url.split("//")[1])
        # unchanged: asked with its ETag, and kept
        reply = self.post(SYNC, "ule")
        self.assertEqual((reply.status, reply.json["calendars"][0]["unchanged"]), (200, True))
        self.assertEqual(self.web.requests[-1][2].get("If-None-Match"), '"v1"')
        self.assertEqual(len(self.busy("ule")), 2)
        self.web.text("/secret-u/c.ics", calendar(vevent(ahead(3), title="New")), ETag='"v2"')
        reply = self.post(SYNC, "ule")
        self.assertEqual((reply.json["calendars"][0]["unchanged"], self.starts("ule")), (False, [(iso(ahead(3)), "New")]))
        # a failure keeps what is known, and is told
        del self.web.routes["/secret-u/c.ics"]
        self.assertProblem(self.post(SYNC, "ule"), 409, "CALENDAR_GONE")
        status = self.status("ule")["calendars"][0]
        self.assertEqual((status["failure"], status["busyTimes"]), ("CALENDAR_GONE", 1))
        self.web.text("/secret-u/c.ics", "no calendar", ETag='"v3"')
        self.assertProblem(self.post(SYNC, "ule"), 422, "CALENDAR_FORMAT")
        self.web.text("/secret-u/c.ics", "", status=500)
        self.assertProblem(self.post(SYNC, "ule"), 502, "CALENDAR_STATUS")
        self.assertEqual(self.disconnect("ule", provider="ICAL").json["removed"], 1)
        self.assertEqual((self.busy("ule"), self.status("ule")["connected"]), ([], False))

    def refused(self, url, code):
        problem = self.assertProblem(self.connect("ure", "ICAL", url=url), 422, code, "url")
        self.assertEqual(self.status("ure")["connected"], False)
        return problem

    def test_what_cannot_be_fetched(self):
        self.learner("ure")
        for url in ("ftp://example.org/x.ics", "file:///etc/passwd", "gopher://127.0.0.1/", "https://", "x", "http://a b/",
                    "https://user:pass@example.org/", "https://example.org/#f", "javascript:alert(1)", "http://exa\nmple.org/"):
            with self.subTest(url=url):
                self.refused(url, "CALENDAR_ADDRESS")
        self.refused("http://127.0.0.1:1/x.ics", "CALENDAR_UNREACHABLE")
        self.refused("http://no-such-host.invalid/x.ics", "CALENDAR_UNREACHABLE")
        self.web.text("/large", b"x" * (5 << 20))
        self.refused(self.web.url + "/large", "CALENDAR_TOO_LARGE")
        self.web.text("/html", "<html></html>")
        self.refused(self.web.url + "/html", "CALENDAR_FORMAT")
        self.web.text("/login", "", status=401)
        self.refused(self.web.url + "/login", "CALENDAR_LOGIN")

    def test_redirects(self):
        self.learner("ure")
        self.web.text("/end.ics", calendar(vevent(ahead(1))))
        self.web.text("/hop", "", status=302, Location="/end.ics")
        self.assertEqual(self.connect("ure", "ICAL", url=self.web.url + "/hop").status, 200)
        self.disconnect("ure")
        self.web.text("/loop", "", status=302, Location="/loop")
        self.web.text("/file", "", status=302, Location="file:///etc/passwd")
        for path in ("/loop", "/file"):
            self.refused(self.web.url + path, "CALENDAR_ADDRESS")


    def test_passwords_stay_with_their_server(self):
        self.learner("pas")
        other = Web()
        self.addCleanup(other.close)
        other.text("/", "", status=401)
        self.web.text("/dav", "", status=307, Location=other.url + "/")
        self.web.text("/dav2", "", status=307, Location="/dav3")
        self.web.text("/dav3", "", status=401)
        for path in ("/dav", "/dav2"):
            reply = self.connect("pas", "CALDAV", url=self.web.url + path, username="ann", password="s3cret")
            self.assertProblem(reply, 422, "CALENDAR_LOGIN", "password")
        self.assertTrue(all("Authorization" in r[2] for r in self.web.requests if r[1].startswith("/dav")))
        self.assertEqual([r[2].get("Authorization") for r in other.requests], [None])

    def test_servers_that_answer_nonsense(self):
        self.learner("non")
        for i, body in enumerate(("", "<a", "<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "<a>" * 5000, "\xff" * 100)):
            path = "/nonsense%d" % i
            self.web.text(path, body.encode("latin-1"), status=207)
            reply = self.connect("non", "CALDAV", url=self.web.url + path, username="ann", password="x")
            self.assertProblem(reply, 422, "CALENDAR_FORMAT", "url")

    def test_broken_events_do_not_hide_the_others(self):
        """A CalDAV server with one event that cannot be read."""
        self.learner("bro")
        names = 'xmlns:d="DAV:" xmlns:c="urn:ietf:params:xml:ns:caldav"'
        here = ('<d:multistatus %s><d:response><d:href>/bro/</d:href><d:propstat><d:prop><d:resourcetype><c:calendar/>'
                "</d:resourcetype></d:prop></d:propstat></d:response></d:multistatus>" % names)
        data = "".join("<d:response><d:href>/bro/%d.ics</d:href><d:propstat><d:prop><c:calendar-data>%s</c:calendar-data>"
                       "</d:prop></d:propstat></d:response>" % (i, text)
                       for i, text in enumerate(("broken", calendar(vevent(ahead(1))), "BEGIN:VCALENDAR")))
        data = "<d:multistatus %s>%s</d:multistatus>" % (names, data)
        self.web.routes["/bro/"] = lambda handler, query, body: (207, {}, data if handler.command == "REPORT" else here)
        reply = self.connect("bro", "CALDAV", url=self.web.url + "/bro/", username="ann", password="x", pushSessions=False)
        self.assertEqual((reply.status, reply.json["syncedEvents"], reply.json["skippedEvents"]), (200, 1, 2), reply)


class Slow(Base, ApiCase):
    flags = (*Base.flags, "--calendar-timeout", "300ms")

    def test_servers_that_never_answer(self):
        """Nobody waits for them for long."""
        web, ended = Web(), threading.Event()
        self.addCleanup(web.close)
        self.addCleanup(ended.set)
        web.routes["/never"] = lambda handler, query, body: (ended.wait(60), (200, {}, b""))[1]
        self.learner("slo")
        reply = self.connect("slo", "ICAL", url=web.url + "/never")
        self.assertProblem(reply, 422, "CALENDAR_TIMEOUT", "url")


@both_engines
class Guarded(Base):
    """Without calendar_private and without keys."""
    flags = ()

    def test_without_a_key(self):
        self.learner("kay")
        for body in ({"provider": "GOOGLE"}, {"provider": "ICAL", "url": "https://example.org/"},
                     {"provider": "CALDAV", "url": "https://example.org/", "username": "a", "password": "b"}):
            problem = self.assertProblem(self.connect("kay", **body), 503, "CALENDAR_KEY_MISSING")
            self.assertIn("calendar_key", problem["detail"])
        self.assertEqual(self.connect("kay", "UPLOAD", busy=[]).status, 200)
        self.assertEqual(self.connect("kay", "FEED").status, 200)


class PrivateAddresses(ApiCase):
    flags = ("--calendar-key", KEY)

    def test_private_addresses_are_refused(self):
        web = Web()
        self.addCleanup(web.close)
        web.text("/c.ics", calendar(vevent(ahead(1))))
        port = web.url.split(":")[-1]
        self.server.events([event("ann", "activity")])
        for host in ("127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", "127.1", "2130706433", "0x7f000001",
                     "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "[fe80::1]", "[fd00::1]"):
            with self.subTest(host=host):
                reply = self.server.post(CONNECT, {"userId": "ann", "provider": "ICAL", "url": "http://%s:%s/c.ics" % (host, port)})
                problem = self.assertProblem(reply, 422, field="url")
                self.assertIn(problem["code"], ("CALENDAR_ADDRESS", "CALENDAR_UNREACHABLE"))
        self.assertEqual(web.requests, [])
        # a password needs TLS
        reply = self.server.post(CONNECT, {"userId": "ann", "provider": "CALDAV", "url": "http://192.0.2.1/", "username": "a",
                                           "password": "b"})
        self.assertProblem(reply, 422, "CALENDAR_ADDRESS")

    def test_settings_are_checked(self):
        for flags in (["--calendar-key", "nonsense"], ["--public-url", "ftp://localhost"], ["--calendar-return", "a b"],
                      ["--google-token-url", "nowhere"]):
            done = run("serve", "--listen", "127.0.0.1:0", "--database", "sqlite:" + os.path.join(self.store.folder, "b.db"), *flags)
            self.assertNotEqual(done.returncode, 0)
            self.assertIn(flags[0][2:].replace("-", "_"), done.stderr)


class CalDav(Base):
    """Against a real server; `dav` says which."""

    @classmethod
    def setUpClass(cls):
        if not shutil.which(cls.dav.program):
            raise unittest.SkipTest("%s is not installed: run script/setup --test" % cls.dav.program)
        super().setUpClass()
        cls.there = cls.dav()
        cls.addClassCleanup(cls.there.close)
        if cls.dav is Radicale:
            body = ('<?xml version="1.0"?><C:mkcalendar xmlns:D="DAV:" xmlns:C="urn:ietf:params:xml:ns:caldav"><D:set><D:prop>'
                    "<D:displayname>Work</D:displayname></D:prop></D:set></C:mkcalendar>")
            cls.dav_request("MKCOL", "/ann/", expect=(201, 405, 409))
            cls.dav_request("MKCALENDAR", cls.dav.calendar, body, expect=(201,))

    @classmethod
    def dav_request(cls, method, path, body=None, expect=(200, 201, 204), **headers):
        parts = urllib.parse.urlsplit(cls.there.url)
        connection = http.client.HTTPConnection(parts.hostname, parts.port, timeout=60)
        login = base64.b64encode(("%s:%s" % (cls.dav.user, cls.dav.password)).encode()).decode()
        kind = "text/calendar" if method == "PUT" else "application/xml"
        connection.request(method, path, body=body.encode() if body else None,
                           headers={"Authorization": "Basic " + login, "Content-Type": kind, **headers})
        got = connection.getresponse()
        text = got.read().decode()
        connection.close()
        if got.status not in expect:
            raise AssertionError("%s %s: %d %s" % (method, path, got.status, text[:300]))
        return text

    def put(self, name, *events):
        self.dav_request("PUT", self.dav.calendar + name, calendar(*events))

    def dav_connect(self, learner, url=None, **more):
        return self.connect(learner, "CALDAV", url=url or self.there.url + "/", username=self.dav.user,
                            password=self.dav.password, **more)

    def names(self):
        body = '<?xml version="1.0"?><d:propfind xmlns:d="DAV:"><d:prop><d:getetag/></d:prop></d:propfind>'
        text = self.dav_request("PROPFIND", self.dav.calendar, body, expect=(207,), Depth="1")
        return sorted(re.findall(r"/([^/<>]+\.ics)<", text))

    def test_discovery(self):
        self.learner("dis")
        for url in ("/", self.dav.home, self.dav.calendar):
            reply = self.dav_connect("dis", self.there.url + url)
            self.assertEqual(reply.status, 200, (url, reply))
            self.assertTrue(reply.json["connected"])
        stored = str(self.store.query("SELECT * FROM calendars"))
        self.assertNotIn(self.dav.password, stored)
        self.assertProblem(self.dav_connect("dis", "http://127.0.0.1:1/"), 422, "CALENDAR_UNREACHABLE", "url")
        if self.dav.refuses:
            reply = self.connect("dis", "CALDAV", url=self.there.url, username="ann", password="wrong")
            self.assertProblem(reply, 422, "CALENDAR_LOGIN", "password")

    def test_busy_times(self):
        self.learner("bus")
        self.put("one.ics", vevent(ahead(1), uid="one", more="RRULE:FREQ=DAILY;COUNT=3\r\nEXDATE:%s\r\n" % stamp(ahead(2))))
        self.put("two.ics", vevent(ahead(2, 15), uid="two", title="Lab"))
        self.put("old.ics", vevent(ahead(-40), uid="old"))
        reply = self.dav_connect("bus")
        self.assertEqual(reply.status, 200, reply)
        mine = [s for s in self.starts("bus") if s[1] in ("Lecture", "Lab")]
        self.assertEqual(mine, [(iso(ahead(1)), "Lecture"), (iso(ahead(2, 15)), "Lab"), (iso(ahead(3)), "Lecture")])
        reply = self.post(SYNC, "bus")
        self.assertEqual((reply.status, reply.json["calendars"][0]["unchanged"]), (200, True), reply)
        self.dav_request("DELETE", self.dav.calendar + "two.ics")
        reply = self.post(SYNC, "bus")
        self.assertEqual((reply.status, reply.json["calendars"][0]["unchanged"]), (200, False), reply)
        self.assertNotIn("Lab", [s[1] for s in self.starts("bus")])
        self.dav_request("DELETE", self.dav.calendar + "one.ics")
        self.dav_request("DELETE", self.dav.calendar + "old.ics")

    def test_sessions_are_written(self):
        self.learner("wri")
        before = self.names()
        self.plan("wri", "p1", ahead(1, 18), 45, title="Cell biology, ü", changed=10)
        self.plan("wri", "p2", ahead(2, 18), changed=10)
        self.plan("wri", "p3", ahead(3, 18), state="CANCELLED", changed=10)
        self.assertEqual(self.dav_connect("wri").status, 200)
        made = [n for n in self.names() if n not in before]
        self.assertEqual(len(made), 2)
        texts = "".join(self.dav_request("GET", self.dav.calendar + n) for n in made)
        self.assertIn("Cell biology\\, ü", texts)
        rows = self.planned("wri", "plan, caldav_href, caldav_etag, caldav_at")
        self.assertTrue(all(r[1] and r[2] and int(r[3]) == 10 for r in rows[:2]), rows)
        self.assertEqual(self.busy("wri"), [], "sessions of ours keep nobody busy")
        # nothing new, nothing written
        self.assertEqual(self.post(SYNC, "wri").json["calendars"][0]["pushedSessions"], 0)
        # a change goes there, a cancelled one goes away
        self.change("wri", "p1", "title = 'Genetics', changed_at = 20")
        self.change("wri", "p2", "state = 'CANCELLED', changed_at = 20")
        self.assertEqual(self.post(SYNC, "wri").json["calendars"][0]["pushedSessions"], 2)
        left = [n for n in self.names() if n not in before]
        self.assertEqual(len(left), 1)
        self.assertIn("Genetics", self.dav_request("GET", self.dav.calendar + left[0]))
        # what the learner changes there is theirs
        text = self.dav_request("GET", self.dav.calendar + left[0])
        self.dav_request("PUT", self.dav.calendar + left[0], text.replace("Genetics", "Mine"))
        self.change("wri", "p1", "title = 'Physics', changed_at = 30")
        self.assertEqual(self.post(SYNC, "wri").status, 200)
        self.assertIn("Mine", self.dav_request("GET", self.dav.calendar + left[0]))
        self.change("wri", "p1", "state = 'CANCELLED', changed_at = 40")
        self.assertEqual(self.post(SYNC, "wri").status, 200)
        self.assertIn(left[0], self.names())
        self.dav_request("DELETE", self.dav.calendar + left[0])
        self.assertEqual(self.disconnect("wri").json["removed"], 1)

    def test_written_once_though_forgotten(self):
        """A write that was not noted down is found again, and not made twice."""
        self.learner("twi")
        self.plan("twi", "p1", ahead(1, 20), changed=10)
        self.assertEqual(self.dav_connect("twi").status, 200)
        count = len(self.names())
        self.change("twi", "p1", "caldav_href = NULL, caldav_etag = NULL, caldav_at = NULL")
        self.assertEqual(self.post(SYNC, "twi").json["calendars"][0]["pushedSessions"], 1)
        self.assertEqual(len(self.names()), count)
        for name in self.names():
            self.dav_request("DELETE", self.dav.calendar + name)

    def test_not_asked_to_write(self):
        self.learner("not")
        count = len(self.names())
        self.plan("not", "p1", ahead(1, 21))
        self.assertEqual(self.dav_connect("not", pushSessions=False).status, 200)
        self.assertEqual(len(self.names()), count)


@both_engines
class OnRadicale(CalDav):
    dav = Radicale


@both_engines
class OnXandikos(CalDav):
    dav = Xandikos


def google_event(i, start, minutes=60, **more):
    end = start + datetime.timedelta(minutes=minutes)
    return {"id": "g%d" % i, "iCalUID": "g%d@google.com" % i, "status": "confirmed", "summary": "Event %d" % i,
            "start": {"dateTime": start.isoformat()}, "end": {"dateTime": end.isoformat()}, **more}


@both_engines
class OnGoogle(Base):
    @classmethod
    def setUpClass(cls):
        cls.google = Google()
        cls.flags = (*Base.flags, *cls.google.flags(), "--calendar-return", "https://app.example.org/settings")
        super().setUpClass()
        cls.addClassCleanup(cls.google.close)

    def setUp(self):
        self.google.events, self.google.changes, self.google.seen = [], [], []

    def consent(self, learner):
        """To the provider and back to our door: the query of the callback."""
        reply = self.connect(learner, "GOOGLE")
        self.assertEqual(reply.status, 200, reply)
        self.assertFalse(reply.json["connected"])
        url = reply.json["authorizationUrl"]
        query = dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(url).query))
        self.assertEqual(query["redirect_uri"], "https://learn.example.org/api/calendar/callback")
        self.assertEqual(query["state"], reply.json["state"])
        self.assertNotIn(learner, base64.urlsafe_b64decode(query["state"] + "==").decode("latin-1"))
        status, headers, _ = self.google.authorize(None, query, b"")
        self.assertEqual(status, 302)
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(headers["Location"]).query))

    def callback(self, **query):
        reply = self.server.get(CALLBACK, query=query)
        self.assertEqual(reply.status, 307, reply)
        location = reply.headers["Location"]
        self.assertTrue(location.startswith("https://app.example.org/settings?"), location)
        return dict(urllib.parse.parse_qsl(urllib.parse.urlsplit(location).query))

    def google_connect(self, learner):
        self.learner(learner)
        self.assertEqual(self.callback(**self.consent(learner)), {"calendar_message": "connected"})

    def test_events(self):
        g = self.google
        g.events = [google_event(1, ahead(1)), google_event(2, ahead(2), transparency="transparent"),
                    google_event(3, ahead(3), status="tentative"), {"id": "g4", "status": "cancelled"},
                    google_event(5, ahead(4), attendees=[{"self": True, "responseStatus": "declined"}]),
                    {"id": "g6", "status": "confirmed", "start": {"date": ahead(5).strftime("%Y-%m-%d")},
                     "end": {"date": ahead(6).strftime("%Y-%m-%d")}},
                    google_event(7, ahead(7), iCalUID="abc@sessions.doppel")]
        self.google_connect("gil")
        self.assertEqual(self.starts("gil"), [(iso(ahead(1)), "Event 1"), (iso(ahead(3)), "Event 3"), (iso(ahead(5, 0)), "")])
        status = self.status("gil")
        self.assertEqual((status["connected"], status["provider"], status["calendarId"]), (True, "GOOGLE", "ann@example.org"))
        stored = str(self.store.query("SELECT * FROM calendars")) + self.server.log_text()
        for token in g.access | g.refresh:
            self.assertNotIn(token, stored)
        # what has changed since, and only that
        g.changes = [google_event(1, ahead(1, 11)), {"id": "g3", "status": "cancelled"}, google_event(8, ahead(2))]
        reply = self.post(SYNC, "gil")
        self.assertEqual(reply.status, 200, reply)
        self.assertIn("syncToken", g.seen[-1])
        self.assertNotIn("timeMin", g.seen[-1])
        self.assertEqual(self.starts("gil"), [(iso(ahead(1, 11)), "Event 1"), (iso(ahead(2)), "Event 8"), (iso(ahead(5, 0)), "")])
        g.changes = []
        self.assertEqual(self.post(SYNC, "gil").json["calendars"][0]["unchanged"], True)
        # a token that is too old: all anew
        self.write("UPDATE calendars SET marker = 'gone' WHERE provider = 'GOOGLE'")
        g.events = [google_event(9, ahead(1))]
        self.assertEqual(self.post(SYNC, "gil").status, 200)
        self.assertEqual(self.starts("gil"), [(iso(ahead(1)), "Event 9")])

    def test_tokens(self):
        g = self.google
        self.google_connect("tok")
        g.access.clear()  # taken back early: exchanged for another
        self.assertEqual(self.post(SYNC, "tok").status, 200)
        self.assertEqual(len(g.access), 1)
        self.assertEqual(self.post(SYNC, "tok").status, 200)
        self.assertEqual(len(g.access), 1, "the new one was kept")
        g.access.clear()
        g.refresh.clear()
        self.assertProblem(self.post(SYNC, "tok"), 409, "CALENDAR_LOGIN")
        self.assertEqual(self.status("tok")["calendars"][0]["failure"], "CALENDAR_LOGIN")

    def test_disconnect_revokes(self):
        self.google_connect("dis")
        held = len(self.google.refresh)
        self.assertEqual(self.disconnect("dis").json["removed"], 1)
        self.assertEqual(len(self.google.refresh), held - 1)
        self.assertEqual(self.status("dis")["connected"], False)
        self.assertEqual(self.busy("dis"), [])

    def test_state_is_good_once(self):
        self.learner("sta")
        query = self.consent("sta")
        self.assertEqual(self.server.request("HEAD", CALLBACK, query=query, check=False).status, 405)
        self.assertEqual(self.callback(**query), {"calendar_message": "connected"})
        self.assertEqual(self.callback(**query), {"calendar_error": "invalid_state"})
        # the newest attempt counts
        old, new = self.consent("sta"), self.consent("sta")
        self.assertEqual(self.callback(**old), {"calendar_error": "invalid_state"})
        # one changed letter, anywhere
        for i in range(0, len(new["state"]), 7):
            forged = new["state"][:i] + ("A" if new["state"][i] != "A" else "B") + new["state"][i + 1:]
            self.assertEqual(self.callback(code=new["code"], state=forged), {"calendar_error": "invalid_state"})
        # too old
        self.write("UPDATE calendar_states SET expires_at = 1")
        self.assertEqual(self.callback(**new), {"calendar_error": "invalid_state"})
        self.assertEqual(self.callback(code="x", state="y"), {"calendar_error": "invalid_state"})

    def test_refused_and_stolen(self):
        self.learner("ref")
        self.assertEqual(self.callback(error="access_denied"), {"calendar_error": "access_denied"})
        self.assertEqual(self.callback(error="a&b=c\r\nX: y"), {"calendar_error": "a&b=c\r\nX: y"})  # escaped, one header
        self.assertEqual(self.callback(), {"calendar_error": "missing_params"})
        self.assertEqual(self.callback(code="x"), {"calendar_error": "missing_params"})
        # another's code does not fit this attempt's verifier
        self.learner("thief")
        theirs, own = self.consent("ref"), self.consent("thief")
        self.assertEqual(self.callback(code=theirs["code"], state=own["state"]), {"calendar_error": "connection_failed"})
        self.assertEqual(self.status("thief")["connected"], False)

    def test_keys_are_rotated(self):
        self.google_connect("rot")

        def restart(key):
            self.server.stop()
            flags = [KEY if f == KEY else f for f in self.flags]
            flags[flags.index(KEY)] = key
            type(self).server = Server(self.store.url, *flags).start()
        try:
            restart(OTHER_KEY + "," + KEY)
            self.assertEqual(self.post(SYNC, "rot").status, 200)
            restart(OTHER_KEY)
            problem = self.assertProblem(self.post(SYNC, "rot"), 503, "CALENDAR_KEY_MISSING")
            self.assertIn("calendar_key", problem["detail"])
        finally:
            restart(KEY)


if __name__ == "__main__":
    unittest.main()
