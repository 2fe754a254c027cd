"""Idempotency-Key: a repeat is answered as the first was, and changes nothing."""
import sqlite3
import threading

from tests.api.harness import Server, both_engines, event, psql, run
from tests.api.test_goals import GOALS, ahead

SESSIONS = "/api/learning/sessions"


@both_engines
class Repeats:
    def setUp(self):
        super().setUp()
        self.learner = "l-" + self.id().rsplit(".", 1)[1].replace("test_", "")
        self.server.events([event(self.learner, "activity")])
        self.deadline = ahead(20)

    def goal(self, repeat, title="Read", server=None, learner=None, **kw):
        return (server or self.server).post(
            GOALS, {"userId": learner or self.learner, "goalType": "CUSTOM", "targetValue": 10, "title": title,
                    "deadline": self.deadline}, headers={"Idempotency-Key": repeat}, **kw)

    def goals(self, learner=None):
        return self.server.get(GOALS, query={"userId": learner or self.learner}).json["data"]["goals"]

    def kept(self):
        return self.store.query("SELECT count(*) FROM idempotency k JOIN learners l ON l.learner_id = k.learner_id "
                                "WHERE l.external_id = '%s'" % self.learner)[0][0]

    def test_same_reply(self):
        first, again = self.goal("k"), self.goal("k")
        self.assertEqual((first.status, again.status, first.body), (201, 201, again.body))
        self.assertIsNone(first.headers["Idempotency-Replayed"])
        self.assertEqual(again.headers["Idempotency-Replayed"], "true")
        self.assertEqual(len(self.goals()), 1)
        self.assertNotEqual(self.goal("k2").json["data"]["goal"]["id"], first.json["data"]["goal"]["id"])
        self.assertEqual(len(self.goals()), 2)

    def test_other_request_is_refused(self):
        self.assertEqual(self.goal("k").status, 201)
        self.assertProblem(self.goal("k", title="Write"), 422, "IDEMPOTENCY_KEY_REUSED")
        self.assertProblem(self.server.post(SESSIONS, {"userId": self.learner}, headers={"Idempotency-Key": "k"}),
                           422, "IDEMPOTENCY_KEY_REUSED")
        self.assertEqual(len(self.goals()), 1)

    def test_a_key_is_the_callers_own(self):
        self.assertEqual(self.goal("k").status, 201)
        self.server.events([event("somebody", "activity")])
        self.assertIsNone(self.goal("k", learner="somebody").headers["Idempotency-Replayed"])
        one, two = self.key("write", learner=self.learner), self.key("write", learner=self.learner)
        self.assertIsNone(self.goal("k", key=one).headers["Idempotency-Replayed"])
        self.assertEqual(self.goal("k", key=one).headers["Idempotency-Replayed"], "true")
        self.assertIsNone(self.goal("k", key=two).headers["Idempotency-Replayed"])
        self.assertEqual(len(self.goals()), 3)

    def test_refused_is_not_remembered(self):
        bad = {"userId": self.learner, "goalType": "CUSTOM", "targetValue": 10, "deadline": ahead(-1)}
        self.assertProblem(self.server.post(GOALS, bad, headers={"Idempotency-Key": "k"}), 400)
        self.assertEqual(self.goal("k").status, 201)
        for key in ("", "x" * 129, "two words", "\xe9"):
            with self.subTest(key=key[:10]):
                self.assertProblem(self.goal(key), 400, field="Idempotency-Key")
        self.assertEqual(self.goal("x" * 128).status, 201)

    def test_at_once(self):
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(self.goal("k"))) for _ in range(6)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual({r.status for r in replies}, {201})
        self.assertEqual(len({r.body for r in replies}), 1)
        self.assertEqual(sum(r.headers["Idempotency-Replayed"] is None for r in replies), 1)
        self.assertEqual(len(self.goals()), 1)

    def test_events(self):
        def start():
            return self.server.post(SESSIONS, {"userId": self.learner}, headers={"Idempotency-Key": "s"})
        first, again = start(), start()
        self.assertEqual((first.status, first.body), (again.status, again.body))
        listed = self.server.get(SESSIONS, query={"userId": self.learner}).json["data"]["sessions"]
        self.assertEqual(len(listed), 1)
        made = self.server.post("/api/learning/mission/generate", {"userId": self.learner},
                                headers={"Idempotency-Key": "m"})
        self.assertProblem(made, 422, "NOTHING_TO_STUDY")
        self.server.events([event(self.learner, "answer", objective="o%d" % i) for i in range(4)])
        made, again = (self.server.post("/api/learning/mission/generate", {"userId": self.learner, "regenerate": True},
                                        headers={"Idempotency-Key": "m"}) for _ in range(2))
        self.assertEqual((made.status, made.body), (200, again.body))
        other = self.server.post("/api/learning/mission/generate", {"userId": self.learner, "regenerate": True})
        self.assertNotEqual(other.json["data"]["mission"]["id"], made.json["data"]["mission"]["id"])

    def test_what_is_refused_in_the_middle_leaves_nothing(self):
        self.server.request("PATCH", "/api/user/privacy", {"behavioralAnalysisEnabled": False},
                            query={"userId": self.learner})
        reply = self.server.post(SESSIONS, {"userId": self.learner}, headers={"Idempotency-Key": "s"})
        self.assertProblem(reply, 403)
        self.assertEqual(int(self.kept()), 0)

    def test_after_a_start_and_on_another_node(self):
        first = self.goal("k")
        other = Server(self.store.url).start() if self.engine == "postgres" else None
        try:
            if not other:
                type(self).server.stop()
                type(self).server = Server(self.store.url).start()
            again = self.goal("k", server=other)
        finally:
            if other:
                other.stop()
        self.assertEqual((again.status, again.body), (201, first.body))

    def behind_its_back(self, command):
        """Runs it while the server is stopped."""
        self.server.stop()
        command()
        type(self).server = Server(self.store.url).start()

    def sql(self, text):
        if self.engine == "postgres":
            psql(self.store.url, text)
            return
        connection = sqlite3.connect(self.store.path, timeout=30)
        with connection:
            connection.execute(text)
        connection.close()

    def test_forgotten_after_a_day(self):
        first = self.goal("k")
        self.goal("other")
        self.behind_its_back(lambda: self.sql("UPDATE idempotency SET kept_at = kept_at - 86400000000"))
        second = self.goal("k")
        self.assertNotEqual(second.body, first.body)
        self.assertEqual(self.goal("k").body, second.body)
        self.assertEqual(int(self.kept()), 1)

    def test_erased_with_the_learner(self):
        self.goal("k")
        self.assertEqual(int(self.kept()), 1)
        rows = self.store.query("SELECT learner_id FROM learners WHERE external_id = '%s'" % self.learner)[0][0]
        self.behind_its_back(lambda: run("erase", self.learner, "--yes", "--database", self.store.url))
        left = self.store.query("SELECT count(*) FROM idempotency WHERE learner_id = %s" % rows)
        self.assertEqual(int(left[0][0]), 0)
