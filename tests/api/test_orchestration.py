"""When to study, for how long, and what; and whether it helped."""
import datetime
import json
import sqlite3

from tests.api.harness import both_engines, event, psql, run
from tests.api.test_answers import at, session

ROOT = "/api/orchestration"
RECOMMEND = ROOT + "/recommendations"
ADAPT = ROOT + "/adapt-schedule"
EXAMS = ROOT + "/exams"
LOAD = ROOT + "/cognitive-load"
PLAN = ROOT + "/session-plan"
EFFECT = ROOT + "/effectiveness"
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
        plan = self.server.post(PLAN, {"userId": "bur", "startTime": text(tomorrow(9)), "duration": 120,
                                       "intensity": "HIGH"}).json["plan"]
        self.assertLessEqual(plan["duration"], 30)
        self.assertEqual((plan["requestedDuration"], plan["limited"], plan["intensity"]), (120, True, "LOW"))

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

    def test_preferred_time_of_the_profile(self):
        self.make("prf")
        for said, heard in (("20:15 or so", True), ("evenings", False), ("99", False)):
            with self.subTest(said=said):
                self.assertEqual(self.server.request("PATCH", "/api/user/profile", {
                    "userId": "prf", "preferredStudyTime": said}).status, 200)
                slots = self.recommend("prf", date=tomorrow(0).date().isoformat())["recommendations"]
                asked = [s for s in slots if "The learner asked for this time." in s["reasoning"]]
                self.assertEqual(bool(asked), heard)
                self.assertTrue(all(19 <= parse(s["startTime"]).hour <= 21 for s in asked))

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


