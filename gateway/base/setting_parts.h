/* setting_parts.h -- shared by the files behind setting.h; nobody else includes it. */
#ifndef PORTCULLIS_BASE_SETTING_PARTS_H
#define PORTCULLIS_BASE_SETTING_PARTS_H

#include "gateway/base/setting.h"

enum { SETTING_SYNTAX = 512, SETTING_DEPTH = 12 };

/* What may stand there, for messages and the reference: "duration, 1ms to 1h". */
struct slice setting_syntax(const struct setting *s, char out[SETTING_SYNTAX]);
/* The value in the greatest unit that divides it; `out` of 32 bytes. */
void setting_duration_text(int64_t ms, char out[32]);
void setting_size_text(int64_t bytes, char out[32]);
/* A scalar of any kind but STRUCT, LIST, MAP, CUSTOM and LATER.  `name` is what messages call it. */
bool setting_read_scalar(struct setting_reader *r, const struct setting *s, struct slice name,
			 const struct yaml_node *node, void *out);
/* Bytes of one element of a list or map. */
size_t setting_element_size(const struct setting *each);

#endif
