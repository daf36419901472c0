/* loop.c -- epoll, tasks and the clock of one process. */
#include "gateway/loop/loop.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#include "gateway/base/fail.h"
#include "gateway/base/metric.h"
#include "gateway/loop/timers.h"

enum {
	EVENTS = 256, EVENTS_LEAST = 8,
	LONG_US = 50000, SHORT_US = 10000, /* of a turn */
	PROBE_US = 10000, STALE_US = 100000,
};

struct loop {
	int epoll;
	bool stop, is_virtual;
	int64_t now_us;
	struct wheel wheel;
	struct list tasks;
	struct epoll_event events[EVENTS];
	int events_n, event; /* of the turn in progress */
	int batch;           /* so many events a turn */
	struct watch probe;  /* an event of ours, for measuring */
	bool probing;        /* it has not come yet */
	int64_t sent_us, measured_us, lag_us;
};

static int64_t read_clock(clockid_t which)
{
	struct timespec t;

	clock_gettime(which, &t);
	return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

int64_t loop_clock_us(void)
{
	return read_clock(CLOCK_MONOTONIC);
}

/* ---- How late it is ---- */

static void probe_came(struct watch *w, unsigned what)
{
	struct loop *l = LIST_OF(w, struct loop, probe);

	(void)what;
	/* Its first event says only that it can be written. */
	if (!l->probing)
		return;
	l->measured_us = loop_clock_us();
	l->lag_us = l->measured_us - l->sent_us;
	l->probing = false;
	metric_span(SPAN_LAG, l->lag_us);
}

/* Written and never read: edge-triggered, each write is an event at the end of the kernel's queue. */
static void send_probe(struct loop *l)
{
	const uint64_t one = 1;
	int64_t now;

	if (!l->probe.loop || l->probing)
		return;
	now = loop_clock_us();
	if (now - l->sent_us < PROBE_US || write(l->probe.fd, &one, sizeof one) != sizeof one)
		return;
	l->sent_us = now;
	l->probing = true;
}

int64_t loop_lag_us(const struct loop *l)
{
	int64_t waiting = l->probing ? l->now_us - l->sent_us : 0;
	int64_t last = l->now_us - l->measured_us < STALE_US ? l->lag_us : 0;

	return waiting > last ? waiting : last;
}

/* A role whose cage has none is not measured. */
static void open_probe(struct loop *l)
{
	int fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);

	if (fd >= 0 && !watch_add(l, &l->probe, fd, probe_came))
		close(fd);
}

static void close_probe(struct loop *l)
{
	int fd = l->probe.loop ? l->probe.fd : -1;

	watch_remove(&l->probe);
	if (fd >= 0)
		close(fd);
}

/* ---- The loop ---- */

struct loop *loop_new(void)
{
	struct loop *l = calloc(1, sizeof *l);

	if (!l)
		return NULL;
	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (l->epoll < 0) {
		free(l);
		return NULL;
	}
	l->now_us = loop_clock_us();
	wheel_init(&l->wheel, l->now_us / 1000);
	list_init(&l->tasks);
	l->batch = EVENTS;
	open_probe(l);
	return l;
}

void loop_free(struct loop *l)
{
	if (!l)
		return;
	close_probe(l);
	close(l->epoll);
	free(l);
}

int64_t loop_us(const struct loop *l)
{
	return l->now_us;
}

int64_t loop_ms(const struct loop *l)
{
	return l->now_us / 1000;
}

int64_t loop_wall_us(const struct loop *l)
{
	(void)l;
	return read_clock(CLOCK_REALTIME);
}

void loop_virtual(struct loop *l, int64_t us)
{
	if (!l->is_virtual)
		wheel_init(&l->wheel, us / 1000);
	l->is_virtual = true;
	l->now_us = us;
}

void loop_stop(struct loop *l)
{
	l->stop = true;
}

void loop_run(struct loop *l)
{
	l->stop = false;
	while (!l->stop)
		loop_turn(l, -1);
}

static int sleep_ms(const struct loop *l, int64_t most_ms)
{
	int64_t next = wheel_next(&l->wheel), ms = most_ms;

	if (l->is_virtual || !list_empty(&l->tasks))
		return 0;
	if (next >= 0) {
		int64_t until = next - l->now_us / 1000;

		if (until < 0)
			until = 0;
		if (ms < 0 || until < ms)
			ms = until;
	}
	return ms > 60000 ? 60000 : (int)ms;
}

