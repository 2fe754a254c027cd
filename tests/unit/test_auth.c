/* Who may call: keys, tokens of every algorithm and the tricks played with them, --dev, rates. */
#include "auth/auth.h"
#include "auth/jwt.h"
#include "base/assert.h"
#include "base/civil.h"

#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define OK(call) assert_int_equal((call), ERR_OK)
#define NOW_S INT64_C(1760000000)

static struct arena arena;
static EVP_PKEY *rsa, *ec, *ed, *hmac;
static const char secret[] = "a secret of more than thirty-two bytes";
static char detail[400];

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 64 << 20);
    rsa = EVP_RSA_gen(2048);
    ec = EVP_EC_gen("P-256");
    ed = EVP_PKEY_Q_keygen(NULL, NULL, "ED25519");
    hmac = EVP_PKEY_new_raw_private_key(EVP_PKEY_HMAC, NULL, (const unsigned char *)secret,
                                        strlen(secret));
    return rsa && ec && ed && hmac ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    EVP_PKEY_free(ed);
    EVP_PKEY_free(hmac);
    arena_fini(&arena);
    return 0;
}

/* ---- making tokens ---- */

static struct str b64(const void *p, size_t n)
{
    char *out = arena_alloc(&arena, 4 * (n / 3) + 5, 1);
    size_t len = base64url_encode(p, n, out);
    out[len] = '\0';
    return (struct str){out, len};
}

static struct str sign(struct str text, EVP_PKEY *key)
{
    unsigned char sig[512];
    size_t n = sizeof sig;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    const EVP_MD *md = EVP_PKEY_get_base_id(key) == EVP_PKEY_ED25519 ? NULL : EVP_sha256();

    assert_int_equal(EVP_DigestSignInit(ctx, NULL, md, NULL, key), 1);
    assert_int_equal(EVP_DigestSign(ctx, sig, &n, (const unsigned char *)text.p, text.n), 1);
    EVP_MD_CTX_free(ctx);
    if (EVP_PKEY_get_base_id(key) == EVP_PKEY_EC) {
        const unsigned char *p = sig;
        ECDSA_SIG *pair = d2i_ECDSA_SIG(NULL, &p, (long)n);
        unsigned char raw[64];
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(pair), raw, 32), 32);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(pair), raw + 32, 32), 32);
        ECDSA_SIG_free(pair);
        return b64(raw, sizeof raw);
    }
    return b64(sig, n);
}

static struct str token(const char *head, const char *payload, EVP_PKEY *key)
{
    struct str h = b64(head, strlen(head)), p = b64(payload, strlen(payload));
    struct str text = arena_printf(&arena, "%s.%s", h.p, p.p);
    struct str sig = key ? sign(text, key) : STR("");
    return arena_printf(&arena, "%s.%s", text.p, sig.p);
}

static const char *valid_for_an_hour(void)
{
    return arena_printf(&arena, "{\"sub\":\"ada\",\"exp\":%lld}", (long long)NOW_S + 3600).p;
}

static struct str bn_param(EVP_PKEY *key, const char *name, int pad)
{
    BIGNUM *bn = NULL;
    unsigned char bytes[512];

    assert_int_equal(EVP_PKEY_get_bn_param(key, name, &bn), 1);
    int n = pad ? BN_bn2binpad(bn, bytes, pad) : BN_bn2bin(bn, bytes);
    BN_free(bn);
    return b64(bytes, (size_t)n);
}

static struct str jwk(EVP_PKEY *key, const char *more)
{
    unsigned char x[32];
    size_t n = sizeof x;

    switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
        return arena_printf(&arena, "{\"kty\":\"RSA\",\"n\":\"%s\",\"e\":\"%s\"%s}",
                            bn_param(key, OSSL_PKEY_PARAM_RSA_N, 0).p,
                            bn_param(key, OSSL_PKEY_PARAM_RSA_E, 0).p, more);
    case EVP_PKEY_EC:
        return arena_printf(&arena,
                            "{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\",\"y\":\"%s\"%s}",
                            bn_param(key, OSSL_PKEY_PARAM_EC_PUB_X, 32).p,
                            bn_param(key, OSSL_PKEY_PARAM_EC_PUB_Y, 32).p, more);
    case EVP_PKEY_ED25519:
        assert_int_equal(EVP_PKEY_get_raw_public_key(key, x, &n), 1);
        return arena_printf(&arena, "{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"%s\"%s}",
                            b64(x, n).p, more);
    default:
        return arena_printf(&arena, "{\"kty\":\"oct\",\"k\":\"%s\"%s}",
                            b64(secret, strlen(secret)).p, more);
    }
}

static struct str pem(EVP_PKEY *key)
{
    BIO *bio = BIO_new(BIO_s_mem());
    char *p;

