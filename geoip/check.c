/* check.c -- a database is tried out by somebody who may die of it.
 *
 * A child with limits on time and memory opens the file, walks it whole and makes
 * probe lookups; its last words are "ok" or a reason.  A child that dies without
 * them has found a fault of the library: the database is refused all the same. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "geoip/inner.h"

enum { PROBES = 10000, CPU_SECONDS = 20, WALL_MS = 60000, WORDS = 200 };

#define MEMORY_BYTES ((rlim_t)1 << 30) /* above what the process has already; a full walk of 1 GiB needs half */

/* ---- The child ---- */

/* Relative to what is mapped now: a sanitizer or a big parent must not count against the file. */
static void limit_memory(void)
{
	unsigned long pages = 0;
	FILE *statm = fopen("/proc/self/statm", "re");
	struct rlimit limit;

	if (!statm)
		return;
	if (fscanf(statm, "%lu", &pages) == 1 && getrlimit(RLIMIT_AS, &limit) == 0) {
		rlim_t most = (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) + 2 * MEMORY_BYTES;

		if (most < limit.rlim_cur) {
			limit.rlim_cur = most;
			setrlimit(RLIMIT_AS, &limit);
		}
	}
	fclose(statm);
}

static void limit_child(void)
{
	static const int fatal[] = {SIGSEGV, SIGBUS, SIGABRT, SIGFPE, SIGILL, SIGXCPU, SIGTERM, SIGINT, SIGPIPE};
	struct rlimit time = {CPU_SECONDS, CPU_SECONDS}, core = {0, 0};
	int null = open("/dev/null", O_WRONLY | O_CLOEXEC);

	for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
		signal(fatal[i], SIG_DFL);
	setrlimit(RLIMIT_CPU, &time);
	setrlimit(RLIMIT_CORE, &core);
	limit_memory();
	/* What dies here is expected and reported by the parent in one line. */
	if (null >= 0)
		dup2(null, STDERR_FILENO);
}

static const char *check_metadata(const MMDB_s *db)
{
	const MMDB_metadata_s *m = &db->metadata;

	if (m->binary_format_major_version != 2)
		return "it is not version 2 of the format";
	if (m->ip_version != 4 && m->ip_version != 6)
		return "its address version is neither 4 nor 6";
	if (m->record_size != 24 && m->record_size != 28 && m->record_size != 32)
		return "its records are not 24, 28 or 32 bits";
	if (!m->node_count)
		return "its tree is empty";
	if (m->build_epoch > (uint64_t)time(NULL) + 86400 * 366)
		return "it was built more than a year in the future";
	return NULL;
}

/* Addresses that jump about, the same every time. */
static const char *probe(int fd)
{
	struct geoip *g = geoip_open(fd, fd);
	uint64_t x = 0x9e3779b97f4a7c15u;
	struct geoip_place place;
	struct addr a;

	if (!g)
		return "it cannot be opened";
	for (unsigned i = 0; i < PROBES; i++) {
		for (unsigned k = 0; k < sizeof a.b; k++) {
			x ^= x << 13;
			x ^= x >> 7;
			x ^= x << 17;
			a.b[k] = (uint8_t)(x >> 32);
		}
		if (i % 2) {
			memset(a.b, 0, 10);
			memset(a.b + 10, 0xff, 2);
		} else if (i % 4) {
			a.b[0] = 0x20; /* where IPv6 lives */
		}
		geoip_lookup(g, &a, &place);
	}
	geoip_close(g);
	return NULL;
}

static const char *check_all(int fd)
{
	MMDB_s db;
	uint64_t records = 0;
	int error = geoip_db_open(&db, fd);
	const char *why;

	if (error != MMDB_SUCCESS)
		return MMDB_strerror(error);
	why = check_metadata(&db);
	if (!why)
		why = geoip_db_walk(&db, &records);
	if (!why && !records)
		why = "it names neither countries nor AS numbers";
	if (!why)
		why = probe(fd);
	MMDB_close(&db);
	return why;
}

static _Noreturn void child(int fd, int say)
{
	const char *why;

	limit_child();
	why = check_all(fd);
	if (!why)
		why = "ok";
	_exit(write(say, why, strnlen(why, WORDS)) < 0);
}

/* ---- The parent ---- */

/* The child's last words, NUL-terminated; empty when it had none in time. */
static void listen_to(int fd, char words[WORDS + 1])
{
	struct pollfd p = {.fd = fd, .events = POLLIN};
	size_t n = 0;
	ssize_t r;
	int ready;

	words[0] = 0;
	for (;;) {
		ready = poll(&p, 1, WALL_MS);
		if (ready < 0 && errno == EINTR)
			continue;
		r = ready > 0 ? read(fd, words + n, WORDS - n) : 0;
		if (r < 0 && errno == EINTR)
			continue;
		if (r <= 0)
			break;
		n += (size_t)r;
	}
	words[n] = 0;
}

bool geoip_check(int fd, const char *path, struct fail *f, struct place by)
{
	char words[WORDS + 1];
	int ends[2], status = 0;
	pid_t pid;

	if (pipe2(ends, O_CLOEXEC) != 0)
		return fail_at(f, by, "cannot check \"%s\": %s", path, strerror(errno));
	pid = fork();
	if (pid == 0)
		child(fd, ends[1]);
	close(ends[1]);
	if (pid < 0) {
		close(ends[0]);
		return fail_at(f, by, "cannot check \"%s\": %s", path, strerror(errno));
	}
	listen_to(ends[0], words);
	close(ends[0]);
	kill(pid, SIGKILL); /* it has spoken, or it never will */
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	if (strcmp(words, "ok") == 0)
		return true;
	if (words[0])
		return fail_at(f, by, "\"%s\" is no usable database: %s; get it anew", path, words);
	return fail_at(f, by, "\"%s\" is no usable database: reading it crashed or took too long; get it anew", path);
}
