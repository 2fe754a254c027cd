"""Bad input for every parameter of every endpoint, made from the published document: never a 5xx, a clear refusal
where a value is wrong, and nothing of another learner."""
import json
import urllib.parse

from tests.api.harness import both_engines, document, event, run

LEARNER, OTHER = "ann", "bob"
UNKNOWN = "none-such"
METHODS = ("get", "post", "put", "patch", "delete")


def types(schema):
    kind = schema.get("type")
    return kind if isinstance(kind, list) else [kind] if kind else []


def good(schema):
    """A value that the schema takes."""
    for choice in ("oneOf", "anyOf"):
        if choice in schema:
            return good(schema[choice][0])
    if schema.get("enum"):
        return next(v for v in schema["enum"] if v is not None)
    kind = (types(schema) or ["object"])[0]
    if kind == "string":
        at = {"date-time": "2025-06-01T10:00:00Z", "date": "2025-06-01"}.get(schema.get("format"))
        return at or schema.get("default") or "x" * max(1, schema.get("minLength", 1))
    if kind in ("integer", "number"):
        least = schema.get("minimum", 0)
        return schema.get("default", min(max(1, least), schema.get("maximum", 1)))
    if kind == "boolean":
        return True
    if kind == "array":
        return [good(schema.get("items", {}))] * max(1, schema.get("minItems", 0))
    required = schema.get("required", [])
    return {name: good(s) for name, s in schema.get("properties", {}).items() if name in required}


def strange(schema):
    """Pairs of a value that may or may not be taken, and whether it must be refused, in JSON's types."""
    allowed = types(schema)
    if not allowed:
        return [("x", False), ({"a": {"b": {}}}, False), ([[]], False)]
    found = [(None, "null" not in allowed and "default" not in schema)]
    if "string" in allowed:
        free = not schema.get("enum") and "format" not in schema
        found += [("x\u0000y", False), ("\u202e\U0001f600", False), ("", False), (7, True), ([], True), ({}, True)]
        found.append(("no such thing", not free))
        if "maxLength" in schema:
            found.append(("x" * (schema["maxLength"] + 1), True))
        if "format" in schema:
            found += [("0000-00-00T99:99:99Z", True), ("2025-06-01T10:00:00" + "0" * 5000 + "Z", True)]
    if "integer" in allowed or "number" in allowed:
        found += [("seven", True), ([1], True), ({}, True), (10 ** 30, "maximum" in schema or "integer" in allowed)]
        for bound, step in (("minimum", -1), ("maximum", 1)):
            if bound in schema and abs(schema[bound]) < 2 ** 53:
                found.append((schema[bound] + step, True))
        if "integer" in allowed:
            found.append((1.5, True))
    if "boolean" in allowed:
        found += [("maybe", True), (2, True), ([], True)]
    if "array" in allowed:
        found += [("x", True), ({}, True)]
        if "maxItems" in schema:
            found.append(([good(schema.get("items", {}))] * (schema["maxItems"] + 1), True))
        found += [([bad], must) for bad, must in strange(schema.get("items", {}))]
    if "object" in allowed:
        found += [("x", True), (7, True), ([], True)]
    return found


def strange_text(schema):
    """The same in a query, where everything is text."""
    found = [("", False), ("%00", False)]
    choices = schema.get("anyOf") or schema.get("oneOf") or [schema]
    for value, must in [pair for choice in choices for pair in strange(choice)]:
        if isinstance(value, (str, int, float)) and not isinstance(value, bool):
            text = str(value)
            is_text = "string" in types(schema) and isinstance(value, (int, float))
            found.append((text, must and not is_text and len(choices) == 1))
    if "array" in types(schema):
        found += [("," * 2000, False), ("a,b,,c", False)]
    return found


