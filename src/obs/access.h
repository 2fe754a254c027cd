/* access - the access log, off the hot path.
 *
 * A loop puts a finished request as a fixed-size record into its own ring (no lock, no syscall, no
 * formatting); a thread turns records into log lines. A full ring drops the record and counts it.
 * No query text, no header and no e-mail address is recorded. */
#pragma once
#include "base/str.h"

#include <stdint.h>

enum { ACCESS_RINGS_MAX = 256, ACCESS_RING_RECORDS = 2048 };

struct access_record {
    const char *method, *endpoint; /* static text */
    int32_t status;
    bool client_gone;
    int64_t duration_us;
    uint64_t bytes;
    struct str id, traceparent, who; /* cut to 64, 55 and 48 bytes */
};

struct access;

MUST_CHECK enum err access_new(struct access **ret); /* starts the thread */
void access_free(struct access *a);                  /* writes what is there; NULL is fine */
/* Only one thread at a time may put into a ring. */
void access_put(struct access *a, int32_t ring, const struct access_record *r);
uint64_t access_dropped(const struct access *a);
