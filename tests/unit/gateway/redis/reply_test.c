/* Replies are read whole or refused, and what refuses reserves nothing first. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "gateway/redis/reply.h"

enum { MOST_MEMORY = 1 << 20 };

static void show(const struct redis_value *v, char *out, size_t room)
{
	size_t len = strlen(out);

	switch (v->kind) {
	case REDIS_NIL:
		snprintf(out + len, room - len, "nil");
		break;
	case REDIS_INT:
		snprintf(out + len, room - len, "%lld", (long long)v->integer);
		break;
	case REDIS_STRING:
		snprintf(out + len, room - len, "'%.*s'", SLICE_F(v->text));
		break;
	case REDIS_STATUS:
		snprintf(out + len, room - len, "+%.*s", SLICE_F(v->text));
		break;
	case REDIS_ERROR:
		snprintf(out + len, room - len, "-%.*s", SLICE_F(v->text));
		break;
	case REDIS_ARRAY:
		snprintf(out + len, room - len, "[");
		for (unsigned i = 0; i < v->n; i++) {
			if (i)
				snprintf(out + strlen(out), room - strlen(out), " ");
			show(&v->at[i], out, room);
		}
		snprintf(out + strlen(out), room - strlen(out), "]");
		break;
	}
}

/* All replies in `bytes`, fed `piece` at a time, in one line; "BAD" ends it. */
static void read_all(struct slice bytes, size_t piece, struct budget *budget, char *out, size_t room)
{
	struct replies in;

	out[0] = 0;
	assert_true(replies_init(&in, budget));
	for (size_t i = 0; i < bytes.len; i += piece) {
		size_t n = bytes.len - i < piece ? bytes.len - i : piece;
		char *exact = malloc(n);
		const struct redis_value *v;
		enum reply_found found = REPLY_BAD;

		memcpy(exact, bytes.at + i, n);
		if (replies_feed(&in, exact, n))
			while ((found = replies_next(&in, &v)) == REPLY_WHOLE) {
				if (out[0])
					snprintf(out + strlen(out), room - strlen(out), ",");
				show(v, out, room);
			}
		free(exact);
		if (found == REPLY_BAD) {
			assert_non_null(in.why);
			snprintf(out + strlen(out), room - strlen(out), "BAD");
			break;
		}
	}
	replies_done(&in);
}

