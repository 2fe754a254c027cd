/* bus - see the header. Everything below "the thread" belongs to that thread alone; what others
 * read is atomic, and the queue has a lock. */
#include "cache/bus.h"

#include "base/assert.h"
#include "base/buf.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/rng.h"
#include "cache/keys.h"
#include "redis/link.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum {
    UNSAID_SLOTS = 4096,
    BATCH_MAX = 512, /* tags of one message */
    NODES_MAX = 1024,
    TOKENS = 256, /* a power of two above BUS_ENDPOINTS_MAX */
    PAUSE_MIN_MS = 50,
    PAUSE_MAX_MS = 2000,
    TIMEOUT_MIN_MS = 1000, /* of a command here: nobody waits for it */
    FIELD_MAX = 24,
    SEQ_TEXT_MAX = 48
};
#define CHECK_US INT64_C(1000000)    /* between two checks */
#define RECHECK_US INT64_C(100000)   /* when a message seems to be missing */
#define TRUST_US INT64_C(3000000)    /* how long a check is believed */
#define FORGET_US INT64_C(600000000) /* a node that was silent so long is gone */
#define STOP_US INT64_C(1000000)
#define NEVER INT64_MAX
#define KEEP_TEXT "86400" /* seconds that the bus's own keys outlive the last node */

/* What is said: a tag by its letter, 'N' a new learner, 'G' that the speaker lost some. */
struct word {
    uint64_t hash;
    char what;
};

struct token {
    _Atomic uint64_t hash;  /* 0: free */
    _Atomic uint64_t token; /* 0: not known */
    _Atomic uint32_t heard; /* raised with each raise: a reading from before is not believed */
    uint32_t reading;       /* `heard` when the reading under way began; the thread's */
};

struct node {
    uint64_t id, heard, heard_before; /* in this session, and at the end of the one before */
    uint64_t beat;
    int64_t changed_us;
    bool suspect;
};

struct stored {
    uint64_t id, seq, beat;
};

enum session { SESSION_FIRST, SESSION_AGAIN, SESSION_STEADY };

struct bus {
    struct bus_options o;
    char prefix[BUS_PREFIX_MAX], channel[BUS_PREFIX_MAX + 8];
    char seq_key[BUS_PREFIX_MAX + 16], tokens_key[BUS_PREFIX_MAX + 16];
    pthread_t thread;
    bool thread_started;
    int wake_fd;
    atomic_bool stopping;

    pthread_mutex_t lock; /* guards the queue */
    struct word *queue;
    uint32_t queue_at, queue_n;
    _Atomic uint32_t unsaid[UNSAID_SLOTS]; /* by tag; [0]: everything */
    struct token tokens[TOKENS];           /* [0]: everything */
    _Atomic int32_t token_count;

    /* For bus_trusted() and bus_stats(). */
    atomic_bool hearing, failing, refused;
    _Atomic int64_t verified_us, down_since_us;
    _Atomic int64_t said, heard, gaps, reconnects, overflows;

    /* The thread's. */
    struct redis_link *talk, *hear;
    struct rng rng;
    int64_t timeout_us, connect_at_us, say_at_us, check_at_us, read_at_us;
    int32_t pause_ms, say_pause_ms;
    bool open, complained, connected_once, subscribing, subscribed, ended;
    enum session session;
    char id_text[HEX_MAX];
    uint64_t id, seq, beat, own_beat_heard;
    struct word batch[BATCH_MAX];
    int32_t batch_n, batch_left;
    bool batch_failed, batch_sent;
    bool checking, check_failed;
    int32_t check_left, reading_left;
    uint32_t checks;
    uint64_t check_beat;
    int64_t check_began_us;
    struct stored *stored;
    int32_t stored_n;
    struct node *nodes;
    int32_t node_n;
    struct buf message;
};

static void tell(_Atomic int64_t *counter, int64_t n)
{
    atomic_fetch_add_explicit(counter, n, memory_order_relaxed);
}

/* ---- any thread ---- */

static uint32_t unsaid_slot(char what, uint64_t hash)
{
    return what == 'A' ? 0 : 1 + (uint32_t)((hash ^ (uint64_t)what << 40) % (UNSAID_SLOTS - 1));
}

static void wake(struct bus *b)
{
    uint64_t one = 1;
    (void)!write(b->wake_fd, &one, sizeof one);
}

/* Endpoints are few, and never go. */
static struct token *token_find(struct bus *b, struct tag tag, bool add)
{
    uint64_t hash = tag.hash ? tag.hash : 1;
    if (tag.kind == TAG_ALL)
        return &b->tokens[0];
    for (uint32_t i = (uint32_t)hash;; i++) {
        struct token *t = &b->tokens[1 + i % (TOKENS - 1)];
        uint64_t there = atomic_load_explicit(&t->hash, memory_order_acquire);
        if (there == hash)
            return t;
        if (there)
            continue;
        if (!add || atomic_fetch_add(&b->token_count, 1) >= BUS_ENDPOINTS_MAX) {
            if (add)
                atomic_fetch_sub(&b->token_count, 1);
            return NULL;
        }
        if (atomic_compare_exchange_strong(&t->hash, &there, hash)) {
            wake(b);
            return t;
        }
        atomic_fetch_sub(&b->token_count, 1);
        if (there == hash)
            return t;
    }
}

