#include "redis/reply.h"

#include "base/assert.h"

#include <hiredis/hiredis.h>
#include <stdlib.h>

enum { IDLE_BUFFER_BYTES = 256 * 1024 }; /* what the reader may keep when it has nothing to read */

struct redis_reader {
    redisReader *hiredis;
    struct arena arena; /* of the reply being read */
    size_t bytes_max;
    int32_t elements_max, elements_left;
};

static int32_t depth_of(const redisReadTask *task)
{
    int32_t depth = 1;
    for (const redisReadTask *t = task->parent; t; t = t->parent)
        depth++;
    return depth;
}

/* The object's place: in its list, or a new one. NULL ends the reading with an error. */
static struct redis_reply *place(const redisReadTask *task, enum redis_type type)
{
    struct redis_reader *r = task->privdata;
    struct redis_reply *o;
    if (task->parent) {
        struct redis_reply *list = task->parent->obj;
        ASSERT(task->idx >= 0 && task->idx < list->count);
        o = &list->list[task->idx];
    } else {
        o = arena_new(&r->arena, struct redis_reply, 1);
    }
    if (o)
        *o = (struct redis_reply){.type = type};
    return o;
}

static void *make_text(const redisReadTask *task, char *p, size_t n)
{
    struct redis_reader *r = task->privdata;
    struct redis_reply *o = NULL;
    switch (task->type) { /* RESP3's other texts are nothing that we asked for */
    case REDIS_REPLY_STRING:
        o = place(task, REDIS_TEXT);
        break;
    case REDIS_REPLY_STATUS:
        o = place(task, REDIS_STATUS);
        break;
    case REDIS_REPLY_ERROR:
        o = place(task, REDIS_ERROR);
        break;
    }
    if (!o)
        return NULL;
    o->text = arena_str(&r->arena, (struct str){p, n});
    return o->text.p ? o : NULL;
}

static void *make_list_of(const redisReadTask *task, uint64_t count)
{
    struct redis_reader *r = task->privdata;
    if (task->type != REDIS_REPLY_ARRAY || depth_of(task) > REDIS_DEPTH_MAX ||
        count > (uint64_t)r->elements_left)
        return NULL;
    r->elements_left -= (int32_t)count;
    struct redis_reply *o = place(task, REDIS_LIST);
    if (!o)
        return NULL;
    o->count = (int32_t)count;
    o->list = arena_new(&r->arena, struct redis_reply, (size_t)count);
    return o->list ? o : NULL;
}

static void *make_number(const redisReadTask *task, long long v)
{
    struct redis_reply *o = place(task, REDIS_NUMBER);
    if (o)
        o->number = v;
    return o;
}

static void *make_nil(const redisReadTask *task)
{
    return place(task, REDIS_NIL);
}

static void free_nothing(void *o)
{
    (void)o; /* it lies in the arena */
}

#if HIREDIS_MAJOR >= 1
static void *make_list(const redisReadTask *task, size_t count)
{
    return make_list_of(task, count);
}

/* RESP3 only. Without these the reader would hand out numbers for pointers. */
static void *refuse_double(const redisReadTask *task, double v, char *p, size_t n)
{
    (void)task, (void)v, (void)p, (void)n;
    return NULL;
}

static void *refuse_bool(const redisReadTask *task, int v)
{
    (void)task, (void)v;
    return NULL;
}
#else
static void *make_list(const redisReadTask *task, int count)
{
    return count < 0 ? NULL : make_list_of(task, (uint64_t)count);
}
#endif

static redisReplyObjectFunctions functions = {
    .createString = make_text,
    .createArray = make_list,
    .createInteger = make_number,
    .createNil = make_nil,
    .freeObject = free_nothing,
#if HIREDIS_MAJOR >= 1
    .createDouble = refuse_double,
    .createBool = refuse_bool,
#endif
};

enum err redis_reader_new(size_t reply_bytes_max, int32_t elements_max, struct redis_reader **ret)
{
    struct redis_reader *r = calloc(1, sizeof *r);
    if (!r)
        return ERR_NOMEM;
    r->hiredis = redisReaderCreateWithFunctions(&functions);
    if (!r->hiredis) {
        free(r);
        return ERR_NOMEM;
    }
    r->hiredis->privdata = r;
    r->hiredis->maxbuf = IDLE_BUFFER_BYTES;
    r->bytes_max = reply_bytes_max;
    r->elements_max = r->elements_left = elements_max;
    arena_init(&r->arena,
               reply_bytes_max + ((size_t)elements_max + 1) * (sizeof(struct redis_reply) + 1));
    *ret = r;
    return ERR_OK;
}

void redis_reader_free(struct redis_reader *r)
{
    if (!r)
        return;
    redisReaderFree(r->hiredis);
    arena_fini(&r->arena);
    free(r);
}

enum err redis_reader_feed(struct redis_reader *r, const char *p, size_t n)
{
    /* All whole replies have been taken out: what is left is the beginning of one. */
    if (r->hiredis->len - r->hiredis->pos > r->bytes_max)
        return ERR_TOO_LARGE;
    return redisReaderFeed(r->hiredis, p, n) == REDIS_OK ? ERR_OK : ERR_NOMEM;
}

enum err redis_reader_next(struct redis_reader *r, const struct redis_reply **ret)
{
    void *reply = NULL;
    if (!r->hiredis->reply) { /* nothing is half-read: the last reply, if there was one, is over */
        arena_clear(&r->arena);
        r->elements_left = r->elements_max;
    }
    if (redisReaderGetReply(r->hiredis, &reply) != REDIS_OK)
        return ERR_SYNTAX;
    *ret = reply;
    return ERR_OK;
}