static const struct {
	const char *in, *want, *says;
} cases[] = {
	{"+PONG\r\n", "+PONG", "a status"},
	{"-LOADING wait\r\n", "-LOADING wait", "an error is a value"},
	{":-7\r\n:9223372036854775807\r\n", "-7,9223372036854775807", "integers to the edge of 64 bits"},
	{"$5\r\na\r\nbc\r\n", "'a\r\nbc'", "a bulk string holds any byte"},
	{"$0\r\n\r\n", "''", "an empty bulk string"},
	{"$-1\r\n*-1\r\n", "nil,nil", "both ways to say nothing"},
	{"*0\r\n:1\r\n", "[],1", "an empty array ends at once"},
	{"*3\r\n:1\r\n$1\r\nx\r\n*2\r\n+a\r\n-b\r\n", "[1 'x' [+a -b]]", "arrays inside arrays"},
	{"*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "[[[[1]]]]", "four levels"},
	{"*1\r\n*1\r\n*1\r\n*1\r\n*1\r\n:1\r\n", "BAD", "five levels"},
	{"*64\r\n", "", "sixty-four elements may come"},
	{"*65\r\n", "BAD", "one element more"},
	{"*1073741824\r\n", "BAD", "an array that would reserve gigabytes"},
	{"*2147483647\r\n", "BAD", "the largest array of 32 bits"},
	{"*4294967297\r\n", "BAD", "a size that wraps in 32 bits to one"},
	{"*18446744073709551617\r\n", "BAD", "a size that wraps in 64 bits to one"},
	{"*-2\r\n", "BAD", "a negative array"},
	{"$-2\r\n", "BAD", "a negative string"},
	{"$3\r\nab\r\n+x\r\n", "'ab\r'BAD", "after a string of another length than announced nothing is guessed"},
	{":12x\r\n", "BAD", "an integer with a tail"},
	{":\r\n", "BAD", "an integer without digits"},
	{":99999999999999999999\r\n", "BAD", "an integer above 64 bits"},
	{"HTTP/1.1 400 Bad Request\r\n", "BAD", "another protocol"},
	{">2\r\n+message\r\n+x\r\n", "BAD", "a push was not asked for"},
	{"%1\r\n+k\r\n+v\r\n", "BAD", "a map was not asked for"},
	{"~1\r\n+k\r\n", "BAD", "a set was not asked for"},
	{"#t\r\n", "BAD", "a boolean was not asked for"},
	{",1.5\r\n", "BAD", "a double was not asked for"},
	{"(1\r\n", "BAD", "a big number was not asked for"},
	{"=5\r\ntxt:x\r\n", "BAD", "a verbatim string was not asked for"},
	{"*2\r\n:1\r\n>0\r\n", "BAD", "a push inside an array"},
	{"+ok\r\n*65\r\n", "+okBAD", "good replies before a bad one are handed out"},
	{"", "", "nothing"},
};

static void a_reply_is_read_whole_however_it_is_cut(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
		for (size_t piece = 1; piece < 9; piece += 7) {
			struct budget budget = {.limit = MOST_MEMORY};
			char got[512];

			read_all(slice_of(cases[i].in), piece, &budget, got, sizeof got);
			if (strcmp(got, cases[i].want) != 0)
				fail_msg("%s: got %s, want %s", cases[i].says, got, cases[i].want);
			assert_int_equal(budget.used, 0);
		}
}

/* Repeat `unit` to `size` bytes behind `head`. */
static char *repeat(const char *head, const char *unit, size_t size)
{
	size_t head_len = strlen(head), unit_len = strlen(unit);
	char *all = malloc(head_len + size);

	memcpy(all, head, head_len);
	for (size_t i = 0; i < size; i++)
		all[head_len + i] = unit[i % unit_len];
	return all;
}

static const struct {
	const char *head, *unit;
	size_t size;
	bool bad;
	const char *says;
} floods[] = {
	{"$1073741824\r\n", "x", 4 << 20, true, "a string of a gigabyte is refused when 64 KiB have come"},
	{"$65536\r\n", "x", 65536, false, "64 KiB are taken"},
	{"$65537\r\n", "x", 65539, true, "one byte more is not"},
	{"", "*1\r\n", 40000, true, "ten thousand levels"},
	{"+", "x", 1 << 20, true, "a status line without an end"},
	{"*", "1", 1 << 20, true, "a size line without an end"},
	{"*64\r\n", "*64\r\n", 64 * 5, true, "arrays of arrays use more memory than their bytes"},
	{"*64\r\n", "$2000\r\n", 64 * 2007, true, "many strings that together are too large"},
	{"", "+ok\r\n", 1 << 20, false, "any number of small replies"},
	{"", "\r\n", 100, true, "empty lines"},
};

static void what_floods_is_refused_within_a_mebibyte(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof floods / sizeof *floods; i++) {
		struct budget budget = {.limit = MOST_MEMORY};
		char *all = repeat(floods[i].head, floods[i].unit, floods[i].size);
		struct replies in;
		bool bad = false;
		size_t n, len = strlen(floods[i].head) + floods[i].size;

		assert_true(replies_init(&in, &budget));
		for (size_t at = 0; at < len && !bad; at += n) {
			const struct redis_value *v;
			enum reply_found found = REPLY_BAD;

			n = len - at < REPLY_FEED ? len - at : REPLY_FEED;
			if (replies_feed(&in, all + at, n))
				while ((found = replies_next(&in, &v)) == REPLY_WHOLE)
					;
			bad = found == REPLY_BAD;
		}
		free(all);
		replies_done(&in);
		if (bad != floods[i].bad)
			fail_msg("%s", floods[i].says);
		assert_true(budget.peak < MOST_MEMORY);
		assert_int_equal(budget.used, 0);
	}
}

static void without_memory_a_reply_is_refused(void **state)
{
	static const char bytes[] = "*2\r\n$3\r\nabc\r\n*1\r\n:1\r\n";

	(void)state;
	for (unsigned long at = 1;; at++) {
		struct budget budget = {.limit = MOST_MEMORY};
		char got[128];

		mem_fail_at(at);
		read_all(slice_of(bytes), 64, &budget, got, sizeof got);
		if (!mem_failed())
			break;
		assert_string_equal(got, "BAD");
		assert_int_equal(budget.used, 0);
	}
	mem_fail_at(0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_reply_is_read_whole_however_it_is_cut),
		cmocka_unit_test(what_floods_is_refused_within_a_mebibyte),
		cmocka_unit_test(without_memory_a_reply_is_refused),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
