"""When to study, for how long, and what; and whether it helped."""
import datetime

from tests.api.harness import both_engines
from tests.api.test_answers import at, session

ROOT = "/api/orchestration"
RECOMMEND = ROOT + "/recommendations"
ADAPT = ROOT + "/adapt-schedule"
EXAMS = ROOT + "/exams"
LOAD = ROOT + "/cognitive-load"
UTC = datetime.timezone.utc


def now():
    return datetime.datetime.now(UTC)


def text(t):
    return t.strftime("%Y-%m-%dT%H:%M:%S.000Z")


def parse(s):
    return datetime.datetime.fromisoformat(s.replace("Z", "+00:00"))


def tomorrow(hour, minute=0, days=1):
    return (now() + datetime.timedelta(days=days)).replace(hour=hour, minute=minute, second=0, microsecond=0)


def calendar(*events):
    lines = ["BEGIN:VCALENDAR", "VERSION:2.0", "PRODID:-//test//EN"]
    for i, (start, end, more) in enumerate(events):
        lines += ["BEGIN:VEVENT", "UID:e%d@test" % i, "DTSTAMP:20250101T000000Z",
                  "DTSTART:" + start.strftime("%Y%m%dT%H%M%SZ"), "DTEND:" + end.strftime("%Y%m%dT%H%M%SZ"),
                  "SUMMARY:Event %d" % i, *more, "END:VEVENT"]
    return "\r\n".join(lines + ["END:VCALENDAR", ""])


class Helpers:
    def make(self, learner, days=range(2, 12), hour=9, right=8, minutes=30):
        for day in days:
            self.server.events(session(learner, "%s-%d-%d" % (learner, day, hour), at(day, hour), minutes, 10, right))

    def load(self, learner, latencies, errors, baseline=2000):
        return self.server.post("/api/analytics/cognitive-load/calculate", {
            "userId": learner, "sessionId": "load-" + learner, "behavioralData": {
                "responseLatencies": latencies, "errorRate": errors, "sessionDuration": 100,
                "performanceScores": [0.1] * 5,
                "engagementMetrics": {"pauseCount": 20, "pauseDurationMs": 0, "cardInteractions": 1},
                "baselineData": {"avgResponseLatency": baseline, "baselinePerformance": 0.9}}}).json

    def upload(self, learner, *events):
        reply = self.server.post("/api/calendar/sync", {"userId": learner, "ical": calendar(*events)})
        self.assertEqual(reply.status, 200, reply)

    def recommend(self, learner, **body):
        return self.server.post(RECOMMEND, {"userId": learner, **body}).json


