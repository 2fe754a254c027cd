"""The nightly analysis: whose night comes when, and that each learner is taken once."""
import datetime
import re
import time
import zoneinfo

from tests.api.harness import Server, both_engines, event
from tests.api.test_summaries import practice


@both_engines
class Nights:
    def night_at(self, learner):
        rows = self.store.query("SELECT night_at FROM learners WHERE external_id = '%s'" % learner)
        return int(rows[0][0])

    def wait_for_night(self, learner, limit_s=60):
        until = time.monotonic() + limit_s
        while self.night_at(learner) <= time.time() * 1e6:
            self.assertLess(time.monotonic(), until, "the night of %s never came" % learner)
            time.sleep(0.02)
        return datetime.datetime.fromtimestamp(self.night_at(learner) / 1e6, datetime.timezone.utc)

    def test_the_next_night_is_local(self):
        self.server.events([event("tokyo", "activity"), event("utc", "activity")])
        reply = self.server.request("PATCH", "/api/user/profile", {"userId": "tokyo", "timeZone": "Asia/Tokyo"})
        self.assertEqual(reply.status, 200, reply)
        self.restart()
        for learner, zone in (("tokyo", "Asia/Tokyo"), ("utc", "UTC")):
            local = self.wait_for_night(learner).astimezone(zoneinfo.ZoneInfo(zone))
            self.assertEqual((local.hour, local.minute), (2, 0), local)
            self.assertLess(local - datetime.datetime.now(datetime.timezone.utc), datetime.timedelta(hours=25))

    def test_memory_is_fitted(self):
        reviews = [event("ann", "review", at="2025-03-%02dT12:%02d:00Z" % (1 + 3 * k, i), item="card%d" % i,
                         rating=1 if k and (i + k) % 3 == 0 else 3) for i in range(40) for k in range(4)]
        self.server.events(reviews + [event("new", "review", item="card", rating=3)])
        before = self.profile("ann")
        self.assertIsNone(before["personalizedForgettingCurve"])
        self.assertIn("night", before["estimates"]["personalizedForgettingCurve"]["reason"])
        self.restart()
        self.wait_for_night("ann")
        self.wait_for_night("new")
        profile = self.profile("ann")
        curve, estimate = profile["personalizedForgettingCurve"], profile["estimates"]["personalizedForgettingCurve"]
        self.assertEqual(estimate["n"], 120)
        self.assertIsNone(estimate["reason"])
        self.assertAlmostEqual(curve["stabilityFactor"] * curve["decayRate"], 0.6931, places=2)
        self.assertGreater(curve["initialRetention"], 0.5)
        thin = self.profile("new")
        self.assertIsNone(thin["personalizedForgettingCurve"])
        self.assertEqual(thin["estimates"]["personalizedForgettingCurve"]["needed"]["graded"], 31)

    def test_what_was_done_is_counted(self):
        self.server.events([event("cora", "activity")])
        self.restart()
        self.wait_for_night("cora")
        until, page = time.monotonic() + 60, ""
        while not re.search(r"^doppel_night_learners_total [1-9]", page, re.M):
            self.assertLess(time.monotonic(), until, page)
            page = self.server.get("/metrics").body.decode()
        self.assertIn("doppel_night_failed_total 0", page)

    def test_summaries_are_kept(self):
        self.server.events(practice("sue", "one", 2, 10, 3) + practice("sue", "two", 1, 10, 9))
        self.restart()
        self.wait_for_night("sue")
        insight = self.server.get("/api/analytics/daily-insight", query={"userId": "sue"}).json
        self.assertEqual((insight["priority_objective_id"], insight["kept"]), ("one", True))
        week = self.server.get("/api/analytics/weekly-summary", query={"userId": "sue"}).json
        self.assertEqual([(i["objective_id"], i["kept"]) for i in week], [("one", True), ("two", True), (None, False)])

    def test_the_usual_hour_is_found(self):
        now = datetime.datetime.now(datetime.timezone.utc)
        hour = (now + datetime.timedelta(hours=3)).hour
        self.server.events([event("usu", "study", at=(now - datetime.timedelta(days=d)).strftime("%%Y-%%m-%%dT%02d:40:00Z" % hour),
                                  session="u%d" % d, durationMs=1200000) for d in range(1, 20)])
        self.restart()
        self.wait_for_night("usu")
        rows = self.store.query("SELECT usual_at FROM learners WHERE external_id = 'usu'")
        at = datetime.datetime.fromtimestamp(int(rows[0][0]) / 1e6, datetime.timezone.utc)
        self.assertEqual((at.hour, at.minute), (hour, 0))
        self.assertGreater(at, now)
        self.assertLess(at - now, datetime.timedelta(hours=25))

    def profile(self, learner):
        reply = self.server.get("/api/analytics/learning-profile", query={"userId": learner})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]["profile"]

    def restart(self):
        """A look comes at once when the server starts, else every half minute."""
        cls = type(self)
        self.assertEqual(cls.server.stop(), 0)
        cls.server = Server(cls.store.url, *cls.flags, dev=cls.dev).start()


@both_engines
class GoalNights:
    """Goals are set while no night can come, and looked at when the first one does."""
    flags = ("--no-night",)
    GOALS = "/api/analytics/behavioral-insights/goals"

    def goal(self, ahead, **body):
        until = datetime.datetime.now(datetime.timezone.utc) + ahead
        reply = self.server.post(self.GOALS, {"userId": "ann", "deadline": until.isoformat(), **body})
        self.assertEqual(reply.status, 201, reply)
        return reply.json["data"]["goal"]["id"], until

    def read(self, goal):
        return self.server.get(self.GOALS + "/" + goal, query={"userId": "ann"}).json["data"]

    def test_goals_are_measured_and_end(self):
        days, seconds = datetime.timedelta(days=20), datetime.timedelta(seconds=3)
        for ago in (6, 5):
            self.server.events(practice("ann", "o", ago, 10, 5))
        reach, _ = self.goal(days, goalType="STUDY_TIME_CONSISTENCY", targetValue=3)
        way, _ = self.goal(days, goalType="INCREASE_RETENTION", targetValue=99)
        told, _ = self.goal(days, goalType="CUSTOM", targetValue=9)
        late, until = self.goal(seconds, goalType="CUSTOM", targetValue=9)
        self.server.events(practice("ann", "o", 2, 10, 10) + practice("ann", "o", 1, 10, 10))
        while datetime.datetime.now(datetime.timezone.utc) <= until:
            time.sleep(0.05)
        cls = type(self)
        self.assertEqual(cls.server.stop(), 0)
        cls.server = Server(cls.store.url, dev=cls.dev).start()
        Nights.wait_for_night(self, "ann")
        done = self.read(reach)
        self.assertEqual((done["goal"]["status"], done["goal"]["currentValue"], done["goal"]["version"]), ("COMPLETED", 4, 2))
        self.assertIsNotNone(done["goal"]["completedAt"])
        self.assertEqual([(p["value"], p["note"]) for p in done["progressHistory"]], [(2, None), (4, "measured")])
        now = self.read(way)["goal"]
        self.assertEqual((now["status"], now["currentValue"]), ("ACTIVE", 75))
        self.assertEqual((self.read(told)["goal"]["version"], self.read(told)["goal"]["status"]), (1, "ACTIVE"))
        self.assertEqual(self.read(late)["goal"]["status"], "ABANDONED")

    night_at = Nights.night_at