/* From here on its token is not the one that was known. */
static void token_raise(struct bus *b, struct tag tag)
{
    struct token *t = token_find(b, tag, false);
    if (!t)
        return; /* nobody here asked for it */
    atomic_fetch_add(&t->heard, 1);
    atomic_store(&t->token, 0);
}

uint64_t bus_token(struct bus *b, struct tag tag)
{
    ASSERT(tag.kind == TAG_ALL || tag.kind == TAG_ENDPOINT);
    struct token *t = token_find(b, tag, true);
    return t ? atomic_load_explicit(&t->token, memory_order_acquire) : 0;
}

static void do_push(struct bus *b, char what, uint64_t hash)
{
    b->queue[(b->queue_at + b->queue_n++) % BUS_WAITING_MAX] = (struct word){hash, what};
    atomic_fetch_add(&b->unsaid[unsaid_slot(what, hash)], 1);
}

/* Everything, instead of so much. */
static void do_overflow(struct bus *b)
{
    tell(&b->overflows, 1);
    token_raise(b, TAG_EVERYTHING);
    atomic_fetch_add(&b->unsaid[0], 1); /* first: at no moment does it seem to have been said */
    for (; b->queue_n; b->queue_n--, b->queue_at = (b->queue_at + 1) % BUS_WAITING_MAX) {
        struct word w = b->queue[b->queue_at];
        atomic_fetch_sub(&b->unsaid[unsaid_slot(w.what, w.hash)], 1);
    }
    do_push(b, 'A', 0);
    do_push(b, 'G', 0);
    atomic_fetch_sub(&b->unsaid[0], 1);
}

static void say(struct bus *b, const struct word *words, int32_t n)
{
    pthread_mutex_lock(&b->lock);
    bool idle = b->queue_n == 0;
    for (int32_t i = 0; i < n; i++) {
        if (b->queue_n == BUS_WAITING_MAX)
            do_overflow(b);
        do_push(b, words[i].what, words[i].hash);
    }
    pthread_mutex_unlock(&b->lock);
    if (idle && n > 0)
        wake(b);
}

void bus_say(struct bus *b, const struct tag *tags, int32_t n)
{
    struct word words[64];
    while (n > 0) {
        int32_t some = n < (int32_t)COUNT(words) ? n : (int32_t)COUNT(words);
        for (int32_t i = 0; i < some; i++) {
            words[i] = (struct word){tags[i].hash, tag_letters[tags[i].kind]};
            if (!tag_has_holder(tags[i]))
                token_raise(b, tags[i]);
        }
        say(b, words, some);
        tags += some;
        n -= some;
    }
}

void bus_say_learner(struct bus *b, uint64_t hash)
{
    say(b, &(struct word){hash, 'N'}, 1);
}

bool bus_said(const struct bus *b, struct tag tag)
{
    return atomic_load(&b->unsaid[0]) == 0 &&
           (tag.kind == TAG_ALL ||
            atomic_load(&b->unsaid[unsaid_slot(tag_letters[tag.kind], tag.hash)]) == 0);
}

bool bus_trusted(const struct bus *b)
{
    return atomic_load_explicit(&b->hearing, memory_order_acquire) &&
           !atomic_load_explicit(&b->failing, memory_order_acquire) &&
           !atomic_load_explicit(&b->refused, memory_order_acquire) &&
           clock_mono_us() - atomic_load_explicit(&b->verified_us, memory_order_acquire) < TRUST_US;
}

void bus_stats(const struct bus *b, struct bus_stats *ret)
{
    struct bus *unlocked = (struct bus *)b; /* for the lock alone */
    pthread_mutex_lock(&unlocked->lock);
    int64_t waiting = b->queue_n;
    pthread_mutex_unlock(&unlocked->lock);
    *ret = (struct bus_stats){
        .said = atomic_load_explicit(&b->said, memory_order_relaxed),
        .heard = atomic_load_explicit(&b->heard, memory_order_relaxed),
        .gaps = atomic_load_explicit(&b->gaps, memory_order_relaxed),
        .reconnects = atomic_load_explicit(&b->reconnects, memory_order_relaxed),
        .waiting = waiting,
        .overflows = atomic_load_explicit(&b->overflows, memory_order_relaxed),
        .connected = atomic_load(&b->hearing),
        .disconnected_since_us = atomic_load(&b->down_since_us),
    };
}

/* ---- the thread: sending ---- */

static struct str channel_of(const struct bus *b)
{
    return str_from(b->channel);
}

/* All of a group fit: commands_max and unsent_bytes_max are chosen so. False: the link is down. */
static bool ask(struct bus *b, const struct str *words, int32_t n, redis_done *done, void *arg)
{
    return redis_link_send(b->talk, words, n, clock_mono_us() + b->timeout_us, done, arg) == ERR_OK;
}

/* "SEQ BEAT", what is stored for this node. */
static struct str seq_text(const struct bus *b, char out[SEQ_TEXT_MAX])
{
    int n = snprintf(out, SEQ_TEXT_MAX, "%" PRIu64 " %" PRIu64, b->seq, b->beat);
    return (struct str){out, (size_t)n};
}

