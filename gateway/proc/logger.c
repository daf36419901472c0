/* logger.c -- the process that writes log lines.
 *
 * Writers send datagrams and never wait; this process may.  Lines are gathered
 * per destination and written once a turn; acknowledgements follow the write. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/base/log.h"
#include "gateway/cage/cage.h"
#include "gateway/loop/loop.h"
#include "gateway/proc/shared.h"

enum { GATHER = 256 << 10, ACKS = 256, TURN_LINES = 512 };

struct input {
	struct watch watch;
	bool errors_only; /* not a worker: what it says is never taken for a record of a request */
};

static struct loop *loop;
static struct buf gathered[LOG_STREAMS];
static struct {
	int fd;
	uint64_t token;
} acks[ACKS];
static unsigned acks_n, inputs_open;
static volatile sig_atomic_t asked_to_end;

static void write_out(enum log_stream stream)
{
	struct buf *b = &gathered[stream];

	while (buf_len(b)) {
		ssize_t n = write(LOGGER_ERRORS + (int)stream, b->at + b->start, buf_len(b));

		if (n < 0 && errno == EINTR)
			continue;
		/* A full disk or a closed pipe: these lines are lost, the gateway goes on. */
		if (n <= 0)
			break;
		buf_eat(b, (uint32_t)n);
	}
	b->start = b->end = 0;
}

static void write_all(void)
{
	for (unsigned s = 0; s < LOG_STREAMS; s++)
		write_out((enum log_stream)s);
	for (unsigned i = 0; i < acks_n; i++)
		send(acks[i].fd, &acks[i].token, sizeof acks[i].token, MSG_DONTWAIT | MSG_NOSIGNAL);
	acks_n = 0;
}

/* One message is one line, also of a writer that somebody has taken over. */
static void keep_one_line(char *at, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if ((unsigned char)at[i] < 0x20)
			at[i] = '?';
}

static void take(const struct input *from, char *at, size_t n)
{
	struct log_head head;
	struct buf *b;

	if (n < sizeof head)
		return;
	memcpy(&head, at, sizeof head);
	if (head.stream >= LOG_STREAMS || (from->errors_only && head.stream != LOG_ERRORS))
		return;
	b = &gathered[head.stream];
	if (buf_len(b) + n > GATHER)
		write_all();
	keep_one_line(at + sizeof head, n - sizeof head);
	if (buf_put(b, at + sizeof head, n - sizeof head))
		buf_put(b, "\n", 1);
	if (!head.ack)
		return;
	if (acks_n == ACKS)
		write_all();
	acks[acks_n].fd = from->watch.fd;
	acks[acks_n++].token = head.token;
}

static void readable(struct watch *w, unsigned what)
{
	const struct input *from = LIST_OF(w, struct input, watch);
	char line[sizeof(struct log_head) + LOG_LINE + 1];

	(void)what;
	for (int i = 0; i < TURN_LINES; i++) {
		ssize_t n = recv(w->fd, line, sizeof line, MSG_DONTWAIT);

		if (n > 0) {
			take(from, line, (size_t)n);
			continue;
		}
		if (n == 0) {
			watch_remove(w);
			inputs_open--;
		}
		return;
	}
}

static void end(int signal_number)
{
	(void)signal_number;
	asked_to_end = 1;
}

int logger_main(unsigned workers, unsigned inputs, uid_t uid)
{
	struct input *all = calloc(inputs, sizeof *all);
	struct sigaction action = {.sa_handler = end};

	loop = loop_new();
	if (!loop || !all || !cage_close(CAGE_LOGGER, uid))
		return 1;
	sigaction(SIGTERM, &action, NULL);
	for (unsigned s = 0; s < LOG_STREAMS; s++)
		buf_init(&gathered[s], NULL);
	for (unsigned i = 0; i < inputs; i++) {
		all[i].errors_only = i >= workers;
		inputs_open += watch_add_level(loop, &all[i].watch, LOGGER_INPUTS + (int)i, readable);
	}
	/* When asked to end, what has been sent by then is still written. */
	while (inputs_open && !asked_to_end) {
		loop_turn(loop, 1000);
		write_all();
	}
	for (unsigned i = 0; i < inputs; i++)
		if (all[i].watch.loop)
			readable(&all[i].watch, LOOP_READ);
	write_all();
	for (unsigned s = 0; s < LOG_STREAMS; s++)
		buf_done(&gathered[s]);
	loop_free(loop);
	free(all);
	return 0;
}
