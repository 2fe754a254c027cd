/* doctor - `doppel doctor`: looks at everything that serving needs, and says plainly what is wrong.
 *
 * One line a check: ok, note (works, but look at it), or BROKEN. Exit 1 when something is broken.
 */
#include "auth/auth.h"
#include "base/civil.h"
#include "base/clock.h"
#include "cli/command.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <libgen.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/timex.h>
#include <unistd.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

enum {
    POSTGRES_MIN = 150000,
    DISK_LOW_MIB = 1024,
    DISK_FULL_MIB = 64,
    CERTIFICATE_SOON_DAYS = 14,
    DOCTOR_ARENA_MAX = 1 << 20,
    FILES_BESIDE_CONNECTIONS = 256, /* as serve reckons */
};

enum verdict { GOOD, NOTE, BROKEN };

struct doctor {
    const struct config *config;
    int notes, broken;
};

static void say(struct doctor *d, enum verdict v, const char *what, const char *fmt, ...)
    PRINTF_LIKE(4, 5);

static void say(struct doctor *d, enum verdict v, const char *what, const char *fmt, ...)
{
    static const char *const words[] = {"ok", "note", "BROKEN"};
    va_list args;

    d->notes += v == NOTE;
    d->broken += v == BROKEN;
    printf("%-7s %-13s ", words[v], what);
    va_start(args, fmt);
    vprintf(fmt, args);
    va_end(args);
    putchar('\n');
}

/* ---- settings ---- */

static bool is_setting_variable(const char *env, size_t n)
{
    static const char *const others[] = {"DOPPEL_CONFIG", "DOPPEL_KEY", "DOPPEL_TEST_POSTGRES",
                                         "DOPPEL_TEST_REDIS", "DOPPEL_SOURCE"};
    char lower[64];

    for (size_t i = 0; i < sizeof others / sizeof *others; i++)
        if (strlen(others[i]) == n && memcmp(others[i], env, n) == 0)
            return true;
    if (n >= sizeof lower)
        return false;
    for (size_t i = 0; i < n; i++)
        lower[i] = (char)(env[i] >= 'A' && env[i] <= 'Z' ? env[i] - 'A' + 'a' : env[i]);
    lower[n] = 0;
    for (int s = 0; s < SETTING_COUNT; s++)
        if (strcmp(lower + strlen("doppel_"), config_info((enum setting)s)->name) == 0)
            return true;
    return false;
}

static void check_settings(struct doctor *d)
{
    struct stat st;

    for (char *const *env = environ; *env; env++) {
        size_t n = strcspn(*env, "=");

        if (strncmp(*env, "DOPPEL_", 7) == 0 && !is_setting_variable(*env, n))
            say(d, NOTE, "settings", "the variable %.*s is no setting and is ignored", (int)n,
                *env);
    }
    if (!d->config->file.p) {
        say(d, GOOD, "settings", "no file; defaults, variables and flags");
    } else if (stat(d->config->file.p, &st) == 0 && (st.st_mode & S_IROTH) &&
               memmem(d->config->database.p, d->config->database.n, "://", 3)) {
        say(d, NOTE, "settings", "%s may hold a password and everybody may read it: chmod o-r",
            d->config->file.p);
    } else {
        say(d, GOOD, "settings", "%s", d->config->file.p);
    }
}

static void check_rights(struct doctor *d)
{
    if (d->config->dev)
        say(d, NOTE, "rights", "dev is on: calls from this machine need no key");
}

/* ---- database ---- */

static void check_sqlite_file(struct doctor *d)
{
    const char *path = d->config->database.p + strlen("sqlite:");
    struct stat st;

    if (stat(path, &st) != 0)
        say(d, NOTE, "file", "%s does not exist yet; serve and migrate make it", path);
    else if (access(path, R_OK | W_OK) != 0)
        say(d, BROKEN, "file", "%s: %s", path, strerror(errno));
    else if (st.st_mode & (S_IROTH | S_IWOTH))
        say(d, NOTE, "file", "%s may be read by everybody on this machine: chmod o-rwx", path);
    else
        say(d, GOOD, "file", "%s, %" PRId64 " MiB", path, (int64_t)st.st_size >> 20);
}

static void check_schema(struct doctor *d, struct store *store)
{
    int32_t have = 0, want = 0;
    enum err e = store_schema(store, &have, &want);

    if (e != ERR_OK)
        say(d, BROKEN, "schema", "%s", err_text(e));
    else if (have > want)
        say(d, BROKEN, "schema", "version %d is newer than this program's %d", (int)have,
            (int)want);
    else if (have < want)
        say(d, d->config->migrate ? NOTE : BROKEN, "schema", "version %d of %d; %s", (int)have,
            (int)want, d->config->migrate ? "serve brings it up to date" : "run doppel migrate");
    else
        say(d, GOOD, "schema", "version %d", (int)have);
}

