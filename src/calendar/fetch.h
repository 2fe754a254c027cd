/* fetch - requests to servers that learners name, by libcurl. On workers only: it waits.
 *
 * The address is a learner's word, so it must not reach what only this machine can reach. Only
 * http and https; the address that a name resolved to is looked at when the socket is made, after
 * the resolver and for each connection anew, so that a name which changes its mind gains nothing;
 * private, loopback, link-local, shared, multicast and documentation addresses are refused unless
 * the policy allows them. Proxies of the environment are not used. Redirects are followed here, at
 * most FETCH_REDIRECTS_MAX, each checked like the first, without credentials once the server
 * changes, and never from https to http. Sizes and times are bounded. */
#pragma once
#include "base/arena.h"

#include <netinet/in.h>

enum {
    FETCH_REDIRECTS_MAX = 5,
    FETCH_URL_MAX = 2048,
    FETCH_HEADERS_MAX = 8,
    FETCH_CONNECT_MS = 5000,
};

struct fetch_policy {
    bool private_ok;     /* private addresses, and passwords without TLS */
    size_t bytes_max;    /* of a reply's body */
    int64_t deadline_us; /* monotonic, of everything */
};

struct fetch; /* a few requests one after the other, under one policy; keeps connections */
MUST_CHECK enum err fetch_new(const struct fetch_policy *policy, struct fetch **ret);
void fetch_free(struct fetch *f);

struct fetch_request {
    const char *method;
    struct str url;
    const char *headers[FETCH_HEADERS_MAX]; /* "Depth: 1"; up to the first NULL */
    struct str body;                        /* p == NULL: none */
    struct str user, password;              /* Basic; user.p == NULL: none */
    struct str bearer;                      /* p == NULL: none */
};

struct fetch_reply {
    int status;
    struct str body, etag, modified; /* in the arena; etag, modified: p == NULL when absent */
    struct str url;                  /* where the reply came from, after redirects */
};

/* Whatever status comes back is ERR_OK. Text lives in `arena`. Otherwise fetch_reason() says why:
 * ERR_RANGE: the address, or where it leads, is not allowed. ERR_TOO_LARGE. ERR_DEADLINE.
 * ERR_UPSTREAM: not reached, or not understood. */
MUST_CHECK enum err fetch_do(struct fetch *f, const struct fetch_request *rq, struct arena *arena,
                             struct fetch_reply *ret);
const char *fetch_reason(const struct fetch *f);

/* Is it http or https with a host, without a user, a fragment or control characters? */
bool fetch_url_valid(struct str url);
/* May a server that strangers name have this address? */
bool fetch_address_public(const struct sockaddr *address);
/* `to`, which may be relative, as seen from `from`; p == NULL: it is no address. */
struct str fetch_url_join(struct arena *arena, struct str from, struct str to);
bool fetch_same_server(struct str a, struct str b); /* scheme, host and port */