static struct str field_of(char what, uint64_t hash, char out[FIELD_MAX])
{
    if (what == 'A')
        return STR("A");
    return tag_print((struct tag){TAG_ENDPOINT, hash}, out);
}

/* ---- saying ---- */

static int by_word(const void *pa, const void *pb)
{
    const struct word *a = pa, *b = pb;
    if (a->what != b->what)
        return a->what < b->what ? -1 : 1;
    return (a->hash > b->hash) - (a->hash < b->hash);
}

static void batch_take(struct bus *b)
{
    pthread_mutex_lock(&b->lock);
    while (b->queue_n && b->batch_n < BATCH_MAX) {
        b->batch[b->batch_n++] = b->queue[b->queue_at];
        b->queue_at = (b->queue_at + 1) % BUS_WAITING_MAX;
        b->queue_n--;
    }
    pthread_mutex_unlock(&b->lock);
    if (b->batch_n) {
        qsort(b->batch, (size_t)b->batch_n, sizeof b->batch[0], by_word);
        b->seq++; /* and stays, however often it must be said */
    }
}

static void batch_done(struct bus *b)
{
    b->batch_sent = false;
    if (b->batch_failed) {
        b->say_pause_ms = b->say_pause_ms * 2 > PAUSE_MAX_MS   ? PAUSE_MAX_MS
                          : b->say_pause_ms * 2 < PAUSE_MIN_MS ? PAUSE_MIN_MS
                                                               : b->say_pause_ms * 2;
        b->say_at_us = clock_mono_us() + b->say_pause_ms * INT64_C(1000);
        atomic_store(&b->failing, true);
        return;
    }
    for (int32_t i = 0; i < b->batch_n; i++)
        atomic_fetch_sub(&b->unsaid[unsaid_slot(b->batch[i].what, b->batch[i].hash)], 1);
    tell(&b->said, b->batch_n);
    b->batch_n = 0;
    b->say_pause_ms = 0;
    atomic_store(&b->failing, false);
}

static void on_said(void *arg, enum err e, const struct redis_reply *r)
{
    struct bus *b = arg;
    if (e || r->type != REDIS_NUMBER)
        b->batch_failed = true;
    if (--b->batch_left == 0)
        batch_done(b);
}

static bool is_error(const struct redis_reply *r, struct str start)
{
    return r->type == REDIS_ERROR && str_starts(r->text, start);
}

/* A full Redis cannot store the counter. It was said all the same; who missed it learns of it by
 * the next heartbeat. */
static void on_counted(void *arg, enum err e, const struct redis_reply *r)
{
    struct bus *b = arg;
    if (e || (r->type != REDIS_NUMBER && !is_error(r, STR("OOM"))))
        b->batch_failed = true;
    if (--b->batch_left == 0)
        batch_done(b);
}

static void take_away(struct bus *b, struct word w)
{
    char key[HOLDER_MAX], field[FIELD_MAX];
    const char *letter = strchr(tag_letters, w.what);
    struct tag tag = {letter ? (enum tag_kind)(letter - tag_letters) : TAG_ALL, w.hash};
    if (tag_has_holder(tag)) {
        const struct str words[] = {
            STR("UNLINK"), holder_print((struct str){b->prefix, b->o.prefix.n}, tag, 0, key)};
        b->batch_left++;
        if (!ask(b, words, 2, on_said, b))
            b->batch_left--, b->batch_failed = true;
    } else if (w.what == 'E' || w.what == 'A') {
        const struct str words[] = {STR("HDEL"), str_from(b->tokens_key),
                                    field_of(w.what, w.hash, field)};
        b->batch_left++;
        if (!ask(b, words, 3, on_said, b))
            b->batch_left--, b->batch_failed = true;
    }
}

static void message_begin(struct bus *b)
{
    buf_clear(&b->message);
    buf_printf(&b->message, "D1 %s %" PRIu64 " %" PRIu64, b->id_text, b->seq, b->beat);
}

static void batch_send(struct bus *b)
{
    char seq[SEQ_TEXT_MAX], hex[HEX_MAX];
    b->batch_sent = true;
    b->batch_failed = false;
    b->batch_left = 1; /* ours, until all are sent */
    message_begin(b);
    for (int32_t i = 0; i < b->batch_n; i++) {
        if (i > 0 && by_word(&b->batch[i - 1], &b->batch[i]) == 0)
            continue;
        take_away(b, b->batch[i]);
        buf_printf(&b->message, " %c%s", b->batch[i].what, hex_print(b->batch[i].hash, hex).p);
    }
    ASSERT(!b->message.failed);
    const struct str publish[] = {STR("PUBLISH"), channel_of(b), buf_view(&b->message)};
    const struct str count[] = {STR("HSET"), str_from(b->seq_key), str_from(b->id_text),
                                seq_text(b, seq)};
    b->batch_left += 2;
    if (!ask(b, publish, 3, on_said, b))
        b->batch_left--, b->batch_failed = true;
    if (!ask(b, count, 4, on_counted, b))
        b->batch_left--, b->batch_failed = true;
    if (--b->batch_left == 0)
        batch_done(b);
}

