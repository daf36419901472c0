/* notify.c -- messages to the service manager. */
#include "gateway/proc/notify.h"

#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/text.h"
#include "gateway/loop/loop.h"

enum { MESSAGE = 512, PATIENCE_US = 200000 };

static struct {
	int fd;             /* -1: nobody wants to know */
	struct sockaddr_un at;
	socklen_t at_len;
	int64_t every_us;   /* between two signs of life; 0: nobody waits for them */
	int64_t said_us;
} manager = {.fd = -1};

/* A path, or a name in the abstract name space after an @. */
static bool find(const char *where)
{
	size_t n = strlen(where);

	if ((where[0] != '/' && where[0] != '@') || n < 2 || n >= sizeof manager.at.sun_path)
		return false;
	manager.at = (struct sockaddr_un){.sun_family = AF_UNIX};
	memcpy(manager.at.sun_path, where, n);
	if (where[0] == '@')
		manager.at.sun_path[0] = 0;
	manager.at_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return true;
}

static uint64_t number_in(const char *variable)
{
	const char *text = getenv(variable);
	uint64_t n;

	return text && text_uint(slice_of(text), &n) ? n : 0;
}

/* WATCHDOG_PID says whom the manager watches: after a fork in between it is not us. */
static int64_t interval(void)
{
	uint64_t us = number_in("WATCHDOG_USEC"), pid = number_in("WATCHDOG_PID");

	if (us > INT64_MAX || (pid && pid != (uint64_t)getpid()))
		return 0;
	return (int64_t)(us / 3);
}

void notify_open(void)
{
	/* A manager that does not read must not hold up who reports to it. */
	struct timeval patience = {.tv_usec = PATIENCE_US};
	const char *where = getenv("NOTIFY_SOCKET");

	if (where && find(where))
		manager.fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (manager.fd >= 0) {
		setsockopt(manager.fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
		manager.every_us = interval();
	}
	unsetenv("NOTIFY_SOCKET");
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
	char message[MESSAGE];
	va_list args;
	int n;

	if (manager.fd < 0)
		return;
	va_start(args, format);
	n = vsnprintf(message, sizeof message, format, args);
	va_end(args);
	if (n > 0 && n < (int)sizeof message)
		sendto(manager.fd, message, (size_t)n, MSG_NOSIGNAL, (const struct sockaddr *)&manager.at, manager.at_len);
}

void notify_ready(const char *status, ...)
{
	char words[MESSAGE / 2];
	va_list args;

	va_start(args, status);
	vsnprintf(words, sizeof words, status, args);
	va_end(args);
	/* A line break would begin another message's key. */
	words[strcspn(words, "\n")] = 0;
	say("READY=1\nSTATUS=%s", words);
}

void notify_reloading(void)
{
	say("RELOADING=1\nMONOTONIC_USEC=%lld\nSTATUS=reading the configuration again", (long long)loop_clock_us());
}

void notify_stopping(int64_t most_ms)
{
	say("STOPPING=1\nEXTEND_TIMEOUT_USEC=%lld\nSTATUS=stopping: requests in flight are let end",
	    (long long)most_ms * 1000);
}

void notify_alive(int64_t now_us)
{
	if (!manager.every_us || now_us - manager.said_us < manager.every_us)
		return;
	manager.said_us = now_us;
	say("WATCHDOG=1");
}
