/* A query string, split and read by a table. */
#include "fuzz/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena arena;
    struct query_pair *pairs;
    int32_t count;

    (void)body_table;
    arena_init(&arena, TABLE_ARENA);
    if (query_split((struct str){(const char *)data, size}, &arena, &pairs, &count) == ERR_OK) {
        struct all value = {.flag = false};
        struct field_error error;

        ASSERT(count >= 0 && count <= QUERY_PAIRS_MAX);
        for (int32_t i = 0; i < count; i++) {
            ASSERT(utf8_valid(pairs[i].name) && utf8_valid(pairs[i].value));
            ASSERT(!memchr(pairs[i].value.p, 0, pairs[i].value.n));
        }
        enum err e = fields_read_query(query_table, pairs, count, &arena, &value, &error);

        if (e == ERR_OK)
            table_check_round_trip(query_table, &value);
        else
            table_check_error(&error);
    }
    arena_fini(&arena);
    return 0;
}