/* Reads the whole file: a large one takes longer than a statement may. */
static void check_integrity(struct doctor *d, struct store_conn *conn, struct arena *arena)
{
    struct query q = {.stmt = STMT_CLI_INTEGRITY};
    enum err e = store_read(conn, arena, &q, 1, 0);

    if (e == ERR_DEADLINE) {
        say(d, NOTE, "integrity",
            "not known after %" PRId64 " s; see all with --database-timeout 1h",
            d->config->database_timeout / 1000);
    } else if (e != ERR_OK || q.rows.count < 1) {
        say(d, BROKEN, "integrity", "cannot be checked: %s", err_text(e));
    } else {
        struct str verdict = value_str(&row_at(&q.rows, 0)[0]);

        say(d, str_eq(verdict, STR("ok")) ? GOOD : BROKEN, "integrity", STR_FMT, STR_ARG(verdict));
    }
}

static void check_engine(struct doctor *d, struct store *store, struct store_conn *conn)
{
    struct query version_of = {.stmt = STMT_CLI_ENGINE_VERSION};
    struct arena arena;
    bool postgres = store_engine(store) == STORE_POSTGRES;

    arena_init(&arena, DOCTOR_ARENA_MAX);
    enum err e = store_read(conn, &arena, &version_of, 1, 0);

    if (e != ERR_OK || version_of.rows.count != 1) {
        say(d, BROKEN, "engine", "cannot be asked: %s", err_text(e));
        arena_fini(&arena);
        return;
    }
    struct str version = value_str(&row_at(&version_of.rows, 0)[0]);

    if (postgres && value_i64(&row_at(&version_of.rows, 0)[1], 0) < POSTGRES_MIN)
        say(d, BROKEN, "engine", "PostgreSQL " STR_FMT " is too old; 15 is needed",
            STR_ARG(version));
    else
        say(d, GOOD, "engine", "%s " STR_FMT, postgres ? "PostgreSQL" : "SQLite", STR_ARG(version));
    if (!postgres)
        check_integrity(d, conn, &arena);
    arena_fini(&arena);
}

static void check_database(struct doctor *d)
{
    struct store_options options = config_store_options(d->config);
    char detail[CONFIG_DETAIL_MAX] = "";
    struct store *store = NULL;
    struct store_conn *conn = NULL;
    bool sqlite = str_starts(d->config->database, STR("sqlite:"));

    if (sqlite) {
        check_sqlite_file(d);
        if (access(d->config->database.p + strlen("sqlite:"), F_OK) != 0)
            return; /* a look must not make it */
    }
    enum err e = store_open(&options, &store, detail);

    if (e == ERR_OK)
        e = store_connect(store, STORE_READER, &conn);
    if (e != ERR_OK) {
        say(d, BROKEN, "database", "%s", *detail ? detail : err_text(e));
        store_close(store);
        return;
    }
    struct str url = store_display_url(store);

    say(d, GOOD, "database", STR_FMT " answers", STR_ARG(url));
    check_schema(d, store);
    check_engine(d, store, conn);
    store_disconnect(conn);
    store_close(store);
}

static void check_disk(struct doctor *d)
{
    char path[PATH_MAX];
    struct statvfs fs;

    if (!str_starts(d->config->database, STR("sqlite:")))
        return;
    snprintf(path, sizeof path, "%s", d->config->database.p + strlen("sqlite:"));
    const char *folder = dirname(path);

    if (statvfs(folder, &fs) != 0) {
        say(d, BROKEN, "disk", "%s: %s", folder, strerror(errno));
        return;
    }
    if (access(folder, W_OK | X_OK) != 0) {
        say(d, BROKEN, "disk", "%s may not be written: %s", folder, strerror(errno));
        return;
    }
    uint64_t mib = (uint64_t)fs.f_bavail * fs.f_frsize >> 20;
    enum verdict v = mib < DISK_FULL_MIB ? BROKEN : mib < DISK_LOW_MIB ? NOTE : GOOD;

    say(d, v, "disk", "%" PRIu64 " MiB free in %s", mib, folder);
}

/* ---- the machine ---- */

static void check_zones(struct doctor *d)
{
    static const struct str names[] = {
        {"Europe/Berlin", 13}, {"America/New_York", 16}, {"Asia/Kolkata", 12}};
    const struct zone *zone;

    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (zone_get(names[i], &zone) != ERR_OK) {
            say(d, BROKEN, "time zones", STR_FMT " cannot be read: install tzdata",
                STR_ARG(names[i]));
            return;
        }
    }
    say(d, GOOD, "time zones", "readable");
}

