/* main.c -- portcullis-inspector: the program of the zygote and its inspectors.
 *
 * A program of its own, so that the rule engine and what it links are never
 * mapped where keys are.  The supervisor starts it with descriptors it inherits:
 *
 * portcullis-inspector --rules FD --files FD --shared FD --lanes FD,FD,... --doors FD,FD,...
 *                      --inspectors N --big N --log FD --ready FD [--uid UID] */
#include "rules/engine.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/text.h"
#include "gateway/cage/cage.h"

/* Read by jemalloc: one thread needs one arena, and pages that were touched are kept for the next
 * request, until an inspector has grown (heap.h). */
const char *malloc_conf = "narenas:1,dirty_decay_ms:-1,muzzy_decay_ms:-1";

struct arguments {
	uint64_t rules, files, shared, inspectors, big, log, ready, uid;
	bool has_log, has_ready;
	struct slice lanes, doors;
};

static const struct option options[] = {
	{"rules", required_argument, NULL, 'r'},  {"shared", required_argument, NULL, 's'},
	{"lanes", required_argument, NULL, 'l'},  {"inspectors", required_argument, NULL, 'n'},
	{"big", required_argument, NULL, 'b'},    {"log", required_argument, NULL, 'L'},
	{"ready", required_argument, NULL, 'R'},  {"uid", required_argument, NULL, 'u'},
	{"doors", required_argument, NULL, 'd'},  {"files", required_argument, NULL, 'f'},
	{NULL, 0, NULL, 0},
};

static bool number(const char *text, uint64_t most, uint64_t *out)
{
	return text_uint(slice_of(text), out) && *out <= most;
}

static bool take_argument(struct arguments *a, int which, const char *value)
{
	switch (which) {
	case 'r':
		return number(value, 65535, &a->rules);
	case 'f':
		return number(value, 65535, &a->files);
	case 's':
		return number(value, 65535, &a->shared);
	case 'l':
		a->lanes = slice_of(value);
		return true;
	case 'd':
		a->doors = slice_of(value);
		return true;
	case 'n':
		return number(value, WAF_INSPECTORS, &a->inspectors) && a->inspectors;
	case 'b':
		return number(value, WAF_INSPECTORS, &a->big);
	case 'L':
		return a->has_log = number(value, 65535, &a->log);
	case 'R':
		return a->has_ready = number(value, 65535, &a->ready);
	case 'u':
		return number(value, UINT32_MAX - 1, &a->uid);
	default:
		return false;
	}
}

static bool read_arguments(int argc, char **argv, struct arguments *a)
{
	int which;

	while ((which = getopt_long(argc, argv, "", options, NULL)) != -1)
		if (!take_argument(a, which, optarg))
			return false;
	return optind == argc && a->rules && a->files && a->shared && a->inspectors && a->lanes.len;
}

/* Numbers of descriptors, separated by commas. */
static bool take_list(struct slice list, int *out, unsigned most, unsigned *n)
{
	struct slice one;
	uint64_t fd;

	while (slice_cut(&list, ',', &one)) {
		if (*n == most || !text_uint(one, &fd) || fd > 65535)
			return false;
		out[(*n)++] = (int)fd;
	}
	return true;
}

static bool take_lanes(struct engine *e, const struct arguments *a)
{
	return take_list(a->lanes, e->lanes, WAF_WORKERS * WAF_LANES, &e->lanes_n) && e->lanes_n % WAF_LANES == 0 &&
	       take_list(a->doors, e->doors, WAF_INSPECTORS, &e->doors_n) &&
	       (!e->doors_n || e->doors_n == a->inspectors);
}

