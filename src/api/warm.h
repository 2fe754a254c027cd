/* warm - answers made before anybody asks; its row stands in endpoints_cache. */
#pragma once
#include "api/api.h"
#include "api/cached.h"

extern const struct field warm_body[], warm_fields[];
struct warm_in {
    struct list learners; /* struct str */
};
/* Can the row be asked with nothing but the learner; and by callers with these rights? */
bool warm_is_possible(const struct route *r);
bool warm_may_ask(const struct endpoint *row, struct cached_class class);
enum err post_warm(struct api_call *c);
/* Has the answers made of those whose usual hour begins soon. One thread; often: it looks at most
 * every five seconds, and never waits. now_us: UTC. */
void warm_usual(struct api *a, int64_t now_us);
