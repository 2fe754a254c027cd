#include "net/mailbox.h"

#include "base/assert.h"

#include <errno.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum err mailbox_init(struct mailbox *b)
{
    *b = (struct mailbox){.event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC)};
    return b->event_fd < 0 ? ERR_IO : ERR_OK;
}

void mailbox_fini(struct mailbox *b)
{
    if (b && b->event_fd >= 0) {
        close(b->event_fd);
        b->event_fd = -1;
    }
}

void mailbox_push(struct mailbox *b, struct mail *m)
{
    int fd = b->event_fd; /* the reader may end as soon as it has the mail */
    m->next = atomic_load_explicit(&b->newest, memory_order_relaxed);
    while (!atomic_compare_exchange_weak(&b->newest, &m->next, m))
        ;
    if (!atomic_load(&b->sleeping) || !atomic_exchange(&b->sleeping, false))
        return;
    ssize_t n = write(fd, &(uint64_t){1}, sizeof(uint64_t));
    ASSERT(n == (ssize_t)sizeof(uint64_t) || errno == EAGAIN);
}

struct mail *mailbox_take(struct mailbox *b)
{
    if (!atomic_load_explicit(&b->newest, memory_order_relaxed))
        return NULL;
    struct mail *m = atomic_exchange(&b->newest, NULL), *oldest = NULL;
    while (m) {
        struct mail *next = m->next;
        m->next = oldest;
        oldest = m;
        m = next;
    }
    return oldest;
}

/* The order matters: announce first, then look. A push after the look sees the announcement. */
bool mailbox_sleep(struct mailbox *b)
{
    atomic_store(&b->sleeping, true);
    if (!atomic_load(&b->newest))
        return true;
    atomic_store(&b->sleeping, false);
    return false;
}

void mailbox_wake(struct mailbox *b)
{
    atomic_store_explicit(&b->sleeping, false, memory_order_relaxed);
}
