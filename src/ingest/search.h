/* search - how sums of searches lie in search_sums (src/sql/migrations). */
#pragma once

enum {
    SEARCH_SLOTS = 100000, /* slot = kind * SEARCH_SLOTS + local day */
    SEARCH_PLACES = 20,    /* places of results that are looked at */
    SEARCH_TEXT_MAX = 200, /* bytes of a query; the rest does not tell searches apart */
};
enum search_kind {
    SEARCH_ALL,    /* "" */
    SEARCH_QUERY,  /* a query, blanks single, a..z small */
    SEARCH_SHOWN,  /* how many results were shown, SEARCH_PLACES at most */
    SEARCH_TIME,   /* bucket of twin/histogram.h, ms */
    SEARCH_PLACE,  /* place of a result that was opened */
    SEARCH_OPENED, /* a search of which a result was opened: its id, or the query */
};
