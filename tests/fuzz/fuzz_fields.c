/* A JSON body read by a table. The first byte sets how little memory there is. */
#include "fuzz/table.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    size_t cap = data[0] < 128 ? TABLE_ARENA : (size_t)(data[0] - 128) * 40;
    struct all value = {.flag = false};
    struct field_error error;
    struct json_reader r;
    struct arena arena;

    (void)query_table;
    arena_init(&arena, cap);
    json_reader_init(&r, (struct str){(const char *)data + 1, size - 1}, &arena, TABLE_DEPTH);
    enum err e = fields_read_json(body_table, &r, &arena, &value, NULL, &error), end = json_end(&r);

    if (e == ERR_OK)
        table_check_round_trip(body_table, &value);
    else if (e == ERR_RANGE)
        table_check_error(&error);
    if (e == ERR_OK || e == ERR_RANGE) /* the reader stands behind the value */
        ASSERT(end == ERR_OK || end == ERR_SYNTAX);
    else
        ASSERT(end == e || (e == ERR_NOMEM && end != ERR_RANGE));
    arena_fini(&arena);
    return 0;
}
