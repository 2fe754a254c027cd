#include "base/assert.h"
#include "http/router.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* Rows are their own patterns, so that a match can be read. */
static const struct route {
    enum http_method method;
    const char *pattern;
} routes[] = {
    { HTTP_GET, "/" },
    { HTTP_GET, "/a" },
    { HTTP_POST, "/a" },
    { HTTP_GET, "/a/{id}" },
    { HTTP_GET, "/a/new" },
    { HTTP_DELETE, "/a/{id}" },
    { HTTP_POST, "/a/{id}/done" },
    { HTTP_POST, "/a/{id}/parts/{part}/done" },
    { HTTP_GET, "/a/new/only" },
    { HTTP_PUT, "/{any}/put" },
    { HTTP_GET, "/w/{a}/{b}/{c}/{d}" },
    { HTTP_GET, "/slash/" },
};

static struct router *make(void)
{
    struct router *r;
    assert_int_equal(router_new(&r), ERR_OK);
    for (size_t i = 0; i < COUNT(routes); i++)
        assert_int_equal(router_add(r, routes[i].method, routes[i].pattern, routes[i].pattern),
                         ERR_OK);
    return r;
}

static const struct find_case {
    enum http_method method;
    const char *path, *row; /* row NULL: none */
    const char *params;     /* joined by commas */
    uint32_t allowed;       /* 0: not looked at */
} cases[] = {
    { HTTP_GET, "/", "/", "", 0 },
    { HTTP_HEAD, "/", "/", "", 0 },
    { HTTP_GET, "/a", "/a", "", 0 },
    { HTTP_POST, "/a", "/a", "", 0 },
    { HTTP_PUT, "/a", NULL, "", 1u << HTTP_GET | 1u << HTTP_HEAD | 1u << HTTP_POST },
    { HTTP_GET, "/a/new", "/a/new", "", 0 },
    { HTTP_GET, "/a/newer", "/a/{id}", "newer", 0 },
    { HTTP_DELETE, "/a/new", "/a/{id}", "new", 0 },
    { HTTP_POST, "/a/new/done", "/a/{id}/done", "new", 0 },
    { HTTP_GET, "/a/new/only", "/a/new/only", "", 0 },
    { HTTP_POST, "/a/1/parts/2/done", "/a/{id}/parts/{part}/done", "1,2", 0 },
    { HTTP_GET, "/a/1/parts/2/done", NULL, "", 1u << HTTP_POST },
    { HTTP_PUT, "/a/put", "/{any}/put", "a", 0 },
    { HTTP_GET, "/w/1/2/3/4", "/w/{a}/{b}/{c}/{d}", "1,2,3,4", 0 },
    { HTTP_GET, "/slash/", "/slash/", "", 0 },
    { HTTP_GET, "/slash", NULL, "", 0 },
    { HTTP_GET, "/a/", NULL, "", 0 },
    { HTTP_GET, "/b", NULL, "", 0 },
    { HTTP_GET, "//", NULL, "", 0 },
    { HTTP_GET, "/a//done", NULL, "", 0 },
    { HTTP_OPTIONS, "*", NULL, "", 0 },
    { HTTP_GET, "", NULL, "", 0 },
};

static void finds_rows(void **state)
{
    (void)state;
    struct router *r = make();
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct route_match m;
        struct str want = str_from(cases[i].params);
        router_find(r, cases[i].method, str_from(cases[i].path), &m);
        if (m.row != (cases[i].row ? m.row : NULL) ||
            (cases[i].row && (!m.row || !str_eq(str_from(m.row), str_from(cases[i].row)))))
            fail_msg("%s %s finds %s", http_method_name(cases[i].method), cases[i].path,
                     m.row ? (const char *)m.row : "nothing");
        for (int32_t k = 0; k < m.param_count; k++)
            assert_true(str_eq(m.params[k], str_cut(&want, ',')));
        assert_int_equal(want.n, 0);
        if (cases[i].allowed)
            assert_int_equal(m.allowed, cases[i].allowed);
        if (!cases[i].row && !cases[i].allowed)
            assert_int_equal(m.allowed, 0);
    }
    router_free(r);
}

static void refuses_bad_patterns(void **state)
{
    (void)state;
    static const char *const bad[] = { "",     "a",     "/{a",        "/a}",
                                       "/a{b}", "/{{a}}", "/x/{a}{b}", "/{a}/{b}/{c}/{d}/{e}" };
    struct router *r = make();
    for (size_t i = 0; i < COUNT(bad); i++)
        assert_int_equal(router_add(r, HTTP_GET, bad[i], "x"), ERR_RANGE);
    assert_int_equal(router_add(r, HTTP_GET, "/a", "x"), ERR_CONFLICT);
    assert_int_equal(router_add(r, HTTP_GET, "/a/{other}", "x"), ERR_CONFLICT);
    router_free(r);
    router_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_rows),
        cmocka_unit_test(refuses_bad_patterns),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
