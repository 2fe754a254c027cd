#include "calendar/dav.h"

#include "base/assert.h"
#include "base/buf.h"

#include <expat.h>
#include <stdio.h>

enum element {
    UNKNOWN,
    RESPONSE,
    HREF,
    PRINCIPAL,
    HOME,
    DISPLAYNAME,
    RESOURCETYPE,
    CALENDAR,
    COMPONENTS,
    COMPONENT,
    CTAG,
    TOKEN,
    ETAG,
    DATA,
    ELEMENTS
};

#define CALDAV "urn:ietf:params:xml:ns:caldav|"
static const char *const names[ELEMENTS] = {
    [RESPONSE] = "DAV:|response",
    [HREF] = "DAV:|href",
    [PRINCIPAL] = "DAV:|current-user-principal",
    [HOME] = CALDAV "calendar-home-set",
    [DISPLAYNAME] = "DAV:|displayname",
    [RESOURCETYPE] = "DAV:|resourcetype",
    [CALENDAR] = CALDAV "calendar",
    [COMPONENTS] = CALDAV "supported-calendar-component-set",
    [COMPONENT] = CALDAV "comp",
    [CTAG] = "http://calendarserver.org/ns/|getctag",
    [TOKEN] = "DAV:|sync-token",
    [ETAG] = "DAV:|getetag",
    [DATA] = CALDAV "calendar-data",
};

struct parse {
    XML_Parser xml;
    struct arena *arena;
    struct dav_response *items;
    int32_t count, room, depth, elements;
    enum element stack[DAV_DEPTH_MAX];
    bool inside; /* of a response */
    struct buf text;
    enum err err;
    const char *why;
};

static void stop(struct parse *p, enum err e, const char *why)
{
    if (p->err == ERR_OK)
        p->err = e, p->why = why;
    XML_StopParser(p->xml, XML_FALSE);
}

static void response_add(struct parse *p)
{
    if (p->count == DAV_RESPONSES_MAX) {
        stop(p, ERR_RANGE, "there are too many responses");
        return;
    }
    if (p->count == p->room) {
        int32_t room = p->room ? p->room * 2 : 16;
        struct dav_response *items = arena_new(p->arena, struct dav_response, (size_t)room);
        if (!items) {
            stop(p, ERR_NOMEM, "memory");
            return;
        }
        if (p->count)
            memcpy(items, p->items, (size_t)p->count * sizeof *items);
        p->items = items;
        p->room = room;
    }
    p->items[p->count++] = (struct dav_response){.calendar = false};
    p->inside = true;
}

static enum element parent(const struct parse *p)
{
    return p->depth > 1 ? p->stack[p->depth - 2] : UNKNOWN;
}

static void XMLCALL on_start(void *user, const XML_Char *name, const XML_Char **attributes)
{
    struct parse *p = user;
    enum element e = UNKNOWN;

    if (p->depth == DAV_DEPTH_MAX || ++p->elements > DAV_ELEMENTS_MAX) {
        stop(p, ERR_RANGE, "there are too many elements, or they are nested too deeply");
        return;
    }
    for (int k = UNKNOWN + 1; k < ELEMENTS; k++)
        if (strcmp(name, names[k]) == 0)
            e = (enum element)k;
    p->stack[p->depth++] = e;
    buf_clear(&p->text);
    if (e == RESPONSE)
        response_add(p);
    if (!p->inside || p->err != ERR_OK)
        return;
    struct dav_response *r = &p->items[p->count - 1];
    if (e == CALENDAR && parent(p) == RESOURCETYPE)
        r->calendar = true;
    if (e == COMPONENTS)
        r->components = true;
    if (e == COMPONENT && parent(p) == COMPONENTS)
        for (; attributes[0]; attributes += 2)
            r->vevent |= strcmp(attributes[0], "name") == 0 && strcmp(attributes[1], "VEVENT") == 0;
}

static struct str *place_of(struct parse *p, enum element e)
{
    struct dav_response *r = &p->items[p->count - 1];

    switch (e) {
    case HREF:
        return parent(p) == RESPONSE    ? &r->href
               : parent(p) == PRINCIPAL ? &r->principal
               : parent(p) == HOME      ? &r->home
                                        : NULL;
    case DISPLAYNAME:
        return &r->name;
    case CTAG:
        return &r->ctag;
    case TOKEN:
        return &r->token;
    case ETAG:
        return &r->etag;
    case DATA:
        return &r->data;
    default:
        return NULL;
    }
}

static struct str trim(struct str s)
{
    while (s.n > 0 && strchr(" \t\r\n", s.p[0]))
        s.p++, s.n--;
    while (s.n > 0 && strchr(" \t\r\n", s.p[s.n - 1]))
        s.n--;
    return s;
}

static void XMLCALL on_end(void *user, const XML_Char *name)
{
    struct parse *p = user;

    (void)name;
    if (p->err != ERR_OK)
        return;
    ASSERT(p->depth > 0);
    enum element e = p->stack[p->depth - 1];
    struct str *place = p->inside ? place_of(p, e) : NULL;
    if (place && !place->p) {
        *place = arena_str(p->arena, e == DATA ? buf_view(&p->text) : trim(buf_view(&p->text)));
        if (!place->p || p->text.failed)
            stop(p, ERR_NOMEM, "memory");
    }
    buf_clear(&p->text);
    if (e == RESPONSE)
        p->inside = false;
    p->depth--;
}

static void XMLCALL on_text(void *user, const XML_Char *s, int n)
{
    struct parse *p = user;
    if (p->inside)
        buf_put(&p->text, s, (size_t)n);
}

static void XMLCALL on_doctype(void *user, const XML_Char *name, const XML_Char *system,
                               const XML_Char *public, int internal)
{
    (void)name, (void)system, (void)public, (void)internal;
    stop(user, ERR_SYNTAX, "a document type is not accepted");
}

enum err dav_parse(struct str xml, struct arena *arena, struct dav_response **ret,
                   int32_t *ret_count, char reason[160])
{
    struct parse p = {.arena = arena, .xml = XML_ParserCreateNS(NULL, '|')};

    reason[0] = '\0';
    if (!p.xml || xml.n > INT32_MAX) {
        XML_ParserFree(p.xml);
        return ERR_NOMEM;
    }
    buf_init(&p.text, xml.n * 3 + 16); /* a Latin-1 text grows */
    XML_SetUserData(p.xml, &p);
    XML_SetElementHandler(p.xml, on_start, on_end);
    XML_SetCharacterDataHandler(p.xml, on_text);
    XML_SetStartDoctypeDeclHandler(p.xml, on_doctype);
    enum XML_Status status = XML_Parse(p.xml, xml.p, (int)xml.n, 1);
    if (status != XML_STATUS_OK && p.err == ERR_OK) {
        p.err = ERR_SYNTAX;
        p.why = XML_ErrorString(XML_GetErrorCode(p.xml));
    }
    if (p.err != ERR_OK)
        snprintf(reason, 160, "line %lu: %s", (unsigned long)XML_GetCurrentLineNumber(p.xml),
                 p.why ? p.why : "not XML");
    XML_ParserFree(p.xml);
    buf_fini(&p.text);
    *ret = p.items;
    *ret_count = p.count;
    return p.err;
}
