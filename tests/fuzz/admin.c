/* admin.c -- fuzz: whatever is sent to the admin socket gets one whole answer or none, and the connection ends.
 *
 * Only the three pages are served, only to GET and HEAD; over TCP only to who asks by address. */
#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "fuzz.h"
#include "gateway/admin/admin.h"

enum { TURNS = 12 };

static struct {
	struct loop *loop;
	struct metric_page *page;
	struct admin *admin;
	int listeners[2];
	struct sockaddr_un at[2];
	socklen_t len[2];
	int64_t now_us;
} bed;

static void open_bed(void)
{
	bed.loop = loop_new();
	bed.page = aligned_alloc(4096, metric_page_size(1));
	MUST(bed.loop && bed.page);
	memset(bed.page, 0, metric_page_size(1));
	bed.page->workers = 1;
	for (unsigned i = 0; i < 2; i++) {
		bed.listeners[i] = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
		bed.at[i].sun_family = AF_UNIX;
		bed.len[i] = sizeof bed.at[i];
		/* The kernel chooses a name that is in no directory. */
		MUST(!bind(bed.listeners[i], (struct sockaddr *)&bed.at[i], sizeof(sa_family_t)) && !listen(bed.listeners[i], 4));
		MUST(!getsockname(bed.listeners[i], (struct sockaddr *)&bed.at[i], &bed.len[i]));
	}
	loop_virtual(bed.loop, bed.now_us = 1000000);
	bed.admin = admin_new(&(struct admin_plan){bed.loop, bed.page, bed.listeners[0], bed.listeners[1]});
	MUST(bed.admin);
}

/* All that is answered to `text` until the other side ends; in pieces, with time passing at the end. */
static size_t talk(unsigned which, struct slice text, size_t step, bool end, char *got, size_t room)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	size_t n = 0;
	bool over = false;

	MUST(fd >= 0 && !connect(fd, (struct sockaddr *)&bed.at[which], bed.len[which]));
	for (unsigned turn = 0; turn < 200 && !over; turn++) {
		size_t piece = text.len < step ? text.len : step;
		ssize_t r = piece ? send(fd, text.at, piece, MSG_NOSIGNAL) : 0;

		text = slice_after(text, r > 0 ? (size_t)r : 0);
		if (!text.len && end && !piece)
			shutdown(fd, SHUT_WR);
		loop_turn(bed.loop, 0);
		if (turn > TURNS)
			loop_virtual(bed.loop, bed.now_us += 1000000);
		while ((r = recv(fd, got + n, room - n, 0)) > 0)
			n += (size_t)r;
		over = r == 0 || (r < 0 && errno != EAGAIN);
	}
	MUST(over && n < room);
	close(fd);
	/* Its place is free again, and nothing of it is left. */
	for (unsigned i = 0; i < 3; i++)
		loop_turn(bed.loop, 0);
	return n;
}

static void check(struct slice got, struct slice sent, bool remote)
{
	struct request req = {.method = SLICE("GET")}, asked = {0};
	struct response res;
	const char *why;
	struct arena a;
	uint32_t len;

	if (!got.len)
		return;
	arena_init(&a, NULL, 4096);
	req.head = slice_starts(sent, SLICE("HEAD "));
	MUST(fuzz_find_head(got, &len) && h1_response(&a, slice_first(got, len), &fuzz_limits, &req, &res, &why));
	MUST(!res.keep_alive && res.has_length);
	MUST(got.len - len == (req.head && res.status != 400 ? 0 : res.content_length) || req.head);
	if (res.status == 200) {
		MUST(fuzz_find_head(sent, &len) && !h1_request(&a, slice_first(sent, len), &fuzz_limits, false, &asked, &why));
		MUST(slice_is(asked.path, "/metrics") || slice_is(asked.path, "/status") || slice_is(asked.path, "/healthz"));
		MUST(slice_is(asked.method, "GET") || asked.head);
		MUST(!remote || slice_is(asked.host, "localhost") || asked.host.at[0] == '[' || strspn(asked.host.at, "0123456789.") >= 7);
	}
	arena_done(&a);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
	static char got[1 << 20];
	struct fuzz_in in = fuzz_in(bytes, n);
	unsigned which = fuzz_byte(&in) & 1, choice = fuzz_byte(&in);
	size_t len;

	if (!bed.loop)
		open_bed();
	atomic_store(&bed.page->worker[0].beat_us, choice & 4 ? bed.now_us : 0);
	len = talk(which, in.rest, 1 + (choice >> 3) * 40u, choice & 1, got, sizeof got);
	check(slice_make(got, len), in.rest, which == 1);
	return 0;
}
