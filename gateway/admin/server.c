/* server.c -- HTTP/1.1 for the few who look: one request per connection, then it is closed.
 *
 * There are CLIENTS places; a newcomer without one takes the place of whoever has been there longest.
 * On the TCP port a Host that is a name is refused: a page in a browser on this machine could have had
 * its own name point here. */
#include "gateway/admin/admin.h"

#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/admin/pages.h"
#include "gateway/base/addr.h"
#include "gateway/http/h1.h"

enum { CLIENTS = 32, HEAD_BYTES = 8192, TIME_MS = 5000, LINGER_MS = 1000, ACCEPT_BATCH = 16, READS = 64 };

struct client {
	struct watch watch;
	struct timer timer;
	struct admin *admin;
	struct buf in, out;
	struct h1_scan scan;
	int64_t since_ms; /* 0: a free place */
	bool remote;      /* over TCP */
	bool answered;    /* what is left to do is to send `out` */
	bool lingering;   /* our side is ended; the rest is read away, so that the answer arrives */
};

struct listener {
	struct watch watch;
	struct admin *admin;
	bool remote;
};

struct admin {
	struct loop *loop;
	const struct metric_page *page;
	struct listener listeners[2];
	struct client clients[CLIENTS];
};

static void leave(struct client *c)
{
	watch_remove(&c->watch);
	close(c->watch.fd);
	timer_stop(&c->timer);
	buf_done(&c->in);
	buf_done(&c->out);
	c->since_ms = 0;
}

/* ---- Answering ---- */

static void flush(struct client *c)
{
	while (buf_len(&c->out)) {
		ssize_t n = send(c->watch.fd, c->out.at + c->out.start, buf_len(&c->out), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n <= 0)
			return;
		buf_eat(&c->out, (uint32_t)n);
	}
	shutdown(c->watch.fd, SHUT_WR);
	c->lingering = true;
	timer_start(c->admin->loop, &c->timer, LINGER_MS);
}

static void send_page(struct client *c, struct arena *a, struct page *p, bool head)
{
	struct fields fields = {0};
	uint32_t len = buf_len(&p->body);

	c->answered = true;
	if (fields_add(&fields, a, SLICE("content-type"), slice_of(p->type)) &&
	    fields_add(&fields, a, SLICE("cache-control"), SLICE("no-store")) &&
	    (p->status != 405 || fields_add(&fields, a, SLICE("allow"), SLICE("GET, HEAD"))) &&
	    h1_write_response(&c->out, p->status, &fields, NULL, HTTP_BODY_LENGTH, len, false) && !head)
		buf_put_slice(&c->out, buf_slice(&p->body));
	buf_done(&p->body);
	flush(c);
}

static bool host_is_fine(const struct client *c, const struct request *req)
{
	struct addr ignored;

	return !c->remote || slice_is(req->host, "localhost") || addr_parse(req->host, &ignored);
}

static void answer(struct client *c, struct slice head)
{
	static const struct h1_limits limits = {HEAD_BYTES, 1024, 64};
	struct request req = {0};
	struct arena a;
	struct page p;
	const char *why = "not HTTP";
	unsigned status = 400;

	arena_init(&a, NULL, 4096);
	if (head.len)
		status = h1_request(&a, head, &limits, false, &req, &why);
	if (status)
		page_say(&p, status, why);
	else if (!host_is_fine(c, &req))
		page_say(&p, 421, "ask by address, or as localhost");
	else if (!slice_is(req.method, "GET") && !req.head)
		page_say(&p, 405, "only GET and HEAD");
	else
		page_make(&p, req.path, c->admin->page, loop_us(c->admin->loop), loop_wall_us(c->admin->loop) / 1000000);
	send_page(c, &a, &p, !status && req.head);
	arena_done(&a);
}

/* ---- Reading ---- */

