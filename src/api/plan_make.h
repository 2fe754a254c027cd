/* plan_make - POST orchestration/session-plan; its row stands in session_plan.c. */
#pragma once
#include "api/orchestra.h"

enum { PLAN_ID_MAX = 64 };

struct made;
struct plan_make_in {
    struct str user_id, mission;
    int64_t start;
    double duration;
    int32_t intensity;
    struct orchestra o;
    struct made *shown;
    struct str content;
};
extern const struct field plan_make_body[], plan_made_reply[];
enum err post_session_plan(struct api_call *c);
