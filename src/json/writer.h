/* writer - JSON text into a buf. Commas and nesting are the writer's business; a wrong sequence of
 * calls is a bug (ASSERT). Numbers: integers as they are; doubles by the shortest text that reads
 * back the same, or with fixed decimals (json_fixed), NaN and infinity as null. */
#pragma once
#include "base/buf.h"

#include <stdint.h>

/* How the functions of field.h print the names of their tables: as they are ("dataPoints"), in
 * snake case ("data_points"), or both, each value once under either. For clients of two tongues. */
enum json_names_as { NAMES_AS_IS, NAMES_SNAKE, NAMES_BOTH };

struct json_writer {
    struct buf *out;
    uint64_t has_item; /* a bit a level: a comma is due before the next item */
    uint64_t is_object;
    int32_t depth;
    bool after_name;
    enum json_names_as names; /* set after init */
};

void json_writer_init(struct json_writer *w, struct buf *out);
void json_object(struct json_writer *w);
void json_object_end(struct json_writer *w);
void json_array(struct json_writer *w);
void json_array_end(struct json_writer *w);
void json_name(struct json_writer *w, struct str name);
void json_str(struct json_writer *w,
              struct str s); /* p == NULL: null. Invalid UTF-8 becomes U+FFFD */
void json_i64(struct json_writer *w, int64_t v);
void json_f64(struct json_writer *w, double v);
void json_fixed(struct json_writer *w, double v, int decimals); /* rounded half away; -0 as 0 */
void json_bool(struct json_writer *w, bool v);
void json_null(struct json_writer *w);
void json_time(struct json_writer *w, int64_t us);     /* TIME_NONE: null */
void json_raw(struct json_writer *w, struct str json); /* trusted JSON text, as one value */

/* name and value in one call */
#define json_kv_str(w, k, v) (json_name(w, STR(k)), json_str(w, v))
#define json_kv_cstr(w, k, v) (json_name(w, STR(k)), json_str(w, str_from(v)))
#define json_kv_i64(w, k, v) (json_name(w, STR(k)), json_i64(w, v))
#define json_kv_f64(w, k, v) (json_name(w, STR(k)), json_f64(w, v))
#define json_kv_bool(w, k, v) (json_name(w, STR(k)), json_bool(w, v))
#define json_kv_time(w, k, v) (json_name(w, STR(k)), json_time(w, v))
#define json_kv_null(w, k) (json_name(w, STR(k)), json_null(w))
