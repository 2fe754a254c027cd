#include "cache/encode.h"

#include "base/assert.h"

#include <brotli/encode.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdlib.h>

enum { GZIP_LEVEL = 6, BROTLI_LEVEL = 5, BROTLI_WINDOW_MIN = 16, BROTLI_WINDOW_MAX = 18 };

/* ---- coding ---- */

/* libdeflate's state is 600 KiB and takes longer to set up than a small body to compress: one for
 * each thread that ever compresses, gone with the thread. */
struct gzip_state {
    struct libdeflate_compressor *pack; /* NULL: not needed yet */
    struct libdeflate_decompressor *unpack;
};
static pthread_key_t gzip_key;
static pthread_once_t gzip_once = PTHREAD_ONCE_INIT;
static bool gzip_key_made;

static void gzip_state_free(void *p)
{
    struct gzip_state *state = p;

    libdeflate_free_compressor(state->pack);
    libdeflate_free_decompressor(state->unpack);
    free(state);
}

static void gzip_key_make(void)
{
    gzip_key_made = pthread_key_create(&gzip_key, gzip_state_free) == 0;
}

static struct gzip_state *gzip_state(void)
{
    pthread_once(&gzip_once, gzip_key_make);
    if (!gzip_key_made)
        return NULL;
    struct gzip_state *state = pthread_getspecific(gzip_key);

    if (state)
        return state;
    state = calloc(1, sizeof *state);
    if (state && pthread_setspecific(gzip_key, state) != 0) {
        free(state);
        return NULL;
    }
    return state;
}

/* Bytes written; 0: they do not fit. */
static size_t gzip(struct str body, void *out, size_t room)
{
    struct gzip_state *state = gzip_state();

    if (state && !state->pack)
        state->pack = libdeflate_alloc_compressor(GZIP_LEVEL);
    return state && state->pack ? libdeflate_gzip_compress(state->pack, body.p, body.n, out, room)
                                : 0;
}

bool decode_gzip(struct str coded, char *out, size_t n)
{
    struct gzip_state *state = gzip_state();

    if (state && !state->unpack)
        state->unpack = libdeflate_alloc_decompressor();
    if (!state || !state->unpack)
        return false;
    enum libdeflate_result r =
        libdeflate_gzip_decompress(state->unpack, coded.p, coded.n, out, n, NULL);
    ASSERT(r == LIBDEFLATE_SUCCESS); /* we have made it */
    return true;
}

static size_t brotli(struct str body, void *out, size_t room)
{
    int window = BROTLI_WINDOW_MIN;
    size_t n = room;

    while (window < BROTLI_WINDOW_MAX && (size_t)1 << window < body.n)
        window++;
    if (!BrotliEncoderCompress(BROTLI_LEVEL, window, BROTLI_MODE_TEXT, body.n,
                               (const uint8_t *)body.p, &n, out))
        return 0;
    return n;
}

void *encode_body(enum answer_form form, struct str body, size_t front, size_t gain, size_t *ret_n)
{
    ASSERT(form == FORM_GZIP || form == FORM_BROTLI);
    if (body.n <= gain)
        return NULL;
    size_t room = body.n - gain;
    char *block = malloc(front + room);

    if (!block)
        return NULL;
    size_t n =
        form == FORM_GZIP ? gzip(body, block + front, room) : brotli(body, block + front, room);
    char *fitted = n ? realloc(block, front + n) : NULL;

    if (!fitted) {
        free(block);
        return NULL;
    }
    *ret_n = n;
    return fitted;
}

/* ---- Accept-Encoding ---- */

static bool is_zero_weight(struct str q)
{
    if (q.n == 0 || q.p[0] != '0')
        return false;
    for (size_t i = 1; i < q.n; i++)
        if (q.p[i] != (i == 1 ? '.' : '0'))
            return false;
    return true;
}

/* RFC 9110 12.4.2: 0, 1, and up to three digits behind the point; above 1 there is nothing. */
static bool is_weight(struct str q)
{
    if (q.n == 0 || q.n > 5 || (q.p[0] != '0' && q.p[0] != '1') || (q.n > 1 && q.p[1] != '.'))
        return false;
    for (size_t i = 2; i < q.n; i++)
        if (q.p[i] < '0' || q.p[i] > (q.p[0] == '1' ? '0' : '9'))
            return false;
    return true;
}

/* The parameters behind a coding. A weight that is none makes the member one that is not wanted. */
static bool is_wanted(struct str parameters)
{
    bool wanted = true;

    while (parameters.p) {
        struct str value = str_trim(str_cut(&parameters, ';'));
        struct str name = str_trim(str_cut(&value, '='));

        if (!str_eq_nocase(name, STR("q")))
            continue;
        value = value.p ? str_trim(value) : STR("");
        wanted = is_weight(value) && !is_zero_weight(value);
    }
    return wanted;
}

static uint32_t forms_of(struct str coding)
{
    if (str_eq_nocase(coding, STR("gzip")) || str_eq_nocase(coding, STR("x-gzip")))
        return 1u << FORM_GZIP;
    if (str_eq_nocase(coding, STR("br")))
        return 1u << FORM_BROTLI;
    return 0;
}

uint32_t answer_accepts(struct str accept_encoding)
{
    const uint32_t all = 1u << FORM_GZIP | 1u << FORM_BROTLI;
    uint32_t wanted = 0, refused = 0;
    bool others = false;

    while (accept_encoding.p) {
        struct str parameters = str_cut(&accept_encoding, ',');
        struct str coding = str_trim(str_cut(&parameters, ';'));
        bool yes = is_wanted(parameters);

        if (str_eq(coding, STR("*")))
            others = yes;
        else if (yes)
            wanted |= forms_of(coding);
        else
            refused |= forms_of(coding);
    }
    if (others)
        wanted |= all;
    return (wanted & ~refused) | 1u << FORM_IDENTITY;
}
