/* by_name.c -- the fopen(), open() and wordexp() that the rule engine and its libraries call in our program.
 *
 * The linker prefers a program's own function to a library's.  What is offered
 * comes as a memory file of its own, so that whoever asks for the descriptor or
 * maps it gets what a file gives. */
#undef _FORTIFY_SOURCE
#include "rules/by_name.h"

#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <wordexp.h>

static const struct by_name_file *offered;
static unsigned offered_n;

void by_name_offer(const struct by_name_file *files, unsigned n)
{
	offered = files;
	offered_n = n;
}

void by_name_withdraw(void)
{
	offered = NULL;
	offered_n = 0;
}

/* ---- One file ---- */

static int by_its_name(const void *name, const void *file)
{
	return strcmp(name, ((const struct by_name_file *)file)->name);
}

static const struct by_name_file *find(const char *name)
{
	return offered_n ? bsearch(name, offered, offered_n, sizeof *offered, by_its_name) : NULL;
}

static int copy(const struct by_name_file *f)
{
	int fd = memfd_create("rules", MFD_CLOEXEC);
	size_t done = 0;

	while (fd >= 0 && done < f->bytes.len) {
		ssize_t n = write(fd, f->bytes.at + done, f->bytes.len - done);

		if (n > 0) {
			done += (size_t)n;
			continue;
		}
		close(fd);
		return -1;
	}
	return fd >= 0 && lseek(fd, 0, SEEK_SET) == 0 ? fd : -1;
}

static int ask_kernel(const char *path, int flags, mode_t mode)
{
	return (int)syscall(SYS_openat, AT_FDCWD, path, flags, mode);
}

int open(const char *path, int flags, ...)
{
	const struct by_name_file *f = (flags & O_ACCMODE) == O_RDONLY ? find(path) : NULL;
	mode_t mode = 0;
	va_list args;

	if (f)
		return copy(f);
	if (flags & (O_CREAT | O_TMPFILE)) {
		va_start(args, flags);
		mode = va_arg(args, mode_t);
		va_end(args);
	}
	return ask_kernel(path, flags, mode);
}

/* ---- Streams ---- */

static int flags_of(const char *mode)
{
	int flags = mode[0] == 'r' ? 0 : mode[0] == 'w' ? O_CREAT | O_TRUNC : O_CREAT | O_APPEND;

	flags |= strchr(mode, '+') ? O_RDWR : mode[0] == 'r' ? O_RDONLY : O_WRONLY;
	return flags | (strchr(mode, 'x') ? O_EXCL : 0) | (strchr(mode, 'e') ? O_CLOEXEC : 0);
}

static FILE *open_stream(const char *path, const char *mode)
{
	int flags = flags_of(mode), fd;
	bool reads = offered && (flags & O_ACCMODE) == O_RDONLY;
	const struct by_name_file *f = reads ? find(path) : NULL;
	FILE *stream;

	if (reads && !f) {
		errno = ENOENT;
		return NULL;
	}
	fd = f ? copy(f) : ask_kernel(path, flags, 0666);
	stream = fd < 0 ? NULL : fdopen(fd, mode);
	if (fd >= 0 && !stream)
		close(fd);
	return stream;
}

FILE *fopen(const char *path, const char *mode)
{
	return open_stream(path, mode);
}

FILE *fopen64(const char *path, const char *mode)
{
	return open_stream(path, mode);
}

/* ---- Patterns ---- */

static bool add_word(wordexp_t *out, const char *word)
{
	char **grown = realloc(out->we_wordv, (out->we_wordc + 2) * sizeof *grown);

	if (!grown)
		return false;
	out->we_wordv = grown;
	grown[out->we_wordc] = strdup(word);
	grown[out->we_wordc + 1] = NULL;
	return grown[out->we_wordc] && ++out->we_wordc;
}

static bool expand(const char *pattern, wordexp_t *out)
{
	for (unsigned i = 0; i < offered_n; i++)
		if (fnmatch(pattern, offered[i].name, FNM_PATHNAME | FNM_PERIOD) == 0 && !add_word(out, offered[i].name))
			return false;
	return out->we_wordc || add_word(out, pattern);
}

/* Names alone, in quotes or not, and "*": nothing here is a shell, whose commands a rule file could run. */
int wordexp(const char *words, wordexp_t *out, int flags)
{
	size_t len = strlen(words);
	char *pattern;
	bool done;

	(void)flags;
	*out = (wordexp_t){0};
	if (len > 1 && words[0] == '"' && words[len - 1] == '"') {
		words++;
		len -= 2;
	}
	pattern = strndup(words, len);
	done = pattern && expand(pattern, out);
	free(pattern);
	if (done)
		return 0;
	wordfree(out);
	return WRDE_NOSPACE;
}

void wordfree(wordexp_t *words)
{
	for (size_t i = 0; i < words->we_wordc; i++)
		free(words->we_wordv[i]);
	free(words->we_wordv);
	*words = (wordexp_t){0};
}
