/* continent_test.c -- what is a country, and where it lies. */
#include "geoip/db.h"

static void countries_have_a_continent(void **state)
{
	static const struct { const char *country, *want; } cases[] = {
		{"DE", "EU"}, {"US", "NA"}, {"KP", "AS"}, {"BR", "SA"}, {"ZA", "AF"}, {"AU", "OC"}, {"AQ", "AN"}, {"XK", "EU"}, {"NA", "AF"},
		{"NO", "EU"}, {"AD", "EU"}, {"ZW", "AF"}, {"UK", NULL}, {"EU", NULL}, {"AP", NULL}, {"A1", NULL}, {"??", NULL}, {"ZZ", NULL},
		{"AN", NULL}, {"de", NULL}, {"", NULL}, {"D", NULL}, {"[[", NULL}, {"@@", NULL},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		char code[3] = {0};

		memcpy(code, cases[i].country, strlen(cases[i].country));
		if (cases[i].want)
			assert_string_equal(geoip_continent(code), cases[i].want);
		else
			assert_null(geoip_continent(code));
	}
}

/* ISO 3166-1 has 249 officially assigned codes; Kosovo is ours. */
static void all_countries_are_there_once(void **state)
{
	unsigned n = 0;

	(void)state;
	for (char a = 'A'; a <= 'Z'; a++)
		for (char b = 'A'; b <= 'Z'; b++) {
			char code[3] = {a, b, 0};

			n += geoip_continent(code) != NULL;
		}
	assert_int_equal(n, 250);
	assert_null(geoip_continent("DEU"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(countries_have_a_continent),
		cmocka_unit_test(all_countries_are_there_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
