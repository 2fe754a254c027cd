/* feed - planned sessions as iCalendar text (RFC 5545): for subscriptions, and for CalDAV.
 *
 * The same rows give the same bytes: DTSTAMP is when the session was last changed. */
#pragma once
#include "base/buf.h"
#include "calendar/calendar.h"

/* BEGIN … END of a calendar that is published as a whole. */
void feed_write(struct buf *out, struct str learner, const struct planned *sessions, int32_t count);
/* One session as a calendar object resource (RFC 4791, 4.1): no METHOD. */
void feed_write_one(struct buf *out, struct str learner, const struct planned *session);
/* 32 hex digits and ICAL_OUR_UID: stable, and says nothing of the learner. */
enum { FEED_UID_MAX = 64 };
int feed_uid(struct str learner, struct str plan, char out[FEED_UID_MAX]);