@both_engines
class Schedule(Helpers):
    def test_nothing_known_gives_usual_hours(self):
        self.server.events(session("new", "s", at(1, 5), 10, complete=False)[:1])
        self.assertEqual(self.server.request("PATCH", "/api/user/privacy", {
            "userId": "new", "behavioralAnalysisEnabled": False}).status, 200)
        data = self.recommend("new", date=text(tomorrow(0)))
        self.assertIn("switched", data["reason"])
        slots = data["recommendations"]
        self.assertTrue(3 <= len(slots) <= 5)
        first = slots[0]
        self.assertEqual((parse(first["startTime"]).hour, parse(first["endTime"]).hour), (7, 9))
        self.assertEqual((first["score"], first["confidence"], first["duration"], first["basis"]), (75, .4, 120, "usual"))
        self.assertEqual([s["score"] for s in slots[-1:]], [70])
        self.assertIsNone(first["estimatedPerformance"])
        self.assertEqual(self.store.query("SELECT count(*) FROM schedule_slots s JOIN learners l ON"
                                          " l.learner_id = s.learner_id WHERE l.external_id = 'new'")[0][0] in (0, "0"), True)

    def test_slots(self):
        self.make("ann")
        data = self.recommend("ann")
        slots = data["recommendations"]
        self.assertTrue(3 <= len(slots) <= 5)
        self.assertEqual(data["data"]["timeSlots"], slots)
        self.assertAlmostEqual(sum(s["confidence"] for s in slots), 1, places=2)
        for s in slots:
            self.assertGreater(parse(s["startTime"]), now() - datetime.timedelta(minutes=1))
            self.assertEqual((parse(s["endTime"]) - parse(s["startTime"])).seconds, 60 * s["duration"])
            self.assertFalse(s["calendarConflict"])
            self.assertEqual((s["status"], s["basis"]), ("available", "history"))
            self.assertTrue(s["interval"]["low"] <= s["estimatedPerformance"] <= s["interval"]["high"])
            self.assertEqual(s["reason"], s["reasoning"][0])
        ids = {s["id"] for s in slots}
        kept = {r[0] for r in self.store.query(
            "SELECT slot FROM schedule_slots s JOIN learners l ON l.learner_id = s.learner_id"
            " WHERE l.external_id = 'ann'")}
        self.assertEqual(ids, kept)
        self.assertEqual({s["id"] for s in self.recommend("ann")["recommendations"]}, ids)
        self.assertEqual({s["id"] for s in self.server.get(RECOMMEND, query={"userId": "ann"}).json["recommendations"]}, ids)

    def test_get_writes_nothing(self):
        self.make("get")
        self.server.get(RECOMMEND, query={"userId": "get"})
        self.assertEqual(int(self.store.query("SELECT count(*) FROM schedule_slots s JOIN learners l ON"
                                              " l.learner_id = s.learner_id WHERE l.external_id = 'get'")[0][0]), 0)

    def test_busy_times(self):
        self.make("bus")
        day = tomorrow(0)
        self.upload("bus", (day, day + datetime.timedelta(hours=12), []),
                    (day + datetime.timedelta(hours=13), day + datetime.timedelta(hours=24), ["STATUS:TENTATIVE"]))
        slots = self.recommend("bus", date=day.date().isoformat())["recommendations"]
        self.assertGreaterEqual(len(slots), 3)
        for s in slots:
            start, end = parse(s["startTime"]), parse(s["endTime"])
            self.assertFalse(start < day + datetime.timedelta(hours=12) and end > day, s)
            if s["calendarConflict"]:
                self.assertEqual(s["conflictingEvents"][0]["summary"], "Event 1")
                self.assertEqual(s["status"], "suboptimal")
        free = [s for s in slots if not s["calendarConflict"]]
        soft = [s for s in slots if s["calendarConflict"]]
        if free and soft:
            self.assertGreater(free[0]["score"], soft[0]["score"])

    def test_zone(self):
        self.make("zon", range(2, 16), hour=12)
        self.assertEqual(self.server.request("PATCH", "/api/user/profile", {
            "userId": "zon", "timeZone": "Asia/Tokyo"}).status, 200)
        data = self.recommend("zon", date=tomorrow(0, days=2).date().isoformat())
        self.assertEqual(data["timeZone"], "Asia/Tokyo")
        for s in data["recommendations"]:
            self.assertIn((parse(s["startTime"]).hour + 9) % 24, range(6, 22))
        self.assertIn("often studies", str(data["recommendations"]))

    def test_load_shortens(self):
        self.make("tir")
        before = self.recommend("tir")["recommendations"][0]["duration"]
        score = self.load("tir", [9000] * 6, 1)["loadScore"]
        self.assertGreater(score, 80)
        data = self.recommend("tir")
        self.assertEqual((data["cognitiveLoad"], data["highLoadWarning"], data["recoveryRecommended"]), (score, True, True))
        self.assertEqual((before, data["recommendations"][0]["duration"]), (60, 36))
        self.assertTrue(data["loadBasedAdjustments"])

    def test_burnout_withholds(self):
        for day in range(1, 14):
            for part in range(2):
                self.server.events(session("bur", "b%d-%d" % (day, part), at(day, 8 + 6 * part), 300, 10,
                                           10 if day > 7 else 2))
            for k in range(3):
                self.server.events([{"id": "bl%d-%d" % (day, k), "learner": "bur", "kind": "load", "at": text(at(day, 9 + k)),
                                     "session": "b%d-0" % day, "data": {"loadScore": 90, "confidenceLevel": 1}}])
        risk = self.server.get("/api/analytics/burnout-risk", query={"userId": "bur"}).json["data"]["riskLevel"]
        self.assertIn(risk, ("HIGH", "CRITICAL"))
        data = self.recommend("bur")
        self.assertTrue(data["withheld"])
        self.assertEqual(data["recommendations"], [])
        self.assertIn("rest", data["reason"])

    def test_adapt(self):
        self.make("ada")
        reply = self.server.post(ADAPT, {"userId": "ada", "adaptationType": "TIME_SHIFT", "reason": "work",
                                         "oldValue": 9, "newValue": {"time": "19:30"}})
        self.assertEqual(reply.status, 200, reply)
        data = reply.json
        self.assertEqual((data["success"], data["understoodAs"], data["newValue"]), (True, 19, {"time": "19:30"}))
        slots = data["updatedRecommendations"]
        self.assertTrue(3 <= len(slots) <= 5)
        self.assertTrue(any(18 <= parse(s["startTime"]).hour <= 20 for s in slots))
        self.assertIn("The learner asked for this time.", str(self.recommend("ada")["recommendations"]))
        for kind, value, understood in (("DURATION_CHANGE", 30, 30), ("DURATION_CHANGE", {"minutes": "45"}, 45),
                                        ("INTENSITY_ADJUSTMENT", "LOW", 0), ("FREQUENCY_CHANGE", 4, 4),
                                        ("TIME_SHIFT", "2030-01-01T07:00:00Z", 7), ("DURATION_CHANGE", 1e300, None),
                                        ("TIME_SHIFT", 24, None), ("DURATION_CHANGE", [1], None), ("TIME_SHIFT", None, None)):
            with self.subTest(kind=kind, value=value):
                data = self.server.post(ADAPT, {"userId": "ada", "adaptationType": kind, "reason": "r",
                                                "newValue": value}).json
                self.assertEqual(data["understoodAs"], understood)
                self.assertEqual(data["understoodReason"] is None, understood is not None)
        self.assertEqual(self.recommend("ada")["recommendations"][0]["duration"], 45)
        self.assertEqual(self.recommend("ada")["sessionsPerWeek"], {"wanted": 4, "planned": 0})

    def test_exams(self):
        self.make("exa")
        day = tomorrow(0, days=5).date().isoformat()
        one = self.server.post(EXAMS, {"userId": "exa", "name": "Finals", "date": day}, headers={"Idempotency-Key": "k"})
        self.assertEqual(one.status, 201, one)
        self.server.post(EXAMS, {"userId": "exa", "name": "Finals", "date": day}, headers={"Idempotency-Key": "k"})
        listed = self.server.get(EXAMS, query={"userId": "exa"}).json["exams"]
        self.assertEqual([(e["name"], e["date"], e["courseId"]) for e in listed], [("Finals", day, None)])
        path = EXAMS + "/" + listed[0]["id"]
        self.make("oth")
        self.assertProblem(self.server.request("DELETE", path, query={"userId": "oth"}), 404)
        self.assertEqual(self.server.request("DELETE", path, query={"userId": "exa"}).status, 204)
        self.assertProblem(self.server.request("DELETE", path, query={"userId": "exa"}), 404)
        self.assertEqual(self.server.get(EXAMS, query={"userId": "exa"}).json["exams"], [])
        for field, value in (("name", ""), ("name", None), ("name", "x" * 201), ("date", "soon"), ("date", None),
                             ("date", "1990-01-01"), ("courseId", "")):
            with self.subTest(field=field, value=str(value)[:20]):
                self.assertProblem(self.server.post(EXAMS, {"userId": "exa", "name": "n", "date": day, field: value}),
                                   400, field=field)

    def test_load(self):
        self.make("loa")
        data = self.server.get(LOAD, query={"userId": "loa"}).json
        self.assertNotIn("trend", data)
        self.assertIsNotNone(data["load"])
        score = self.load("loa", [2000] * 6, .5)["loadScore"]
        data = self.server.get(LOAD, query={"userId": "loa", "includeTrend": "true"}).json
        self.assertEqual(data["load"], int(score + .5))
        self.assertEqual(data["level"], "LOW" if score < 40 else "MEDIUM" if score <= 70 else "HIGH")
        self.assertEqual(len(data["trend"]), 7)
        self.assertEqual(data["trend"][:6], [None] * 6)
        self.assertAlmostEqual(data["trend"][6], score, places=1)
        self.assertEqual(data["trend"], self.server.get(LOAD, query={"userId": "loa", "includeTrend": "true"}).json["trend"])
        self.assertEqual(data["data"]["currentLoad"], data["load"])
        self.assertEqual([d["load"] for d in data["data"]["historicalData"]], data["trend"])
        self.assertIsNone(data["data"]["trend"]["percentage"])

    def test_load_unknown(self):
        self.server.events(session("unk", "s", at(1, 9), 10))
        data = self.server.get(LOAD, query={"userId": "unk"}).json
        self.assertEqual((data["load"], data["level"]), (None, None))
        self.assertTrue(data["reason"] and data["strain"]["needed"])

    def test_refusals(self):
        self.make("ref", days=(2,))
        other = self.key("read", learner="ref")
        for path in (RECOMMEND, EXAMS, LOAD):
            self.assertProblem(self.server.get(path, query={"userId": "nobody"}), 404)
            self.assertProblem(self.server.get(path, query={"userId": "ann"}, key=other), 404)
        for path, body in ((RECOMMEND, {}), (ADAPT, {"adaptationType": "TIME_SHIFT", "reason": "r"}),
                           (EXAMS, {"name": "n", "date": "2030-01-01"})):
            self.assertProblem(self.server.post(path, {"userId": "nobody", **body}), 404)
            self.assertProblem(self.server.post(path, {"userId": "ref", **body}, key=other), 403)
        for date in ("yesterday", "", text(now() - datetime.timedelta(days=3)), "2999-01-01", "0001-01-01", 5):
            with self.subTest(date=date):
                self.assertProblem(self.server.post(RECOMMEND, {"userId": "ref", "date": date}), 400, field="date")
        for field, value in (("adaptationType", "MOOD"), ("adaptationType", None), ("reason", ""), ("reason", None),
                             ("reason", "x" * 1001), ("newValue", "x" * 5000)):
            with self.subTest(field=field, value=str(value)[:20]):
                body = {"userId": "ref", "adaptationType": "TIME_SHIFT", "reason": "r", field: value}
                self.assertProblem(self.server.post(ADAPT, body), 400, field=field)