    assert_int_equal(PEM_write_bio_PUBKEY(bio, key), 1);
    long n = BIO_get_mem_data(bio, &p);
    struct str text = arena_str(&arena, (struct str){p, (size_t)n});
    BIO_free(bio);
    return text;
}

static struct jwt_keys *keys_of(struct str one, struct str two)
{
    struct jwt_keys *keys;

    OK(jwt_keys_new(&keys));
    struct str set = arena_printf(&arena, "{\"keys\":[" STR_FMT "%s" STR_FMT "]}", STR_ARG(one),
                                  two.n ? "," : "", STR_ARG(two));
    OK(jwt_keys_add_set(keys, set, detail));
    return keys;
}

static enum err verify_at(const struct jwt_keys *keys, struct str t, struct jwt_rules rules,
                          struct jwt_claims *ret)
{
    const char *reason = NULL;
    enum err e = jwt_verify(keys, t, &rules, &arena, ret, &reason);

    if (e != ERR_OK)
        assert_non_null(reason);
    return e;
}

static enum err verify(const struct jwt_keys *keys, struct str t)
{
    struct jwt_claims claims;
    return verify_at(keys, t, (struct jwt_rules){.now_s = NOW_S}, &claims);
}

/* ---- tokens ---- */

static void base64url_has_one_text_per_value(void **state)
{
    (void)state;
    unsigned char in[64], out[128];
    char text[128];
    size_t n;

    for (size_t len = 0; len <= sizeof in; len++) {
        for (size_t i = 0; i < len; i++)
            in[i] = (unsigned char)(i * 37 + len);
        size_t chars = base64url_encode(in, len, text);
        OK(base64url_decode((struct str){text, chars}, out, &n));
        assert_int_equal(n, len);
        assert_memory_equal(in, out, len);
    }
    static const char *const refused[] = {"A", "AB==", "A+/B", "AB CD", "AAAAA", "AB", "AAB"};
    for (size_t i = 0; i < COUNT(refused); i++)
        assert_int_equal(base64url_decode(str_from(refused[i]), out, &n), ERR_SYNTAX);
    OK(base64url_decode(STR("AA"), out, &n));
}

static void every_algorithm_verifies(void **state)
{
    (void)state;
    const struct {
        const char *head;
        EVP_PKEY *key;
    } cases[] = {
        {"{\"alg\":\"RS256\",\"typ\":\"JWT\"}", rsa},
        {"{\"alg\":\"ES256\"}", ec},
        {"{\"alg\":\"EdDSA\"}", ed},
        {"{\"alg\":\"HS256\"}", hmac},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct jwt_keys *set = keys_of(jwk(cases[i].key, ""), STR("")), *one;
        struct str t = token(cases[i].head, valid_for_an_hour(), cases[i].key);
        struct jwt_claims claims;

        OK(verify_at(set, t, (struct jwt_rules){.now_s = NOW_S}, &claims));
        assert_true(str_eq(claims.subject, STR("ada")));
        assert_null(claims.scope.p);
        assert_int_equal(claims.expires_s, NOW_S + 3600);
        OK(jwt_keys_new(&one));
        if (cases[i].key == hmac)
            OK(jwt_keys_add_text(one, arena_printf(&arena, "%s\n", secret), detail));
        else
            OK(jwt_keys_add_text(one, pem(cases[i].key), detail));
        OK(verify(one, t));
        /* With a key of the same kind that is another. */
        EVP_PKEY *other = cases[i].key == rsa  ? EVP_RSA_gen(2048)
                          : cases[i].key == ec ? EVP_EC_gen("P-256")
                          : cases[i].key == ed ? EVP_PKEY_Q_keygen(NULL, NULL, "ED25519")
                                               : NULL;
        if (other) {
            struct str forged = token(cases[i].head, valid_for_an_hour(), other);
            assert_int_equal(verify(set, forged), ERR_UNAUTHORIZED);
            EVP_PKEY_free(other);
        }
        jwt_keys_free(one);
        jwt_keys_free(set);
    }
}

static void any_changed_byte_is_noticed(void **state)
{
    (void)state;
    EVP_PKEY *const signers[] = {hmac, ed};
    const char *const heads[] = {"{\"alg\":\"HS256\"}", "{\"alg\":\"EdDSA\"}"};

    for (size_t k = 0; k < COUNT(signers); k++) {
        struct jwt_keys *keys = keys_of(jwk(signers[k], ""), STR(""));
        struct str t = token(heads[k], valid_for_an_hour(), signers[k]);
        char *p = malloc(t.n);

        OK(verify(keys, t));
        for (size_t i = 0; i < t.n; i++) {
            memcpy(p, t.p, t.n);
            p[i] = p[i] == 'A' ? 'B' : 'A';
            assert_int_equal(verify(keys, (struct str){p, t.n}), ERR_UNAUTHORIZED);
        }
        for (size_t n = 0; n < t.n; n++)
            assert_int_equal(verify(keys, (struct str){t.p, n}), ERR_UNAUTHORIZED);
        free(p);
        jwt_keys_free(keys);
    }
}

