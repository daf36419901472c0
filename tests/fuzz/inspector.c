/* inspector.c -- fuzz: what comes off a lane or through an inspector's door.
 *
 * Whatever the bytes and whatever lies beside them: at most one answer, to a job that was wanted and under its
 * token, and it can be read; the cell is free again and no descriptor or mapping is lost.  The engine itself
 * is a stand-in that looks at all it is given. */
#include <sys/wait.h>

#include "rules/inspector.c"
#include "waf_fuzz.h"

static struct engine engine;
static struct inspector *here;
static int near_small = -1, near_big, near_door;

/* ---- The stand-in ---- */

static char transaction;
static unsigned kept_now;

static unsigned sum(struct slice s)
{
	unsigned n = 0;

	for (size_t i = 0; i < s.len; i++)
		n += (unsigned char)s.at[i];
	return n;
}

bool inspector_judge(const struct engine *e, const struct waf_job *job, struct slice body, struct arena *a, struct waf_answer *out,
		     struct modsec_kept **kept, struct slice *plain)
{
	unsigned n = sum(job->target) + sum(body) + (unsigned)job->fields.n;

	MUST(e == &engine && a && job->ruleset < e->plan.rulesets_n && body.len == job->body_len);
	out->result = n % 3 ? WAF_ALLOW : WAF_DENY;
	out->status = n % 3 ? 0 : 403;
	out->score = n % 20;
	out->hits_n = n % 3;
	for (unsigned i = 0; i < out->hits_n; i++)
		out->hits[i] = (struct waf_hit){i + 1, 2, 2, job->id, body.len > WAF_TEXT ? slice_first(body, WAF_TEXT) : body, SLICE("")};
	/* Content in a coding goes back decoded, as a file, unless it is empty. */
	out->plain = plain && job->coding && n % 3;
	*(plain ? plain : &body) = SLICE("decoded");
	out->plain_len = out->plain && n % 5 ? 7 : 0;
	if (kept && n % 3) {
		*kept = (struct modsec_kept *)(void *)&transaction;
		kept_now++;
	}
	return n % 17 != 1;
}

bool inspector_judge_answer(const struct engine *e, struct modsec_kept *kept, const struct waf_job *job, struct slice body,
			    struct arena *a, struct waf_answer *out)
{
	bool fine = inspector_judge(e, job, body, a, out, NULL, NULL);

	out->again = !kept;
	modsec_drop(kept);
	return fine;
}

void modsec_drop(struct modsec_kept *kept)
{
	MUST(!kept || kept_now);
	kept_now -= kept != NULL;
}

bool cage_close(enum cage_role role, uid_t uid)
{
	(void)role, (void)uid;
	return true;
}

/* ---- The world ---- */

static void pair(int *near, int *far)
{
	int ends[2], room = 1 << 20;

	MUST(!socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, ends));
	setsockopt(ends[0], SOL_SOCKET, SO_SNDBUF, &room, sizeof room);
	*near = ends[0];
	*far = ends[1];
}

static void make_world(void)
{
	log_level(LOG_ERROR + 1);
	engine.plan.rulesets_n = 2;
	engine.plan.rulesets[0].body_max = engine.plan.rulesets[1].body_max = 4096;
	engine.shared = calloc(1, sizeof *engine.shared);
	engine.lanes_n = WAF_LANES;
	engine.doors_n = engine.inspectors = 1;
	pair(&near_small, &engine.lanes[WAF_SMALL]);
	pair(&near_big, &engine.lanes[WAF_BIG]);
	pair(&near_door, &engine.doors[0]);
	here = calloc(1, sizeof *here);
	here->in = malloc(WAF_MESSAGE);
	MUST(engine.shared && here && here->in);
	here->engine = &engine;
	here->cell = &engine.shared->cells[0];
	here->epoll = here->plain_fd = -1;
	arena_init(&here->arena, NULL, 4096);
	kept_init(&here->kept, 64, modsec_drop);
}

/* A memory file beside the message: of that length, sealed or not. */
static int body_beside(struct fuzz_in *in, uint64_t len)
{
	bool sealed = fuzz_byte(in) & 1;
	int fd = memfd_create("body", MFD_CLOEXEC | MFD_ALLOW_SEALING);

	MUST(fd >= 0 && !ftruncate(fd, (off_t)(len % 8192)));
	if (sealed)
		MUST(!fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL));
	return fd;
}

