/* connection.c -- the socket: connecting, greeting, reading, writing, coming again.
 *
 * On every connection AUTH, SELECT, the greetings and a PING go out in one piece;
 * questions are let in when all of them were answered in time. */
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/redis/inside.h"

enum { WHY = 160 };

static struct slice name_of(const struct redis *r, char text[ADDR_TEXT])
{
	return slice_make(text, addr_text(&r->plan.address, text));
}

/* Between half and all of the back-off, so that the workers of a cluster do not come together. */
static void come_again(struct redis *r)
{
	unsigned half = r->back_off_ms / 2;

	r->random ^= r->random << 13;
	r->random ^= r->random >> 7;
	r->random ^= r->random << 17;
	timer_start(r->loop, &r->again, half + (int64_t)(r->random % (half + 1)));
	r->back_off_ms = r->back_off_ms * 2 > BACK_OFF_MOST_MS ? BACK_OFF_MOST_MS : r->back_off_ms * 2;
}

void connection_lost(struct redis *r, struct slice why)
{
	char name[ADDR_TEXT];

	if (r->state == DOWN)
		return;
	if (r->state == UP)
		metric_count(METRIC_REDIS_BREAKS);
	if (why.len > WHY)
		why.len = WHY;
	if (!r->told)
		log_warn("redis %.*s port %u: %.*s; limits go by their on_failure until it is back",
			 SLICE_F(name_of(r, name)), r->plan.port, SLICE_F(why));
	r->told = true;
	r->state = DOWN;
	watch_remove(&r->watch);
	if (r->fd >= 0)
		close(r->fd);
	r->fd = -1;
	task_stop(&r->flush);
	timer_stop(&r->clock);
	come_again(r);
	buf_done(&r->out);
	pipeline_lose(r);
}

static void lost_by_errno(struct redis *r, int error)
{
	connection_lost(r, slice_of(strerror(error)));
}

static bool hello_must_pass(const struct redis *r, const struct redis_ask *q)
{
	return q->owner != &r->greetings;
}

static void came_up(struct redis *r)
{
	char name[ADDR_TEXT];

	r->state = UP;
	timer_stop(&r->again);
	if (r->told)
		log_info("redis %.*s port %u: counting there again", SLICE_F(name_of(r, name)), r->plan.port);
	r->told = false;
}

static void greeted(struct redis_ask *q, enum redis_outcome how, const struct redis_value *value)
{
	struct redis *r = q->redis;

	if (how == REDIS_LOST)
		return;
	if (how == REDIS_LATE) {
		connection_lost(r, SLICE("it does not answer a greeting in time"));
		return;
	}
	if (value->kind == REDIS_ERROR) {
		if (hello_must_pass(r, q)) {
			connection_lost(r, value->text);
			return;
		}
		if (!r->told)
			log_warn("redis: a greeting was refused: %.*s",
				 (int)(value->text.len > WHY ? WHY : value->text.len), value->text.at);
	}
	/* The PING is the last. */
	if (r->head == r->tail)
		came_up(r);
}

static struct redis_ask *next_hello(struct redis *r, unsigned *n, void *owner)
{
	struct redis_ask *q = &r->hello[(*n)++];

	*q = (struct redis_ask){.answered = greeted, .owner = owner};
	return q;
}

static bool hello(struct redis *r, unsigned *n, const struct slice *argv, unsigned argc)
{
	if (!command_print(&r->out, argv, argc, OUT_BYTES))
		return false;
	pipeline_push(r, next_hello(r, n, NULL));
	return true;
}

static bool say_hello(struct redis *r)
{
	const struct slice user[] = {SLICE("AUTH"), r->plan.user, r->plan.password};
	const struct slice old[] = {SLICE("AUTH"), r->plan.password};
	const struct slice ping[] = {SLICE("PING")};
	unsigned n = 0;

	r->state = GREETING;
	if (r->plan.user.len ? !hello(r, &n, user, 3) : r->plan.password.len && !hello(r, &n, old, 2))
		return false;
	if (r->plan.database) {
		char text[24];
		int len = snprintf(text, sizeof text, "%lld", (long long)r->plan.database);
		const struct slice select[] = {SLICE("SELECT"), slice_make(text, (size_t)len)};

		if (!hello(r, &n, select, 2))
			return false;
	}
	if (!buf_put_slice(&r->out, buf_slice(&r->greetings)))
		return false;
	for (unsigned i = 0; i < r->greetings_n; i++)
		pipeline_push(r, next_hello(r, &n, &r->greetings));
	return hello(r, &n, ping, 1);
}

