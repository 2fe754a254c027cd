/* cache_admin - the cache's part of /metrics; its rows stand in endpoints_cache. */
#pragma once
#include "obs/metrics.h"

struct api;
void cache_metrics(const struct api *a, struct metrics_page *p);
