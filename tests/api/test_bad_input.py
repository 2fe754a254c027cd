"""Bad input on the real server: a clear 4xx that names what is wrong, and the server goes on."""
import gzip
import json
import socket
import unittest

from tests.api.harness import both_engines, event

DEEP = 100000


@both_engines
class BadInput:
    def tearDown(self):
        self.assertEqual(self.server.get("/healthz").status, 200, "the server has suffered")

    def refused(self, body, status, **headers):
        reply = self.server.post("/api/events", body,
                                 headers={k.replace("_", "-"): v for k, v in headers.items()})
        return self.assertProblem(reply, status)

    def refused_alone(self, body, field):
        """Text that is no JSON (400), or an event that is refused (422, when there is no other)."""
        reply = self.server.post("/api/events", body)
        self.assertIn(reply.status, (400, 422), reply)
        problem = self.assertProblem(reply, reply.status)
        if reply.status == 422:
            self.assertEqual(problem["data"]["results"][0]["status"], "rejected")
            self.assertIn(field, json.dumps(problem["data"]["results"][0]))

    def result(self, bad):
        """The result of a bad event that travels with a good one, which must be kept."""
        good = event()
        data = self.server.events([bad, good])
        self.assertEqual((data["accepted"], data["rejected"]), (1, 1), data)
        self.assertEqual(data["results"][1]["status"], "accepted")
        self.assertEqual(data["results"][0]["status"], "rejected")
        self.assertIn(good["id"], self.store.event_ids())
        return data["results"][0]

    def test_malformed_json(self):
        for text in ("{", "[", '{"id":}', '{"id":"a",}', "[1,]", "nul", '"open', '{"a":1}}', "{'a':1}",
                     '{"a":01}', '{"a":1.}', '{"a":+1}', '{"a":"\\x"}', '{"a":"\t"}', '{"a":1 "b":2}',
                     '{"id":"a","id":"b"}', "\ufeff{}", ""):
            with self.subTest(text=text):
                self.refused(text.encode(), 400)

    def test_wrong_types(self):
        for field, value in (("id", 5), ("learner", {}), ("at", True), ("at", "yesterday"), ("kind", 1),
                             ("kind", "no_such_kind"), ("session", []), ("item", 1.5), ("skills", "algebra"),
                             ("skills", [1]), ("correct", "yes"), ("score", "high"), ("score", 1.01),
                             ("score", -0.01), ("rating", 5), ("rating", 1.5), ("durationMs", -1),
                             ("durationMs", "20"), ("latencyMs", 86400001), ("confidence", 2),
                             ("data", "text"), ("data", [1])):
            with self.subTest(field=field, value=value):
                result = self.result(event(**{field: value}))
                self.assertIn(field, json.dumps(result))

    def test_numbers_that_are_none(self):
        for text in ("NaN", "Infinity", "-Infinity", "nan"):
            with self.subTest(text=text):
                body = json.dumps(event(score=0.5)).replace("0.5", text)
                self.refused(body, 400)

    def test_huge_numbers(self):
        for text in ("1e999", "-1e999", "9" * 400, "99999999999999999999", "0." + "1" * 5000):
            with self.subTest(text=text[:20]):
                body = "[%s]" % json.dumps(event(durationMs=12345)).replace("12345", text)
                self.refused_alone(body, "durationMs")

    def test_times_far_away(self):
        for at in ("0001-01-01T00:00:00Z", "1989-12-31T23:59:59Z", "2101-01-01T00:00:00Z",
                   "9999-12-31T23:59:59Z", "-0001-01-01T00:00:00Z", "2025-02-30T00:00:00Z",
                   "2025-01-01T25:00:00Z", "2025-01-01T00:00:00+99:00", "10000-01-01T00:00:00Z"):
            with self.subTest(at=at):
                self.assertIn("at", json.dumps(self.result(event(at=at))))

    def test_invalid_utf8(self):
        for bad in (b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf4\x90\x80\x80", b"\xe2\x82"):
            with self.subTest(bad=bad):
                body = json.dumps(event(item="ITEM")).encode().replace(b"ITEM", bad)
                self.refused(body, 400)

    def test_nul_in_a_name(self):
        self.refused_alone([event(item="a\0b")], "item")

    def test_deep_nesting(self):
        for body in ("[" * DEEP, "[" * DEEP + "]" * DEEP, '{"a":' * DEEP,
                     '{"id":"x","learner":"l","kind":"activity","data":{"a":' + "[" * DEEP + "]" * DEEP + "}}"):
            with self.subTest(body=body[:20]):
                self.refused(body, 400)

    def test_a_million_events(self):
        body = b"[" + b",".join([b'{"learner":"l","kind":"activity"}'] * 1000000) + b"]"
        problem = self.refused(body, 413)
        self.assertIn("error", problem)
        small = gzip.compress(body)  # small on the wire, the same inside
        self.refused(small, 413, Content_Encoding="gzip")

    def test_one_event_too_many(self):
        events = [{"learner": "l", "kind": "activity", "id": "m%d" % i} for i in range(1001)]
        reply = self.server.post("/api/events", events)
        self.assertIn(reply.status, (400, 413), reply)
        self.assertNotIn("m0", self.store.event_ids())

    def test_unknown_fields_are_ignored_and_counted(self):
        good = event(colour="blue", nested={"deep": [1, 2, {"x": None}]})
        data = self.server.events([good])
        self.assertEqual(data["accepted"], 1, data)
        self.assertIn(b"unknown", self.server.get("/metrics").body)

    def test_unknown_zone(self):
        self.server.events([event(learner="zoe")])
        for zone in ("Mars/Olympus", "../../etc/passwd", "", "UTC+25", "a" * 200):
            with self.subTest(zone=zone):
                reply = self.server.request("PATCH", "/api/user/profile", {"timeZone": zone},
                                            query={"userId": "zoe"})
                self.assertProblem(reply, 400, field="timeZone")

    def test_absent_learner(self):
        for path in ("/api/analytics/sessions", "/api/analytics/study-time", "/api/analytics/burnout-risk"):
            with self.subTest(path=path):
                self.assertProblem(self.server.get(path, query={"userId": "nobody-here"}), 404)

    def test_half_a_gzip_stream(self):
        whole = gzip.compress(json.dumps([event() for _ in range(50)]).encode())
        for cut in (0, 1, 5, 10, len(whole) // 2, len(whole) - 4, len(whole) - 1):
            with self.subTest(cut=cut):
                self.refused(whole[:cut], 400, Content_Encoding="gzip")

    def test_gzip_that_is_none(self):
        self.refused(b"\x1f\x8b" + b"\xff" * 100, 400, Content_Encoding="gzip")
        self.refused(b"{}", 415, Content_Encoding="br")

    def test_a_bomb(self):
        bomb = gzip.compress(b" " * (200 << 20))
        self.refused(bomb, 413, Content_Encoding="gzip")

    def test_wrong_media_type(self):
        self.refused(b"<event/>", 415, Content_Type="application/xml")

    def test_unknown_and_forbidden_targets(self):
        self.assertProblem(self.server.get("/api/nothing"), 404)
        self.assertProblem(self.server.request("DELETE", "/api/events"), 405)
        self.assertProblem(self.server.get("/api/analytics/sessions?userId=%ff"), 400)
        self.assertProblem(self.server.get("/api/analytics/sessions?userId=a&userId=b"), 400)
        self.assertProblem(self.server.get("/" + "a" * 9000), 414)

    def test_smuggling_is_refused_and_the_connection_closed(self):
        for head in ("Content-Length: 2\r\nTransfer-Encoding: chunked", "Content-Length: 2\r\nContent-Length: 3",
                     "Transfer-Encoding: chunked, identity", "Transfer-Encoding : chunked",
                     "Content-Length: +2", "X: a\r\n b"):
            with self.subTest(head=head):
                got = self.server.send_raw(("POST /api/events HTTP/1.1\r\nHost: x\r\n%s\r\n\r\n{}"
                                            "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n" % head).encode())
                self.assertTrue(got.startswith(b"HTTP/1.1 400 "), got[:80])
                self.assertEqual(got.count(b"HTTP/1.1 "), 1, "a second request was run")

    def test_clients_that_vanish(self):
        body = json.dumps([event() for _ in range(100)]).encode()
        head = b"POST /api/events HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n"
        for cut in range(0, 200):
            with socket.create_connection(("127.0.0.1", self.server.port)) as s:
                whole = head % len(body) + body
                s.sendall(whole[:len(whole) * cut // 199])


if __name__ == "__main__":
    unittest.main()
