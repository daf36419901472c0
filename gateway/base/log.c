/* log.c -- the writer's side of logging; the logger process has the other. */
#include "gateway/base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/line.h"
#include "gateway/base/metric.h"

static struct {
	char role[24], mark[16];
	int fd;
	enum log_level least;
	uint64_t dropped;
} out = {.role = "portcullis", .fd = -1, .least = LOG_INFO};

void log_open(const char *role, int fd)
{
	snprintf(out.role, sizeof out.role, "%s", role);
	out.fd = fd;
}

void log_mark(const char *mark)
{
	snprintf(out.mark, sizeof out.mark, " (%s)", mark);
}

void log_level(enum log_level least)
{
	out.least = least;
}

uint64_t log_dropped(void)
{
	return out.dropped;
}

bool log_line(enum log_stream stream, struct slice line, uint64_t token)
{
	struct log_head head = {.stream = (uint8_t)stream, .ack = token != 0, .token = token};
	struct iovec parts[2] = {{&head, sizeof head}, {(void *)(uintptr_t)line.at, line.len}};
	struct msghdr message = {.msg_iov = parts, .msg_iovlen = 2};

	if (out.fd < 0) {
		ssize_t n = dprintf(STDERR_FILENO, "%.*s\n", SLICE_F(line));

		return n > 0;
	}
	if (sendmsg(out.fd, &message, MSG_DONTWAIT | MSG_NOSIGNAL) < 0) {
		out.dropped++;
		metric_count(METRIC_LOG_DROPPED);
		return false;
	}
	return true;
}

static void say(enum log_level level, const char *fmt, va_list args)
{
	static const char *const names[] = {"debug", "info", "warn", "error"};
	struct timespec now;
	char line[2048], safe[4096], stamp[32];
	struct tm utc;
	int n, m;

	if (level < out.least)
		return;
	clock_gettime(CLOCK_REALTIME, &now);
	gmtime_r(&now.tv_sec, &utc);
	strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &utc);
	n = snprintf(line, sizeof line, "%s.%03ldZ %s %s%s: ", stamp, now.tv_nsec / 1000000, names[level], out.role,
		     out.mark);
	m = vsnprintf(line + n, sizeof line - (size_t)n, fmt, args);
	if (m < 0)
		return;
	n = n + m < (int)sizeof line ? n + m : (int)sizeof line - 1;
	log_line(LOG_ERRORS, slice_make(safe, line_escape(safe, sizeof safe, slice_make(line, (size_t)n), false)), 0);
}

#define SAY(name, level)                    \
	void name(const char *fmt, ...)     \
	{                                   \
		va_list args;               \
		va_start(args, fmt);        \
		say(level, fmt, args);      \
		va_end(args);               \
	}

SAY(log_debug, LOG_DEBUG)
SAY(log_info, LOG_INFO)
SAY(log_warn, LOG_WARN)
SAY(log_error, LOG_ERROR)
