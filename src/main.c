/* main - hand over to the command that was named. */
#include "cli/command.h"

/* What jemalloc is told, where it is linked: few arenas, as there are few threads, and freed memory
 * goes back to the system within a second. Its own name for it; documented in jemalloc(3). */
extern const char *malloc_conf;
const char *malloc_conf = "narenas:2,dirty_decay_ms:1000,muzzy_decay_ms:0";

int main(int argc, char **argv)
{
    return command_main(argc, argv);
}
