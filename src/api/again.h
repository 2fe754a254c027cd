/* again - answers made again right after a write, before anybody asks.
 *
 * A write makes most of its learner's answers void, and each would be missed once. Whoever was
 * written to stands in the queue of cache/ahead; one worker at a time takes him, looks which of his
 * kept answers are void (those that can be asked with nothing but the learner, in the rights that
 * callers had within a day), and makes those that will probably be read before his next write.
 *
 * How probable that is, is counted: of each endpoint's answers that were made so, how many were
 * asked for before the next write, apart for those whose predecessors nobody had asked for, once,
 * twice or more in a row. Below the share of the setting none is made, but for a try now and then
 * that tells whether this still holds. What nobody ever asked for is not kept, and not made.
 * Nor is what goes to the second tier: there the first who asks, on whichever node, makes it for
 * all.
 *
 * It is cheaper than the misses that it saves: all answers are made of one snapshot, and what
 * several of them read is read once (store_share_begin()). */
#pragma once
#include "api/api.h"

struct again;
/* Begins to listen to the tiers' `ahead`, which must be there. The workers must outlive the last
 * write. ERR_NOMEM. */
MUST_CHECK enum err again_new(struct api *a, struct again **ret);
void again_free(struct again *g); /* after the workers have ended; NULL is fine */
