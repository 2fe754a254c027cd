/* addresses - how many connections each client address holds.
 *
 * Open addressing with linear probing under the server's lock: it is touched when a connection
 * comes and when it goes, never by a request. */
#include "base/hash.h"
#include "http/conn.h"

#include <stdlib.h>

struct address_count {
    uint8_t address[16];
    int32_t count; /* 0: empty */
};

static uint32_t home(const struct http_server *s, const uint8_t *address)
{
    return (uint32_t)hash_bytes(address, 16) & s->peer_mask;
}

/* The place of the address, or the empty one where it belongs. */
static struct address_count *find(struct http_server *s, const uint8_t *address)
{
    uint32_t i = home(s, address);
    while (s->peers[i].count && memcmp(s->peers[i].address, address, 16) != 0)
        i = (i + 1) & s->peer_mask;
    return &s->peers[i];
}

static bool do_grow(struct http_server *s)
{
    uint32_t old_n = s->peers ? s->peer_mask + 1 : 0, n = old_n ? old_n * 2 : 64;
    struct address_count *old = s->peers, *grown = calloc(n, sizeof *grown);
    if (!grown)
        return false;
    s->peers = grown;
    s->peer_mask = n - 1;
    for (uint32_t i = 0; i < old_n; i++)
        if (old[i].count)
            *find(s, old[i].address) = old[i];
    free(old);
    return true;
}

/* Takes an emptied place out: later ones of the same run move up. */
static void do_remove(struct http_server *s, uint32_t hole)
{
    for (uint32_t i = (hole + 1) & s->peer_mask; s->peers[i].count; i = (i + 1) & s->peer_mask) {
        uint32_t want = home(s, s->peers[i].address);
        if (((i - want) & s->peer_mask) >= ((i - hole) & s->peer_mask)) {
            s->peers[hole] = s->peers[i];
            hole = i;
        }
    }
    s->peers[hole].count = 0;
    s->peer_count--;
}

static bool is_counted(const struct http_server *s, const struct net_peer *peer)
{
    return !peer->is_unix && s->limits.connections_per_address_max < s->limits.connections_max;
}

bool address_enter(struct http_server *s, const struct net_peer *peer)
{
    if (!is_counted(s, peer))
        return true;
    pthread_mutex_lock(&s->lock);
    bool ok = (s->peer_count + 1) * 2 <= (s->peers ? s->peer_mask + 1 : 0) || do_grow(s);
    if (ok) {
        struct address_count *a = find(s, peer->address);
        ok = a->count < s->limits.connections_per_address_max;
        if (ok && a->count++ == 0) {
            memcpy(a->address, peer->address, 16);
            s->peer_count++;
        }
    }
    pthread_mutex_unlock(&s->lock);
    return ok;
}

void address_leave(struct http_server *s, const struct net_peer *peer)
{
    if (!is_counted(s, peer))
        return;
    pthread_mutex_lock(&s->lock);
    struct address_count *a = find(s, peer->address);
    if (a->count == 1)
        do_remove(s, (uint32_t)(a - s->peers));
    else if (a->count > 1)
        a->count--;
    pthread_mutex_unlock(&s->lock);
}
