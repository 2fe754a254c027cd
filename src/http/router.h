/* router - method and path to a row. Patterns like "/api/learning/sessions/{id}/complete"; a
 * literal segment wins over a parameter. Built once; look-ups do not allocate. */
#pragma once
#include "http/http.h"

enum { ROUTE_PARAMS_MAX = 4 };

struct route_match {
    const void *row;                        /* what was added; NULL: no such path */
    uint32_t allowed;                       /* bit set of enum http_method known at this path */
    int32_t param_count;
    struct str params[ROUTE_PARAMS_MAX];    /* values in the order of the pattern */
};

struct router;
MUST_CHECK enum err router_new(struct router **ret);
void router_free(struct router *r);
/* ERR_CONFLICT: the same method and pattern twice. ERR_RANGE: a malformed pattern. */
MUST_CHECK enum err router_add(struct router *r, enum http_method m, const char *pattern, const void *row);
/* HEAD finds the row of GET. row == NULL with allowed != 0: the path exists for other methods. */
void router_find(const struct router *r, enum http_method m, struct str path, struct route_match *ret);