/* ---- hearing ---- */

static struct node *node_find(struct bus *b, uint64_t id)
{
    for (int32_t i = 0; i < b->node_n; i++)
        if (b->nodes[i].id == id)
            return &b->nodes[i];
    return NULL;
}

static struct node *node_add(struct bus *b, uint64_t id)
{
    if (b->node_n == NODES_MAX) { /* nonsense: there are no thousand of us */
        b->node_n = 0;
        return NULL;
    }
    struct node *n = &b->nodes[b->node_n++];
    *n = (struct node){.id = id, .changed_us = clock_mono_us()};
    return n;
}

static void gap(struct bus *b, const char *why)
{
    tell(&b->gaps, 1);
    log_event(LOG_INFO, "bus.gap", LOG_C("why", why));
    generation_raise(b->o.generations, TAG_EVERYTHING);
    if (b->o.on_gap)
        b->o.on_gap(b->o.user);
}

static bool take_number(struct str *rest, uint64_t *ret)
{
    struct str s = str_cut(rest, ' ');
    int64_t v;
    if (str_to_i64(s, &v) || v < 0)
        return false;
    *ret = (uint64_t)v;
    return true;
}

/* False: that is no word of ours. */
static bool hear_word(struct bus *b, struct str s)
{
    uint64_t hash;
    if (s.n != 17 || !hex_parse((struct str){s.p + 1, 16}, &hash))
        return false;
    switch (s.p[0]) {
    case 'A':
        token_raise(b, TAG_EVERYTHING);
        generation_raise(b->o.generations, TAG_EVERYTHING);
        return true;
    case 'E':
        token_raise(b, (struct tag){TAG_ENDPOINT, hash});
        generation_raise(b->o.generations, (struct tag){TAG_ENDPOINT, hash});
        return true;
    case 'L':
        generation_raise(b->o.generations, (struct tag){TAG_LEARNER, hash});
        return true;
    case 'C':
        generation_raise(b->o.generations, (struct tag){TAG_COURSE, hash});
        return true;
    case 'S':
        generation_raise(b->o.generations, (struct tag){TAG_SETTLED, hash});
        return true;
    case 'N':
        if (b->o.on_learner)
            b->o.on_learner(b->o.user, hash);
        return true;
    case 'G':
        gap(b, "another node lost some");
        return true;
    default:
        return false;
    }
}

/* What that node said up to `seq`, this message included, is known here now; was anything missed?
 */
static bool follows(struct bus *b, uint64_t id, uint64_t seq, bool has_words)
{
    struct node *n = node_find(b, id);
    uint64_t next = has_words && seq ? seq - 1 : seq; /* where we must have been */
    if (!n) {
        n = node_add(b, id);
        if (!n)
            return false;
        n->heard = seq;
        return b->session == SESSION_FIRST || next == 0;
    }
    n->changed_us = clock_mono_us();
    bool whole = n->heard >= next;
    n->heard = seq > n->heard ? seq : n->heard;
    return whole;
}

static void on_message(void *user, struct str channel, struct str payload)
{
    struct bus *b = user;
    uint64_t id, seq, beat;
    struct str rest = payload;
    if (!str_eq(channel, channel_of(b)))
        return;
    if (!str_eq(str_cut(&rest, ' '), STR("D1")) || !rest.p ||
        !hex_parse(str_cut(&rest, ' '), &id) || !rest.p || !take_number(&rest, &seq) || !rest.p ||
        !take_number(&rest, &beat)) {
        gap(b, "a message that cannot be read");
        return;
    }
    if (id == b->id) {
        b->own_beat_heard = beat > b->own_beat_heard ? beat : b->own_beat_heard;
        while (rest.p) { /* its token is to be read again now that it was taken away */
            struct str s = str_cut(&rest, ' ');
            uint64_t hash;
            if (s.n == 17 && hex_parse((struct str){s.p + 1, 16}, &hash) &&
                (s.p[0] == 'A' || s.p[0] == 'E'))
                token_raise(b, (struct tag){s.p[0] == 'A' ? TAG_ALL : TAG_ENDPOINT, hash});
        }
        return;
    }
    tell(&b->heard, 1);
    bool readable = true, whole = follows(b, id, seq, rest.p != NULL);
    while (rest.p)
        readable &= hear_word(b, str_cut(&rest, ' '));
    if (!readable || !whole)
        gap(b, readable ? "a message was missed" : "a message that cannot be read");
}

/* ---- the check ---- */

static void part_done(struct bus *b, bool good)
{
    b->check_failed |= !good;
    b->check_left--;
}

static void on_counters(void *arg, enum err e, const struct redis_reply *r)
{
    struct bus *b = arg;
    b->stored_n = 0;
    for (int32_t i = 0; !e && r->type == REDIS_LIST && i + 1 < r->count; i += 2) {
        struct str text = r->list[i + 1].text;
        struct stored s;
        if (r->list[i].type == REDIS_TEXT && r->list[i + 1].type == REDIS_TEXT && text.p &&
            hex_parse(r->list[i].text, &s.id) && take_number(&text, &s.seq) && text.p &&
            take_number(&text, &s.beat) && b->stored_n < NODES_MAX)
            b->stored[b->stored_n++] = s;
    }
    part_done(b, !e && r->type == REDIS_LIST);
}