static void algorithms_cannot_be_confused(void **state)
{
    (void)state;
    struct jwt_keys *both = keys_of(jwk(rsa, ""), jwk(ec, ""));
    struct str public_text = pem(rsa);
    EVP_PKEY *as_secret = EVP_PKEY_new_raw_private_key(
        EVP_PKEY_HMAC, NULL, (const unsigned char *)public_text.p, public_text.n);
    const char *p = valid_for_an_hour();

    const struct str refused[] = {
        token("{\"alg\":\"none\"}", p, NULL),
        token("{\"alg\":\"none\"}", p, rsa),
        token("{\"alg\":\"None\"}", p, NULL),
        token("{\"alg\":\"HS256\"}", p, as_secret), /* the public key as a secret */
        token("{\"alg\":\"RS256\"}", p, as_secret),
        token("{\"alg\":\"rs256\"}", p, rsa),
        token("{\"alg\":\"RS512\"}", p, rsa),
        token("{\"alg\":\"PS256\"}", p, rsa),
        token("{\"alg\":\"ES256\"}", p, rsa),
        token("{\"alg\":\"RS256\"}", p, ec),
        token("{}", p, rsa),
        token("{\"alg\":\"RS256\",\"alg\":\"RS256\"}", p, rsa),
        token("{\"alg\":\"RS256\",\"crit\":[\"b64\"],\"b64\":false}", p, rsa),
        token("[\"RS256\"]", p, rsa),
    };
    OK(verify(both, token("{\"alg\":\"RS256\"}", p, rsa)));
    OK(verify(both, token("{\"alg\":\"ES256\"}", p, ec)));
    for (size_t i = 0; i < COUNT(refused); i++)
        assert_int_equal(verify(both, refused[i]), ERR_UNAUTHORIZED);
    EVP_PKEY_free(as_secret);
    jwt_keys_free(both);
}

static void the_named_key_decides(void **state)
{
    (void)state;
    struct jwt_keys *named = keys_of(jwk(ec, ",\"kid\":\"one\""), jwk(ed, ",\"kid\":\"two\""));
    struct jwt_keys *unnamed = keys_of(jwk(ec, ""), STR(""));
    const char *p = valid_for_an_hour();

    OK(verify(named, token("{\"alg\":\"ES256\",\"kid\":\"one\"}", p, ec)));
    OK(verify(named, token("{\"alg\":\"ES256\"}", p, ec)));
    assert_int_equal(verify(named, token("{\"alg\":\"ES256\",\"kid\":\"two\"}", p, ec)),
                     ERR_UNAUTHORIZED);
    assert_int_equal(verify(named, token("{\"alg\":\"ES256\",\"kid\":\"three\"}", p, ec)),
                     ERR_UNAUTHORIZED);
    OK(verify(unnamed, token("{\"alg\":\"ES256\",\"kid\":\"three\"}", p, ec)));
    jwt_keys_free(named);
    jwt_keys_free(unnamed);
}

