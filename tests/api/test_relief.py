"""What a learner takes on against too much load: kept once, and never more work than before."""
import datetime
import json

from tests.api.harness import both_engines, event, now
from tests.api.test_answers import date, text

APPLY = "/api/analytics/interventions/apply"
LISTED = "/api/analytics/interventions"
HOUR = datetime.timedelta(hours=1)


def mission(learner, name, minutes, day=None):
    return event(learner, "mission_created", at=text(now() - HOUR), mission=name,
                 data={"date": day or date(0), "estimatedMinutes": minutes})


@both_engines
class Relief:
    def post(self, learner, kind, metadata=None, accepted=True, **more):
        body = {"userId": learner, "interventionType": kind, "accepted": accepted, **more}
        if metadata is not None:
            body["metadata"] = metadata
        return self.server.post(APPLY, body)

    def ok(self, *args, **kw):
        reply = self.post(*args, **kw)
        self.assertEqual(reply.status, 200, reply)
        self.assertIs(reply.json["success"], True)
        return reply.json

    def test_a_mission_is_halved_once(self):
        self.server.events([mission("max", "m1", 60), mission("max", "m2", 20, date(-1)), mission("max", "m3", 10, date(-2))])
        for _ in range(2):  # the second time changes nothing
            r = self.ok("max", "WORKLOAD_REDUCTION", {"missionId": "m1"})
            self.assertEqual((r["updatedMission"]["estimatedMinutes"], r["updatedMission"]["plannedMinutes"]), (30, 60))
            self.assertIsNone(r["recoveryPlan"])
        self.assertEqual(self.ok("max", "WORKLOAD_REDUCTION", {"missionId": "m2"})["updatedMission"]["estimatedMinutes"], 15)
        self.assertEqual(self.ok("max", "WORKLOAD_REDUCTION", {"missionId": "m3"})["updatedMission"]["estimatedMinutes"], 10)
        shown = self.server.get("/api/learning/mission/m1", query={"userId": "max"}).json["data"]
        self.assertEqual(shown["mission"]["estimatedMinutes"], 30)
        listed = self.server.get(LISTED, query={"userId": "max"}).json["data"]["interventions"]
        self.assertEqual(sorted(i["appliedToMissionId"] for i in listed), ["m1", "m2", "m3"])
        self.assertEqual({i["interventionType"] for i in listed}, {"WORKLOAD_REDUCTION"})
        rows = self.store.query("SELECT count(*) FROM events WHERE kind = 24")
        self.assertEqual(int(rows[0][0]), 3)

    def test_the_next_open_mission(self):
        self.server.events([event("ned", "activity")])
        r = self.ok("ned", "WORKLOAD_REDUCTION")
        self.assertEqual((r["applied"], r["updatedMission"]), (False, None))
        self.server.events([mission("ned", "later", 60, date(-3)), mission("ned", "soon", 40, date(-1)),
                            mission("ned", "past", 90, date(5))])
        r = self.ok("ned", "WORKLOAD_REDUCTION")
        self.assertEqual((r["updatedMission"]["id"], r["updatedMission"]["estimatedMinutes"]), ("soon", 20))

    def test_missions_that_cannot_be_eased(self):
        self.server.events([mission("bob", "his", 60), mission("ann", "mine", 60),
                            event("ann", "mission_completed", at=text(now()), mission="mine")])
        self.assertProblem(self.post("ann", "WORKLOAD_REDUCTION", {"missionId": "his"}), 404, "MISSION_NOT_FOUND")
        self.assertProblem(self.post("ann", "WORKLOAD_REDUCTION", {"missionId": "mine"}), 409, "MISSION_CLOSED")

    def test_breaks_rest_and_content(self):
        self.server.events([event("eve", "activity")])
        r = self.ok("eve", "BREAK_SCHEDULE_ADJUST", sessionId="s1")
        self.assertEqual((r["recoveryPlan"]["breakFrequency"], r["recoveryPlan"]["breakDuration"]), (15, 5))
        self.assertTrue(r["recoveryPlan"]["nextBreak"])
        r = self.ok("eve", "BREAK_SCHEDULE_ADJUST", {"breakFrequencyMinutes": 20, "breakDurationMinutes": 7}, sessionId="s1")
        self.assertEqual((r["recoveryPlan"]["breakFrequency"], r["recoveryPlan"]["breakDuration"]), (20, 7))
        r = self.ok("eve", "MANDATORY_REST")
        self.assertEqual((r["recoveryPlan"]["restDays"], r["recoveryPlan"]["lightReviewOnly"]), (3, True))
        self.assertEqual(r["recoveryPlan"]["resumeDate"], r["until"])
        self.assertEqual(r["until"][:10], date(-3))
        r = self.ok("eve", "CONTENT_SIMPLIFICATION", {"sessionContext": {"errorRate": .4, "currentLoad": 70}})
        self.assertEqual(r["recoveryPlan"]["contentRecommendation"],
                         {"maxComplexity": "BASIC", "promptComplexity": .6, "scaffolding": "EXTENSIVE", "reviewRatio": .8})
        self.assertProblem(self.post("eve", "CONTENT_SIMPLIFICATION"), 400, field="sessionContext")
        listed = self.server.get(LISTED, query={"userId": "eve"}).json["data"]
        self.assertEqual(sorted(i["interventionType"] for i in listed["interventions"]),
                         ["BREAK_SCHEDULE_ADJUST", "CONTENT_SIMPLIFICATION", "MANDATORY_REST"])

    def test_difficulty_goes_by_the_load_and_never_up(self):
        self.server.events([event("dan", "activity")])
        r = self.ok("dan", "DIFFICULTY_REDUCTION")
        self.assertIsNone(r["currentLoad"])
        a = r["difficultyAdjustment"]
        self.assertEqual((a["action"], a["levelChange"], a["reviewRatio"], a["breakEvery"]), ("REDUCE", -1, .8, 20))
        a = self.ok("dan", "DIFFICULTY_REDUCTION", {"currentLoad": 10})["difficultyAdjustment"]
        self.assertEqual((a["action"], a["levelChange"]), ("REDUCE", -1))
        self.server.events([event("dan", "load", at=text(now()), data={"loadScore": 90})])
        r = self.ok("dan", "DIFFICULTY_REDUCTION")
        a = r["difficultyAdjustment"]
        self.assertEqual((r["currentLoad"], a["action"], a["levelChange"], a["urgency"], a["breakEvery"]),
                         (90, "EMERGENCY", -2, "CRITICAL", 0))
        self.assertEqual((a["challenge"]["level"], a["challenge"]["newContentRatio"]), ("EASY", 0))

    def test_declined(self):
        self.server.events([event("amy", "activity")])
        r = self.ok("amy", "MANDATORY_REST", accepted=False)
        self.assertEqual((r["applied"], r["interventionId"], r["recoveryPlan"]), (False, None, None))
        self.assertEqual(self.server.get(LISTED, query={"userId": "amy"}).json["data"]["count"], 0)

    def test_bad_input_and_rights(self):
        self.server.events([event("kim", "activity")])
        good = {"userId": "kim", "interventionType": "MANDATORY_REST", "accepted": True}
        for name, bad in (("interventionType", None), ("interventionType", "SLEEP"), ("interventionType", 3),
                          ("accepted", None), ("accepted", "yes"), ("sessionId", ""), ("sessionId", 7),
                          ("metadata", []), ("metadata", {"restDays": 0}), ("metadata", {"restDays": 31}),
                          ("metadata", {"restDays": "two"}), ("metadata", {"missionId": ""}),
                          ("metadata", {"breakFrequencyMinutes": 4}), ("metadata", {"breakDurationMinutes": 61}),
                          ("metadata", {"currentLoad": 101}), ("metadata", {"sessionContext": {"errorRate": 2}}),
                          ("metadata", {"sessionContext": 1})):
            with self.subTest(name, bad=bad):
                body = {k: v for k, v in {**good, name: bad}.items() if v is not None}
                self.assertProblem(self.server.post(APPLY, body), 400, field=name)
        self.assertProblem(self.post("nobody", "MANDATORY_REST"), 404)
        self.assertProblem(self.server.post(APPLY, good, key=self.key("write", learner="amy")), 404)
        self.assertProblem(self.server.post(APPLY, good, key=self.key("read")), 403)
        self.assertEqual(self.server.post(APPLY, good, key=self.key("write", learner="kim")).status, 200)

    def test_privacy(self):
        self.server.events([event("shy", "activity")])
        self.server.request("PATCH", "/api/user/privacy", query={"userId": "shy"},
                            body={"behavioralAnalysisEnabled": False})
        self.assertProblem(self.post("shy", "MANDATORY_REST"), 403, "ANALYSIS_DISABLED")

    def test_export_holds_it(self):
        self.server.events([event("ivy", "activity")])
        self.ok("ivy", "MANDATORY_REST")
        reply = self.server.get("/api/analytics/export", query={"userId": "ivy"})
        made = json.loads(reply.body)["interventions"]
        self.assertEqual(made[0]["type"], "MANDATORY_REST")
        self.assertTrue(made[0]["until"])
