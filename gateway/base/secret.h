/* secret.h -- values that are not written down, told by their names.
 *
 * "password", "api_key", "sessionid", "X-CSRF-Token": a name that speaks of a secret makes one of the value, also where
 * it only seems so ("author"): a value that is missed in a log is dearer than one that is missing there. */
#ifndef PORTCULLIS_BASE_SECRET_H
#define PORTCULLIS_BASE_SECRET_H

#include "gateway/base/slice.h"

/* Percent-escapes are read, case does not matter; a very long name is one. */
bool secret_is_name(struct slice name);
/* Copy `text` with "***" in the place of secret values: behind NAME=, up to one of the bytes in `ends`; with `loose`
 * also behind "NAME": and NAME: as JSON and header fields have it, and the word behind Bearer and Basic.  At most
 * `room` bytes, cut at the end; returns how many. */
size_t secret_hide(struct slice text, const char *ends, bool loose, char *out, size_t room);

#endif
