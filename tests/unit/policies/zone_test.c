/* zone_test.c -- the table of a zone says what the system's own library says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "policies/zone.h"

static struct arena arena;

static const struct zone *zone(const char *name)
{
	const char *why = "";
	const struct zone *z = zone_read(&arena, slice_of(name), NULL, &why);

	if (!z)
		fail_msg("%s: %s", name, why);
	return z;
}

static void hours_and_weekdays_agree_with_the_system(void **state)
{
	static const char *const names[] = {"UTC", "Europe/Berlin", "Europe/London", "Europe/Dublin", "America/New_York",
					    "America/Sao_Paulo", "Asia/Kolkata", "Asia/Kathmandu", "Australia/Lord_Howe",
					    "Pacific/Auckland", "Africa/Casablanca", "Pacific/Apia", "America/St_Johns", "Etc/GMT+5"};

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
		const struct zone *z = zone(names[i]);

		setenv("TZ", names[i], 1);
		tzset();
		/* Every five hours or so of 65 years. */
		for (int64_t now = 0; now < 2051222400; now += 17777) {
			time_t t = (time_t)now;
			struct tm tm;

			localtime_r(&t, &tm);
			if (zone_clock(z, now) != tm.tm_hour * 60 + tm.tm_min || zone_weekday(z, now) != tm.tm_wday)
				fail_msg("%s at %lld: %lld, not %d:%d", names[i], (long long)now, (long long)zone_clock(z, now), tm.tm_hour, tm.tm_min);
		}
	}
	unsetenv("TZ");
}

static void an_hour_changes_at_its_second(void **state)
{
	const struct zone *z = zone("Europe/Berlin");

	(void)state;
	/* 2026-10-25 01:00:00Z, and 2044-03-27 01:00:00Z from the rule in the footer. */
	assert_int_equal(zone_offset(z, 1792889999), 7200);
	assert_int_equal(zone_offset(z, 1792890000), 3600);
	assert_int_equal(zone_offset(z, 2342653199), 3600);
	assert_int_equal(zone_offset(z, 2342653200), 7200);
}

static void times_before_the_table_and_before_1970_have_a_clock(void **state)
{
	const struct zone *z = zone("UTC");

	(void)state;
	assert_int_equal(zone_clock(z, -60), 23 * 60 + 59);
	assert_int_equal(zone_weekday(z, -60), 3);
	assert_int_equal(zone_weekday(z, 0), 4);
	assert_true(zone_clock(zone("Europe/Berlin"), INT64_MIN / 4) < 1440);
}

static void names_do_not_leave_the_directory(void **state)
{
	static const char *const names[] = {"", "/etc/passwd", "../../../etc/passwd", "Europe/..", "Europe", "Europe/", "Nowhere/Town",
					    "Europe/Berlin\n", "zone.tab", "UTC\0x"};
	const char *why = NULL;

	(void)state;
	for (size_t i = 0; i < sizeof names / sizeof *names - 1; i++) {
		why = NULL;
		assert_null(zone_read(&arena, slice_of(names[i]), NULL, &why));
		assert_non_null(why);
	}
	assert_null(zone_read(&arena, slice_make("UTC\0x", 5), NULL, &why));
	assert_null(zone_read(&arena, SLICE("UTC"), "/nonexistent", &why));
}

/* A file cut anywhere, or with any byte changed, is read or refused, never beyond its end. */
static void damaged_files_are_refused(void **state)
{
	FILE *f = fopen("/usr/share/zoneinfo/Europe/Berlin", "rb");
	static char whole[8192];
	size_t n;
	const char *why;

	(void)state;
	assert_non_null(f);
	n = fread(whole, 1, sizeof whole, f);
	fclose(f);
	assert_non_null(zone_parse(&arena, SLICE("x"), slice_make(whole, n), &why));
	for (size_t cut = 0; cut < n - 20; cut += cut < 300 ? 1 : 37) {
		char *copy = malloc(cut ? cut : 1);

		memcpy(copy, whole, cut);
		assert_null(zone_parse(&arena, SLICE("x"), slice_make(copy, cut), &why));
		free(copy);
	}
	for (size_t at = 0; at < n; at++) {
		char *copy = malloc(n);
		struct arena a;

		arena_init(&a, NULL, 4096);
		memcpy(copy, whole, n);
		copy[at] = (char)(copy[at] ^ (at % 2 ? 0xff : 0x01));
		zone_parse(&a, SLICE("x"), slice_make(copy, n), &why);
		free(copy);
		arena_done(&a);
	}
}

static int begin(void **state)
{
	(void)state;
	arena_init(&arena, NULL, 65536);
	return 0;
}

static int end(void **state)
{
	(void)state;
	arena_done(&arena);
	return 0;
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(hours_and_weekdays_agree_with_the_system),
		cmocka_unit_test(an_hour_changes_at_its_second),
		cmocka_unit_test(times_before_the_table_and_before_1970_have_a_clock),
		cmocka_unit_test(names_do_not_leave_the_directory),
		cmocka_unit_test(damaged_files_are_refused),
	};

	return cmocka_run_group_tests(tests, begin, end);
}
