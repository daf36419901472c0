/* rundir.c -- naming and making the directory of a gateway's sockets. */
#include "gateway/proc/rundir.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "policies/sha256.h"

enum { NAME_DIGITS = 16 };

/* ---- Naming ---- */

/* Add the parts of `path` to `out`: "." and empty ones fall away, ".." takes one back. */
static bool add_parts(char *out, size_t room, struct slice path)
{
	size_t n = strlen(out);
	struct slice part;

	while (slice_cut(&path, '/', &part)) {
		if (!part.len || slice_is(part, "."))
			continue;
		if (slice_is(part, "..")) {
			while (n && out[--n] != '/')
				;
			out[n] = 0;
			continue;
		}
		if (n + 1 + part.len >= room)
			return false;
		out[n++] = '/';
		memcpy(out + n, part.at, part.len);
		out[n += part.len] = 0;
	}
	return true;
}

static bool absolute(const char *path, char out[PATH_MAX])
{
	char here[PATH_MAX];

	out[0] = 0;
	if (path[0] != '/' && (!getcwd(here, sizeof here) || !add_parts(out, PATH_MAX, slice_of(here))))
		return false;
	return add_parts(out, PATH_MAX, slice_of(path));
}

/* The directory that all gateways of this user share. */
static bool shared_directory(char *out, size_t room)
{
	const char *runtime = getenv("XDG_RUNTIME_DIR");
	int n;

	if (geteuid() == 0)
		n = snprintf(out, room, "/run/portcullis");
	else
		n = snprintf(out, room, "%s/portcullis-%u", runtime && runtime[0] == '/' ? runtime : "/tmp",
			     (unsigned)geteuid());
	return n > 0 && (size_t)n < room;
}

bool rundir_path(const char *config_path, const char *name, char *out, size_t room)
{
	char whole[PATH_MAX], shared[PATH_MAX], digest[64];
	int n;

	if (!absolute(config_path, whole) || !shared_directory(shared, sizeof shared))
		return false;
	sha256_hex(slice_of(whole), digest);
	n = snprintf(out, room, "%s/%.*s%s%s", shared, (int)NAME_DIGITS, digest, name[0] ? "/" : "", name);
	return n > 0 && (size_t)n < room;
}

/* ---- Making ---- */

/* Under /tmp anybody could have been here first: what is not ours alone is not used. */
static bool make(const char *path)
{
	struct stat st;

	if (mkdir(path, 0755) < 0 && errno != EEXIST) {
		fprintf(stderr, "portcullis: cannot make the directory %s: %s\n", path, strerror(errno));
		return false;
	}
	if (lstat(path, &st) < 0 || !S_ISDIR(st.st_mode) || st.st_uid != geteuid() || st.st_mode & (S_IWGRP | S_IWOTH)) {
		fprintf(stderr, "portcullis: %s is not a directory of this user alone; remove it, or set XDG_RUNTIME_DIR\n",
			path);
		return false;
	}
	return true;
}

bool rundir_make(const char *config_path)
{
	char shared[PATH_MAX], own[PATH_MAX];

	if (!shared_directory(shared, sizeof shared) || !rundir_path(config_path, "", own, sizeof own)) {
		fprintf(stderr, "portcullis: the directory for sockets cannot be named: %s\n", strerror(errno));
		return false;
	}
	return make(shared) && make(own);
}
