/* log - structured lines for the operator: one JSON object a line, or short text on a terminal.
 *
 * log_event() formats into a bounded queue; a thread writes it out, so that a full pipe never
 * stops the caller. When the queue is full the line is dropped and counted, and the count is logged
 * as soon as there is room. Before log_start() and after log_stop() lines are written directly. */
#pragma once
#include "base/str.h"

#include <stdint.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };
enum log_format { LOG_FORMAT_TEXT, LOG_FORMAT_JSON };

void log_configure(enum log_level level, enum log_format format, int fd);
MUST_CHECK enum err log_start(void); /* from here on lines go through the queue */
void log_stop(void);                 /* writes what is queued; idempotent */
bool log_enabled(enum log_level level);
uint64_t log_dropped(void);

/* A pair's value is text, or a number when `is_number`. */
struct log_pair {
    const char *key;
    struct str text;
    double number;
    bool is_number;
};
#define LOG_S(k, s) ((struct log_pair){.key = (k), .text = (s)})
#define LOG_C(k, c) ((struct log_pair){.key = (k), .text = str_from(c)})
#define LOG_N(k, n_) ((struct log_pair){.key = (k), .number = (double)(n_), .is_number = true})

void log_write(enum log_level level, const char *event, const struct log_pair *pairs, int count);
/* log_event(LOG_WARN, "store.lost", LOG_C("engine", "postgresql"), LOG_N("retryMs", 50)); */
#define log_event(level, event, ...)                                                              \
    do {                                                                                          \
        if (log_enabled(level)) {                                                                 \
            const struct log_pair log_pairs_[] = {__VA_ARGS__};                                   \
            log_write(level, event, log_pairs_, (int)(sizeof log_pairs_ / sizeof log_pairs_[0])); \
        }                                                                                         \
    } while (0)
