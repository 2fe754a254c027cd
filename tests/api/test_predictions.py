"""Forecasts of struggle: who is told apart, what they are made of, and what came of them."""
import json
import math
import re
import threading
import time
import unittest

from tests.api.harness import Server, both_engines, event

PATH = "/api/analytics/predictions"
INTERVENTIONS = "/api/analytics/interventions"
GENERATE = PATH + "/generate"
DAY = 86400


def stamp(t):
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(t))


def answers(learner, objective, pattern, start, step=60, name=""):
    """One answer a step; `pattern` of 1 and 0; items of their own."""
    return [event(learner, "answer", at=stamp(start + i * step), item="%s%s%d" % (objective, name, i),
                  objective=objective, skills=["s-" + objective], correct=right == "1")
            for i, right in enumerate(pattern)]


class Calls:
    def generate(self, learner, **body):
        reply = self.server.post(GENERATE, {"userId": learner, **body})
        self.assertEqual(reply.status, 201, reply)
        return reply.json["data"]

    def listed(self, learner, **query):
        reply = self.server.get(PATH, query={"userId": learner, **query})
        self.assertEqual(reply.status, 200, reply)
        return reply.json["data"]

    def one(self, sql):
        return self.store.query(sql)[0]

    def mind(self, learner):
        return [int(v) for v in self.one("SELECT taken, version FROM minds WHERE learner_id = "
                                         "(SELECT learner_id FROM learners WHERE external_id = '%s')" % learner)]

    def answers_judged(self, learner):
        reply = self.server.get("/api/analytics/model-performance", query={"userId": learner}).json["data"]
        return reply["answers"]["dataPoints"]

    def far_behind(self, learner, days=20):
        """500 answers a day, none learnt from yet; how many."""
        begin = time.time() - (days + 1) * DAY
        for day in range(days):
            self.server.events(answers(learner, "o%d" % (day % 5), "11011" * 100, begin + day * DAY, name="-%d-" % day))
        return days * 500


@both_engines
class FarBehind(Calls):
    """On a store of their own: so many answers change the forecasts of everybody."""

    def test_a_learner_far_behind_holds_up_nobody(self):
        total = self.far_behind("far")
        replies, stored, done = [], 0, threading.Event()

        def catch_up():
            try:
                while not replies or replies[-1].json["data"]["answersBehind"]:
                    replies.append(self.server.post(GENERATE, {"userId": "far"}))
                    if replies[-1].status != 201:
                        break
            finally:
                done.set()

        thread = threading.Thread(target=catch_up)
        thread.start()
        while not done.is_set():
            self.server.events([event("other", "activity")])
            stored += not done.is_set()
        thread.join()
        self.assertEqual({r.status for r in replies}, {201}, replies[-1])
        # each round is a write of its own: others' come between them
        self.assertGreaterEqual(stored, 3)
        taken, rounds = self.mind("far")
        self.assertEqual(taken, total)
        self.assertGreaterEqual(rounds, total / 1600)
        self.assertEqual(self.answers_judged("far"), total)
        for reply in replies:
            data, behind = reply.json["data"], reply.json["data"]["answersBehind"]
            self.assertEqual(behind > 0, not data["predictions"])
            self.assertEqual(behind > 0, str(behind) in (data["reason"] or ""))
        self.assertEqual(len(replies[-1].json["data"]["predictions"]), 5)
        read = sum(int(re.search(r'analysis;dur=[0-9.]+;desc="([0-9]+)"', r.headers["Server-Timing"])[1]) for r in replies)
        self.assertLessEqual(read, 10 * (rounds + len(replies)))
        self.assertNotIn("answersBehind", self.listed("far"))

    def test_a_server_that_is_killed_learns_each_outcome_once(self):
        learners = ["killed-%d" % i for i in range(4)]
        before = self.learnt()
        for round_ in range(6):
            for learner in learners:
                self.server.events(answers(learner, "k%d" % (round_ % 3), "1011" * 10,
                                           time.time() - DAY + round_ * 3600, name="-%d-" % round_))
            told = threading.Event()

            def ask():
                for learner in learners:
                    try:
                        self.server.post(GENERATE, {"userId": learner}, check=False)
                    except OSError:
                        return
                    finally:
                        told.set()

            thread = threading.Thread(target=ask)
            thread.start()
            if round_ % 2:
                told.wait(60)  # in the middle of the second
            self.server.kill()
            thread.join()
            type(self).server = Server(self.store.url, *self.flags).start()
        for learner in learners:
            self.generate(learner)
            self.assertEqual(self.mind(learner)[0], 240)
            self.assertEqual(self.answers_judged(learner), 240)
        self.assertEqual(self.learnt(), before + 240 * len(learners))
        # what the weights came to stands under the same number
        self.assertEqual(int(self.one("SELECT max(number) FROM learnt_weights")[0]), self.learnt())

    def learnt(self):
        rows = self.store.query("SELECT outcomes FROM struggle_shared WHERE name = 'stack'")
        return int(rows[0][0]) if rows else 0

    def test_two_at_once_learn_once(self):
        total = self.far_behind("both", 4)
        replies = []
        threads = [threading.Thread(target=lambda: replies.append(self.server.post(GENERATE, {"userId": "both"})))
                   for _ in range(4)]
        for t in threads:
            t.start()
        for t in threads:
            t.join()
        self.assertEqual({r.status for r in replies} - {503}, {201}, replies)
        self.generate("both")
        self.assertEqual(self.mind("both")[0], total)
        self.assertEqual(self.answers_judged("both"), total)

    def test_the_same_request_twice_is_answered_once(self):
        self.far_behind("key", 2)
        head = {"Idempotency-Key": "once"}
        first = self.server.post(GENERATE, {"userId": "key"}, headers=head)
        self.assertEqual(first.status, 201, first)
        again = self.server.post(GENERATE, {"userId": "key"}, headers=head)
        self.assertEqual((again.status, again.json, again.headers["Idempotency-Replayed"]), (201, first.json, "true"))
        self.assertEqual(self.mind("key")[0], 1000)


