#include "auth/cache.h"

#include "base/assert.h"

#include <openssl/crypto.h>
#include <pthread.h>
#include <stdlib.h>

enum { SHARDS = 64, WAYS = 8 };

struct entry {
    uint8_t digest[CREDENTIAL_DIGEST];
    int64_t until_us; /* 0: empty */
    uint32_t scopes;
    uint8_t learner_n, name_n;
    bool has_learner;
    char learner[CREDENTIAL_LEARNER_MAX], name[CREDENTIAL_NAME_MAX];
};

struct shard {
    pthread_mutex_t lock; /* guards its sets */
} __attribute__((aligned(64)));

struct credential_cache {
    struct shard shards[SHARDS];
    struct entry *entries; /* sets of WAYS; a set belongs to the shard of its number */
    uint32_t sets;         /* a power of two */
};

enum err credential_cache_new(int32_t entries_max, struct credential_cache **ret)
{
    struct credential_cache *c = aligned_alloc(64, (sizeof *c + 63) / 64 * 64);
    if (!c)
        return ERR_NOMEM;
    memset(c, 0, sizeof *c);
    c->sets = SHARDS;
    while ((int64_t)c->sets * 2 * WAYS <= entries_max)
        c->sets *= 2;
    c->entries = calloc((size_t)c->sets * WAYS, sizeof *c->entries);
    if (!c->entries) {
        free(c);
        return ERR_NOMEM;
    }
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_init(&c->shards[i].lock, NULL);
    *ret = c;
    return ERR_OK;
}

void credential_cache_free(struct credential_cache *c)
{
    if (!c)
        return;
    for (int i = 0; i < SHARDS; i++)
        pthread_mutex_destroy(&c->shards[i].lock);
    free(c->entries);
    free(c);
}

static struct entry *lock_set(struct credential_cache *c, const uint8_t *digest,
                              pthread_mutex_t **ret_lock)
{
    uint32_t place;

    memcpy(&place, digest, sizeof place);
    place &= c->sets - 1;
    *ret_lock = &c->shards[place % SHARDS].lock;
    pthread_mutex_lock(*ret_lock);
    return c->entries + (size_t)place * WAYS;
}

static bool copy_out(const struct entry *e, struct arena *arena, struct principal *ret)
{
    struct principal who = {.scopes = e->scopes, .until_us = e->until_us};

    who.name = arena_str(arena, (struct str){e->name, e->name_n});
    if (e->has_learner)
        who.learner = arena_str(arena, (struct str){e->learner, e->learner_n});
    if (!who.name.p || (e->has_learner && !who.learner.p))
        return false;
    *ret = who;
    return true;
}

bool credential_cache_get(struct credential_cache *c, const uint8_t digest[CREDENTIAL_DIGEST],
                          int64_t now_us, struct arena *arena, struct principal *ret)
{
    pthread_mutex_t *lock;
    bool found = false;
    struct entry *set = lock_set(c, digest, &lock);

    for (int i = 0; i < WAYS && !found; i++)
        if (set[i].until_us > now_us &&
            CRYPTO_memcmp(set[i].digest, digest, CREDENTIAL_DIGEST) == 0)
            found = copy_out(&set[i], arena, ret);
    pthread_mutex_unlock(lock);
    return found;
}

void credential_cache_put(struct credential_cache *c, const uint8_t digest[CREDENTIAL_DIGEST],
                          int64_t now_us, int64_t until_us, const struct principal *who)
{
    pthread_mutex_t *lock;

    if (until_us <= now_us || who->name.n > CREDENTIAL_NAME_MAX ||
        who->learner.n > CREDENTIAL_LEARNER_MAX)
        return;
    struct entry *set = lock_set(c, digest, &lock), *to = set;
    for (int i = 0; i < WAYS; i++) {
        if (memcmp(set[i].digest, digest, CREDENTIAL_DIGEST) == 0) {
            to = &set[i];
            break;
        }
        if (set[i].until_us < to->until_us)
            to = &set[i];
    }
    *to = (struct entry){
        .until_us = until_us,
        .scopes = who->scopes,
        .has_learner = who->learner.p != NULL,
        .learner_n = (uint8_t)who->learner.n,
        .name_n = (uint8_t)who->name.n,
    };
    memcpy(to->digest, digest, CREDENTIAL_DIGEST);
    if (who->learner.n)
        memcpy(to->learner, who->learner.p, who->learner.n);
    if (who->name.n)
        memcpy(to->name, who->name.p, who->name.n);
    pthread_mutex_unlock(lock);
}

void credential_cache_clear(struct credential_cache *c)
{
    size_t per_set = WAYS;

    for (uint32_t s = 0; s < c->sets; s++) {
        pthread_mutex_t *lock = &c->shards[s % SHARDS].lock;
        pthread_mutex_lock(lock);
        for (size_t i = 0; i < per_set; i++)
            c->entries[s * per_set + i].until_us = 0;
        pthread_mutex_unlock(lock);
    }
}
