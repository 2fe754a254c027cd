/* encode - the content codings of answers, one buffer in, one out. Room-internal. */
#pragma once
#include "cache/answer.h"

/* Compresses `body` so that it is at least `gain` bytes smaller. Returns a heap block whose first
 * `front` bytes are the caller's, the coded bytes behind them, their number in *ret_n; NULL: not
 * that much smaller, or no memory. */
void *encode_body(enum answer_form form, struct str body, size_t front, size_t gain, size_t *ret_n);
/* Bytes written at `out`; 0: not less than `room`, or no memory. */
size_t encode_gzip(struct str body, char *out, size_t room);
/* The gzip form's bytes back: exactly `n` of them, into `out`. False: no memory. */
bool decode_gzip(struct str coded, char *out, size_t n);
/* What `body` has that `sample` has not (a zstd frame with the sample as its prefix); likewise.
 * Both are small: some KiB. */
size_t encode_difference(struct str body, struct str sample, char *out, size_t room);
bool decode_difference(struct str coded, struct str sample, char *out, size_t n);