@both_engines
class Plans(Helpers):
    flags = ("--public-url", "https://learn.example.org/")

    def material(self, learner, objectives=4):
        """Answers on objectives, and cards that have become due."""
        events = []
        for i in range(objectives):
            events += [event(learner, "answer", at=text(at(20, 9, 10 * i + k)), item="q%d" % k, correct=k < 3 + i,
                             objective="o%d" % i, durationMs=30000, session="m%d" % i) for k in range(10)]
        events += [event(learner, "review", at=text(at(19, 10, k)), item="card%d" % k, rating=1 + k % 3, durationMs=20000,
                         objective="o%d" % (k % objectives), session="r") for k in range(20)]
        self.server.events([{k: v for k, v in e.items() if k != "skills"} for e in events])

    def plan(self, learner, start=None, **body):
        return self.server.post(PLAN, {"userId": learner, "startTime": text(start or tomorrow(10)), **body})

    def made(self, learner, start=None, **body):
        reply = self.plan(learner, start, **body)
        self.assertEqual(reply.status, 200, reply)
        return reply.json["plan"]

    def check(self, plan):
        """What holds for every plan with something to do."""
        items, breaks = plan["contentSequence"]["sequence"], plan["breaks"]
        self.assertEqual(parse(plan["endTime"]) - parse(plan["startTime"]), datetime.timedelta(minutes=plan["duration"]))
        self.assertEqual(sum(i["duration"] for i in items), plan["contentSequence"]["totalDuration"])
        self.assertEqual(plan["contentSequence"]["totalDuration"], plan["duration"])
        self.assertEqual([i["startMinute"] for i in items if i["type"] == "break"], breaks["breakIntervals"])
        self.assertEqual([i["duration"] for i in items if i["type"] == "break"], breaks["breakDurations"])
        self.assertEqual(sum(breaks["breakDurations"]), breaks["totalBreakTime"])
        self.assertEqual([b["minute"] for b in plan["breakList"]], breaks["breakIntervals"])
        self.assertEqual(sum(plan["contentSequence"]["phaseBreakdown"].values()), plan["duration"])
        cards = [c for i in items for c in i["cards"]]
        self.assertEqual(len(cards), len(set(cards)))
        self.assertTrue(all(i["cardCount"] == len(i["cards"]) for i in items))

    def test_fills_the_time(self):
        self.material("fil")
        for i, minutes in enumerate((15, 30, 60, 90, 120, 180)):
            plan = self.made("fil", tomorrow(1 + 3 * i), duration=minutes)
            with self.subTest(minutes=minutes):
                self.check(plan)
                self.assertEqual((plan["duration"], plan["requestedDuration"], plan["limited"]), (minutes, minutes, False))
        sixty = self.made("fil", tomorrow(7, days=2), duration=60)
        self.assertEqual(sixty["contentSequence"]["phases"], {"warmUp": 12, "peak": 36, "windDown": 12})
        self.assertEqual((sixty["breaks"]["breakIntervals"], sixty["breaks"]["totalBreakTime"]), ([25, 50], 10))
        kinds = {i["type"] for i in sixty["contentSequence"]["sequence"]}
        self.assertTrue({"review", "break"} < kinds, kinds)
        self.assertEqual(self.made("fil", tomorrow(9, days=2), duration=45.4)["duration"], 45)

    def test_stored_and_listed(self):
        self.material("sto")
        plan = self.made("sto", duration=50, intensity="HIGH")
        self.assertEqual(plan["intensity"], "HIGH")
        one = self.server.get(PLAN + "/" + plan["id"], query={"userId": "sto"}).json
        self.assertEqual(one["plan"], plan)
        self.assertEqual((one["status"]["state"], one["status"]["adherence"]), ("PLANNED", None))
        self.made("sto", tomorrow(10, days=2), duration=30)
        self.made("sto", tomorrow(10, days=3), duration=30)
        reply = self.server.get(PLAN, query={"userId": "sto", "limit": 2})
        first = reply.json
        self.assertIn('rel="next"', reply.headers["Link"])
        rest = self.server.get(PLAN, query={"userId": "sto", "limit": 2, "cursor": first["nextCursor"]}).json
        listed = first["plans"] + rest["plans"]
        self.assertEqual(([p["duration"] for p in listed], rest["nextCursor"]), ([30, 30, 50], None))
        self.assertEqual(listed[2]["id"], plan["id"])

    def test_a_repeat_makes_no_second(self):
        self.material("rep")
        one = self.plan("rep", duration=30, **{}).json
        body = {"userId": "rep", "startTime": text(tomorrow(14)), "duration": 30}
        two, three = (self.server.post(PLAN, body, headers={"Idempotency-Key": "p"}).json for _ in range(2))
        self.assertEqual(two, three)
        self.assertNotEqual(one["plan"]["id"], two["plan"]["id"])
        self.assertEqual(len(self.server.get(PLAN, query={"userId": "rep"}).json["plans"]), 2)

    def test_same_time_replaces(self):
        self.material("rpl")
        old = self.made("rpl", tomorrow(10), duration=60)
        beside = self.made("rpl", tomorrow(11), duration=30)
        self.assertEqual(beside["replaces"], [])
        new = self.made("rpl", tomorrow(10, 30), duration=30)
        self.assertEqual(new["replaces"], [old["id"]])
        states = {p["id"]: p["state"] for p in self.server.get(PLAN, query={"userId": "rpl"}).json["plans"]}
        self.assertEqual(states, {old["id"]: "CANCELLED", beside["id"]: "PLANNED", new["id"]: "PLANNED"})
        taken = self.recommend("rpl", date=tomorrow(0).date().isoformat())["recommendations"]
        for s in taken:
            self.assertFalse(parse(s["startTime"]) < parse(beside["endTime"]) and
                             parse(s["endTime"]) > parse(new["startTime"]), s)

    def test_in_the_feed_and_cancelled(self):
        self.material("fee")
        plan = self.made("fee", duration=45)
        link = self.server.post("/api/calendar/connect", {"userId": "fee", "provider": "FEED"}).json
        path = "/calendar/feed/" + link["feedUrl"].rsplit("/", 1)[1]
        feed = self.server.get(path, check=False).body.decode()
        self.assertIn("DTSTART:" + parse(plan["startTime"]).strftime("%Y%m%dT%H%M%SZ"), feed)
        self.assertIn("STATUS:CONFIRMED", feed)
        self.assertEqual(self.server.request("DELETE", PLAN + "/" + plan["id"], query={"userId": "fee"}).status, 204)
        self.assertIn("STATUS:CANCELLED", self.server.get(path, check=False).body.decode())
        self.assertEqual(self.server.get(PLAN + "/" + plan["id"], query={"userId": "fee"}).json["status"]["state"], "CANCELLED")

    def test_calendar_refuses(self):
        self.material("cal")
        self.upload("cal", (tomorrow(12), tomorrow(13), []), (tomorrow(15), tomorrow(16), ["STATUS:TENTATIVE"]),
                    (tomorrow(18), tomorrow(19), ["TRANSP:TRANSPARENT"]))
        self.assertProblem(self.plan("cal", tomorrow(11, 30), duration=60), 409, "CALENDAR_CONFLICT")
        self.assertProblem(self.plan("cal", tomorrow(12, 59), duration=60), 409, "CALENDAR_CONFLICT")
        for start in (tomorrow(11), tomorrow(13), tomorrow(15), tomorrow(18)):
            self.check(self.made("cal", start, duration=60))

    def test_strain_only_shortens(self):
        self.material("str")
        self.make("str")
        before = self.made("str", duration=60)
        score = self.load("str", [9000] * 6, 1)["loadScore"]
        self.assertGreater(score, 80)
        plan = self.made("str", duration=60, intensity="HIGH")
        self.check(plan)
        self.assertEqual((before["duration"], plan["duration"], plan["requestedDuration"], plan["limited"]), (60, 36, 60, True))
        self.assertEqual((plan["intensity"], len(plan["breaks"]["breakIntervals"])), ("LOW", 4))
        self.assertNotIn("learn", {i["type"] for i in plan["contentSequence"]["sequence"]})
        self.assertEqual(plan["strain"]["load"], score)
        self.assertEqual(before["strain"]["level"] != "HIGH", True)

    def test_mission_first(self):
        self.material("mis", 6)
        made = self.server.post("/api/learning/mission/generate", {"userId": "mis", "targetMinutes": 30}).json["data"]
        wanted = {o["objectiveId"] for o in made["objectives"]}
        plan = self.made("mis", duration=40)
        self.assertEqual(plan["missionId"], made["mission"]["id"])
        learnt = [i["id"] for i in plan["contentSequence"]["sequence"] if i["type"] == "learn"]
        self.assertTrue(learnt and learnt[0] in wanted, (learnt, wanted))
        self.assertEqual(self.made("mis", tomorrow(15), missionId=made["mission"]["id"])["missionId"], made["mission"]["id"])
        self.assertProblem(self.plan("mis", missionId="none"), 404, "MISSION_NOT_FOUND")
        self.material("mio")
        self.assertProblem(self.plan("mio", missionId=made["mission"]["id"]), 404, "MISSION_NOT_FOUND")

    def test_prerequisites_and_exam(self):
        lines = [{"type": "course", "course": "c1", "name": "One"}, {"type": "course", "course": "c2", "name": "Two"}]
        lines += [{"type": "objective", "objective": "p%d" % i, "course": "c1" if i < 3 else "c2", "name": "P%d" % i}
                  for i in range(6)]
        lines += [{"type": "prerequisite", "objective": "p%d" % i, "prerequisite": "p%d" % (i - 1), "strength": 0.9}
                  for i in (1, 2)]
        done = run("import", "catalog", "-", "--database", self.store.url, stdin="\n".join(json.dumps(x) for x in lines))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.server.events([event("pre", "answer", at=text(at(5, 9, k)), item="i%d" % k, correct=False, objective="p%d" % o,
                                  course="c1" if o < 3 else "c2", durationMs=30000, session="x")
                            for k, o in enumerate((0, 1, 2, 3, 4, 5) * 2)])
        plan = self.made("pre", duration=180)
        order = [i["id"] for i in plan["contentSequence"]["sequence"] if i["id"]]
        self.assertIn("p1", order)
        for first, second in (("p0", "p1"), ("p1", "p2")):
            if second in order:
                self.assertLess(order.index(first), order.index(second))
        self.server.post(EXAMS, {"userId": "pre", "name": "Two", "courseId": "c2", "date": tomorrow(0, days=3).date().isoformat()})
        plan = self.made("pre", duration=30)
        learnt = [i for i in plan["contentSequence"]["sequence"] if i["type"] == "learn"]
        self.assertIn(learnt[0]["id"], ("p3", "p4", "p5"))
        self.assertIn("exam", " ".join(learnt[0]["reasons"]))

    def test_lengths(self):
        self.material("len")
        plan = self.made("len")
        self.assertEqual((plan["duration"], plan["recommendedDuration"]), (45, 45))
        self.assertEqual(plan["recommendedRange"], {"min": 36, "max": 54})
        self.server.post(ADAPT, {"userId": "len", "adaptationType": "DURATION_CHANGE", "reason": "r", "newValue": 35})
        self.assertEqual(self.made("len", tomorrow(13))["duration"], 35)
        self.assertEqual(self.made("len", tomorrow(15), duration=25)["duration"], 25)

    def test_confidence(self):
        self.server.events([event("con", "answer", at=text(at(1, 9)), objective="o", session=None)])
        plan = self.made("con", duration=30)
        self.assertIsNone(plan["confidence"])
        self.assertTrue(plan["completion"]["reason"])
        self.make("con")
        done = self.plan("con", duration=30).json
        self.assertEqual(done["confidence"], done["plan"]["confidence"])
        chance = done["plan"]["completion"]
        self.assertTrue(0.8 < chance["value"] <= 1 and chance["interval"]["low"] <= chance["value"] and chance["n"] == 10, chance)

    def test_nothing_to_do(self):
        self.server.events(session("nil", "s", at(1, 9), 10))
        plan = self.made("nil", duration=30)
        self.assertEqual((plan["contentSequence"]["sequence"], plan["duration"]), ([], 30))
        self.assertIn("Nothing is known", plan["contentSequence"]["reason"])

    def test_states(self):
        self.material("sta")
        start = now().replace(second=0, microsecond=0) - datetime.timedelta(hours=5)
        kept = self.made("sta", start, duration=30)
        missed = self.made("sta", start - datetime.timedelta(hours=5), duration=30)
        self.server.events(session("sta", "kept", start + datetime.timedelta(minutes=10), 28, 6, 5))
        plans = {p["id"]: p for p in self.server.get(PLAN, query={"userId": "sta"}).json["plans"]}
        self.assertEqual((plans[kept["id"]]["state"], plans[missed["id"]]["state"]), ("DONE", "MISSED"))
        self.assertEqual(plans[kept["id"]]["adherence"], {"sessionId": "kept", "startedAt": text(start + datetime.timedelta(minutes=10)),
                                                          "offMinutes": 10, "followed": True, "actualDuration": 28})
        self.assertEqual(self.server.get(PLAN + "/" + kept["id"], query={"userId": "sta"}).json["status"]["state"], "DONE")

    def test_refusals(self):
        self.material("rfs")
        plan = self.made("rfs", duration=30)
        self.material("rfo")
        for method in ("GET", "DELETE"):
            self.assertProblem(self.server.request(method, PLAN + "/" + plan["id"], query={"userId": "rfo"}), 404)
            self.assertProblem(self.server.request(method, PLAN + "/none", query={"userId": "rfs"}), 404, "PLAN_NOT_FOUND")
        self.assertProblem(self.server.get(PLAN, query={"userId": "nobody"}), 404)
        self.assertProblem(self.plan("nobody"), 404)
        read = self.key("read", learner="rfs")
        self.assertProblem(self.server.post(PLAN, {"startTime": text(tomorrow(9))}, key=read), 403)
        self.assertProblem(self.server.get(PLAN, query={"userId": "rfo"}, key=read), 404)
        for field, value in (("startTime", None), ("startTime", "soon"), ("startTime", text(tomorrow(0, days=91))),
                             ("startTime", text(tomorrow(0, days=-3))), ("duration", 14), ("duration", 181), ("duration", "60"),
                             ("intensity", "MODERATE"), ("missionId", ""), ("missionId", 5)):
            with self.subTest(field=field, value=value):
                self.assertProblem(self.server.post(PLAN, {"userId": "rfs", "startTime": text(tomorrow(9)), field: value}),
                                   400, field=field)
        for query in ({"cursor": "x"}, {"cursor": "1."}, {"limit": 0}, {"limit": 101}, {"from": "x"}):
            with self.subTest(query=query):
                self.assertProblem(self.server.get(PLAN, query={"userId": "rfs", **query}), 400, field=list(query)[0])

    def test_privacy(self):
        self.material("pri")
        self.made("pri", duration=30)
        self.server.post(EXAMS, {"userId": "pri", "name": "n", "date": tomorrow(0).date().isoformat()})
        data = self.server.get("/api/analytics/export", query={"userId": "pri"}).json
        self.assertEqual((len(data["sessionPlans"]), len(data["exams"])), (1, 1))
        self.server.request("PATCH", "/api/user/privacy", {"userId": "pri", "behavioralAnalysisEnabled": False})
        self.assertProblem(self.plan("pri"), 403, "ANALYSIS_DISABLED")
        self.assertEqual(self.server.get(PLAN, query={"userId": "pri"}).json["plans"], [])
        self.assertEqual(len(self.server.get(EXAMS, query={"userId": "pri"}).json["exams"]), 1)


