/* starve_test.c -- who looks at a gateway without memory gets a whole page, an error that says so, or the end of the
 * connection; and the next one is served. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/admin/admin.h"
#include "tests/unit/starve.h"

static struct loop *loop;
static struct metric_page *page;
static struct admin *admin;
static struct sockaddr_un at = {.sun_family = AF_UNIX};
static socklen_t at_len = sizeof at;
static int listener;

static int open_all(void **state)
{
	(void)state;
	loop = loop_new();
	page = aligned_alloc(4096, metric_page_size(1));
	memset(page, 0, metric_page_size(1));
	page->workers = 1;
	listener = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	/* The kernel chooses a name that is in no directory. */
	assert_int_equal(bind(listener, (struct sockaddr *)&at, sizeof(sa_family_t)), 0);
	assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &at_len), 0);
	assert_int_equal(listen(listener, 4), 0);
	admin = admin_new(&(struct admin_plan){loop, page, listener, -1});
	return admin == NULL;
}

static int close_all(void **state)
{
	(void)state;
	admin_free(admin);
	close(listener);
	free(page);
	loop_free(loop);
	return 0;
}

/* What comes until the other side ends; the n-th allocation of it fails. */
static size_t ask(const char *text, char *got, size_t room, unsigned long n)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	size_t len = 0;
	ssize_t r = -1;

	assert_int_equal(connect(fd, (struct sockaddr *)&at, at_len), 0);
	assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
	starve_at(n);
	for (int turn = 0; turn < 500 && r; turn++) {
		loop_turn(loop, 1);
		while ((r = recv(fd, got + len, room - len, 0)) > 0)
			len += (size_t)r;
		if (r < 0 && errno != EAGAIN)
			r = 0;
	}
	starve_at(0);
	assert_int_equal(r, 0);
	close(fd);
	loop_turn(loop, 0);
	loop_turn(loop, 0);
	got[len] = 0;
	return len;
}

static bool is_whole(const char *got, size_t len)
{
	const char *body = strstr(got, "\r\n\r\n"), *length = strcasestr(got, "content-length: ");

	return body && length && len - (size_t)(body + 4 - got) == (size_t)strtoul(length + 16, NULL, 10);
}

static void every_allocation_may_fail_once(void **state)
{
	static const char *const asked[] = {"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n", "GET /status HTTP/1.1\r\nHost: a\r\n\r\n",
					    "GET /healthz HTTP/1.1\r\nHost: a\r\n\r\n", "EHLO a\r\n\r\n"};
	static char got[1 << 20];

	(void)state;
	for (size_t i = 0; i < sizeof asked / sizeof *asked; i++) {
		size_t len = ask(asked[i], got, sizeof got - 1, 0);
		unsigned long n = 1;

		assert_true(is_whole(got, len));
		for (;; n++) {
			len = ask(asked[i], got, sizeof got - 1, n);
			if (!starved())
				break;
			/* A page that is cut says how long it would have been. */
			if (len && !is_whole(got, len) && !strcasestr(got, "content-length: "))
				fail_msg("%s, allocation %lu: %s", asked[i], n, got);
			assert_true(n < 100);
		}
		assert_true(is_whole(got, len));
		print_message("%.12s: %lu allocations\n", asked[i], n - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail_once),
	};

	return cmocka_run_group_tests(tests, open_all, close_all);
}
