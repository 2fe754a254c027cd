/* config - every setting, typed: config.def's rows as a struct, and where each value came from.
 *
 * Later sources win: the default, the file, the environment (DOPPEL_NAME), the flag (--name). The
 * file is --config FILE, else $DOPPEL_CONFIG, else CONFIG_FILE_DEFAULT when there is one. A line of
 * it is `name = value`; `#` at the start of a line or after a blank begins a comment; a value in
 * double quotes may hold anything (\" and \\ inside). Names that are not settings are errors.
 *
 * Types: INT is a plain number; BYTES may carry KiB, MiB or GiB and is kept in bytes; MS may carry
 * ms, s, min or h and is kept in milliseconds; BOOL is true or false; WORD is kept as the place of
 * the word in its list; TEXT always has a NUL behind it, so that `.p` can go to the C library. */
#pragma once
#include "base/arena.h"
#include "base/buf.h"

#include <stdint.h>

#define CONFIG_FILE_DEFAULT "/etc/doppel/doppel.conf"

enum setting_type {
    SETTING_TEXT,
    SETTING_INT,
    SETTING_BOOL,
    SETTING_BYTES,
    SETTING_MS,
    SETTING_WORD,
};

enum setting {
#define SECTION(text)
#define SETTING(name, type, unit, def, min, max, flags, text) CONFIG_##name,
#include "cli/config.def"
#undef SETTING
#undef SECTION
    SETTING_COUNT
};

/* The words of log_format in their order; those of log_level are enum log_level. */
enum config_log_format { CONFIG_LOG_AUTO, CONFIG_LOG_TEXT, CONFIG_LOG_JSON };

enum config_source { CONFIG_FROM_DEFAULT, CONFIG_FROM_FILE, CONFIG_FROM_ENV, CONFIG_FROM_FLAG };

struct config_origin {
    enum config_source source;
    int32_t line; /* of the file */
};

struct config {
#define CONFIG_TYPE_TEXT struct str
#define CONFIG_TYPE_INT int64_t
#define CONFIG_TYPE_BOOL bool
#define CONFIG_TYPE_BYTES int64_t
#define CONFIG_TYPE_MS int64_t
#define CONFIG_TYPE_WORD int
#define SECTION(text)
#define SETTING(name, type, unit, def, min, max, flags, text) CONFIG_TYPE_##type name;
#include "cli/config.def"
#undef SETTING
#undef SECTION
    struct config_origin origin[SETTING_COUNT];
    struct str file; /* that was read; {NULL,0}: none */
    struct arena arena;
};

/* One row of config.def, for help, man page and completion. */
struct setting_info {
    const char *name;              /* "head_timeout"; the flag is --head-timeout */
    const char *unit, *def, *text; /* text of a WORD: the words, with '|' between */
    enum setting_type type;
    int64_t min, max;
    bool secret;
};
const struct setting_info *config_info(enum setting s);
/* The title of the section that begins with this row, else NULL. */
const char *config_section(enum setting s);

enum { CONFIG_DETAIL_MAX = 600 };

/* All defaults. Ends the process when there is no memory for them. */
void config_init(struct config *c);
void config_fini(struct config *c);

/* Everything in order: file, environment, flags. Takes the settings' flags (and --config) out of
 * argv, in place, and lowers *argc; what is left belongs to the command. ERR_RANGE: a name or
 * value; ERR_NOT_FOUND, ERR_IO: the file. ret_detail (CONFIG_DETAIL_MAX) says which setting, value,
 * range. */
MUST_CHECK enum err config_load(struct config *c, int *argc, char **argv, char *ret_detail);

/* The parts. One value; `name` with '-' or '_'. */
MUST_CHECK enum err config_set(struct config *c, struct str name, struct str value,
                               struct config_origin origin, char *ret_detail);
/* The text of a config file; `file` is its name for messages. */
MUST_CHECK enum err config_read(struct config *c, struct str file, struct str text,
                                char *ret_detail);
MUST_CHECK enum err config_read_file(struct config *c, const char *path, char *ret_detail);
MUST_CHECK enum err config_read_env(struct config *c, char *const *environ_, char *ret_detail);
MUST_CHECK enum err config_read_flags(struct config *c, int *argc, char **argv, char *ret_detail);

/* The value as a config file would have it, in the largest unit that divides it; passwords as ***.
 */
void config_value_print(const struct config *c, enum setting s, struct buf *out);
/* name = value  # source, a line each. */
void config_print(const struct config *c, struct buf *out);
/* The default of everything as a commented file. */
void config_default_print(struct buf *out);
/* The setting nearest to a misspelt name, or NULL when none is near. */
const char *config_nearest(struct str name);
