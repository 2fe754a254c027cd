"""A class that has lived for two months, its nights done: every answer about each of its learners is one, and nothing
of a learner is left after erasure."""
import datetime
import json
import os
import tempfile

from tests.api.harness import both_engines, document, now, run, wait_until

LEARNERS, DAYS = 2, 60
CRON = "/api/cron/weekly-pattern-analysis"
# What stands in a path is found in another answer.
IDS = {
    "/api/learning/sessions/{id}": ("/api/learning/sessions", "sessions", "id"),
    "/api/learning/sessions/{id}/analytics": ("/api/learning/sessions", "sessions", "id"),
    "/api/learning/mission/{id}": ("/api/missions/history", "missions", "id"),
    "/api/missions/{id}": ("/api/missions/history", "missions", "id"),
    "/api/missions/{id}/feedback": ("/api/missions/history", "missions", "id"),
    "/api/objectives/{id}": ("/api/objectives", "objectives", "id"),
    "/api/objectives/{id}/performance": ("/api/objectives", "objectives", "id"),
    "/api/priorities/objectives/{id}": ("/api/objectives", "objectives", "id"),
    "/api/analytics/success-probability/{objectiveId}": ("/api/objectives", "objectives", "id"),
    "/api/analytics/time-to-mastery/{objectiveId}": ("/api/objectives", "objectives", "id"),
    "/api/analytics/behavioral-insights/goals/{id}": ("/api/analytics/behavioral-insights/goals", "goals", "id"),
    "/api/orchestration/session-plan/{id}": ("/api/orchestration/session-plan", "plans", "id"),
}
ARTICLE, PROBLEM = "spacing-effect-science", "NOT_FOUND"
# Answers that need more than a learner.
ELSEWHERE = {"/api/calendar/callback", "/calendar/feed/{file}", "/api/learning/sessions/compare",
             "/api/analytics/early-warning/learners"}


def numbers(value, path=""):
    """Every estimate in an answer that has an interval: (path, low, value, high)."""
    if isinstance(value, dict):
        interval = value.get("interval")
        if isinstance(interval, dict) and isinstance(value.get("value"), (int, float)):
            yield path, interval["low"], value["value"], interval["high"]
        for name, member in value.items():
            yield from numbers(member, path + "/" + name)
    elif isinstance(value, list):
        for i, member in enumerate(value):
            yield from numbers(member, "%s/%d" % (path, i))


