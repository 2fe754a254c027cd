/* clock - the two clocks. Code that decides by time takes it as an argument; only edges call these.
 */
#pragma once
#include <stdint.h>

int64_t clock_us(void);      /* UTC, microseconds since 1970 */
int64_t clock_mono_us(void); /* never goes back; for deadlines and durations */