static void claims_are_checked(void **state)
{
    (void)state;
    const struct jwt_rules plain = {.now_s = NOW_S}, lenient = {.now_s = NOW_S, .leeway_s = 30},
                           strict = {.now_s = NOW_S,
                                     .issuer = STR("https://school"),
                                     .audience = STR("doppel")};
    char long_sub[300];
    memset(long_sub, 'x', sizeof long_sub);
    struct str sub129 = arena_printf(&arena, "{\"sub\":\"%.129s\",\"exp\":1760000001}", long_sub);
    struct str sub128 = arena_printf(&arena, "{\"sub\":\"%.128s\",\"exp\":1760000001}", long_sub);
    const struct {
        struct jwt_rules rules;
        const char *payload;
        bool ok;
    } cases[] = {
        {plain, "{\"sub\":\"a\",\"exp\":1760000001}", true},
        {plain, "{\"sub\":\"a\",\"exp\":1760000000.5e0}", false},
        {plain, "{\"sub\":\"a\",\"exp\":1760000000}", false},
        {lenient, "{\"sub\":\"a\",\"exp\":1759999971}", true},
        {lenient, "{\"sub\":\"a\",\"exp\":1759999970}", false},
        {plain, "{\"sub\":\"a\"}", false},
        {plain, "{\"sub\":\"a\",\"exp\":\"1760000001\"}", false},
        {plain, "{\"sub\":\"a\",\"exp\":1e300}", false},
        {plain, "{\"sub\":\"a\",\"exp\":null}", false},
        {plain, "{\"sub\":\"a\",\"exp\":1760000001,\"nbf\":1760000000}", true},
        {plain, "{\"sub\":\"a\",\"exp\":1760000009,\"nbf\":1760000001}", false},
        {lenient, "{\"sub\":\"a\",\"exp\":1760000099,\"nbf\":1760000030}", true},
        {plain, "{\"sub\":\"\",\"exp\":1760000001}", false},
        {plain, "{\"exp\":1760000001}", false},
        {plain, "{\"sub\":7,\"exp\":1760000001}", false},
        {plain, "{\"sub\":\"a\\u0000b\",\"exp\":1760000001}", false},
        {plain, "{\"sub\":\"a\",\"sub\":\"b\",\"exp\":1760000001}", false},
        {plain, sub128.p, true},
        {plain, sub129.p, false},
        {strict, "{\"sub\":\"a\",\"exp\":1760000001}", false},
        {strict, "{\"sub\":\"a\",\"exp\":1760000001,\"iss\":\"https://school\"}", false},
        {strict, "{\"sub\":\"a\",\"exp\":1760000001,\"iss\":\"https://school\",\"aud\":\"doppel\"}",
         true},
        {strict,
         "{\"sub\":\"a\",\"exp\":1760000001,\"iss\":\"https://school\",\"aud\":[\"x\",\"doppel\"]}",
         true},
        {strict, "{\"sub\":\"a\",\"exp\":1760000001,\"iss\":\"https://school\",\"aud\":[\"x\"]}",
         false},
        {strict, "{\"sub\":\"a\",\"exp\":1760000001,\"iss\":\"https://schoo\",\"aud\":\"doppel\"}",
         false},
        {plain, "not json", false},
        {plain, "[]", false},
    };
    struct jwt_keys *keys = keys_of(jwk(hmac, ""), STR(""));

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct jwt_claims claims;
        struct str t = token("{\"alg\":\"HS256\"}", cases[i].payload, hmac);
        enum err e = verify_at(keys, t, cases[i].rules, &claims);
        if ((e == ERR_OK) != cases[i].ok)
            fail_msg("%s: %s", cases[i].payload, e == ERR_OK ? "accepted" : "refused");
    }
    jwt_keys_free(keys);
}

static void unsuitable_keys_are_refused_or_passed_over(void **state)
{
    (void)state;
    EVP_PKEY *weak = EVP_RSA_gen(1024);
    const struct {
        const char *set;
        enum err want;
    } cases[] = {
        {"", ERR_SYNTAX},
        {"[]", ERR_SYNTAX},
        {"{\"keys\":{}}", ERR_SYNTAX},
        {"{\"keys\":[]}", ERR_RANGE},
        {"{}", ERR_RANGE},
        {"{\"keys\":[{\"kty\":\"oct\",\"k\":\"c2hvcnQ\"}]}", ERR_RANGE},
        {"{\"keys\":[{\"kty\":\"RSA\",\"n\":\"AQAB\",\"e\":\"AQAB\"}]}", ERR_RANGE},
        {"{\"keys\":[{\"kty\":\"RSA\",\"e\":\"AQAB\"}]}", ERR_RANGE},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"AA\",\"y\":\"AA\"}]}", ERR_RANGE},
        {"{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-384\",\"x\":\"AA\",\"y\":\"AA\"}]}", ERR_RANGE},
        {"{\"keys\":[{\"kty\":\"OKP\",\"crv\":\"Ed25519\",\"x\":\"AA\"}]}", ERR_RANGE},
        {"{\"keys\":[7]}", ERR_SYNTAX},
    };
    for (size_t i = 0; i < COUNT(cases); i++) {
        struct jwt_keys *keys;
        OK(jwt_keys_new(&keys));
        enum err e = jwt_keys_add_set(keys, str_from(cases[i].set), detail);
        if (e != cases[i].want)
            fail_msg("%s: %s", cases[i].set, err_code(e));
        jwt_keys_free(keys);
    }
    struct jwt_keys *keys;
    OK(jwt_keys_new(&keys));
    assert_int_equal(jwt_keys_add_text(keys, pem(weak), detail), ERR_RANGE);
    assert_int_equal(jwt_keys_add_text(keys, STR("too short\n"), detail), ERR_RANGE);
    /* Behind a comment or a blank line it is the same key, not a secret that everybody knows. */
    int32_t known = jwt_keys_count(keys);
    assert_int_equal(
        jwt_keys_add_text(keys, arena_printf(&arena, "\n# ours\n" STR_FMT, STR_ARG(pem(weak))),
                          detail),
        ERR_RANGE);
    static const char *const not_secrets[] = {
        "\xef\xbb\xbf\n{\"keys\": [{\"kty\": \"OKP\", \"crv\": \"Ed25519\"}]}",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl me\n",
        "# Bag Attributes\n-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
    };
    for (size_t i = 0; i < COUNT(not_secrets); i++)
        assert_int_equal(jwt_keys_add_text(keys, str_from(not_secrets[i]), detail), ERR_RANGE);
    unsigned char *der = NULL;
    int der_n = i2d_PUBKEY(weak, &der);
    assert_true(der_n > 0);
    assert_int_equal(
        jwt_keys_add_text(keys, (struct str){(const char *)der, (size_t)der_n}, detail), ERR_RANGE);
    OPENSSL_free(der);
    assert_int_equal(jwt_keys_count(keys), known);
    assert_int_equal(jwt_keys_add_text(keys, STR("-----BEGIN PUBLIC KEY-----\nAAAA\n"), detail),
                     ERR_RANGE);
    /* A point that is not on the curve. */
    struct str off = arena_printf(&arena,
                                  "{\"keys\":[{\"kty\":\"EC\",\"crv\":\"P-256\",\"x\":\"%s\","
                                  "\"y\":\"%s\"}]}",
                                  bn_param(ec, OSSL_PKEY_PARAM_EC_PUB_X, 32).p,
                                  bn_param(ec, OSSL_PKEY_PARAM_EC_PUB_X, 32).p);
    assert_int_equal(jwt_keys_add_set(keys, off, detail), ERR_RANGE);
    assert_int_equal(jwt_keys_count(keys), 0);
    jwt_keys_free(keys);
    keys = keys_of(jwk(rsa, ",\"use\":\"enc\""), jwk(ec, ",\"use\":\"sig\",\"alg\":\"ES256\""));
    assert_int_equal(jwt_keys_count(keys), 1);
    jwt_keys_free(keys);
    EVP_PKEY_free(weak);
}

