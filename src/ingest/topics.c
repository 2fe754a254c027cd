#include "ingest/topics.h"

#include "base/assert.h"

int topic_cmp(const struct topic *a, const struct topic *b)
{
    return a->kind != b->kind ? (a->kind > b->kind) - (a->kind < b->kind)
                              : str_cmp(a->name, b->name);
}

bool topics_next(struct str *text, struct topic *ret)
{
    if (text->n == 0)
        return false;
    struct str one = str_cut(text, '\n');
    ASSERT(one.n > 1 && one.p[0] > '0' && one.p[0] < '0' + TOPIC_KINDS);
    *ret = (struct topic){(enum topic_kind)(one.p[0] - '0'), {one.p + 1, one.n - 1}};
    return true;
}

static char *put(char *at, const char *start, const struct topic *t)
{
    if (at > start)
        *at++ = '\n';
    *at++ = (char)('0' + (int)t->kind);
    memcpy(at, t->name.p, t->name.n);
    return at + t->name.n;
}

enum err topics_add(struct arena *arena, struct str text, const struct topic *more, int32_t count,
                    struct str *ret)
{
    size_t room = text.n;
    struct topic old;
    int32_t i = 0;

    for (int32_t k = 0; k < count; k++)
        room += more[k].name.n + 2;
    char *start = arena_alloc(arena, room + 1, 1), *at = start;
    if (!start)
        return ERR_NOMEM;
    bool left = topics_next(&text, &old);
    for (int32_t n = 0; n < SESSION_TOPICS_MAX && (left || i < count); n++) {
        int order = !left ? 1 : i == count ? -1 : topic_cmp(&old, &more[i]);
        at = put(at, start, order <= 0 ? &old : &more[i]);
        i += order >= 0;
        if (order <= 0)
            left = topics_next(&text, &old);
    }
    *ret = (struct str){start, (size_t)(at - start)};
    return ERR_OK;
}

const char *topic_kind_name(enum topic_kind kind)
{
    static const char *const names[TOPIC_KINDS] = {"",          "course", "lecture",
                                                   "objective", "skill",  "modality"};

    ASSERT(kind > 0 && kind < TOPIC_KINDS);
    return names[kind];
}