/* What is stored for each token that is known here. A token that is stored no more is one that we
 * may not go on using. */
static void on_tokens(void *arg, enum err e, const struct redis_reply *r)
{
    struct bus *b = arg;
    bool good = !e && r->type == REDIS_LIST;
    for (uint32_t k = 0; good && k < TOKENS; k++) {
        struct token *t = &b->tokens[k];
        uint64_t hash = atomic_load(&t->hash), stored = 0;
        char field[FIELD_MAX];
        if (!hash || atomic_load(&t->heard) != t->reading || b->reading_left)
            continue;
        struct str name = field_of(k ? 'E' : 'A', hash, field);
        for (int32_t i = 0; i + 1 < r->count; i += 2)
            if (str_eq(r->list[i].text, name) && !hex_parse(r->list[i + 1].text, &stored))
                stored = 0;
        uint64_t before = atomic_load(&t->token);
        if (before != stored && atomic_compare_exchange_strong(&t->token, &before, stored) &&
            atomic_load(&t->heard) != t->reading)
            atomic_store(&t->token, 0);
    }
    part_done(b, good);
}

/* Refused by anything but a full memory (read-only, no right): nobody can take tokens away here. */
static void on_beat_counted(void *arg, enum err e, const struct redis_reply *r)
{
    struct bus *b = arg;
    bool refused = !e && r->type == REDIS_ERROR && !is_error(r, STR("OOM"));
    if (!e && refused != atomic_load(&b->refused)) {
        log_event(refused ? LOG_WARN : LOG_INFO, "bus.write",
                  LOG_S("answer", refused ? r->text : STR("accepted")));
        atomic_store(&b->refused, refused);
    }
    part_done(b, !e);
}

static void on_published(void *arg, enum err e, const struct redis_reply *r)
{
    part_done(arg, !e && r->type == REDIS_NUMBER);
}

static void check_send(struct bus *b, const struct str *words, int32_t n, redis_done *done)
{
    b->check_left++;
    if (!ask(b, words, n, done, b)) {
        b->check_left--;
        b->check_failed = true;
    }
}

static void check_begin(struct bus *b, int64_t now)
{
    char seq[SEQ_TEXT_MAX];
    const struct str counters[] = {STR("HGETALL"), str_from(b->seq_key)};
    const struct str tokens[] = {STR("HGETALL"), str_from(b->tokens_key)};
    b->checking = true;
    b->check_failed = false;
    b->check_began_us = now;
    b->check_beat = ++b->beat;
    if (!b->reading_left)
        for (uint32_t k = 0; k < TOKENS; k++)
            b->tokens[k].reading = atomic_load(&b->tokens[k].heard);
    check_send(b, counters, 2, on_counters);
    check_send(b, tokens, 2, on_tokens);
    const struct str count[] = {STR("HSET"), str_from(b->seq_key), str_from(b->id_text),
                                seq_text(b, seq)};
    check_send(b, count, 4, on_beat_counted);
    if (b->checks++ % 60 == 0) {
        const struct str keep[] = {STR("EXPIRE"), str_from(b->seq_key), STR(KEEP_TEXT)};
        const struct str keep_tokens[] = {STR("EXPIRE"), str_from(b->tokens_key), STR(KEEP_TEXT)};
        (void)!ask(b, keep, 3, NULL, NULL);
        (void)!ask(b, keep_tokens, 3, NULL, NULL);
    }
    message_begin(b); /* last: what was counted above was published before */
    const struct str publish[] = {STR("PUBLISH"), channel_of(b), buf_view(&b->message)};
    check_send(b, publish, 3, on_published);
}

static void forget_counter(struct bus *b, uint64_t id)
{
    char hex[HEX_MAX];
    const struct str words[] = {STR("HDEL"), str_from(b->seq_key), hex_print(id, hex)};
    (void)!ask(b, words, 3, NULL, NULL);
}

static const struct stored *stored_find(const struct bus *b, uint64_t id)
{
    for (int32_t i = 0; i < b->stored_n; i++)
        if (b->stored[i].id == id)
            return &b->stored[i];
    return NULL;
}

/* True: what is stored says more than was heard, or less than can be. */
static bool missed(struct bus *b, struct node *n, const struct stored *s, bool *ret_suspects)
{
    if (b->session == SESSION_AGAIN)
        return n->heard < s->seq || s->seq < n->heard_before;
    bool behind = n->heard < s->seq, again = behind && n->suspect;
    n->suspect = behind && !again;
    *ret_suspects |= n->suspect;
    return again;
}

static bool compare_stored(struct bus *b, int64_t now, bool *ret_suspects)
{
    bool any = false;
    for (int32_t i = 0; i < b->stored_n; i++) {
        const struct stored *s = &b->stored[i];
        struct node *n = s->id == b->id ? NULL : node_find(b, s->id);
        if (s->id == b->id)
            continue;
        if (!n && !(n = node_add(b, s->id))) {
            any = true;
            continue;
        }
        if (b->session != SESSION_FIRST)
            any |= missed(b, n, s, ret_suspects);
        if (b->session == SESSION_FIRST || !n->suspect)
            n->heard = s->seq > n->heard ? s->seq : n->heard;
        if (n->beat != s->beat) {
            n->beat = s->beat;
            n->changed_us = now;
        }
    }
    return any;
}

