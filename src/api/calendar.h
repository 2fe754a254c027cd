/* calendar - what the handlers of the calendar family share: the rows, and what a sync changes. */
#pragma once
#include "api/api.h"
#include "calendar/sync.h"

struct config;

/* From the settings. ERR_RANGE: ret_detail (200 bytes) names the setting. */
MUST_CHECK enum err calendar_setup_init(struct calendar_setup *s, const struct config *config,
                                        char *ret_detail);
void calendar_setup_fini(struct calendar_setup *s);

/* A row of calendars. */
struct calendar_row {
    enum provider provider;
    struct str name, sealed, marker, failure;
    bool push, cut;
    int64_t connected_at, synced_at, tried_at, covers_until;
};

/* One provider's turn. */
struct calendar_turn {
    struct calendar_row row;
    bool fresh;   /* being connected now: the row is made, not changed */
    enum err err; /* of the sync; its reason in `sync` */
    bool lost;    /* by the writer: the connection was another one by then */
    struct sync sync;
};

/* All that a call does to a learner's calendars. */
struct calendar_work {
    int64_t learner_id;
    struct str learner;
    const struct zone *zone;
    struct calendar_turn *turns;
    int32_t count;
    struct planned *planned;
    int32_t planned_count;
};

/* What a look at a learner's calendars reads, with one round trip. */
struct calendar_look {
    bool planned;       /* read planned sessions, too */
    struct query *more; /* the caller's own queries */
    int32_t more_count; /* <= 4 */
};
/* Fills work with the learner, a turn for each row, and planned sessions. ERR_NOT_FOUND: no such
 * learner. */
MUST_CHECK enum err calendar_read(struct api_call *c, struct calendar_look *look,
                                  struct calendar_work *ret);
/* A turn's sync, ready to run. */
MUST_CHECK enum err calendar_prepare(struct api_call *c, struct calendar_work *w,
                                     struct calendar_turn *t, int64_t deadline_us);
/* Inside a writer's transaction: what came of the turns. */
MUST_CHECK enum err calendar_write(struct api_call *c, struct store_conn *conn,
                                   struct calendar_work *w);
/* Busy times as intervals, for an upload. */
struct calendar_interval {
    int64_t start, end;
    struct str title;
    bool tentative;
};
extern const struct field calendar_interval_fields[];
/* An upload, of iCalendar text or intervals, as a turn of its own in w. Refusals name the field. */
MUST_CHECK enum err calendar_upload(struct api_call *c, struct calendar_work *w, struct str ical,
                                    const struct list *intervals);
/* The turn's fault as the call's refusal. */
enum err calendar_refuse(struct api_call *c, const struct calendar_turn *t);

const struct calendar_setup *calendar_setup_of(const struct api_call *c);

/* connect and callback. */
struct calendar_connect_in {
    struct str user_id, url, user, password, calendar_id, ical;
    struct list busy;
    int32_t provider;
    bool push;
    struct {
        bool busy;
    } given;
    /* from here on the handler's */
    struct calendar_work work;
    struct str state_hash, sealed;
    int64_t expires_at;
};
struct calendar_callback_in {
    struct str code, state, error;
    /* from here on the handler's */
    struct str state_hash, verifier;
    bool consumed;
    struct calendar_work work;
};
extern const struct field calendar_connect_body[], calendar_connect_reply[];
extern const struct field calendar_callback_query[];
enum err calendar_connect(struct api_call *c);
enum err calendar_callback(struct api_call *c);
