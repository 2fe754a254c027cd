/* zip - one entry out of a zip file (APPNOTE 6.3), into memory.
 *
 * Stored and deflated entries; no encryption, no zip64. Everything in the directory is checked
 * against the file's size before it is believed. */
#pragma once
#include "base/str.h"

enum { ZIP_NAME_MAX = 256, ZIP_ENTRIES_MAX = 200000 };

struct zip_entry {
    int64_t offset, packed, size; /* offset of the local header */
    uint32_t crc;
    uint16_t method;
};

/* Looks for the first of names (ends in NULL) that the archive holds; *ret_name is its place.
 * ERR_SYNTAX: not a zip file. ERR_NOT_FOUND: none of the names. */
MUST_CHECK enum err zip_find(int fd, const char *const *names, struct zip_entry *ret,
                             int *ret_name);
/* The entry's bytes, by malloc. ERR_TOO_LARGE: more than max. ERR_SYNTAX: broken, or the checksum
 * is wrong. ERR_NOT_IMPLEMENTED: the method. */
MUST_CHECK enum err zip_read(int fd, const struct zip_entry *entry, size_t max, char **ret,
                             size_t *ret_n);