@both_engines
class EveryParameter:
    flags = ("--cache-alone", "--no-night")

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        made = run("simulate", "--learners", "1", "--days", "20", "--seed", "3", "--out", "-")
        for learner in (LEARNER, OTHER):
            events = [dict(json.loads(line), learner=learner) for line in made.stdout.splitlines()]
            for e in events:
                e["id"] = learner + e["id"]
            for i in range(0, len(events), 500):
                cls.server.events(events[i:i + 500])

    def operations(self):
        for path, item in sorted(document()["paths"].items()):
            for method in METHODS:
                if method in item:
                    yield method.upper(), path, item[method]

    def parts(self, path, row):
        """A request that is well formed: path, query, headers, body."""
        query, headers, body = {}, {}, None
        for p in row.get("parameters", []):
            if p["in"] == "path":
                path = path.replace("{%s}" % p["name"], UNKNOWN)
            elif p["name"] == "userId":
                query["userId"] = LEARNER
            elif p["in"] == "query" and p.get("required"):
                query[p["name"]] = good(p["schema"])
        schema = self.body_schema(row)
        if schema is not None:
            body = good(schema)
            if isinstance(body, dict) and "userId" in schema.get("properties", {}):
                body["userId"] = LEARNER
        return path, query, headers, body

    def body_schema(self, row):
        schema = row.get("requestBody", {}).get("content", {}).get("application/json", {}).get("schema")
        if schema and "oneOf" in schema:
            schema = schema["oneOf"][0]
        return schema

    def send(self, method, path, query, headers, body, **kw):
        if body is None and method in ("POST", "PUT", "PATCH"):
            body = {}
        reply = self.server.request(method, path, body=body, query=query, headers=headers, timeout=120, **kw)
        self.sent += 1
        return reply

    def judge(self, reply, must_refuse, name, what):
        if reply.status == 503 and b"NOT_CONFIGURED" in reply.body:
            return  # this server has no calendar key, and says so
        if reply.status >= 500:
            self.wrong.append((what, reply.status, reply.body[:300]))
        elif must_refuse and reply.status < 400:
            self.wrong.append((what, "taken", reply.body[:100]))
        elif must_refuse and reply.status in (400, 422) and name.encode() not in reply.body:
            self.wrong.append((what, "does not name " + name, reply.body[:300]))

    def setUp(self):
        self.wrong, self.sent = [], 0
        self.mine = self.key("read,write,ingest", learner=LEARNER)

    def tearDown(self):
        self.assertEqual(self.server.get("/healthz").status, 200)

    def done(self, least):
        self.assertGreater(self.sent, least)
        self.assertEqual(len(self.wrong), 0, "%d of %d:\n%s" % (len(self.wrong), self.sent, "\n".join(map(str, self.wrong[:20]))))

    def test_query_and_path(self):
        for method, template, row in self.operations():
            for p in row.get("parameters", []):
                path, query, headers, body = self.parts(template, row)
                name = p["name"]
                for value, must in strange_text(p["schema"]):
                    what = "%s %s: %s=%.40r" % (method, template, name, value)
                    if p["in"] == "query" and name != "userId":
                        self.judge(self.send(method, path, {**query, name: value}, headers, body), must, name, what)
                    elif p["in"] == "path" and value:
                        mine = template.replace("{%s}" % name, urllib.parse.quote(value, safe=""))
                        for other in row["parameters"]:
                            mine = mine.replace("{%s}" % other["name"], UNKNOWN)
                        self.judge(self.send(method, mine, query, headers, body, check=False), must, "", what)
                if p["in"] == "query" and p.get("required"):
                    rest = {k: v for k, v in query.items() if k != name}
                    self.judge(self.send(method, path, rest, headers, body), name != "userId", name,
                               "%s %s without %s" % (method, template, name))
                if p["in"] == "query":  # said twice
                    twice = urllib.parse.urlencode([(name, "1"), (name, "2")])
                    self.judge(self.send(method, path + "?" + twice, None, headers, body, check=False), False, name,
                               "%s %s: %s twice" % (method, template, name))
        self.done(500)

    def bodies(self, schema, body, at=()):
        """Bodies with one member made strange, at any depth."""
        for name, s in schema.get("properties", {}).items():
            where = at + (name,)
            for value, must in strange(s):
                yield where, self.with_member(body, where, value), must
            if name in schema.get("required", []):
                yield where, self.with_member(body, where, None, drop=True), True
            if "object" in types(s):
                whole = self.with_member(body, where, good(s))
                yield from self.bodies(s, whole, where)

    def with_member(self, body, where, value, drop=False):
        copy = json.loads(json.dumps(body))
        inner = copy
        for name in where[:-1]:
            inner = inner.setdefault(name, {})
        if drop:
            inner.pop(where[-1], None)
        else:
            inner[where[-1]] = value
        return copy

    def test_bodies(self):
        for method, template, row in self.operations():
            schema = self.body_schema(row)
            if schema is None or row["operationId"] == "post_events":
                continue  # events say for each what is wrong with it: test_bad_input
            path, query, headers, body = self.parts(template, row)
            for where, made, must in self.bodies(schema, body if isinstance(body, dict) else {}):
                what = "%s %s: %s in %.100s" % (method, template, ".".join(where), json.dumps(made))
                self.judge(self.send(method, path, query, headers, made), must, where[-1], what)
            for text in (b"", b"null", b"[]", b"7", b'"x"', b"{", b'{"a":', b"\xff", b"[" * 5000, b'{"a":1}x'):
                reply = self.send(method, path, query, {"Content-Type": "application/json"}, text)
                self.judge(reply, False, "", "%s %s: %r" % (method, template, text[:20]))
        self.done(1000)

    def test_learners_of_others(self):
        for method, template, row in self.operations():
            path, query, headers, body = self.parts(template, row)
            asks = "userId" in query
            tells = isinstance(body, dict) and "userId" in body
            if not asks and not tells:
                continue
            for who, key in ((OTHER, self.mine), (UNKNOWN, self.mine)):
                if asks:
                    query = {**query, "userId": who}
                if tells:
                    body = {**body, "userId": who}
                reply = self.send(method, path, query, headers, body, key=key)
                if reply.status not in (400, 403, 404):
                    self.wrong.append(("%s %s for %s" % (method, template, who), reply.status, reply.body[:200]))
                if b'"learner":"bob"' in reply.body or b'"userId":"bob"' in reply.body:
                    self.wrong.append(("%s %s tells of bob" % (method, template), reply.status, reply.body[:200]))
        self.done(60)

    def test_nobody(self):
        """A caller who may see everybody asks for somebody who is not there."""
        for method, template, row in self.operations():
            path, query, headers, body = self.parts(template, row)
            if "userId" in query:
                query["userId"] = UNKNOWN
                reply = self.send(method, path, query, headers, body)
                self.judge(reply, method == "GET" and "{" not in template, "", "%s %s for nobody" % (method, template))
        self.done(30)