@both_engines
class InAHurry(Calls):
    """Time for some of the rounds, as a rule; on a slow machine for none, when a call ends by its deadline."""
    flags = ("--request-timeout", "500ms", "--no-night")

    def test_what_is_left_is_told_and_taken_up_again(self):
        total, behind = self.far_behind("haste"), None
        until = time.monotonic() + 120
        while behind != 0:
            self.assertLess(time.monotonic(), until)
            reply = self.server.post(GENERATE, {"userId": "haste"})
            if reply.status == 201:
                behind = reply.json["data"]["answersBehind"]
                self.assertEqual(self.mind("haste")[0], total - behind)
                self.assertEqual(bool(reply.json["data"]["predictions"]), behind == 0)
            else:
                self.assertProblem(reply, 503)
        self.assertEqual(self.answers_judged("haste"), total)


@both_engines
class Predictions(Calls):
    def test_weak_and_strong_are_told_apart(self):
        now = time.time() - 3600
        self.server.events(answers("ann", "weak", "0010000010", now) + answers("ann", "strong", "1111111111", now + 700))
        data = self.generate("ann")
        found = {p["topicName"]: p for p in data["predictions"]}
        self.assertEqual(set(found), {"weak", "strong"})
        weak, strong = found["weak"], found["strong"]
        self.assertGreater(weak["predictedStruggleProbability"], strong["predictedStruggleProbability"] + 0.2)
        self.assertEqual(weak["n"], 10)
        self.assertEqual(weak["predictionStatus"], "PENDING")
        self.assertIsNone(weak["actualOutcome"])
        for p in found.values():
            odds = sum(c["logOdds"] for c in p["contributions"])
            self.assertAlmostEqual(1 / (1 + math.exp(-odds)), p["predictedStruggleProbability"], places=2)
            self.assertLess(p["interval"]["low"], p["predictedStruggleProbability"])
            self.assertGreater(p["interval"]["high"], p["predictedStruggleProbability"])
            self.assertTrue(p["reasoning"])
        self.assertEqual(data["summary"]["totalPredictions"], 2)
        self.assertEqual([p["id"] for p in self.listed("ann", minProbability=0)["predictions"]],
                         [p["id"] for p in data["predictions"]])

    def test_again_on_the_same_day_changes_nothing(self):
        self.server.events(answers("twice", "o", "0101", time.time() - 3600))
        first = self.generate("twice")
        self.assertEqual(self.mind("twice"), [4, 1])
        again = self.generate("twice")
        self.assertEqual(first["predictions"], again["predictions"])
        self.assertEqual(self.mind("twice"), [4, 1])
        self.assertEqual(self.answers_judged("twice"), 4)

    def test_late_answers_make_the_mind_anew_and_are_not_judged_twice(self):
        now = time.time() - 7200
        story = answers("late", "o", "110100110101", now)
        self.server.events(story[6:])
        self.generate("late")
        self.assertEqual(self.mind("late")[0], 6)
        self.server.events(story[:6])
        self.generate("late")
        self.assertEqual(self.mind("late")[0], 12)
        self.assertEqual(self.answers_judged("late"), 6)
        self.server.events(answers("prompt", "o", "110100110101", now))
        self.generate("prompt")
        states = [bytes(r[0]) if isinstance(r[0], bytes) else r[0] for r in self.store.query(
            "SELECT state FROM minds WHERE learner_id IN "
            "(SELECT learner_id FROM learners WHERE external_id IN ('late', 'prompt'))")]
        self.assertEqual(states[0], states[1])

    def test_more_than_one_run_takes_all(self):
        now = time.time() - 10 * DAY
        for part in range(3):
            self.server.events(answers("keen", "o%d" % part, "1101" * 75, now + part * DAY))
        self.generate("keen")
        self.assertEqual(self.mind("keen")[0], 900)
        self.assertEqual(self.answers_judged("keen"), 900)

    def test_thin_data(self):
        self.server.events([event("new", "activity")])
        data = self.generate("new")
        self.assertEqual(data["predictions"], [])
        self.assertIn("answered", data["reason"])
        self.assertEqual(data["needed"]["graded"], 1)
        self.assertIsNone(data["stats"]["avgProbability"])

    def test_privacy(self):
        self.server.events(answers("shy", "o", "0000", time.time() - 3600))
        self.generate("shy")
        self.server.request("PATCH", "/api/user/privacy", query={"userId": "shy"},
                            body={"behavioralAnalysisEnabled": False})
        data = self.generate("shy")
        self.assertEqual(data["predictions"], [])
        self.assertIn("switched", data["reason"])
        self.assertEqual(int(self.one("SELECT count(*) FROM minds WHERE learner_id = (SELECT learner_id "
                                      "FROM learners WHERE external_id = 'shy')")[0]), 0)

    def test_who_does_not_count_in_sums_teaches_nothing(self):
        self.server.events([event("alone", "activity")])
        reply = self.server.request("PATCH", "/api/user/profile", {"userId": "alone", "includeInAnalytics": False})
        self.assertEqual(reply.status, 200, reply)
        self.server.events(answers("alone", "only-alone", "0110", time.time() - 3600))
        before = self.store.query("SELECT outcomes FROM struggle_shared WHERE name = 'stack'")
        self.generate("alone")
        self.assertEqual(self.store.query("SELECT outcomes FROM struggle_shared WHERE name = 'stack'"), before)
        self.assertEqual(self.mind("alone")[0], 4)

    def test_opinion_is_not_an_outcome(self):
        self.server.events(answers("opi", "o", "000000", time.time() - 3600))
        p = self.generate("opi")["predictions"][0]
        reply = self.server.post(PATH + "/" + p["id"] + "/feedback",
                                 {"userId": "opi", "actualStruggle": True, "feedbackType": "HELPFUL", "helpfulness": 5})
        self.assertEqual(reply.status, 200, reply)
        data = reply.json["data"]
        self.assertTrue(data["feedbackRecorded"])
        self.assertEqual(data["predictionStatus"], "PENDING")
        self.assertIsNone(data["actualOutcome"])
        self.assertIsNone(data["modelAccuracyUpdate"])
        for bad in ({}, {"actualStruggle": "yes"}, {"actualStruggle": True, "feedbackType": "X"},
                    {"actualStruggle": True, "helpfulness": 6}, {"actualStruggle": True, "comments": "x" * 1001}):
            self.assertProblem(self.server.post(PATH + "/" + p["id"] + "/feedback", {"userId": "opi", **bad}), 400)
        self.assertProblem(self.server.post(PATH + "/nope/feedback", {"userId": "opi", "actualStruggle": True}), 404)
        reply = self.server.post(PATH + "/" + p["id"] + "/dismiss", {"userId": "opi"})
        self.assertEqual(reply.json["data"]["predictionStatus"], "DISMISSED")
        self.assertEqual(self.listed("opi", status="PENDING", minProbability=0)["predictions"], [])

    def test_rights_and_bad_input(self):
        self.server.events(answers("eve", "o", "0000", time.time() - 3600))
        p = self.generate("eve")["predictions"][0]
        key = self.key("read,write", "mallory")
        self.assertProblem(self.server.post(PATH + "/" + p["id"] + "/feedback", {"actualStruggle": True}, key=key), 404)
        self.assertProblem(self.server.get(PATH, query={"userId": "eve"}, key=key), 404)
        self.assertProblem(self.server.post(GENERATE, {"userId": "eve"}, key=self.key("read", "eve")), 403)
        self.assertProblem(self.server.post(GENERATE, {"userId": "nobody-there"}), 404)
        for days in (0, 31, "x", None):
            self.assertProblem(self.server.post(GENERATE, {"userId": "eve", "daysAhead": days}), 400)
        for query in ({"minProbability": 1.1}, {"minProbability": "x"}, {"status": "OPEN"}, {"limit": 0}):
            self.assertProblem(self.server.get(PATH, query={"userId": "eve", **query}), 400)

    def test_a_proposal_goes_into_a_mission_once(self):
        self.server.events(answers("doer", "hard", "0000000000", time.time() - 3600))
        p = self.generate("doer")["predictions"][0]
        data = self.server.get(INTERVENTIONS, query={"userId": "doer"}).json["data"]
        self.assertEqual(data["summary"]["pending"], 1)
        proposal = data["interventions"][0]
        self.assertEqual((proposal["predictionId"], proposal["status"]), (p["id"], "PENDING"))
        self.assertIsNone(proposal["effectiveness"])
        self.assertEqual(data["grouped"][proposal["interventionType"]], [proposal["id"]])
        path = INTERVENTIONS + "/" + proposal["id"] + "/apply"
        self.assertProblem(self.server.post(path, {"userId": "doer", "applyToMissionId": "nope"}), 404)
        self.server.events([event("other", "activity")])
        self.assertProblem(self.server.post(path, {"userId": "other"}), 404)
        reply = self.server.post(path, {"userId": "doer"})
        self.assertEqual(reply.status, 200, reply)
        mission = reply.json["data"]["missionId"]
        rows = self.store.query("SELECT objective, estimated_minutes FROM mission_objectives WHERE mission = '%s'" % mission)
        self.assertEqual([(r[0], int(r[1])) for r in rows], [("hard", 25)])
        self.assertProblem(self.server.post(path, {"userId": "doer"}), 409, "ALREADY_APPLIED")
        data = self.server.get(INTERVENTIONS, query={"userId": "doer"}).json["data"]
        self.assertEqual(data["summary"]["applied"], 1)
        self.assertEqual(data["interventions"][0]["appliedToMissionId"], mission)
        self.assertEqual(data["effectivenessByType"]["FOCUS_SESSION"], {"avg": None, "interval": None, "count": 0, "total": 1})

    def test_reduction_needs_outcomes(self):
        self.server.events(answers("before", "o", "0000", time.time() - 3600))
        data = self.server.get("/api/analytics/struggle-reduction", query={"userId": "before"}).json["data"]
        self.assertIsNone(data["baselineRate"])
        self.assertIsNone(data["improvementStatus"])
        self.assertIn("No intervention", data["reason"])
        self.assertEqual(data["timeline"], [])
        self.assertProblem(self.server.get("/api/analytics/struggle-reduction",
                                           query={"userId": "before", "period": "year"}), 400)

    def test_pages(self):
        for i in range(4):
            self.server.events(answers("pat", "o%d" % i, "0101", time.time() - 3600))
        self.generate("pat")
        query = {"userId": "pat", "minProbability": 0, "limit": 3}
        first = self.server.get(PATH, query=query)
        self.assertTrue(first.json["data"]["truncated"])
        link = first.headers["Link"]
        rest = self.server.get(link[1:link.index(">")])
        self.assertEqual((len(rest.json["data"]["predictions"]), rest.headers["Link"]), (1, None))
        self.assertEqual(len({p["id"] for r in (first, rest) for p in r.json["data"]["predictions"]}), 4)

    def no_name_twice(self, pairs):
        self.assertEqual(len(dict(pairs)), len(pairs), [k for k, _ in pairs])
        return dict(pairs)

    def test_the_former_service(self):
        self.server.events(answers("old", "o", "0000", time.time() - 3600))
        self.assertEqual(self.server.get("/health").json["success"], True)
        reply = self.server.post("/predictions/generate", {"userId": "old"})
        self.assertEqual((reply.status, reply.json["count"]), (201, 1))
        # both tongues: each value under either name, once
        flat, listed = self.server.get("/predictions", query={"user_id": "old", "min_probability": 0}), self.listed("old", minProbability=0)
        told = json.loads(flat.body, object_pairs_hook=self.no_name_twice)
        plain = [k for k, v in listed["predictions"][0].items() if not isinstance(v, (dict, list))]
        self.assertGreater(len(plain), 15)
        self.assertEqual([[p[k] for k in plain] for p in told["predictions"]], [[p[k] for k in plain] for p in listed["predictions"]])
        p = told["predictions"][0]
        self.assertEqual((p["predicted_struggle_probability"], p["learning_objective_id"], p["risk_level"], p["objective_name"]),
                         (p["predictedStruggleProbability"], "o", p["riskLevel"], None))
        self.assertEqual(p["feature_vector"]["historical_struggle"], p["features"]["historicalStruggle"])
        self.assertNotIn("historicalStruggle", p["feature_vector"])
        self.assertEqual((told["total_count"], told["high_risk_count"]), (told["count"], told["highRiskCount"]))
        self.assertProblem(self.server.get("/predictions", query={"user_id": "old", "min_probability": 2}), 400, field="minProbability")
        reply = self.server.post("/predictions/%s/feedback" % p["id"], {"user_id": "old", "actual_struggle": True, "feedback_type": "HELPFUL"})
        self.assertEqual((reply.status, reply.json["feedback_recorded"], reply.json["prediction_id"]), (200, True, p["id"]))
        self.assertEqual(reply.json["feedbackRecorded"], True)
        self.assertEqual(self.server.post("/predictions/generate", {"user_id": "old", "days_ahead": 3}).status, 201)
        self.assertProblem(self.server.post("/predictions/generate", {"user_id": "old", "days_ahead": 0}), 400, field="daysAhead")
        for path, names in (("/analytics/model-performance", ("f1_score", "auc_roc", "data_points", "model_version", "last_updated", "accuracy_trend")),
                            ("/analytics/struggle-reduction", ("baseline_rate", "current_rate", "reduction_percentage", "timeline"))):
            bare = self.server.get(path, query={"user_id": "old"})
            self.assertEqual(bare.status, 200, bare)
            told = json.loads(bare.body, object_pairs_hook=self.no_name_twice)
            self.assertLessEqual(set(names), set(told))
            self.assertEqual([k for k in told if k != k.lower()], [])
        for path in ("/interventions", "/model-performance", "/struggle-reduction"):
            self.assertEqual(self.server.get(path, query={"userId": "old"}).json["success"], True)


if __name__ == "__main__":
    unittest.main()