/* Nodes that said nothing for long. One that is only late is met again as a stranger, and that is a
 * gap. */
static bool forget_silent(struct bus *b, int64_t now)
{
    bool lost = false;
    for (int32_t i = 0; i < b->node_n;) {
        struct node *n = &b->nodes[i];
        const struct stored *s = stored_find(b, n->id);
        lost |= !s && b->session == SESSION_AGAIN;
        if (now - n->changed_us > FORGET_US) {
            if (s)
                forget_counter(b, n->id);
            *n = b->nodes[--b->node_n];
        } else {
            i++;
        }
    }
    return lost;
}

static void check_end(struct bus *b, int64_t now)
{
    bool suspects = false;
    b->checking = false;
    bool any = compare_stored(b, now, &suspects);
    any |= forget_silent(b, now);
    if (b->stored_n == NODES_MAX) { /* bounded; those who live come back by themselves */
        const struct str words[] = {STR("DEL"), str_from(b->seq_key)};
        (void)!ask(b, words, 2, NULL, NULL);
    }
    if (b->session == SESSION_FIRST)
        gap(b, "it hears for the first time");
    else if (any)
        gap(b, b->session == SESSION_AGAIN ? "it was away" : "a message was missed");
    b->check_at_us = suspects ? now + RECHECK_US : b->check_began_us + CHECK_US;
    if (!suspects)
        atomic_store(&b->verified_us, b->check_began_us);
    if (b->session == SESSION_STEADY)
        return;
    log_event(LOG_INFO, "bus.connected", LOG_N("nodes", b->node_n + 1));
    if (b->connected_once)
        tell(&b->reconnects, 1);
    b->connected_once = true;
    b->session = SESSION_STEADY;
    b->pause_ms = 0;
    atomic_store(&b->verified_us, b->check_began_us);
    atomic_store(&b->down_since_us, 0);
    atomic_store(&b->hearing, true);
}

/* ---- tokens ---- */

static void on_token(void *arg, enum err e, const struct redis_reply *r)
{
    struct token *t = arg;
    uint64_t v;
    if (e || r->type != REDIS_TEXT || !hex_parse(r->text, &v))
        return;
    atomic_store(&t->token, v);
    if (atomic_load(&t->heard) != t->reading) /* raised meanwhile: that may be the old one */
        atomic_store(&t->token, 0);
}

static void on_tokens_read(void *arg, enum err e, const struct redis_reply *r)
{
    struct bus *b = arg;
    (void)e, (void)r;
    b->reading_left = 0;
}

/* Reads the tokens that are not known; makes those that are not there. */
static bool read_tokens(struct bus *b)
{
    bool any = false;
    for (uint32_t k = 0; k < TOKENS; k++) {
        struct token *t = &b->tokens[k];
        uint64_t hash = atomic_load(&t->hash);
        char field[FIELD_MAX], fresh[HEX_MAX];
        if (!hash || atomic_load(&t->token))
            continue;
        struct str key = str_from(b->tokens_key), name = field_of(k ? 'E' : 'A', hash, field);
        const struct str make[] = {STR("HSETNX"), key, name, hex_print(rng_u64(&b->rng), fresh)};
        const struct str get[] = {STR("HGET"), key, name};
        t->reading = atomic_load(&t->heard);
        any |= ask(b, make, 4, NULL, NULL) && ask(b, get, 3, on_token, t);
    }
    const struct str end[] = {STR("PING")};
    if (any && ask(b, end, 1, on_tokens_read, b))
        b->reading_left = 1;
    return any;
}

static bool tokens_unknown(const struct bus *b)
{
    for (uint32_t k = 0; k < TOKENS; k++)
        if (atomic_load_explicit(&b->tokens[k].hash, memory_order_relaxed) &&
            !atomic_load_explicit(&b->tokens[k].token, memory_order_relaxed))
            return true;
    return false;
}

/* ---- the thread ---- */

static void session_end(struct bus *b, const char *why)
{
    int64_t now = clock_mono_us();
    atomic_store(&b->hearing, false);
    if (!atomic_load(&b->down_since_us))
        atomic_store(&b->down_since_us, now);
    if (b->session == SESSION_STEADY || !b->complained)
        log_event(LOG_WARN, "bus.lost", LOG_C("why", why));
    b->complained = true;
    if (b->session == SESSION_STEADY) {
        b->session = SESSION_AGAIN;
        for (int32_t i = 0; i < b->node_n; i++) {
            b->nodes[i].heard_before = b->nodes[i].heard;
            b->nodes[i].suspect = false;
        }
    }
    b->open = false;
    redis_link_close(b->hear, ERR_CANCELLED);
    redis_link_close(b->talk, ERR_CANCELLED);
    b->subscribing = b->subscribed = b->checking = false;
    b->reading_left = 0;
    for (uint32_t k = 0; k < TOKENS; k++) {
        atomic_fetch_add(&b->tokens[k].heard, 1);
        atomic_store(&b->tokens[k].token, 0);
    }
    int32_t doubled = b->pause_ms * 2;
    b->pause_ms = doubled < PAUSE_MIN_MS   ? PAUSE_MIN_MS
                  : doubled > PAUSE_MAX_MS ? PAUSE_MAX_MS
                                           : doubled;
    b->connect_at_us = now + (int64_t)(b->pause_ms * 1000.0 * (0.8 + 0.4 * rng_unit(&b->rng)));
}

