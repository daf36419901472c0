/* starve_test.c -- the whole data path, with every single allocation failing once, also those of libraries.
 *
 * Each request is walked through again and again, each time with the next allocation missing.  Whatever it is:
 * the rules of world_rules.h hold, the process lives, and neither memory nor descriptors are lost. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "tests/unit/gateway/proxy/world_rules.h"
#include "tests/unit/starve.h"

static unsigned long countdown;

/* Only what the product takes fails, and not what this test does in between. */
static void before(unsigned turn)
{
	(void)turn;
	starve_countdown = countdown;
}

static void after(unsigned turn)
{
	(void)turn;
	countdown = starve_countdown;
	starve_countdown = 0;
}

static int next_fd(void)
{
	int fd = dup(STDERR_FILENO);

	close(fd);
	return fd;
}

static unsigned run(struct world_play play, unsigned long n)
{
	play.step = 1000;
	play.before = before;
	play.after = after;
	starve_at(n);
	countdown = n;
	starve_countdown = 0;
	return world_run(play);
}

#define POST(framing, content)                                                                       \
	"POST /x?q=1 HTTP/1.1\r\nHost: a\r\nContent-Type: application/x-www-form-urlencoded\r\nConnection: close\r\n" framing "\r\n\r\n" content
#define GET(target) "GET " target " HTTP/1.1\r\nHost: a\r\nCookie: sid=1\r\nUser-Agent: x\r\n\r\n"

static const struct {
	const char *says, *bytes, *choices;
	unsigned whole; /* answers, when nothing fails */
} cases[] = {
	{"a request without content", GET("/?key=a%20b"), "\0", 1},
	{"content of known length", POST("Content-Length: 5", "a=bcd"), "\1", 1},
	{"content in chunks", POST("Transfer-Encoding: chunked", "5\r\na=bcd\r\n0\r\n\r\n"), "\0", 1},
	{"a rule refuses, another redirects", GET("/admin") GET("/old/x"), "\0", 2},
	{"the rule engine refuses a head and a body", GET("/evil") POST("Content-Length: 6", "a=evil"), "\0", 2},
	{"a limit is passed, then met", GET("/slow") GET("/slow"), "\0", 2},
	{"an answer that leaks", GET("/"), "\12", 1},
	{"informational answers before the final one", GET("/"), "\10", 1},
	{"a server that hangs up, and a second try", GET("/"), "\6", 1},
	{"an answer that ends with its connection", GET("/"), "\2", 1},
	{"two requests on one connection of the origin's", GET("/a") GET("/b"), "\0", 2},
	{"no HTTP", "EHLO example.org\r\n\r\n", "", 1},
	{"a head that is too large", "GET /a HTTP/1.1\r\nHost: a\r\nX: %s\r\n\r\n", "", 1},
	{"no such host", "GET / HTTP/1.1\r\nHost: nobody\r\n\r\n", "", 1},
	{"content that is too long", POST("Content-Length: 99999", "a=b"), "", 1},
};

/* The large head is made here. */
static struct slice bytes_of(size_t i)
{
	static char text[8192];
	char filler[4000];

	memset(filler, 'x', sizeof filler - 1);
	filler[sizeof filler - 1] = 0;
	if (!strstr(cases[i].bytes, "%s"))
		return slice_of(cases[i].bytes);
	return slice_make(text, (size_t)snprintf(text, sizeof text, cases[i].bytes, filler));
}

static void every_allocation_may_fail_once(void **state)
{
	(void)state;
	world_prepare();
	for (size_t i = 0; i < WORLD_COUNT(cases); i++) {
		struct world_play play = {.bytes = bytes_of(i), .script.choices = slice_make(cases[i].choices, 1)};
		unsigned long n = 1;
		unsigned whole;
		int fd;

		whole = run(play, 0);
		if (whole != cases[i].whole)
			fail_msg("%s: %u answers, not %u", cases[i].says, whole, cases[i].whole);
		for (fd = next_fd();; n++) {
			whole = run(play, n);
			if (!starved())
				break;
			if (whole > cases[i].whole || next_fd() != fd || n > 2000)
				fail_msg("%s: allocation %lu, %u answers", cases[i].says, n, whole);
		}
		print_message("%s: %lu allocations\n", cases[i].says, n - 1);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_allocation_may_fail_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
