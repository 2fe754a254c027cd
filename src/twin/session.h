/* session - how long a session was, from what is known of it.
 *
 * Pure. The writer of the sums and every answer use this one function, so that days, lengths and
 * the session list agree. The order in which pauses and resumes arrived does not matter: only their
 * counts and sums are kept. */
#pragma once
#include "base/civil.h"

enum { SESSION_STUDY_MS_MAX = 12 * 3600 * 1000 }; /* an open tab is not twelve hours of study */

#define SESSION_MS_NONE INT64_C(-1)

/* The row of a session, in the store's units. */
struct session_facts {
    int64_t first_at, last_at; /* UTC microseconds, of any of its events */
    int64_t started_at;        /* told start, TIME_NONE when never told */
    int64_t completed_at;      /* TIME_NONE: still open, or abandoned */
    int64_t declared_ms;       /* length that a completion declared; SESSION_MS_NONE */
    int64_t declared_pause_ms;
    int64_t pauses, pause_ms_sum; /* count, and sum of their instants in ms since 1970 */
    int64_t resumes, resume_ms_sum;
    int64_t active_ms; /* sum of its events' durations */
    bool untimed;      /* its instants tell only the order */
};

/* Told start, or else the first trace. */
int64_t session_start(const struct session_facts *s);

/* Time spent paused, ms >= 0. Pauses and resumes must pair up; a pause that is still open ends with
 * the session. Where they do not pair up they say nothing and only declared_pause_ms counts. */
int64_t session_paused_ms(const struct session_facts *s);

/* Study time, 0..SESSION_STUDY_MS_MAX ms:
 *   completed, length declared   that length, but not more than the told span
 *   completed                    completion - start - pauses
 *   not completed                the sum of its events' durations, or else last - first event
 *   untimed                      the declared length, or else the sum of durations */
int64_t session_study_ms(const struct session_facts *s);
