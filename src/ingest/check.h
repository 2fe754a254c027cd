/* check - the small checks that an event's members and those of its `data` share. Inside of ingest.
 *
 * Each reader consumes its value, good or bad, so that the caller can go on behind it. When the
 * text itself is broken the reader's error latches; that is for the caller to look at. */
#pragma once
#include "ingest/event.h"

struct json_reader;

/* Fills the error (NULL: nothing is wanted), unless an earlier one stands there. Always ERR_RANGE.
 */
enum err check_fail(struct event_error *error, const char *path, const char *code, const char *fmt,
                    ...) PRINTF_LIKE(4, 5);
/* 1..EVENT_ID_MAX bytes of valid UTF-8 without control characters. */
MUST_CHECK enum err check_id(struct str s, const char *path, struct event_error *error);
MUST_CHECK enum err check_read_id(struct json_reader *r, const char *path, struct str *ret,
                                  struct event_error *error);
MUST_CHECK enum err check_number(double v, const char *path, double min, double max, bool integer,
                                 struct event_error *error);
/* null gives NaN. */
MUST_CHECK enum err check_read_number(struct json_reader *r, const char *path, double min,
                                      double max, bool integer, double *ret,
                                      struct event_error *error);