static void look_for_head(struct client *c)
{
	const char *why;
	uint32_t len;

	switch (h1_scan(&c->scan, buf_slice(&c->in), &len, &why)) {
	case H1_HEAD:
		answer(c, slice_first(buf_slice(&c->in), len));
		break;
	case H1_BAD:
		answer(c, SLICE_NONE);
		break;
	case H1_MORE:
		if (buf_len(&c->in) >= HEAD_BYTES)
			answer(c, SLICE_NONE);
		break;
	}
}

/* False: nothing more can be read now, or ever. */
static bool read_on(struct client *c)
{
	char trash[1024];
	bool wanted = !c->answered;
	ssize_t n;

	if (wanted && !buf_room(&c->in, HEAD_BYTES)) {
		leave(c);
		return false;
	}
	n = recv(c->watch.fd, wanted ? c->in.at + c->in.end : trash, wanted ? HEAD_BYTES : sizeof trash, MSG_DONTWAIT);
	if (n < 0)
		return false;
	if (!n) {
		/* Who has sent a whole request may close that side and still read. */
		if (!c->answered || c->lingering)
			leave(c);
		return false;
	}
	if (wanted) {
		c->in.end += (uint32_t)n;
		look_for_head(c);
	}
	return true;
}

static void ready(struct watch *w, unsigned what)
{
	struct client *c = LIST_OF(w, struct client, watch);

	if (what & LOOP_HANGUP) {
		leave(c);
		return;
	}
	if (what & LOOP_WRITE && c->answered && !c->lingering)
		flush(c);
	for (int i = 0; what & LOOP_READ && c->since_ms && read_on(c); i++)
		if (i == READS) {
			leave(c); /* sends on and on, and no head takes that */
			return;
		}
}

static void late(struct timer *t)
{
	leave(LIST_OF(t, struct client, timer));
}

/* ---- Accepting ---- */

static struct client *find_place(struct admin *a)
{
	struct client *oldest = &a->clients[0];

	for (unsigned i = 0; i < CLIENTS; i++)
		if (a->clients[i].since_ms < oldest->since_ms)
			oldest = &a->clients[i];
	if (oldest->since_ms)
		leave(oldest);
	return oldest;
}

static void take(struct listener *l, int fd)
{
	struct admin *a = l->admin;
	struct client *c = find_place(a);

	*c = (struct client){.admin = a, .remote = l->remote, .since_ms = loop_ms(a->loop)};
	buf_init(&c->in, NULL);
	buf_init(&c->out, NULL);
	timer_init(&c->timer, late);
	if (!watch_add(a->loop, &c->watch, fd, ready)) {
		close(fd);
		c->since_ms = 0;
		return;
	}
	timer_start(a->loop, &c->timer, TIME_MS);
}

static void accepting(struct watch *w, unsigned what)
{
	struct listener *l = LIST_OF(w, struct listener, watch);

	(void)what;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = accept4(w->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

		if (fd < 0)
			return;
		take(l, fd);
	}
}

static bool listen_on(struct admin *a, struct listener *l, int fd, bool remote)
{
	l->admin = a;
	l->remote = remote;
	return fd < 0 || watch_add_listener(a->loop, &l->watch, fd, accepting);
}

struct admin *admin_new(const struct admin_plan *plan)
{
	struct admin *a = calloc(1, sizeof *a);

	if (!a)
		return NULL;
	a->loop = plan->loop;
	a->page = plan->page;
	if (listen_on(a, &a->listeners[0], plan->local, false) && listen_on(a, &a->listeners[1], plan->port, true))
		return a;
	admin_free(a);
	return NULL;
}

void admin_free(struct admin *a)
{
	for (unsigned i = 0; i < CLIENTS; i++)
		if (a->clients[i].since_ms)
			leave(&a->clients[i]);
	for (unsigned i = 0; i < 2; i++)
		if (a->listeners[i].watch.loop)
			watch_remove(&a->listeners[i].watch);
	free(a);
}
