/* session_compare - sessions beside each other: GET learning/sessions/recent and /compare; and what
 * one session was, against its plan: GET learning/sessions/{id}/analytics. */
#pragma once
#include "api/session_detail.h"

struct recent_query {
    struct str mission;
    int32_t limit;
};
extern const struct field recent_query[], recent_reply[];
enum err get_recent_sessions(struct api_call *c);

struct compare_query {
    struct list ids; /* struct str */
};
extern const struct field compare_query[], compare_reply[];
enum err get_session_comparison(struct api_call *c);

extern const struct field session_analytics_reply[];
enum err get_session_analytics(struct api_call *c);
