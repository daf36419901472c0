/* bundle_test.c -- a bundle comes out as it went in; what is none is said to be none. */
#include "bed.h"
#include "gateway/base/buf.h"
#include "rules/bundle.h"

static struct guard guard;

static void items_come_out_as_they_went_in(void **state)
{
	static const struct bundle_item items[] = {
		{BUNDLE_FILE, B("/a/rules/x.conf"), B("SecRuleEngine On\n")}, {BUNDLE_FILE, B("/a/empty.data"), B("")},
		{BUNDLE_FILE, B("/a/raw.data"), B("a\0b\xff")},		      {BUNDLE_RULESET, B("crs"), B("")},
		{BUNDLE_UNICODE, B("/a/unicode"), B("")},		      {BUNDLE_SETUP, B("/a/setup"), B("")},
		{BUNDLE_RULES, B("/a/rules/x.conf"), B("")}};
	struct buf out = {0};
	struct bundle_item item;
	struct slice rest;

	(void)state;
	for (size_t i = 0; i < ROWS(items); i++)
		assert_true(bundle_put(&out, &items[i]));
	rest = guard_put(&guard, buf_slice(&out));
	for (size_t i = 0; i < ROWS(items); i++) {
		assert_int_equal(bundle_next(&rest, &item), 1);
		assert_int_equal(item.kind, items[i].kind);
		assert_true(slice_eq(item.name, items[i].name) && slice_eq(item.bytes, items[i].bytes));
	}
	assert_int_equal(bundle_next(&rest, &item), 0);
	buf_done(&out);
}

static void what_is_cut_or_turned_is_no_bundle(void **state)
{
	static const struct bundle_item one = {BUNDLE_FILE, B("/a"), B("bytes")};
	struct buf out = {0};
	struct bundle_item item;
	struct slice rest;

	(void)state;
	assert_true(bundle_put(&out, &one));
	for (uint32_t n = 1; n < buf_len(&out); n++) {
		rest = guard_put(&guard, slice_first(buf_slice(&out), n));
		assert_int_equal(bundle_next(&rest, &item), -1);
	}
	/* Kind, length of the name, length of the bytes. */
	for (unsigned i = 0; i < 16; i++) {
		out.at[out.start + i] ^= 0x55;
		rest = guard_put(&guard, buf_slice(&out));
		assert_int_equal(bundle_next(&rest, &item), -1);
		out.at[out.start + i] ^= 0x55;
	}
	buf_done(&out);
}

static void without_memory_nothing_is_put(void **state)
{
	static const struct bundle_item one = {BUNDLE_FILE, B("/a"), B("bytes")};
	struct budget small = {.limit = 8};
	struct buf out;

	(void)state;
	buf_init(&out, &small);
	assert_false(bundle_put(&out, &one));
	buf_done(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(items_come_out_as_they_went_in),
		cmocka_unit_test(what_is_cut_or_turned_is_no_bundle),
		cmocka_unit_test(without_memory_nothing_is_put),
	};

	guard_open(&guard, 4096);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
