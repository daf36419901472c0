/* by_name_test.c -- what is offered is found by every way there is to open, and nothing else is. */
#include "bed.h"
#include "folder.h"
#include "rules/by_name.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <wordexp.h>

static const struct by_name_file files[] = {
	{"/offered/a.conf", B("one\ntwo\n")},
	{"/offered/b.conf", B("")},
	{"/offered/c.data", B("\0\1")},
	{"/offered/in/d.conf", B("d")},
};

static int offer(void **state)
{
	(void)state;
	folder_make();
	folder_write("real", "on the disk\n");
	by_name_offer(files, ROWS(files));
	return 0;
}

static int withdraw(void **state)
{
	(void)state;
	by_name_withdraw();
	folder_remove();
	return 0;
}

static void read_back(FILE *f, struct slice want)
{
	char have[64];
	struct stat st;

	assert_non_null(f);
	assert_int_equal(fstat(fileno(f), &st), 0);
	assert_int_equal(st.st_size, want.len);
	assert_int_equal(fread(have, 1, sizeof have, f), want.len);
	assert_memory_equal(have, want.at, want.len);
	fclose(f);
}

static void streams_and_descriptors_have_the_bytes(void **state)
{
	char have[64];
	int fd;

	(void)state;
	for (size_t i = 0; i < ROWS(files); i++) {
		for (unsigned again = 0; again < 2; again++) {
			read_back(fopen(files[i].name, "r"), files[i].bytes);
			read_back(fopen64(files[i].name, "rb"), files[i].bytes);
		}
		fd = open(files[i].name, O_RDONLY | O_CLOEXEC);
		assert_true(fd >= 0);
		assert_int_equal(read(fd, have, sizeof have), files[i].bytes.len);
		assert_memory_equal(have, files[i].bytes.at, files[i].bytes.len);
		close(fd);
	}
}

static void no_other_file_is_there_to_read(void **state)
{
	static const char *const names[] = {"/offered/e.conf", "offered/a.conf", "/offered", "/offered/a.con", "/etc/passwd", ""};

	(void)state;
	for (size_t i = 0; i < ROWS(names); i++) {
		errno = 0;
		assert_null(fopen(names[i], "r"));
		assert_int_equal(errno, ENOENT);
	}
	assert_null(fopen(folder_path("real"), "r"));
	assert_null(fopen64(folder_path("real"), "re"));
}

static void logs_can_be_written(void **state)
{
	FILE *f = fopen(folder_path("log"), "a");

	(void)state;
	assert_non_null(f);
	fclose(f);
}

static void patterns_stand_for_what_is_offered(void **state)
{
	static const struct {
		const char *pattern, *want;
	} rows[] = {
		{"/offered/*.conf", "/offered/a.conf /offered/b.conf "}, {"\"/offered/*.conf\"", "/offered/a.conf /offered/b.conf "},
		{"/offered/c.data", "/offered/c.data "},		  {"/offered/*", "/offered/a.conf /offered/b.conf /offered/c.data "},
		{"/offered/*/*.conf", "/offered/in/d.conf "},		  {"*.conf", "*.conf "},
		{"/none/*", "/none/* "},				  {"$(touch /tmp/x)", "$(touch /tmp/x) "},
	};

	(void)state;
	for (size_t i = 0; i < ROWS(rows); i++) {
		char have[256] = "";
		wordexp_t words;

		assert_int_equal(wordexp(rows[i].pattern, &words, 0), 0);
		for (size_t k = 0; k < words.we_wordc; k++) {
			strncat(have, words.we_wordv[k], 100);
			strncat(have, " ", 2);
		}
		assert_null(words.we_wordv[words.we_wordc]);
		assert_string_equal(have, rows[i].want);
		wordfree(&words);
	}
}

static void withdrawn_names_are_the_kernels(void **state)
{
	FILE *f;

	(void)state;
	by_name_withdraw();
	assert_null(fopen("/offered/a.conf", "r"));
	read_back(fopen(folder_path("real"), "r"), SLICE("on the disk\n"));
	assert_null(fopen(folder_path("real"), "wx"));
	f = fopen64(folder_path("new"), "w+");
	assert_non_null(f);
	assert_int_equal(fputs("xyz", f) >= 0 && fseek(f, 0, SEEK_SET) == 0 && fgetc(f) == 'x', 1);
	fclose(f);
	f = fopen(folder_path("new"), "a");
	assert_non_null(f);
	fputs("0", f);
	fclose(f);
	read_back(fopen(folder_path("new"), "r"), SLICE("xyz0"));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, offer, withdraw)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(streams_and_descriptors_have_the_bytes),
		TEST(no_other_file_is_there_to_read),
		TEST(logs_can_be_written),
		TEST(patterns_stand_for_what_is_offered),
		TEST(withdrawn_names_are_the_kernels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
