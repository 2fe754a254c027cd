#include "api/api.h"

/* In order of the documents. */
const struct endpoint *const endpoint_families[] = {
    endpoints_events,
    endpoints_sessions,
    endpoints_missions,
    endpoints_mission_history,
    endpoints_mission_feedback,
    endpoints_mission_analytics,
    endpoints_analytics,
    endpoints_load,
    endpoints_patterns,
    endpoints_goals,
    endpoints_recommendations,
    endpoints_correlation,
    endpoints_summaries,
    endpoints_predictions,
    endpoints_interventions,
    endpoints_relief,
    endpoints_personalization,
    endpoints_schedule,
    endpoints_session_plan,
    endpoints_calendar,
    endpoints_user,
    endpoints_cache,
    endpoints_operate,
    NULL,
};
