#include "twin/session.h"

static int64_t ms_between(int64_t from_us, int64_t to_us)
{
    /* as unsigned: instants far apart must not overflow */
    return from_us != TIME_NONE && to_us > from_us
               ? (int64_t)(((uint64_t)to_us - (uint64_t)from_us) / US_PER_MS)
               : 0;
}

/* Of sums that may have run to their ends. */
static int64_t plus(int64_t a, int64_t b)
{
    int64_t sum;

    return !__builtin_add_overflow(a, b, &sum) ? sum : a < 0 ? INT64_MIN : INT64_MAX;
}

static int64_t minus(int64_t a, int64_t b)
{
    int64_t difference;

    return !__builtin_sub_overflow(a, b, &difference) ? difference : a < 0 ? INT64_MIN : INT64_MAX;
}

static int64_t clamp(int64_t ms)
{
    return ms < 0 ? 0 : ms > SESSION_STUDY_MS_MAX ? SESSION_STUDY_MS_MAX : ms;
}

int64_t session_start(const struct session_facts *s)
{
    return s->started_at != TIME_NONE ? s->started_at : s->first_at;
}

int64_t session_paused_ms(const struct session_facts *s)
{
    int64_t declared = s->declared_pause_ms > 0 ? s->declared_pause_ms : 0;
    int64_t told = 0;

    if (s->pauses == s->resumes)
        told = minus(s->resume_ms_sum, s->pause_ms_sum);
    else if (s->pauses == plus(s->resumes, 1) && s->completed_at != TIME_NONE)
        told = minus(plus(s->resume_ms_sum, s->completed_at / US_PER_MS), s->pause_ms_sum);
    return plus(told > 0 ? told : 0, declared);
}

int64_t session_study_ms(const struct session_facts *s)
{
    int64_t declared = s->declared_ms;
    if (s->untimed)
        return clamp(declared >= 0 ? declared : s->active_ms);
    if (s->completed_at == TIME_NONE)
        return clamp(s->active_ms > 0 ? s->active_ms : ms_between(s->first_at, s->last_at));
    if (declared >= 0) {
        /* Without a told start the first trace may lie anywhere in the session: no bound then. */
        if (s->started_at == TIME_NONE)
            return clamp(declared);
        int64_t span = ms_between(s->started_at, s->completed_at);
        return clamp(span < declared ? span : declared);
    }
    return clamp(ms_between(session_start(s), s->completed_at) - session_paused_ms(s));
}