/* `fds` times the same descriptor. */
static void send_message(int to, struct slice bytes, int fd, unsigned fds)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(3 * sizeof(int))];
	} control = {0};
	struct iovec part = {(void *)(uintptr_t)bytes.at, bytes.len};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1};

	if (fd >= 0) {
		m.msg_control = &control;
		m.msg_controllen = CMSG_SPACE(fds * sizeof(int));
		control.head = (struct cmsghdr){.cmsg_len = CMSG_LEN(fds * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS};
		for (unsigned i = 0; i < fds; i++)
			memcpy(CMSG_DATA(&control.head) + i * sizeof(int), &fd, sizeof(int));
	}
	MUST(sendmsg(to, &m, MSG_DONTWAIT) >= 0);
}

/* As the pool does: the message and the one descriptor that may be beside it. */
static ssize_t hear(int fd, char *bytes, int *beside)
{
	union {
		struct cmsghdr head;
		char room[CMSG_SPACE(sizeof(int))];
	} control;
	struct iovec part = {bytes, WAF_MESSAGE};
	struct msghdr m = {.msg_iov = &part, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = CMSG_LEN(sizeof(int))};
	ssize_t n = recvmsg(fd, &m, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	struct cmsghdr *c = n < 0 ? NULL : CMSG_FIRSTHDR(&m);

	*beside = -1;
	if (c)
		memcpy(beside, CMSG_DATA(c), sizeof(int));
	return n;
}

/* It is there where the answer says so, sealed, and as long. */
static void check_plain(int fd, const struct waf_answer *answer)
{
	int needed = F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE;
	struct stat st;

	MUST((fd >= 0) == (answer->plain_len > 0));
	if (fd < 0)
		return;
	MUST((fcntl(fd, F_GET_SEALS) & needed) == needed && !fstat(fd, &st) && (uint64_t)st.st_size == answer->plain_len);
	close(fd);
}

static void check_answers(const struct waf_job *job, bool wanted)
{
	static char bytes[WAF_MESSAGE];
	static struct waf_answer answer;
	const int near[] = {near_small, near_big, near_door};
	unsigned n = 0;

	for (size_t i = 0; i < FUZZ_COUNT(near); i++) {
		ssize_t len;
		int beside;

		while ((len = hear(near[i], bytes, &beside)) > 0) {
			MUST(waf_unpack_answer(slice_make(bytes, (size_t)len), &answer));
			check_plain(beside, &answer);
			MUST(!job || answer.token == job->token);
			MUST(near[i] != near_door && ++n == 1);
			MUST(wanted || answer.result == WAF_LOST);
		}
	}
	MUST(!atomic_load(&here->cell->token));
}

/* One message, of a job that is well-formed but for a few bytes, or of anything. */
static void one(struct fuzz_in *in)
{
	static struct waf_job job;
	unsigned to = fuzz_below(in, 3), lane = to == 2 ? DOOR : to;
	bool raw = fuzz_byte(in) & 1, wanted = !raw && fuzz_byte(in) & 1, fine = !raw;
	struct slice edits = raw ? SLICE("") : fuzz_run(in, 8), message = raw ? fuzz_run(in, 255) : SLICE("");
	int fd = -1;
	struct arena a;
	struct buf out;

	arena_init(&a, NULL, 4096);
	buf_init(&out, NULL);
	if (!raw) {
		waf_fuzz_job(in, &a, &job);
		job.worker = 0;
		job.ruleset %= 3;
		if (fuzz_byte(in) & 1) {
			job.body = SLICE("");
			job.body_outside = job.with_body = true;
			job.body_len = fuzz_number(in) % 8192;
			fd = body_beside(in, fuzz_byte(in) & 1 ? job.body_len : fuzz_number(in));
		}
		atomic_store(&engine.shared->wanted[0].token[job.slot], wanted ? job.token : 0);
		message = waf_fuzz_pack(&job, &out);
		for (size_t i = 0; i + 1 < edits.len; i += 2)
			out.at[out.start + (unsigned char)edits.at[i] % buf_len(&out)] = edits.at[i + 1];
		fine = edits.len < 2;
	}
	if (message.len) {
		send_message(lane == DOOR ? near_door : lane == WAF_SMALL ? near_small : near_big, message, fd,
			     1 + fuzz_below(in, 3));
		MUST(serve(here, lane) || !fine);
		check_answers(fine ? &job : NULL, wanted || !fine);
	}
	if (fd >= 0)
		close(fd);
	here->broken = false;
	buf_done(&out);
	arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	struct fuzz_in in = fuzz_in(bytes, n);
	int before;

	if (near_small < 0)
		make_world();
	before = dup(near_small);
	close(before);
	for (unsigned i = 0; in.rest.len && i < 8; i++)
		one(&in);
	kept_done(&here->kept);
	MUST(!kept_now);
	n = (size_t)dup(near_small);
	close((int)n);
	MUST((int)n == before);
	return 0;
}
