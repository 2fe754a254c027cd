#include "cache/encode.h"

#include "base/assert.h"

#include <brotli/encode.h>
#include <libdeflate.h>
#include <pthread.h>
#include <stdlib.h>
#include <zstd.h>

enum {
    GZIP_LEVEL = 6,
    ZSTD_LEVEL = 3,
    BROTLI_LEVEL = 5,
    BROTLI_WINDOW_MIN = 16,
    BROTLI_WINDOW_MAX = 18
};

/* ---- coding ---- */

/* libdeflate's state is 600 KiB and takes longer to set up than a small body to compress: one for
 * each thread that ever compresses, gone with the thread. zstd's likewise. */
struct coder {
    struct libdeflate_compressor *pack; /* NULL: not needed yet, like the others */
    struct libdeflate_decompressor *unpack;
    ZSTD_CCtx *differ;
    ZSTD_DCtx *join;
};
static pthread_key_t coder_key;
static pthread_once_t coder_once = PTHREAD_ONCE_INIT;
static bool coder_key_made;

static void coder_free(void *p)
{
    struct coder *state = p;

    libdeflate_free_compressor(state->pack);
    libdeflate_free_decompressor(state->unpack);
    ZSTD_freeCCtx(state->differ);
    ZSTD_freeDCtx(state->join);
    free(state);
}

static void coder_key_make(void)
{
    coder_key_made = pthread_key_create(&coder_key, coder_free) == 0;
}

static struct coder *coder_of_thread(void)
{
    pthread_once(&coder_once, coder_key_make);
    if (!coder_key_made)
        return NULL;
    struct coder *state = pthread_getspecific(coder_key);

    if (state)
        return state;
    state = calloc(1, sizeof *state);
    if (state && pthread_setspecific(coder_key, state) != 0) {
        free(state);
        return NULL;
    }
    return state;
}

size_t encode_gzip(struct str body, char *out, size_t room)
{
    struct coder *state = coder_of_thread();

    if (state && !state->pack)
        state->pack = libdeflate_alloc_compressor(GZIP_LEVEL);
    return state && state->pack ? libdeflate_gzip_compress(state->pack, body.p, body.n, out, room)
                                : 0;
}

bool decode_gzip(struct str coded, char *out, size_t n)
{
    struct coder *state = coder_of_thread();

    if (state && !state->unpack)
        state->unpack = libdeflate_alloc_decompressor();
    if (!state || !state->unpack)
        return false;
    enum libdeflate_result r =
        libdeflate_gzip_decompress(state->unpack, coded.p, coded.n, out, n, NULL);
    ASSERT(r == LIBDEFLATE_SUCCESS); /* we have made it */
    return true;
}

/* A frame without what decoding here does not need: size, checksum. */
static ZSTD_CCtx *differ_new(void)
{
    ZSTD_CCtx *c = ZSTD_createCCtx();

    if (!c)
        return NULL;
    ZSTD_CCtx_setParameter(c, ZSTD_c_compressionLevel, ZSTD_LEVEL);
    ZSTD_CCtx_setParameter(c, ZSTD_c_contentSizeFlag, 0);
    return c;
}

size_t encode_difference(struct str body, struct str sample, char *out, size_t room)
{
    struct coder *state = coder_of_thread();

    if (state && !state->differ)
        state->differ = differ_new();
    if (!state || !state->differ ||
        ZSTD_isError(ZSTD_CCtx_refPrefix(state->differ, sample.p, sample.n)))
        return 0;
    size_t n = ZSTD_compress2(state->differ, out, room, body.p, body.n);

    return ZSTD_isError(n) ? 0 : n;
}

bool decode_difference(struct str coded, struct str sample, char *out, size_t n)
{
    struct coder *state = coder_of_thread();

    if (state && !state->join)
        state->join = ZSTD_createDCtx();
    if (!state || !state->join ||
        ZSTD_isError(ZSTD_DCtx_refPrefix(state->join, sample.p, sample.n)))
        return false;
    size_t got = ZSTD_decompressDCtx(state->join, out, n, coded.p, coded.n);

    ASSERT(got == n); /* we have made it */
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
    size_t n = form == FORM_GZIP ? encode_gzip(body, block + front, room)
                                 : brotli(body, block + front, room);
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