@both_engines
class Effectiveness(Helpers):
    """Plans can only be made from yesterday on; older ones are put into the store, as if made then."""
    def write(self, sql):
        if self.engine == "postgres":
            psql(self.store.url, sql)
            return
        connection = sqlite3.connect(self.store.path, timeout=30)
        try:
            with connection:
                connection.execute(sql)
        finally:
            connection.close()

    def plans(self, learner, starts, minutes=30, cancelled=False):
        rows = self.store.query("SELECT learner_id FROM learners WHERE external_id = '%s'" % learner)
        for i, start in enumerate(starts):
            us, name = int(start.timestamp()) * 1000000, "x%s%d" % ("c" if cancelled else "", i)
            end = us + minutes * 60000000
            self.write("INSERT INTO session_plans (learner_id, plan, starts_at, ends_at, asked_minutes, intensity,"
                             " confidence, created_at, content) VALUES (%s, '%s', %d, %d, %d, 'MEDIUM', 0.8, %d, '{}')"
                             % (rows[0][0], name, us, end, minutes, us))
            self.write("INSERT INTO planned_sessions (learner_id, plan, starts_at, ends_at, title, state, changed_at)"
                             " VALUES (%s, '%s', %d, %d, 't', '%s', %d)"
                             % (rows[0][0], name, us, end, "CANCELLED" if cancelled else "PLANNED", us))

    def effect(self, learner, **query):
        reply = self.server.get(EFFECT, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json

    def test_thin(self):
        self.server.events(session("thi", "s", at(1, 9), 30, 10, 8))
        data = self.effect("thi")
        self.assertEqual((data["adherenceRate"], data["performanceImprovement"], data["avgConfidence"]), (None, None, None))
        self.assertEqual((data["needed"]["sessions"], data["comparison"]["needed"]["sessions"]), (5, 5))
        self.assertEqual((data["stats"]["totalSessions"], data["stats"]["selfScheduledSessions"]), (1, 1))
        self.assertTrue(data["reason"] and data["insights"])
        self.assertEqual(data["dateRange"]["days"], 30)

    def test_adherence_and_gain(self):
        starts = []
        for day in range(1, 29):
            follows = day % 2
            right = (9 if day % 4 == 1 else 8) if follows else (6 if day % 4 else 5)
            self.server.events(session("gai", "g%d" % day, at(day, 9, 10 * follows), 32, 10, right))
            if follows:
                starts.append(at(day, 9, 5))
        starts += [at(day, 20) for day in (3, 5, 7)]
        self.plans("gai", starts)
        self.plans("gai", [at(2, 9)], cancelled=True)
        data = self.effect("gai", dateRange="30d")
        self.assertEqual((data["plans"]["due"], data["plans"]["followed"], data["plans"]["cancelled"]), (17, 14, 1))
        self.assertAlmostEqual(data["adherenceRate"], 82.4, places=1)
        interval = data["plans"]["interval"]
        self.assertTrue(interval["low"] < 82.4 < interval["high"])
        self.assertEqual((data["plans"]["optimalTimeAccuracy"], data["plans"]["durationAccuracy"], data["avgConfidence"]),
                         (100, 100, .8))
        self.assertEqual((data["stats"]["totalSessions"], data["stats"]["orchestratedSessions"]), (28, 14))
        self.assertEqual((data["stats"]["orchestratedAvgPerformance"], data["stats"]["selfScheduledAvgPerformance"]), (85, 55))
        self.assertTrue(data["comparison"]["interval"]["low"] > 0, data["comparison"])
        self.assertTrue(20 < data["comparison"]["points"] < 40)
        self.assertGreater(data["performanceImprovement"], 30)
        self.assertIn("better", " ".join(data["insights"]))
        self.assertIn(self.effect("gai", dateRange="7")["stats"]["totalSessions"], (6, 7))  # by the time of day

    def test_all_followed_is_no_comparison(self):
        for day in range(1, 9):
            self.server.events(session("all", "a%d" % day, at(day, 9), 30, 10, 7))
        self.plans("all", [at(day, 9) for day in range(1, 9)])
        data = self.effect("all")
        self.assertEqual((data["adherenceRate"], data["performanceImprovement"]), (100, None))
        self.assertTrue(data["comparison"]["reason"])
        self.assertIsNone(data["plans"]["overallEffectiveness"])

    def test_refusals(self):
        self.server.events(session("efr", "s", at(1, 9), 30, 10, 8))
        self.assertProblem(self.server.get(EFFECT, query={"userId": "nobody"}), 404)
        self.assertProblem(self.server.get(EFFECT, query={"userId": "thi"}, key=self.key("read", learner="efr")), 404)
        for value in ("0", "366", "x", "30dd", "-1", "d", "30 d", "99999999", "", "1e2"):
            with self.subTest(value=value):
                self.assertProblem(self.server.get(EFFECT, query={"userId": "efr", "dateRange": value}), 400, field="dateRange")
        self.server.request("PATCH", "/api/user/privacy", {"userId": "efr", "behavioralAnalysisEnabled": False})
        self.assertIn("switched", self.effect("efr")["reason"])
