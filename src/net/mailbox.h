/* mailbox - messages to a loop's thread from any other thread.
 *
 * A lock-free stack that the one reader takes whole, and an eventfd that is written only while the
 * reader sleeps: under load a message costs one compare-and-swap and no system call. The eventfd is
 * meant for an edge-triggered epoll set; it is never read. */
#pragma once
#include "base/err.h"

#include <stdatomic.h>

struct mail {
    struct mail *next;
    void (*fn)(struct mail *m); /* runs on the reader's thread; may free the mail */
};

struct mailbox {
    _Atomic(struct mail *) newest;
    atomic_bool sleeping;
    int event_fd;
};

MUST_CHECK enum err mailbox_init(struct mailbox *b); /* ERR_IO */
void mailbox_fini(struct mailbox *b);
/* Any thread. The mail belongs to the mailbox until its fn is called. */
void mailbox_push(struct mailbox *b, struct mail *m);

/* The reader only. Everything pushed so far, oldest first; NULL when there is nothing. */
struct mail *mailbox_take(struct mailbox *b);
/* Before sleeping: false means that mail has come and the reader must not sleep. */
bool mailbox_sleep(struct mailbox *b);
void mailbox_wake(struct mailbox *b); /* after sleeping */
