/* line.h -- what strangers wrote, in a line of a log.
 *
 * One line stays one line in any viewer, and what is in it is what one sees.  The bytes that were written can be had
 * back: "\xNN" stands for one byte, in every log, and for nothing else, since a backslash that "x" follows is
 * written as "\x5c". */
#ifndef PORTCULLIS_BASE_LINE_H
#define PORTCULLIS_BASE_LINE_H

#include "gateway/base/slice.h"

/* Length of the character at the front of `s`, not empty, if it may stand in a line as it is.  0: a control, no
 * character of UTF-8, or one that cannot be seen or turns the order of those around it. */
size_t line_plain(struct slice s);
/* At most `room` bytes to `out`, characters whole; returns how many.  `quotes`: it will stand between double
 * quotes, so these and every backslash are escaped, too. */
size_t line_escape(char *out, size_t room, struct slice s, bool quotes);

#endif
