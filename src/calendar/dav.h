/* dav - what WebDAV and CalDAV servers answer (RFC 4918, 4791), by Expat.
 *
 * A multistatus is read into one struct for each response, with the properties that are asked for
 * here. Document types are refused, so there are no entities to expand; depth, elements and
 * responses are bounded, and the text's size is the request's bound. */
#pragma once
#include "base/arena.h"

enum { DAV_DEPTH_MAX = 32, DAV_ELEMENTS_MAX = 200000, DAV_RESPONSES_MAX = 12000 };

/* p == NULL: the property is not there. Text lives in the arena. */
struct dav_response {
    struct str href;
    struct str principal, home; /* current-user-principal, calendar-home-set: the href in it */
    struct str name, ctag, token, etag, data;
    bool calendar; /* resourcetype */
    bool components,
        vevent; /* supported-calendar-component-set: is there one; does it have VEVENT? */
};

/* ERR_SYNTAX, ERR_RANGE: reason says why. ERR_NOMEM. */
MUST_CHECK enum err dav_parse(struct str xml, struct arena *arena, struct dav_response **ret,
                              int32_t *ret_count, char reason[160]);