static bool map_shared(struct engine *e, int fd)
{
	struct stat st;
	void *at;

	if (fstat(fd, &st) < 0 || (uint64_t)st.st_size < sizeof *e->shared)
		return false;
	at = mmap(NULL, sizeof *e->shared, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (at == MAP_FAILED)
		return false;
	e->shared = at;
	return true;
}

/* Say why, to whoever waits for READY, and end. */
static int refuse(const struct arguments *a, const char *why)
{
	log_error("%s", why);
	if (a->has_ready)
		dprintf((int)a->ready, "ERROR %s\n", why);
	return 1;
}

/* ---- The plan, and its rules ---- */

static bool read_plan(struct engine *e, struct arena *a, int fd, char *why, size_t room)
{
	struct stat st;
	const char *reason = "cannot be read";
	unsigned line = 0;
	char *at;

	if (fstat(fd, &st) == 0 && st.st_size > 0 && st.st_size < 1 << 20) {
		at = arena_take(a, (size_t)st.st_size);
		if (at && pread(fd, at, (size_t)st.st_size, 0) == st.st_size &&
		    plan_unpack(slice_make(at, (size_t)st.st_size), &e->plan, &line, &reason))
			return true;
	}
	snprintf(why, room, "the zygote's plan:%u: %s", line, reason);
	return false;
}

static bool load_rules(struct engine *e, int fd, char *why, size_t room)
{
	struct stat st;
	bool loaded;
	void *at;

	snprintf(why, room, "the rule files cannot be mapped");
	if (fstat(fd, &st) < 0 || st.st_size <= 0)
		return false;
	at = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	if (at == MAP_FAILED)
		return false;
	loaded = engine_load(e, slice_make(at, (size_t)st.st_size), why, room);
	munmap(at, (size_t)st.st_size);
	close(fd);
	if (loaded)
		log_info("%u rules loaded in %u rule set(s)", modsec_rules(e->modsec), e->plan.rulesets_n);
	return loaded;
}

/* One request before the forks, so that what the engine makes at first use is shared by all. */
static void warm_up(struct engine *e)
{
	struct waf_job *job = calloc(1, sizeof *job);
	struct waf_answer *answer = calloc(1, sizeof *answer);
	struct slice plain;
	struct arena a;

	arena_init(&a, NULL, 16 << 10);
	for (uint32_t i = 0; job && answer && i < e->plan.rulesets_n; i++) {
		memset(job, 0, sizeof *job);
		job->ruleset = i;
		job->mode = WAF_ENFORCE;
		job->paranoia = job->detection_paranoia = 4;
		job->threshold_request = job->threshold_response = UINT16_MAX;
		job->client = (struct addr){{[10] = 0xff, 0xff, 127, 0, 0, 1}};
		job->server_name = SLICE("localhost");
		job->id = SLICE("warm");
		job->method = SLICE("POST");
		job->target = SLICE("/warm/up?a=1&b=two");
		job->minor = 1;
		job->with_body = true;
		job->body = SLICE("c=3&d=four");
		job->body_len = job->body.len;
		fields_add(&job->fields, &a, SLICE("host"), SLICE("localhost"));
		fields_add(&job->fields, &a, SLICE("user-agent"), SLICE("warm"));
		fields_add(&job->fields, &a, SLICE("content-type"), SLICE("application/x-www-form-urlencoded"));
		inspector_judge(e, job, job->body, &a, answer, NULL, &plain);
		arena_done(&a);
	}
	free(answer);
	free(job);
}

int main(int argc, char **argv)
{
	static struct engine e;
	struct arguments a = {0};
	struct arena strings;
	char why[1024];

	if (!read_arguments(argc, argv, &a) || !take_lanes(&e, &a)) {
		fprintf(stderr, "portcullis-inspector is started by portcullis\n");
		return 2;
	}
	e.log_fd = a.has_log ? (int)a.log : -1;
	e.inspectors = (unsigned)a.inspectors;
	e.big = (unsigned)a.big;
	e.uid = (uid_t)a.uid;
	cage_begin();
	log_open("zygote", e.log_fd);
	hash_seed_random(&e.seed);
	arena_init(&strings, NULL, 4096);
	if (!map_shared(&e, (int)a.shared))
		return refuse(&a, "the shared pages cannot be mapped");
	if (!read_plan(&e, &strings, (int)a.rules, why, sizeof why) || !load_rules(&e, (int)a.files, why, sizeof why))
		return refuse(&a, why);
	warm_up(&e);
	if (!cage_close(CAGE_ZYGOTE, e.uid))
		return refuse(&a, "the zygote's cage cannot be closed; the log says why");
	return zygote_run(&e, a.has_ready ? (int)a.ready : -1);
}
