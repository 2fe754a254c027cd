/* steps - what a night consists of, in order: later steps may use what earlier ones have put. One
 * that needs another run (night_work.more) ends this one, so that the others are run once, at the
 * last. */
#include "night/audits.h"
#include "night/cohorts.h"
#include "night/goals.h"
#include "night/memory.h"
#include "night/patterns.h"
#include "night/personalize.h"
#include "night/retention.h"
#include "night/struggle.h"
#include "night/summaries.h"
#include "night/usual.h"

const struct night_step night_steps[] = {
    {"retention", night_retention}, /* first: the others read what it leaves */
    {"struggle", night_struggle},
    {"memory", night_memory},
    {"patterns", night_patterns},
    {"goals", night_goals},
    {"personalize", night_personalize},
    {"summaries", night_summaries},
    {"usual", night_usual},
    {"cohorts", night_cohorts},        /* these last: they count what the others leave, */
    {"totals", night_personal_totals}, /* and hold rows that every learner's night needs */
    {"audits", night_audits},
    {.name = NULL},
};
