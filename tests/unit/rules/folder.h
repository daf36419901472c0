/* folder.h -- a directory of a test's own with rules/ in it. */
#ifndef PORTCULLIS_TESTS_RULES_FOLDER_H
#define PORTCULLIS_TESTS_RULES_FOLDER_H

#include <ftw.h>
#include <stdio.h>
#include <sys/stat.h>

static char folder[64];

/* Four of them last. */
static inline const char *folder_path(const char *name)
{
	static char path[4][256];
	static unsigned turn;
	char *at = path[turn++ % 4];

	snprintf(at, sizeof path[0], "%s/%s", folder, name);
	return at;
}

static inline const char *folder_make(void)
{
	snprintf(folder, sizeof folder, "/tmp/rules_test.XXXXXX");
	assert_non_null(mkdtemp(folder));
	assert_int_equal(mkdir(folder_path("rules"), 0755), 0);
	return folder;
}

static inline void folder_write(const char *name, const char *text)
{
	FILE *f = fopen(folder_path(name), "w");

	assert_non_null(f);
	assert_true(fputs(text, f) >= 0);
	assert_int_equal(fclose(f), 0);
}

static inline int folder_unlink(const char *path, const struct stat *st, int what, struct FTW *at)
{
	(void)st;
	(void)what;
	(void)at;
	return remove(path);
}

static inline void folder_remove(void)
{
	nftw(folder, folder_unlink, 8, FTW_DEPTH | FTW_PHYS);
}

#endif