static void dispatch(struct loop *l)
{
	for (l->event = 0; l->event < l->events_n; l->event++) {
		struct watch *w = l->events[l->event].data.ptr;
		uint32_t e = l->events[l->event].events;
		unsigned what = 0;

		if (!w)
			continue;
		if (e & EPOLLIN)
			what |= LOOP_READ;
		if (e & EPOLLOUT)
			what |= LOOP_WRITE;
		if (e & EPOLLRDHUP)
			what |= LOOP_READ | LOOP_PEER_CLOSED;
		if (e & (EPOLLERR | EPOLLHUP))
			what |= LOOP_READ | LOOP_WRITE | LOOP_HANGUP;
		w->ready(w, what);
	}
	l->events_n = 0;
}

static void run_tasks(struct loop *l)
{
	struct list now;

	if (list_empty(&l->tasks))
		return;
	/* Take over the whole queue: what is started from here on runs in the next turn. */
	list_push_first(&l->tasks, &now);
	list_remove(&l->tasks);
	while (!list_empty(&now)) {
		struct task *t = LIST_OF(now.next, struct task, queued);

		list_remove(&t->queued);
		t->run(t);
	}
}

/* A turn of events that each cost milliseconds would keep timers, and signs of life, waiting for seconds. */
static void set_batch(struct loop *l)
{
	int64_t took_us = loop_clock_us() - l->now_us;

	if (took_us > LONG_US && l->batch > EVENTS_LEAST)
		l->batch /= 2;
	else if (took_us < SHORT_US && l->batch < EVENTS)
		l->batch *= 2;
}

void loop_turn(struct loop *l, int64_t most_ms)
{
	bool busy;

	l->events_n = epoll_wait(l->epoll, l->events, l->batch, sleep_ms(l, most_ms));
	if (l->events_n < 0) {
		CHECK(errno == EINTR);
		l->events_n = 0;
	}
	if (!l->is_virtual)
		l->now_us = loop_clock_us();
	busy = l->events_n > 0;
	dispatch(l);
	wheel_advance(&l->wheel, l->now_us / 1000);
	run_tasks(l);
	if (!busy || l->is_virtual)
		return;
	set_batch(l);
	send_probe(l);
}

static bool add(struct loop *l, struct watch *w, int fd, void (*ready)(struct watch *, unsigned), uint32_t events)
{
	struct epoll_event e = {.events = events, .data.ptr = w};

	*w = (struct watch){.fd = fd, .ready = ready};
	if (epoll_ctl(l->epoll, EPOLL_CTL_ADD, fd, &e) < 0)
		return false;
	w->loop = l;
	return true;
}

bool watch_add(struct loop *l, struct watch *w, int fd, void (*ready)(struct watch *w, unsigned what))
{
	return add(l, w, fd, ready, EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLET);
}

bool watch_add_listener(struct loop *l, struct watch *w, int fd, void (*ready)(struct watch *w, unsigned what))
{
	return add(l, w, fd, ready, EPOLLIN | EPOLLEXCLUSIVE);
}

bool watch_add_level(struct loop *l, struct watch *w, int fd, void (*ready)(struct watch *w, unsigned what))
{
	return add(l, w, fd, ready, EPOLLIN);
}

void watch_remove(struct watch *w)
{
	struct loop *l = w->loop;

	if (!l)
		return;
	epoll_ctl(l->epoll, EPOLL_CTL_DEL, w->fd, NULL);
	for (int i = l->event + 1; i < l->events_n; i++)
		if (l->events[i].data.ptr == w)
			l->events[i].data.ptr = NULL;
	w->loop = NULL;
}

void timer_init(struct timer *t, void (*fire)(struct timer *t))
{
	*t = (struct timer){.fire = fire};
	list_init(&t->slot);
}

void timer_start(struct loop *l, struct timer *t, int64_t ms)
{
	t->due_ms = l->now_us / 1000 + (ms < 1 ? 1 : ms);
	if (!list_empty(&t->slot)) {
		if (t->stored_ms <= t->due_ms)
			return;
		list_remove(&t->slot);
	}
	wheel_store(&l->wheel, t);
}

void timer_stop(struct timer *t)
{
	t->due_ms = 0;
	list_remove(&t->slot);
}

void task_init(struct task *t, void (*run)(struct task *t))
{
	t->run = run;
	list_init(&t->queued);
}

void task_start(struct loop *l, struct task *t)
{
	if (list_empty(&t->queued))
		list_push_last(&l->tasks, &t->queued);
}

void task_stop(struct task *t)
{
	list_remove(&t->queued);
}