static void session_begin(struct bus *b, int64_t now)
{
    if (b->pause_ms > PAUSE_MIN_MS) /* it is not the first try: it may have moved */
        (void)!redis_target_resolve(b->o.redis);
    b->open = true;
    if (redis_link_connect(b->hear, now) || redis_link_connect(b->talk, now))
        session_end(b, redis_link_detail(b->hear));
    b->check_at_us = b->read_at_us = 0;
}

static void on_subscribed(void *arg, enum err e, const struct redis_reply *r)
{
    struct bus *b = arg;
    b->subscribed = !e && r->type == REDIS_LIST;
    if (!e && !b->subscribed)
        redis_link_close(b->hear, ERR_FORBIDDEN);
}

static bool has_words(struct bus *b)
{
    pthread_mutex_lock(&b->lock);
    bool any = b->queue_n > 0;
    pthread_mutex_unlock(&b->lock);
    return any;
}

static void work_talk(struct bus *b, int64_t now)
{
    if (!b->batch_sent && now >= b->say_at_us) {
        if (!b->batch_n)
            batch_take(b);
        if (b->batch_n)
            batch_send(b);
    }
    if (!b->reading_left && now >= b->read_at_us && tokens_unknown(b)) {
        read_tokens(b);
        b->read_at_us = now + PAUSE_MIN_MS * INT64_C(1000);
    }
    if (b->subscribed && !b->checking && now >= b->check_at_us)
        check_begin(b, now);
}

/* Everything that can be done now. */
static void work(struct bus *b, int64_t now)
{
    const struct str subscribe[] = {STR("SUBSCRIBE"), channel_of(b)};
    if (!b->open && now >= b->connect_at_us)
        session_begin(b, now);
    if (redis_link_state(b->hear) == REDIS_READY && !b->subscribing) {
        b->subscribing = true;
        (void)!redis_link_send(b->hear, subscribe, 2, now + b->timeout_us, on_subscribed, b);
    }
    if (redis_link_state(b->talk) == REDIS_READY)
        work_talk(b, now);
    redis_link_flush(b->hear, now);
    redis_link_flush(b->talk, now);
    if (b->checking && b->check_left == 0) {
        if (b->check_failed)
            session_end(b, "the check was not answered well");
        else if (b->own_beat_heard >= b->check_beat)
            check_end(b, now);
        else if (now > b->check_began_us + b->timeout_us)
            session_end(b, "it does not hear itself");
    }
}

/* One of them closed by itself: the other goes too, and both begin anew. */
static void look_for_loss(struct bus *b)
{
    bool talk_lost = redis_link_state(b->talk) == REDIS_CLOSED;
    if (b->open && (talk_lost || redis_link_state(b->hear) == REDIS_CLOSED))
        session_end(b, redis_link_detail(talk_lost ? b->talk : b->hear));
}