/* ---- calls ---- */

struct caller {
    struct http_request rq;
    struct http_header headers[6];
    struct net_peer peer;
};

static struct http_request *call(struct caller *c, const char *const *pairs)
{
    *c = (struct caller){.peer = {.is_loopback = true}};
    c->rq.peer = &c->peer;
    c->rq.headers = c->headers;
    for (; pairs[0]; pairs += 2)
        c->headers[c->rq.header_count++] =
            (struct http_header){str_from(pairs[0]), str_from(pairs[1])};
    return &c->rq;
}
#define CALL(c, ...) call((c), (const char *const[]){__VA_ARGS__, NULL, NULL})

static enum err check(struct auth *a, const struct http_request *rq, struct principal *ret)
{
    const char *reason = NULL;
    return auth_check(a, rq, NOW_S * US_PER_S, &arena, ret, &reason);
}

static struct auth *auth_of(struct auth_options options)
{
    struct auth *a;
    enum err e = auth_new(&options, &a, detail);

    if (e != ERR_OK)
        fail_msg("%s", detail);
    return a;
}

static void dev_lets_in_this_machine_only(void **state)
{
    (void)state;
    struct auth *dev = auth_of((struct auth_options){.dev = true});
    struct auth *closed = auth_of((struct auth_options){.dev = false});
    struct principal who;
    struct caller c;

    OK(check(dev, CALL(&c, "Host", "localhost:8080"), &who));
    assert_true(who.dev);
    assert_true(who.scopes & SCOPE_ADMIN);
    OK(check(dev, CALL(&c, "Host", "127.0.0.1"), &who));
    OK(check(dev, CALL(&c, "Host", "[::1]:9"), &who));
    OK(check(dev, CALL(&c, "Host", "localhost", "Origin", "http://localhost:5173"), &who));
    assert_int_equal(check(closed, CALL(&c, "Host", "localhost"), &who), ERR_UNAUTHORIZED);
    assert_int_equal(check(dev, CALL(&c, "Host", "evil.example"), &who), ERR_UNAUTHORIZED);
    assert_int_equal(check(dev, CALL(&c, "Host", "localhost.evil.example"), &who),
                     ERR_UNAUTHORIZED);
    assert_int_equal(check(dev, CALL(&c, "Host", "localhost", "X-Forwarded-For", "9.9.9.9"), &who),
                     ERR_UNAUTHORIZED);
    assert_int_equal(check(dev, CALL(&c, "Host", "localhost", "Forwarded", "for=9.9.9.9"), &who),
                     ERR_UNAUTHORIZED);
    assert_int_equal(
        check(dev, CALL(&c, "Host", "localhost", "Origin", "https://evil.example"), &who),
        ERR_UNAUTHORIZED);
    assert_int_equal(check(dev, CALL(&c, "Host", "localhost", "Origin", "null"), &who),
                     ERR_UNAUTHORIZED);
    /* Who shows a credential is judged by it. */
    assert_int_equal(
        check(dev, CALL(&c, "Host", "localhost", "Authorization", "Bearer nonsense"), &who),
        ERR_UNAUTHORIZED);
    struct http_request *rq = CALL(&c, "Host", "localhost");
    c.peer.is_loopback = false;
    assert_int_equal(check(dev, rq, &who), ERR_UNAUTHORIZED);
    auth_free(dev);
    auth_free(closed);
}