static void write_out(struct redis *r)
{
	while (r->writable && buf_len(&r->out)) {
		ssize_t n = send(r->fd, r->out.at + r->out.start, buf_len(&r->out), MSG_NOSIGNAL);

		if (n > 0) {
			buf_eat(&r->out, (uint32_t)n);
		} else if (errno == EAGAIN || errno == EWOULDBLOCK) {
			r->writable = false;
		} else if (errno != EINTR) {
			lost_by_errno(r, errno);
			return;
		}
	}
}

/* What a turn of the loop asked goes out in one piece. */
void connection_flush(struct task *t)
{
	write_out(LIST_OF(t, struct redis, flush));
}

/* Hand out the replies that are whole.  False when the connection is gone. */
static bool hand_out(struct redis *r)
{
	for (;;) {
		const struct redis_value *v;
		enum reply_found found = replies_next(&r->in, &v);

		if (found == REPLY_NONE)
			return true;
		if (found == REPLY_BAD) {
			connection_lost(r, slice_of(r->in.why));
			return false;
		}
		if (!pipeline_answer(r, v)) {
			connection_lost(r, SLICE("it answers what was not asked"));
			return false;
		}
		if (r->state == DOWN)
			return false;
	}
}

static void read_in(struct redis *r)
{
	char bytes[REPLY_FEED];

	for (;;) {
		ssize_t n = recv(r->fd, bytes, sizeof bytes, 0);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
			break;
		if (n < 0) {
			lost_by_errno(r, errno);
			return;
		}
		if (n == 0) {
			connection_lost(r, SLICE("it closed the connection"));
			return;
		}
		if (!replies_feed(&r->in, bytes, (size_t)n)) {
			connection_lost(r, slice_of(r->in.why));
			return;
		}
		if (!hand_out(r))
			return;
	}
	clock_set(r);
}

static bool is_connected(struct redis *r)
{
	int error = 0;
	socklen_t len = sizeof error;

	if (getsockopt(r->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
		error = errno;
	if (error) {
		lost_by_errno(r, error);
		return false;
	}
	r->writable = true;
	timer_stop(&r->again);
	if (!say_hello(r)) {
		connection_lost(r, SLICE("memory for the greeting is used up"));
		return false;
	}
	return true;
}

static void on_socket(struct watch *w, unsigned what)
{
	struct redis *r = LIST_OF(w, struct redis, watch);

	if (r->state == CONNECTING && (!(what & (LOOP_WRITE | LOOP_HANGUP)) || !is_connected(r)))
		return;
	if (what & LOOP_WRITE)
		r->writable = true;
	if (what & LOOP_READ)
		read_in(r);
	if (r->state != DOWN)
		write_out(r);
}

void connection_open(struct redis *r)
{
	struct sockaddr_storage to;
	socklen_t len = addr_to_sockaddr(&r->plan.address, r->plan.port, &to);
	int one = 1;

	r->state = CONNECTING;
	r->writable = false;
	r->fd = socket(to.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (r->fd < 0) {
		lost_by_errno(r, errno);
		return;
	}
	setsockopt(r->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	replies_done(&r->in);
	if (!replies_init(&r->in, r->plan.budget)) {
		connection_lost(r, SLICE("memory for replies is used up"));
		return;
	}
	if (connect(r->fd, (struct sockaddr *)&to, len) < 0 && errno != EINPROGRESS) {
		lost_by_errno(r, errno);
		return;
	}
	if (!watch_add(r->loop, &r->watch, r->fd, on_socket)) {
		lost_by_errno(r, errno);
		return;
	}
	timer_start(r->loop, &r->again, CONNECT_MS);
}

/* The back-off is over, or connecting has taken too long. */
void connection_again(struct timer *t)
{
	struct redis *r = LIST_OF(t, struct redis, again);

	if (r->state == DOWN)
		connection_open(r);
	else
		connection_lost(r, SLICE("it cannot be connected to in time"));
}
