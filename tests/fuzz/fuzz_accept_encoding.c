/* An Accept-Encoding header: any bytes give a set of forms that holds the plain one, and what is
 * added to a header never takes away what it does not name. */
#include "base/assert.h"
#include "cache/answer.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char longer[4096];
    uint32_t forms = answer_accepts((struct str){(const char *)data, size});

    ASSERT(forms & 1u << FORM_IDENTITY);
    ASSERT(forms < 1u << FORM_COUNT);
    if (size > sizeof longer - 16)
        return 0;
    if (size)
        memcpy(longer, data, size);
    memcpy(longer + size, ", br;q=0", 8);
    uint32_t without = answer_accepts((struct str){longer, size + 8});

    ASSERT(without == (forms & ~(1u << FORM_BROTLI)));
    return 0;
}