static void tokens_carry_their_learner_and_scopes(void **state)
{
    (void)state;
    char path[] = "/tmp/doppel-test-XXXXXX";
    int fd = mkstemp(path);
    assert_int_equal(write(fd, secret, strlen(secret)), (ssize_t)strlen(secret));
    close(fd);
    struct auth *a = auth_of((struct auth_options){.jwt_key_file = path});
    unlink(path);
    static const struct {
        const char *scope;
        uint32_t want;
    } cases[] = {
        {"", SCOPE_INGEST | SCOPE_READ | SCOPE_WRITE},
        {",\"scope\":\"read\"", SCOPE_READ},
        {",\"scope\":\"openid read ingest profile\"", SCOPE_READ | SCOPE_INGEST},
        {",\"scope\":\"read admin\"", SCOPE_READ}, /* admin is for keys */
        {",\"scope\":\"openid\"", 0},
    };
    struct caller c;
    struct principal who;

    for (size_t i = 0; i < COUNT(cases); i++) {
        struct str p = arena_printf(&arena, "{\"sub\":\"ada\",\"exp\":%lld%s}",
                                    (long long)NOW_S + 60, cases[i].scope);
        struct str bearer = arena_printf(&arena, "Bearer " STR_FMT,
                                         STR_ARG(token("{\"alg\":\"HS256\"}", p.p, hmac)));
        for (int again = 0; again < 2; again++) { /* the second time out of memory */
            OK(check(a, CALL(&c, "Authorization", bearer.p), &who));
            assert_int_equal(who.scopes, cases[i].want);
            assert_true(str_eq(who.learner, STR("ada")));
            assert_true(str_eq(who.name, STR("jwt:ada")));
        }
        const char *reason;
        assert_int_equal(auth_check(a, CALL(&c, "Authorization", bearer.p), (NOW_S + 60) * US_PER_S,
                                    &arena, &who, &reason),
                         ERR_UNAUTHORIZED);
    }
    auth_free(a);
}

static void scopes_are_read_and_printed(void **state)
{
    (void)state;
    uint32_t scopes = 0;

    OK(scopes_parse(STR("read, ingest"), &scopes));
    assert_int_equal(scopes, SCOPE_READ | SCOPE_INGEST);
    assert_true(str_eq(scopes_print(scopes, &arena), STR("ingest,read")));
    assert_int_equal(scopes_parse(STR(""), &scopes), ERR_RANGE);
    assert_int_equal(scopes_parse(STR("read,"), &scopes), ERR_RANGE);
    assert_int_equal(scopes_parse(STR("Read"), &scopes), ERR_RANGE);
}

/* ---- keys ---- */

struct keyring {
    char dir[64];
    struct store *store;
    struct store_conn *conn;
};

static void keyring_open(struct keyring *k)
{
    int32_t from, to;

    snprintf(k->dir, sizeof k->dir, "/tmp/doppel-test-XXXXXX");
    assert_non_null(mkdtemp(k->dir));
    struct str url = arena_printf(&arena, "sqlite:%s/test.db", k->dir);
    OK(store_open(&(struct store_options){.url = url,
                                          .busy_timeout_ms = 5000,
                                          .statement_timeout_ms = 5000,
                                          .connect_timeout_ms = 5000,
                                          .sqlite_cache_kib = 256,
                                          .sqlite_checkpoint_pages = 1000},
                  &k->store, detail));
    OK(store_migrate(k->store, &from, &to, detail));
    OK(store_connect(k->store, STORE_WRITER, &k->conn));
}

static void keyring_close(struct keyring *k)
{
    store_disconnect(k->conn);
    store_close(k->store);
    static const char *const files[] = {"test.db", "test.db-wal", "test.db-shm"};
    for (size_t i = 0; i < COUNT(files); i++)
        unlink(arena_printf(&arena, "%s/%s", k->dir, files[i]).p);
    rmdir(k->dir);
}

static void key_make(struct keyring *k, struct key_spec spec, char text[KEY_TEXT_MAX])
{
    OK(store_begin(k->conn));
    OK(key_create(k->conn, &spec, NOW_S * US_PER_S, text));
    OK(store_commit(k->conn));
}

static enum err ask(struct auth *a, struct keyring *k, const char *key, int64_t now_s,
                    struct principal *ret)
{
    struct caller c;
    const char *reason = NULL;
    enum err e = auth_check_store(a, k->conn, CALL(&c, "X-API-Key", key), now_s * US_PER_S, &arena,
                                  ret, &reason);
    if (e == ERR_UNAUTHORIZED)
        assert_non_null(reason);
    return e;
}

