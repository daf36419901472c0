/* http_bench.c -- what one browser's GET costs to find, parse and write.
 *
 * Not a test: prints nanoseconds per request, nothing is compared.
 *
 *	cc -O2 -I. -D_GNU_SOURCE tests/bench/http_bench.c gateway/http/[a-z]*.c \
 *		gateway/base/{addr,arena,buf,fail,fields,mem,slice,text}.c -o http_bench && ./http_bench */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "gateway/http/h1.h"

static const char get[] =
	"GET /products/list?category=books&page=2 HTTP/1.1\r\n"
	"Host: shop.example.com\r\n"
	"Connection: keep-alive\r\n"
	"Cache-Control: max-age=0\r\n"
	"Upgrade-Insecure-Requests: 1\r\n"
	"User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/120.0 Safari/537.36\r\n"
	"Accept: text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8\r\n"
	"Sec-Fetch-Site: same-origin\r\n"
	"Sec-Fetch-Mode: navigate\r\n"
	"Referer: https://shop.example.com/\r\n"
	"Accept-Encoding: gzip, deflate, br\r\n"
	"Accept-Language: en-GB,en;q=0.9\r\n"
	"Cookie: session=0123456789abcdef\r\n"
	"\r\n";

enum { ROUNDS = 1000000 };

static double now_ns(void)
{
	struct timespec t;

	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

enum stage { SCAN, PARSE, WRITE };

static void once(struct arena *a, struct buf *out, enum stage last)
{
	static const struct h1_limits limits = {32768, 8192, 100};
	struct h1_scan scan = {0};
	struct request r;
	const char *why;
	uint32_t len;

	if (h1_scan(&scan, slice_make(get, sizeof get - 1), &len, &why) != H1_HEAD)
		abort();
	if (last == SCAN)
		return;
	if (h1_request(a, slice_make(get, len), &limits, true, &r, &why))
		abort();
	if (last == WRITE && !h1_write_request(out, &r, NULL, r.body, r.content_length))
		abort();
}

int main(void)
{
	static const char *const names[] = {"scan", "scan, parse", "scan, parse, write"};
	static char memory[16384];
	struct buf out;

	buf_init(&out, NULL);
	for (unsigned stage = SCAN; stage <= WRITE; stage++) {
		double begin = now_ns();

		for (unsigned i = 0; i < ROUNDS; i++) {
			struct arena a;

			arena_init_fixed(&a, memory, sizeof memory);
			once(&a, &out, (enum stage)stage);
			buf_eat(&out, buf_len(&out));
		}
		printf("%-20s %6.0f ns  (%zu bytes)\n", names[stage], (now_ns() - begin) / ROUNDS, sizeof get - 1);
	}
	buf_done(&out);
	return 0;
}