static void check_clock(struct doctor *d)
{
    int64_t now = clock_us();
    struct timex tx = {0};
    char text[TIME_TEXT_MAX];

    time_print(now, text);
    if (now < INT64_C(1735689600) * US_PER_S || now > TIME_MAX) /* before 2025: a dead battery */
        say(d, BROKEN, "clock", "says %s", text);
    else if (adjtimex(&tx) == TIME_ERROR || (tx.status & STA_UNSYNC))
        say(d, NOTE, "clock", "%s; the kernel does not know it to be synchronised", text);
    else
        say(d, GOOD, "clock", "%s, synchronised", text);
}

static void check_files_limit(struct doctor *d)
{
    struct rlimit limit;
    int64_t need = d->config->connections_max + 4 * d->config->workers + FILES_BESIDE_CONNECTIONS;

    if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
        say(d, BROKEN, "open files", "%s", strerror(errno));
    else if (limit.rlim_max != RLIM_INFINITY && (int64_t)limit.rlim_max < need && geteuid() != 0)
        say(d, NOTE, "open files",
            "the limit is %" PRId64 "; connections_max asks for %" PRId64
            ": raise LimitNOFILE or lower it",
            (int64_t)limit.rlim_max, need);
    else
        say(d, GOOD, "open files", "%" PRId64 " wanted, and allowed", need);
}

/* ---- TLS and tokens ---- */

static void check_certificate(struct doctor *d, X509 *certificate)
{
    int days = 0, seconds = 0;

    if (!ASN1_TIME_diff(&days, &seconds, NULL, X509_get0_notAfter(certificate)))
        say(d, BROKEN, "certificate", "its end cannot be read");
    else if (days < 0 || seconds < 0)
        say(d, BROKEN, "certificate", "expired %d days ago", -days);
    else if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0)
        say(d, BROKEN, "certificate", "is not valid yet");
    else
        say(d, days < CERTIFICATE_SOON_DAYS ? NOTE : GOOD, "certificate", "%d days left", days);
}

static void check_tls(struct doctor *d)
{
    const struct config *c = d->config;

    if (c->tls_cert.n == 0 && c->tls_key.n == 0)
        return;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

    if (!ctx) {
        say(d, BROKEN, "TLS", "OpenSSL does not start");
    } else if (c->tls_cert.n == 0 || c->tls_key.n == 0) {
        say(d, BROKEN, "TLS", "tls_cert and tls_key only work together");
    } else if (SSL_CTX_use_certificate_chain_file(ctx, c->tls_cert.p) != 1) {
        say(d, BROKEN, "TLS", "%s: %s", c->tls_cert.p,
            ERR_reason_error_string(ERR_peek_last_error()));
    } else if (SSL_CTX_use_PrivateKey_file(ctx, c->tls_key.p, SSL_FILETYPE_PEM) != 1) {
        say(d, BROKEN, "TLS", "%s: %s", c->tls_key.p,
            ERR_reason_error_string(ERR_peek_last_error()));
    } else {
        say(d, GOOD, "TLS", "certificate and key are readable and belong together");
        check_certificate(d, SSL_CTX_get0_certificate(ctx));
    }
    SSL_CTX_free(ctx);
}

static void check_tokens(struct doctor *d)
{
    const struct config *c = d->config;
    struct auth_options options = {
        .jwt_key_file = c->jwt_key_file.n ? c->jwt_key_file.p : NULL,
        .jwks_file = c->jwks_file.n ? c->jwks_file.p : NULL,
        .jwt_issuer = c->jwt_issuer.n ? c->jwt_issuer.p : NULL,
        .jwt_audience = c->jwt_audience.n ? c->jwt_audience.p : NULL,
    };
    char detail[CONFIG_DETAIL_MAX] = "";
    struct auth *auth = NULL;

    if (!options.jwt_key_file && !options.jwks_file)
        return;
    enum err e = auth_new(&options, &auth, detail);

    if (e != ERR_OK)
        say(d, BROKEN, "tokens", "%s", *detail ? detail : err_text(e));
    else if (!options.jwt_issuer || !options.jwt_audience)
        say(d, NOTE, "tokens", "keys parse; jwt_issuer and jwt_audience are better set");
    else
        say(d, GOOD, "tokens", "keys parse");
    auth_free(auth);
}

int cmd_doctor(const struct command_call *call)
{
    struct doctor d = {.config = call->config};

    check_settings(&d);
    check_rights(&d);
    check_database(&d);
    check_disk(&d);
    check_zones(&d);
    check_clock(&d);
    check_files_limit(&d);
    check_tls(&d);
    check_tokens(&d);
    printf("%s\n", d.broken  ? "something is broken"
                   : d.notes ? "works; see the notes"
                             : "all is well");
    return d.broken ? EXIT_FAILURE : EXIT_SUCCESS;
}