static void keys_are_known_by_their_hash(void **state)
{
    (void)state;
    struct keyring k;
    struct auth *a = auth_of((struct auth_options){.key_cache_s = 5});
    struct principal who;
    struct caller c;
    char key[KEY_TEXT_MAX], other[KEY_TEXT_MAX], bent[KEY_TEXT_MAX];

    keyring_open(&k);
    key_make(&k, (struct key_spec){.scopes = SCOPE_READ, .expires_at = TIME_NONE}, key);
    key_make(
        &k,
        (struct key_spec){.scopes = SCOPE_INGEST, .learner = STR("ada"), .expires_at = TIME_NONE},
        other);
    assert_int_equal(strlen(key), 64);
    assert_int_not_equal(strcmp(key, other), 0);
    /* The table has the hash only. */
    struct query q = {.stmt = STMT_API_KEY_GET,
                      .args = (const struct value[]){V_S(((struct str){key + 4, 16}))},
                      .arg_count = 1};
    OK(store_read(k.conn, &arena, &q, 1, 0));
    assert_int_equal(q.rows.count, 1);
    assert_int_equal(value_str(row_at(&q.rows, 0)).n, 32);

    /* Not known without the store; then known without it. */
    assert_int_equal(check(a, CALL(&c, "X-API-Key", key), &who), ERR_NOT_FOUND);
    OK(ask(a, &k, key, NOW_S, &who));
    assert_int_equal(who.scopes, SCOPE_READ);
    assert_null(who.learner.p);
    assert_true(str_eq(who.name, (struct str){key + 4, 16}));
    OK(check(a, CALL(&c, "X-API-Key", key), &who));
    OK(check(a, CALL(&c, "Authorization", arena_printf(&arena, "bearer %s", key).p), &who));
    OK(ask(a, &k, other, NOW_S, &who));
    assert_true(str_eq(who.learner, STR("ada")));

    /* Another secret, another id, another form. */
    memcpy(bent, key, sizeof bent);
    bent[30] = bent[30] == 'A' ? 'B' : 'A';
    assert_int_equal(ask(a, &k, bent, NOW_S, &who), ERR_UNAUTHORIZED);
    assert_int_equal(check(a, CALL(&c, "X-API-Key", bent), &who),
                     ERR_UNAUTHORIZED); /* remembered */
    memcpy(bent, key, sizeof bent);
    bent[6] = bent[6] == 'a' ? 'b' : 'a';
    assert_int_equal(ask(a, &k, bent, NOW_S, &who), ERR_UNAUTHORIZED);
    static const char *const malformed[] = {"", "dpl_", "dpl_x_y", "secret",
                                            "dpl_AAAAAAAAAAAAAAAA_"};
    for (size_t i = 0; i < COUNT(malformed); i++)
        assert_int_equal(check(a, CALL(&c, "X-API-Key", malformed[i]), &who), ERR_UNAUTHORIZED);
    assert_int_equal(check(a, CALL(&c, "Authorization", "Basic eDp5"), &who), ERR_UNAUTHORIZED);
    auth_free(a);
    keyring_close(&k);
}

static void ended_keys_are_believed_no_longer_than_agreed(void **state)
{
    (void)state;
    struct keyring k;
    struct auth *a = auth_of((struct auth_options){.key_cache_s = 5});
    struct principal who;
    char key[KEY_TEXT_MAX], brief[KEY_TEXT_MAX];

    keyring_open(&k);
    key_make(&k, (struct key_spec){.scopes = SCOPE_READ, .expires_at = TIME_NONE}, key);
    key_make(&k, (struct key_spec){.scopes = SCOPE_READ, .expires_at = (NOW_S + 3) * US_PER_S},
             brief);
    OK(ask(a, &k, key, NOW_S, &who));
    OK(ask(a, &k, brief, NOW_S, &who));
    assert_int_equal(ask(a, &k, brief, NOW_S + 3, &who),
                     ERR_UNAUTHORIZED); /* sooner than the 5 s */
    OK(store_begin(k.conn));
    OK(key_revoke(k.conn, (struct str){key + 4, 16}, NOW_S * US_PER_S));
    assert_int_equal(key_revoke(k.conn, STR("no such key"), NOW_S * US_PER_S), ERR_NOT_FOUND);
    OK(store_commit(k.conn));
    OK(ask(a, &k, key, NOW_S + 4, &who));
    assert_int_equal(ask(a, &k, key, NOW_S + 5, &who), ERR_UNAUTHORIZED);
    auth_free(a);

    a = auth_of((struct auth_options){.key_cache_s = 3600});
    char third[KEY_TEXT_MAX];
    key_make(&k, (struct key_spec){.scopes = SCOPE_READ, .expires_at = TIME_NONE}, third);
    OK(ask(a, &k, third, NOW_S, &who));
    OK(store_begin(k.conn));
    OK(key_revoke(k.conn, (struct str){third + 4, 16}, NOW_S * US_PER_S));
    OK(store_commit(k.conn));
    auth_forget(a);
    assert_int_equal(ask(a, &k, third, NOW_S + 1, &who), ERR_UNAUTHORIZED);
    auth_free(a);
    keyring_close(&k);
}

