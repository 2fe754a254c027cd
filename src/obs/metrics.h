/* metrics - what happened since start, counted cheaply, printed for Prometheus.
 *
 * Requests are counted in shards, one per event loop: only the loop's own thread writes its shard,
 * with plain relaxed stores, so that counting costs no shared cache line and no locked instruction.
 * Rare things are counted by metrics_add() from any thread. What other rooms count themselves
 * (http, store, ingest, workers) is read when the page is printed. */
#pragma once
#include "base/buf.h"
#include "http/http.h"
#include "net/workers.h"
#include "store/store.h"

#include <stdint.h>

enum metric {
#define METRIC(name, type, wire, labels, help) METRIC_##name,
#include "obs/metrics.def"
#undef METRIC
    METRIC_COUNT
};

enum {
    METRIC_VALUES_MAX = 4, /* of a label counted by metrics_add() */
    METRIC_ENDPOINTS_MAX = 256,
    METRIC_SHARDS_MAX = 256,
};

/* The values of AUTH_FAILURES and RATE_LIMITED, in the order of metrics.def. */
enum { AUTH_FAILED_WHO, AUTH_FAILED_SCOPE, AUTH_FAILED_LEARNER };
enum { RATE_LIMITED_ADDRESS, RATE_LIMITED_KEY };

struct metrics;

/* endpoints: 1..METRIC_ENDPOINTS_MAX. ERR_RANGE, ERR_NOMEM. */
MUST_CHECK enum err metrics_new(int32_t endpoints, struct metrics **ret);
void metrics_free(struct metrics *m);

/* One request is over. Only the thread that owns `shard` (0..METRIC_SHARDS_MAX-1) may call this. A
 * request is dropped from the count when its shard cannot be made for want of memory. */
void metrics_request(struct metrics *m, int32_t shard, int32_t endpoint, int status,
                     int64_t duration_us);
/* Any thread. `value`: place of the label's value in metrics.def; 0 where there is no label. */
void metrics_add(struct metrics *m, enum metric which, int value, int64_t n);

/* The page. The samples of one metric must be printed in a row (ASSERT); HELP and TYPE come before
 * the first. */
struct metrics_page {
    struct buf *out;
    bool opened[METRIC_COUNT];
    int32_t open; /* whose samples may follow; -1 none */
};
void metrics_page_init(struct metrics_page *p, struct buf *out);
void metrics_page_value(struct metrics_page *p, enum metric which, double v);
/* `label` is the label's name, `text` its value (escaped here). */
void metrics_page_labelled(struct metrics_page *p, enum metric which, const char *label,
                           struct str text, double v);

/* names[i] is the endpoint label of index i. Series that never counted are left out. */
void metrics_print_requests(const struct metrics *m, struct metrics_page *p,
                            const char *const *names);
void metrics_print_counts(const struct metrics *m, struct metrics_page *p);
void metrics_print_http(struct metrics_page *p, const struct http_stats *s);
void metrics_print_workers(struct metrics_page *p, const struct workers_stats *s);
void metrics_print_store(struct metrics_page *p, const struct store *s);
void metrics_print_process(struct metrics_page *p);
