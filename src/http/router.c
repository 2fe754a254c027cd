#include "http/router.h"

#include "base/assert.h"

#include <stdlib.h>

/* A node stands for the segments so far. Children with a literal segment are sorted by length, then
 * bytes; the child for a parameter is tried last. */
struct node {
    struct str segment; /* owned; {NULL,0} in the root and in parameters */
    struct node **children;
    int32_t child_count;
    struct node *param;
    const void *rows[HTTP_METHOD_COUNT];
    uint32_t allowed;
};

struct router {
    struct node root;
};

enum err router_new(struct router **ret)
{
    struct router *r = calloc(1, sizeof *r);
    if (!r)
        return ERR_NOMEM;
    *ret = r;
    return ERR_OK;
}

static void node_fini(struct node *n)
{
    for (int32_t i = 0; i < n->child_count; i++) {
        node_fini(n->children[i]);
        free(n->children[i]);
    }
    free(n->children);
    if (n->param) {
        node_fini(n->param);
        free(n->param);
    }
    free((char *)(uintptr_t)n->segment.p);
}

void router_free(struct router *r)
{
    if (r) {
        node_fini(&r->root);
        free(r);
    }
}

static int compare(struct str a, struct str b)
{
    if (a.n != b.n)
        return a.n < b.n ? -1 : 1;
    return memcmp(a.p, b.p, a.n);
}

/* Where the segment is, or where it belongs. */
static int32_t place(const struct node *n, struct str segment, bool *ret_found)
{
    int32_t lo = 0, hi = n->child_count;
    *ret_found = false;
    while (lo < hi) {
        int32_t mid = lo + (hi - lo) / 2;
        int c = compare(n->children[mid]->segment, segment);
        if (c == 0) {
            *ret_found = true;
            return mid;
        }
        if (c < 0)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo;
}

static struct node *add_literal(struct node *n, struct str segment)
{
    bool found;
    int32_t at = place(n, segment, &found);
    if (found)
        return n->children[at];
    struct node **grown =
        realloc(n->children, (size_t)(n->child_count + 1) * sizeof(struct node *));
    if (!grown)
        return NULL;
    n->children = grown;
    struct node *child = calloc(1, sizeof *child);
    char *copy = malloc(segment.n + 1);
    if (!child || !copy) {
        free(child);
        free(copy);
        return NULL;
    }
    memcpy(copy, segment.p, segment.n);
    copy[segment.n] = '\0';
    child->segment = (struct str){copy, segment.n};
    memmove(&grown[at + 1], &grown[at], (size_t)(n->child_count - at) * sizeof(struct node *));
    grown[at] = child;
    n->child_count++;
    return child;
}

static bool is_param(struct str segment)
{
    return segment.n >= 3 && segment.p[0] == '{' && segment.p[segment.n - 1] == '}';
}

/* Every segment is text without braces, or {name}; at most ROUTE_PARAMS_MAX parameters. */
static bool is_pattern(struct str path)
{
    int32_t params = 0;
    if (path.n == 0 || path.p[0] != '/')
        return false;
    for (path.p++, path.n--; path.p;) {
        struct str segment = str_cut(&path, '/');
        struct str name = segment;
        if (is_param(segment)) {
            params++;
            name = (struct str){segment.p + 1, segment.n - 2};
        }
        if (name.n && (memchr(name.p, '{', name.n) || memchr(name.p, '}', name.n)))
            return false;
    }
    return params <= ROUTE_PARAMS_MAX;
}

enum err router_add(struct router *r, enum http_method m, const char *pattern, const void *row)
{
    struct str path = str_from(pattern);
    struct node *n = &r->root;

    ASSERT(row && m < HTTP_METHOD_COUNT);
    if (!is_pattern(path))
        return ERR_RANGE;
    for (path.p++, path.n--; path.p;) {
        struct str segment = str_cut(&path, '/');
        if (is_param(segment)) {
            if (!n->param)
                n->param = calloc(1, sizeof *n->param);
            n = n->param;
        } else {
            n = add_literal(n, segment);
        }
        if (!n)
            return ERR_NOMEM;
    }
    if (n->rows[m])
        return ERR_CONFLICT;
    n->rows[m] = row;
    n->allowed |= 1u << m;
    return ERR_OK;
}

/* Goes down with what is left of the path; steps back to the parameter where the literal led to
 * nothing. Patterns with the same shape add up what they allow. */
static bool descend(const struct node *n, enum http_method m, struct str path,
                    struct route_match *out, int32_t depth)
{
    if (!path.p) {
        out->allowed |= n->allowed;
        out->row = n->rows[m];
        if (!out->row && m == HTTP_HEAD)
            out->row = n->rows[HTTP_GET];
        out->param_count = depth;
        return out->row != NULL;
    }
    struct str segment = str_cut(&path, '/');
    bool found;
    int32_t at = place(n, segment, &found);
    if (found && descend(n->children[at], m, path, out, depth))
        return true;
    if (!n->param || segment.n == 0)
        return false;
    out->params[depth] = segment;
    return descend(n->param, m, path, out, depth + 1);
}

void router_find(const struct router *r, enum http_method m, struct str path,
                 struct route_match *ret)
{
    *ret = (struct route_match){0};
    if (path.n == 0 || path.p[0] != '/')
        return;
    path.p++;
    path.n--;
    if (!descend(&r->root, m, path, ret, 0)) {
        ret->row = NULL;
        ret->param_count = 0;
    }
    if (ret->allowed & 1u << HTTP_GET)
        ret->allowed |= 1u << HTTP_HEAD;
}