/* ---- rates ---- */

static void a_bucket_empties_and_fills(void **state)
{
    (void)state;
    struct rate *r;
    int32_t wait = 0;
    int64_t now = 1000 * US_PER_S;

    OK(rate_new(&(struct rate_options){.per_second = 2, .burst = 5, .buckets_max = 1000}, &r));
    for (int i = 0; i < 5; i++)
        assert_true(rate_take(r, STR("ada"), 1, now, &wait));
    assert_false(rate_take(r, STR("ada"), 1, now, &wait));
    assert_int_equal(wait, 1);
    assert_false(rate_take(r, STR("ada"), 4, now, &wait));
    assert_int_equal(wait, 2);
    assert_true(rate_take(r, STR("bob"), 5, now, &wait)); /* his own */
    assert_true(rate_take(r, STR("ada"), 1, now + US_PER_S / 2, &wait));
    assert_false(rate_take(r, STR("ada"), 1, now + US_PER_S / 2, &wait));
    assert_false(
        rate_take(r, STR("ada"), 1, now, &wait)); /* a clock that goes back gives nothing */
    assert_true(rate_take(r, STR("ada"), 5, now + 100 * US_PER_S, &wait));
    assert_false(rate_take(r, STR("ada"), 1, now + 100 * US_PER_S, &wait));
    rate_free(r);
    OK(rate_new(&(struct rate_options){.per_second = 0, .burst = 1, .buckets_max = 1}, &r));
    for (int i = 0; i < 100; i++)
        assert_true(rate_take(r, STR("ada"), 1, now, &wait));
    rate_free(r);
}

static void many_strangers_do_not_free_the_limited(void **state)
{
    (void)state;
    struct rate *r;
    int32_t wait;
    int64_t now = 1000 * US_PER_S;

    OK(rate_new(&(struct rate_options){.per_second = 0.001, .burst = 100, .buckets_max = 64}, &r));
    assert_true(rate_take(r, STR("greedy"), 100, now, &wait));
    for (int i = 0; i < 100000; i++) {
        char who[16];
        int n = snprintf(who, sizeof who, "s%d", i);
        assert_true(rate_take(r, (struct str){who, (size_t)n}, 1, now, &wait));
    }
    assert_false(rate_take(r, STR("greedy"), 1, now, &wait));
    rate_free(r);
}

static void *taker(void *arg)
{
    int32_t wait;
    intptr_t taken = 0;
    for (int i = 0; i < 20000; i++)
        taken += rate_take(arg, STR("shared"), 1, US_PER_S, &wait);
    return (void *)taken;
}

static void threads_share_one_bucket(void **state)
{
    (void)state;
    struct rate *r;
    pthread_t threads[2];
    intptr_t sum = 0;

    OK(rate_new(&(struct rate_options){.per_second = 1, .burst = 1000, .buckets_max = 100}, &r));
    for (size_t i = 0; i < COUNT(threads); i++)
        assert_int_equal(pthread_create(&threads[i], NULL, taker, r), 0);
    for (size_t i = 0; i < COUNT(threads); i++) {
        void *taken;
        pthread_join(threads[i], &taken);
        sum += (intptr_t)taken;
    }
    assert_int_equal(sum, 1000);
    rate_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(base64url_has_one_text_per_value),
        cmocka_unit_test(every_algorithm_verifies),
        cmocka_unit_test(any_changed_byte_is_noticed),
        cmocka_unit_test(algorithms_cannot_be_confused),
        cmocka_unit_test(the_named_key_decides),
        cmocka_unit_test(claims_are_checked),
        cmocka_unit_test(unsuitable_keys_are_refused_or_passed_over),
        cmocka_unit_test(dev_lets_in_this_machine_only),
        cmocka_unit_test(tokens_carry_their_learner_and_scopes),
        cmocka_unit_test(scopes_are_read_and_printed),
        cmocka_unit_test(keys_are_known_by_their_hash),
        cmocka_unit_test(ended_keys_are_believed_no_longer_than_agreed),
        cmocka_unit_test(a_bucket_empties_and_fills),
        cmocka_unit_test(many_strangers_do_not_free_the_limited),
        cmocka_unit_test(threads_share_one_bucket),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
