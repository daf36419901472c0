/* json.h -- writing one bounded line of JSON.
 *
 * For log lines and answers of our own; reading JSON is jansson's business.
 * Output never exceeds the room given: what does not fit is left out and the
 * line stays valid JSON, with "cut":true at its end.  What may not stand in a line
 * (line.h) is escaped, so that one record is one line in any viewer: characters as
 * JSON has it, a byte that is none of a character as the four characters "\xNN". */
#ifndef PORTCULLIS_BASE_JSON_H
#define PORTCULLIS_BASE_JSON_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"

struct json {
	char *at;
	size_t len, room;
	char close[16]; /* brackets still open */
	unsigned depth;
	bool comma, cut;
};

void json_begin(struct json *j, char *at, size_t room);
/* key may be NULL inside a list. */
void json_object(struct json *j, const char *key);
void json_list(struct json *j, const char *key);
void json_end(struct json *j);
void json_text(struct json *j, const char *key, struct slice value);
void json_int(struct json *j, const char *key, int64_t value);
/* thousandths, printed with three decimals: 1234 is 1.234 */
void json_milli(struct json *j, const char *key, int64_t value);
void json_bool(struct json *j, const char *key, bool value);
/* Close everything; the line without a newline. */
struct slice json_finish(struct json *j);

#endif