static struct pollfd pollfd_of(const struct redis_link *l)
{
    uint32_t wants = redis_link_wants(l);
    return (struct pollfd){.fd = redis_link_fd(l),
                           .events = (short)((wants & REDIS_WANTS_READ ? POLLIN : 0) |
                                             (wants & REDIS_WANTS_WRITE ? POLLOUT : 0))};
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int sleep_ms(struct bus *b, int64_t now)
{
    int64_t at = earlier(redis_link_deadline_us(b->talk), redis_link_deadline_us(b->hear));
    bool ready = redis_link_state(b->talk) == REDIS_READY;
    if (!b->open)
        at = earlier(at, b->connect_at_us);
    if (ready && b->batch_n && !b->batch_sent)
        at = earlier(at, b->say_at_us);
    if (ready && !b->reading_left && tokens_unknown(b))
        at = earlier(at, b->read_at_us);
    if (b->checking)
        at = earlier(at, b->check_began_us + b->timeout_us + 1);
    else if (ready && b->subscribed)
        at = earlier(at, b->check_at_us);
    if (atomic_load(&b->stopping))
        at = earlier(at, now + 20000);
    int64_t ms = (at - now + 999) / 1000;
    return ms < 0 ? 0 : ms > 60000 ? 60000 : (int)ms;
}

static void wait_for_something(struct bus *b, int64_t now)
{
    struct pollfd p[3] = {
        pollfd_of(b->talk), pollfd_of(b->hear), {.fd = b->wake_fd, .events = POLLIN}};
    uint64_t n;
    poll(p, 3, sleep_ms(b, now));
    if (p[2].revents)
        (void)!read(b->wake_fd, &n, sizeof n);
    now = clock_mono_us();
    if (p[0].revents)
        redis_link_event(b->talk, now);
    if (p[1].revents)
        redis_link_event(b->hear, now);
    redis_link_tick(b->talk, now);
    redis_link_tick(b->hear, now);
    look_for_loss(b);
}

/* The counter goes with the node: what was said has been heard, or has been found missing. */
static void say_goodbye(struct bus *b)
{
    const struct str words[] = {STR("HDEL"), str_from(b->seq_key), str_from(b->id_text)};
    if (redis_link_state(b->talk) == REDIS_READY && ask(b, words, 3, NULL, NULL))
        (void)!redis_link_wait(b->talk);
}

static void *bus_main(void *arg)
{
    struct bus *b = arg;
    int64_t until = NEVER;
    for (;;) {
        int64_t now = clock_mono_us();
        if (atomic_load(&b->stopping) && until == NEVER)
            until = now + STOP_US;
        if (now >= until || (until != NEVER && !b->batch_n && !has_words(b)))
            break;
        work(b, now);
        look_for_loss(b);
        wait_for_something(b, now);
    }
    say_goodbye(b);
    return NULL;
}

/* ---- start and end ---- */

static enum err make_links(struct bus *b)
{
    struct redis_link_options o = {.target = b->o.redis,
                                   .reply_bytes_max = 256 * 1024,
                                   .elements_max = 4 * NODES_MAX,
                                   .commands_max = 2 * BATCH_MAX + 4 * TOKENS,
                                   .unsent_bytes_max = 1 << 20};
    enum err e = redis_link_new(&o, &b->talk);
    if (e)
        return e;
    o.commands_max = 16;
    o.elements_max = 64;
    o.on_message = on_message;
    o.user = b;
    return redis_link_new(&o, &b->hear);
}

static enum err build(struct bus *b)
{
    int n = (int)b->o.prefix.n;
    memcpy(b->prefix, b->o.prefix.p, b->o.prefix.n);
    snprintf(b->channel, sizeof b->channel, "%.*s{bus}", n, b->prefix);
    snprintf(b->seq_key, sizeof b->seq_key, "%.*s{bus}:seq", n, b->prefix);
    snprintf(b->tokens_key, sizeof b->tokens_key, "%.*s{bus}:g", n, b->prefix);
    random_bytes(&b->id, sizeof b->id);
    hex_print(b->id, b->id_text);
    uint64_t seed;
    random_bytes(&seed, sizeof seed);
    rng_seed(&b->rng, seed);
    b->timeout_us =
        (b->o.command_timeout_ms > TIMEOUT_MIN_MS ? b->o.command_timeout_ms : TIMEOUT_MIN_MS) *
        INT64_C(1000);
    atomic_store(&b->down_since_us, clock_mono_us());
    atomic_store(&b->tokens[0].hash, 1);
    buf_init(&b->message, 64 * 1024);
    b->queue = calloc(BUS_WAITING_MAX, sizeof *b->queue);
    b->nodes = calloc(NODES_MAX, sizeof *b->nodes);
    b->stored = calloc(NODES_MAX, sizeof *b->stored);
    b->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (!b->queue || !b->nodes || !b->stored || b->wake_fd < 0)
        return ERR_NOMEM;
    return make_links(b);
}

bool bus_prefix_valid(struct str s)
{
    struct str rest = s, before = str_cut(&rest, '{');

    if (s.n < 1 || s.n > BUS_PREFIX_MAX)
        return false;
    if (!rest.p)
        return !memchr(s.p, '}', s.n);
    struct str tag = str_cut(&rest, '}');
    return !memchr(before.p, '}', before.n) && tag.n > 0 && rest.p && !memchr(tag.p, '{', tag.n) &&
           !memchr(rest.p, '{', rest.n) && !memchr(rest.p, '}', rest.n);
}

enum err bus_new(const struct bus_options *options, struct bus **ret, char *ret_detail)
{
    ASSERT(options->redis && options->generations);
    if (!bus_prefix_valid(options->prefix)) {
        snprintf(ret_detail, REDIS_DETAIL_MAX,
                 "the prefix must be 1 to 64 bytes, with braces only as one {hash tag}");
        return ERR_RANGE;
    }
    struct bus *b = calloc(1, sizeof *b);
    if (!b)
        return ERR_NOMEM;
    b->o = *options;
    b->wake_fd = -1;
    pthread_mutex_init(&b->lock, NULL);
    enum err e = build(b);
    if (!e) {
        sigset_t all, before;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        b->thread_started = pthread_create(&b->thread, NULL, bus_main, b) == 0;
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        e = b->thread_started ? ERR_OK : ERR_NOMEM;
    }
    if (e) {
        bus_free(b);
        return e;
    }
    *ret = b;
    return ERR_OK;
}

void bus_free(struct bus *b)
{
    if (!b)
        return;
    if (b->thread_started) {
        atomic_store(&b->stopping, true);
        wake(b);
        pthread_join(b->thread, NULL);
    }
    redis_link_free(b->talk);
    redis_link_free(b->hear);
    if (b->wake_fd >= 0)
        close(b->wake_fd);
    pthread_mutex_destroy(&b->lock);
    buf_fini(&b->message);
    free(b->queue);
    free(b->nodes);
    free(b->stored);
    free(b);
}