@both_engines
class WholeClass:
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        with tempfile.TemporaryDirectory() as folder:
            events, catalog = os.path.join(folder, "events"), os.path.join(folder, "catalog")
            start = (now() - datetime.timedelta(days=DAYS)).strftime("%Y-%m-%d")
            for done in (run("simulate", "--learners", str(LEARNERS), "--days", str(DAYS), "--seed", "9", "--start", start,
                             "--out", events, "--catalog", catalog),
                         run("import", "catalog", catalog, "--database", cls.store.url),
                         run("import", "events", events, "--database", cls.store.url)):
                if done.returncode:
                    raise RuntimeError(done.stderr)
        cls.learners = ["sim-%04d" % (i + 1) for i in range(LEARNERS)]
        cls.server.post(CRON)  # the server's own next look may be half a minute away
        wait_until(lambda: cls.server.get(CRON).json["results"]["analyzed"] == LEARNERS, 300, "the nights")
        for learner in cls.learners:
            cls.live(learner)

    @classmethod
    def send(cls, method, path, learner, **body):
        reply = cls.server.request(method, path, body=dict(body, userId=learner))
        if reply.status >= 400:
            raise AssertionError("%s %s: %r" % (method, path, reply))
        return reply.json.get("data", reply.json)

    @classmethod
    def live(cls, learner):
        """What a client does on a day."""
        tomorrow = now() + datetime.timedelta(days=1)
        made = cls.send("POST", "/api/analytics/predictions/generate", learner)
        for prediction in made["predictions"][:1]:
            cls.send("POST", "/api/analytics/predictions/%s/feedback" % prediction["id"], learner,
                     actualStruggle=True, feedbackType="HELPFUL")
        for wanted in cls.server.get("/api/analytics/interventions", query={"userId": learner}).json["data"]["interventions"][:1]:
            cls.send("POST", "/api/analytics/interventions/%s/apply" % wanted["id"], learner)
        cls.send("POST", "/api/learning/mission/generate", learner)
        cls.send("POST", "/api/orchestration/session-plan", learner, startTime=tomorrow.strftime("%Y-%m-%dT18:00:00Z"), duration=45)
        cls.send("POST", "/api/orchestration/exams", learner, name="Final", courseId="course-1", date=tomorrow.strftime("%Y-%m-%d"))
        for context in ("MISSION", "CONTENT", "ASSESSMENT", "SESSION"):
            cls.send("POST", "/api/personalization/apply", learner, context=context)
        cls.send("POST", "/api/analytics/behavioral-insights/goals", learner, goalType="SESSION_DURATION", targetValue=40,
                 deadline=(now() + datetime.timedelta(days=30)).strftime("%Y-%m-%dT%H:%M:%SZ"))

    def paths(self, learner):
        """All that can be asked about a learner: pairs of a path and what stands in its row."""
        for path, item in sorted(document()["paths"].items()):
            row = item.get("get")
            if row is None or path in ELSEWHERE:
                continue
            if path in IDS:
                where, name, member = IDS[path]
                listed = self.server.get(where, query={"userId": learner}).json
                listed = listed.get("data", listed)[name]
                self.assertTrue(listed, where)
                path = path[:path.index("{")] + listed[0][member] + path[path.index("}") + 1:]
            path = path.replace("{articleId}", ARTICLE).replace("{code}", PROBLEM)
            self.assertNotIn("{", path, "where its id is from stands in IDS")
            yield path, any(p["name"] == "userId" for p in row.get("parameters", []))

    def test_every_answer_about_everybody(self):
        for learner in self.learners:
            for path, _ in self.paths(learner):
                with self.subTest(learner=learner, path=path):
                    reply = self.server.get(path, query={"userId": learner})  # the schema is checked on the way
                    self.assertEqual(reply.status, 200, reply)
                    if reply.headers["Content-Type"].startswith("application/json"):
                        for where, low, value, high in numbers(reply.json):
                            self.assertTrue(low <= value <= high, "%s: %s not within %s and %s" % (where, value, low, high))

    def test_what_is_exported(self):
        for learner in self.learners:
            whole = self.server.get("/api/analytics/export", query={"userId": learner}).json
            printed = run("export", learner, "--out", "-", "--database", self.store.url)
            self.assertEqual(printed.returncode, 0, printed.stderr)
            again = json.loads(printed.stdout)
            self.assertIn("predictionWeeks", whole)  # nothing was judged yet, but its sums would be there
            for name in ("events", "memory", "mind", "predictions", "goals", "sessionPlans", "personalizationChoices"):
                self.assertTrue(whole[name], name)
                self.assertEqual(len(whole[name]), len(again[name]), name)

    def test_z_nothing_is_left(self):
        learner = self.learners[-1]
        number = self.store.query("SELECT learner_id FROM learners WHERE external_id = '%s'" % learner)[0][0]
        asked = [path for path, of_learner in self.paths(learner) if of_learner]
        done = run("erase", learner, "--yes", "--database", self.store.url)
        self.assertEqual(done.returncode, 0, done.stderr)
        for path in asked:
            wait_until(lambda: self.server.get(path, query={"userId": learner}).status == 404, 10, path + " of one who is gone")
        for table in self.tables_of_learners():
            left = self.store.query("SELECT count(*) FROM %s WHERE learner_id = %s" % (table, number))
            self.assertEqual(int(left[0][0]), 0, table)

    def tables_of_learners(self):
        if self.engine == "sqlite":
            found = self.store.query("SELECT m.name FROM sqlite_master m, pragma_table_info(m.name) c "
                                     "WHERE m.type = 'table' AND c.name = 'learner_id'")
        else:
            found = self.store.query("SELECT table_name FROM information_schema.columns "
                                     "WHERE table_schema = 'public' AND column_name = 'learner_id'")
        self.assertGreater(len(found), 30)
        return [row[0] for row in found]
