/* file_test.c -- the policies we ship, and every example of the reference, compile; schema and reference are written. */
#include "tests/unit/policies/policy_help.h"

#include <dirent.h>

#include "gateway/base/yaml.h"

static struct slice read_file(struct arena *a, const char *path)
{
	struct fail f = {0};
	struct slice bytes;

	if (!yaml_load(a, path, 1 << 20, &bytes, &f, (struct place){path, 0, 0}))
		fail_msg("%s: %s", path, f.at[0].text);
	fail_done(&f);
	return bytes;
}

static unsigned compiles(const char *path, struct slice bytes, unsigned line)
{
	struct policy_source from = {.path = path, .bytes = bytes, .now = TEST_NOW};
	struct fail f = {0};
	unsigned warnings;
	struct arena a;

	arena_init(&a, NULL, 65536);
	if (!policy_compile(&a, &from, &f)) {
		fail_print(&f, stderr, false);
		fail_msg("%s, example at line %u", path, line);
	}
	warnings = f.warnings;
	if (warnings)
		fail_print(&f, stderr, false);
	fail_done(&f);
	arena_done(&a);
	return warnings;
}

static void shipped_policies_compile_without_a_warning(void **state)
{
	struct dirent *entry;
	unsigned n = 0;
	struct arena a;
	DIR *d;

	(void)state;
	arena_init(&a, NULL, 65536);
	assert_int_equal(compiles("policies/default.yaml", read_file(&a, "policies/default.yaml"), 1), 0);
	d = opendir("policies/examples");
	assert_non_null(d);
	while ((entry = readdir(d))) {
		char path[300];

		if (!strstr(entry->d_name, ".yaml"))
			continue;
		snprintf(path, sizeof path, "policies/examples/%s", entry->d_name);
		assert_int_equal(compiles(path, read_file(&a, path), 1), 0);
		n++;
	}
	closedir(d);
	assert_true(n >= 2);
	arena_done(&a);
}

/* Fenced with ```yaml and beginning with `policy:`. */
static void examples_of_the_reference_compile(void **state)
{
	struct slice rest, line, example = SLICE_NONE;
	unsigned at = 0, began = 0, n = 0;
	struct arena a;

	(void)state;
	arena_init(&a, NULL, 65536);
	rest = read_file(&a, "policies/README.md");
	while (slice_cut(&rest, '\n', &line)) {
		at++;
		if (slice_is(line, "```yaml")) {
			example = rest;
			began = at + 1;
		} else if (slice_is(line, "```") && example.at) {
			example.len = (size_t)(line.at - example.at);
			if (slice_starts(example, SLICE("policy:"))) {
				compiles("policies/README.md", example, began);
				n++;
			}
			example = SLICE_NONE;
		}
	}
	assert_true(n >= 5);
	arena_done(&a);
}

static void schema_and_reference_name_every_part(void **state)
{
	static const char *const words[] = {"rules", "limits", "bodies", "waf", "exclude", "tests", "on_failure", "detection_paranoia",
					    "retry_after", "burst", "inspect", "expect"};
	char *text[2] = {NULL, NULL};
	size_t len[2];

	(void)state;
	for (int i = 0; i < 2; i++) {
		FILE *out = open_memstream(&text[i], &len[i]);

		assert_non_null(out);
		(i ? policy_reference : policy_schema)(out);
		fclose(out);
		for (size_t k = 0; k < sizeof words / sizeof *words; k++)
			if (!strstr(text[i], words[k]))
				fail_msg("%s has no %s", i ? "reference" : "schema", words[k]);
		free(text[i]);
	}
}

int main(void)
{
	static const struct CMUnitTest tests[] = {
		cmocka_unit_test(shipped_policies_compile_without_a_warning),
		cmocka_unit_test(examples_of_the_reference_compile),
		cmocka_unit_test(schema_and_reference_name_every_part),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
