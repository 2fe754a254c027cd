/* summaries - the insight of the day and the objectives of the week, as replies show them. */
#pragma once
#include "api/standing_view.h"

struct past_day {
    int32_t date;
    double minutes, usual_minutes, success, usual_success;
    const struct interval *interval;
    int64_t n;
};
struct day_insight {
    struct str user_id, objective, name, title, description, method, reason;
    int32_t category; /* -1: none */
    struct list actions;
    double minutes, score, gap;
    const struct interval *score_interval, *gap_interval;
    int64_t n, told, generated_at;
    bool kept;
    struct past_day yesterday;
    const struct needed *needed;
};
extern const struct field day_insight_fields[];

struct week_item {
    struct str objective, name, rationale, reason;
    int32_t place, category;
    double hours, low, high, score;
    const struct interval *score_interval;
    int64_t n, generated_at;
    bool kept;
};
extern const struct field week_item_fields[];

/* Two more queries of the view, in one: from q[at] on, the kept ones of the day and of the week. */
enum { SUMMARY_QUERIES = 2 };
struct summary_queries {
    struct value day[4], week[4];
};
void summary_queries(struct api_call *c, struct summary_queries *args, struct query *q);
/* What is kept for today, else picked now. v->base.q[5]: as above. */
MUST_CHECK enum err day_insight_of(struct api_call *c, const struct standing_view *v,
                                   struct day_insight *ret);
/* STANDING_PICKS items; those that there is nothing for say why. */
MUST_CHECK enum err week_items_of(struct api_call *c, const struct standing_view *v,
                                  struct week_item ret[STANDING_PICKS]);
