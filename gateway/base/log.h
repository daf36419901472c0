/* log.h -- lines for the operator.
 *
 * Before a role has its logger connection lines go to standard error; after
 * log_open they travel to the logger process, which never makes its writers
 * wait: what does not fit in the socket is dropped and counted. */
#ifndef PORTCULLIS_BASE_LOG_H
#define PORTCULLIS_BASE_LOG_H

#include <stdbool.h>
#include <stdint.h>

#include "gateway/base/slice.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

/* What a line is; the logger has one destination for each. */
enum log_stream { LOG_ERRORS, LOG_REQUESTS, LOG_WAF, LOG_STREAMS };

/* Message to the logger, one datagram each: this header, then the line without newline. */
struct log_head {
	uint8_t stream; /* enum log_stream */
	uint8_t ack;    /* 1: answer with `token` once the line is written */
	uint8_t pad[6];
	uint64_t token;
};

enum { LOG_LINE = 8192 };

/* `role` prefixes the lines of this process; `fd` is a SOCK_SEQPACKET to the logger, or -1. */
void log_open(const char *role, int fd);
/* From now on the role is followed by this, in brackets: what sets the process apart. */
void log_mark(const char *mark);
void log_level(enum log_level least);
void log_debug(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_info(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void log_error(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
/* One finished line.  With a token other than 0 the logger answers when it is written.
 * False when it was dropped. */
bool log_line(enum log_stream stream, struct slice line, uint64_t token);
/* Lines dropped since the start. */
uint64_t log_dropped(void);

#endif
