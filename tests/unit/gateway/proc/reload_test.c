/* reload_test.c -- the steps of a reload, with this process as its supervisor and its workers.
 *
 * The loader is a real one: this program again, as a role.  kill() is ours, so that nothing that a
 * mistake would hit is hit. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "gateway/base/log.h"
#include "gateway/cage/cage.h"
#include "gateway/proc/node.h"
#include "gateway/proc/proc.h"

enum { WORKERS = 2, NOBODY = 1 << 28 }; /* pids that no process has: NOBODY + slot */

static struct node n;
static int workers[WORKERS], asker[2];
static char file[64], heard[8192];
static struct {
	pid_t pid;
	int signal;
} killed[8];
static unsigned killed_n;
static bool no_fork, no_exec;

/* ---- In the place of the C library's ---- */

int kill(pid_t pid, int number)
{
	if (killed_n < 8) {
		killed[killed_n].pid = pid;
		killed[killed_n++].signal = number;
	}
	return pid > 0 && pid < NOBODY ? (int)syscall(SYS_kill, pid, number) : 0;
}

pid_t fork(void)
{
	if (!no_fork)
		return _Fork();
	errno = EAGAIN;
	return -1;
}

int execve(const char *path, char *const *argv, char *const *environment)
{
	if (!no_exec)
		return (int)syscall(SYS_execve, path, argv, environment);
	errno = EACCES;
	return -1;
}

/* ---- A gateway of two workers that serve ---- */

static unsigned a_port(void)
{
	struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof at;
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&at, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
	close(fd);
	return ntohs(at.sin_port);
}

static void write_config(const char *more)
{
	static unsigned port;
	FILE *out = fopen(file, "w");

	if (!port)
		port = a_port();
	assert_non_null(out);
	fprintf(out, "listeners: [{address: '127.0.0.1:%u', serve: http}]\nlogs: {requests: off, errors: stderr}\n"
		     "sites: {a: {hosts: '*', origin: 'http://127.0.0.1:9'}}\n%s", port, more);
	fclose(out);
}

static void begin_with(struct release *r)
{
	char why[512] = "";
	int status;
	pid_t pid;

	release_init(&n, r);
	pid = release_load(&n, r, STDERR_FILENO);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	assert_true(release_map(r, NULL, why, sizeof why));
	n.now = r;
	n.config = r->config;
	if (!release_open(&n, r, NULL, why, sizeof why))
		fail_msg("%s", why);
}

static int open_bed(void **state)
{
	(void)state;
	snprintf(file, sizeof file, "/tmp/reload_test.%d.yaml", (int)getpid());
	write_config("");
	n = (struct node){.config_path = file, .workers = WORKERS, .inspectors = 1, .serving = true, .loop = loop_new()};
	loop_virtual(n.loop, 1000000000);
	list_init(&n.leaving);
	n.worker = calloc(WORKERS, sizeof *n.worker);
	begin_with(calloc(1, sizeof *n.now));
	assert_true(node_open_shared(&n) && node_open_metrics(&n));
	for (unsigned i = 0; i < WORKERS; i++) {
		int ends[2];

		assert_true(node_pair(ends));
		child_init(&n, &n.worker[i], ROLE_WORKER, i);
		n.worker[i].report.fd = ends[0];
		n.worker[i].pid = (pid_t)(NOBODY + i);
		n.worker[i].ready = true;
		workers[i] = ends[1];
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, asker), 0);
	heard[0] = 0;
	killed_n = 0;
	no_fork = no_exec = false;
	return 0;
}

static int close_bed(void **state)
{
	(void)state;
	no_fork = no_exec = false;
	reload_cancel(&n);
	while (waitpid(-1, NULL, 0) > 0)
		;
	for (unsigned i = 0; i < WORKERS; i++) {
		close(n.worker[i].report.fd);
		close(workers[i]);
	}
	close(asker[1]);
	release_close(&n, n.now);
	free(n.now);
	free(n.worker);
	munmap(n.metrics, metric_page_size(WORKERS));
	munmap(n.shared, sizeof *n.shared + WORKERS * sizeof(struct proxy_guard));
	close(n.metrics_fd);
	close(n.shared_fd);
	close(n.words_fd);
	loop_free(n.loop);
	unlink(file);
	return 0;
}

/* ---- Going through it ---- */

static void turn(void)
{
	loop_turn(n.loop, 0);
}

/* What was ordered of a worker since the last look, a letter each. */
static const char *orders(unsigned slot)
{
	static char all[16];
	struct control_message m;
	int fds[CONTROL_FDS];
	unsigned fds_n, len = 0;

	while (len + 1 < sizeof all && control_receive(workers[slot], &m, fds, &fds_n) == 1) {
		all[len++] = m.what;
		for (unsigned i = 0; i < fds_n; i++)
			close(fds[i]);
	}
	all[len] = 0;
	return all;
}

/* All that the asker was told so far. */
static const char *told(void)
{
	size_t len = strlen(heard);
	ssize_t got;

	while (len + 1 < sizeof heard && (got = recv(asker[1], heard + len, sizeof heard - 1 - len, MSG_DONTWAIT)) > 0)
		len += (size_t)got;
	heard[len] = 0;
	return heard;
}

static bool hung_up(void)
{
	char c;

	told();
	return recv(asker[1], &c, 1, MSG_DONTWAIT) == 0;
}

#define assert_told(text)                                                   \
	do {                                                                \
		if (!strstr(told(), text))                                  \
			fail_msg("\"%s\" is not in: %s", text, told());     \
	} while (0)
#define assert_not_told(text)                                               \
	do {                                                                \
		if (strstr(told(), text))                                   \
			fail_msg("\"%s\" is in: %s", text, told());         \
	} while (0)

static void begin(void)
{
	reload_begin(&n, asker[0]);
}

/* The loader ends; true when that was the reload's. */
static bool loader_ends(void)
{
	int status;
	pid_t pid = waitpid(-1, &status, 0);

	assert_true(pid > 0);
	return reload_child_ended(&n, pid, status);
}

static void say(unsigned slot, enum control_word word, const char *text)
{
	struct control_message m = {.what = (char)word};

	snprintf(m.text, sizeof m.text, "%s", text);
	reload_worker(&n, &n.worker[slot], &m);
}

/* On to where every worker prepares the next generation. */
static void to_preparing(void)
{
	write_config("client: {requests: 77}\n");
	begin();
	assert_true(loader_ends());
}

static void to_committing(void)
{
	to_preparing();
	assert_string_equal(orders(0), "P");
	assert_string_equal(orders(1), "P");
	say(0, CONTROL_PREPARED, "");
	say(1, CONTROL_PREPARED, "");
	assert_string_equal(orders(0), "T");
	say(0, CONTROL_TRIED, "");
	assert_string_equal(orders(0), "C");
	assert_string_equal(orders(1), "C");
}

static bool is_new(void)
{
	return n.config->client.requests == 77;
}

/* ---- How it goes ---- */

static void a_reload_goes_through_its_steps(void **state)
{
	(void)state;
	to_committing();
	assert_true(is_new());
	say(1, CONTROL_COMMITTED, "");
	assert_non_null(n.reload);
	say(0, CONTROL_COMMITTED, "");
	assert_null(n.reload);
	assert_told("is in force");
	assert_told("ok\n");
	assert_true(hung_up());
	assert_int_equal(killed_n, 0);
}

static void a_word_out_of_turn_changes_nothing(void **state)
{
	(void)state;
	to_preparing();
	say(0, CONTROL_TRIED, "");
	say(0, CONTROL_COMMITTED, "");
	say(0, CONTROL_PREPARED, "");
	say(0, CONTROL_PREPARED, "");
	assert_string_equal(orders(0), "P");
	assert_false(is_new());
}

static void who_cannot_prepare_it_has_all_forget_it(void **state)
{
	(void)state;
	to_preparing();
	say(0, CONTROL_PREPARED, "");
	say(1, CONTROL_REFUSED, "no room");
	assert_told("error: no room");
	assert_told("goes on");
	assert_string_equal(orders(0), "PF");
	assert_string_equal(orders(1), "PF");
	assert_false(is_new());
}

/* ---- A loader that cannot be started ---- */

static void expect_refused_at_once(const char *says)
{
	begin();
	assert_null(n.reload);
	assert_told(says);
	assert_true(hung_up());
	assert_int_equal(killed_n, 0);
	assert_false(is_new());
}

static void without_processes_a_reload_is_refused_and_kills_nobody(void **state)
{
	(void)state;
	no_fork = true;
	expect_refused_at_once("error: the loader cannot be started: Resource temporarily unavailable");
	assert_told("goes on");
}

/* The number that comes after so many free ones. */
static int after_free(int free_ones)
{
	int fd = 3;

	while (fcntl(fd, F_GETFD) >= 0 || free_ones--)
		fd++;
	return fd;
}

static void without_descriptors_too(void **state)
{
	struct rlimit before, few;
	int first = after_free(0);

	(void)state;
	getrlimit(RLIMIT_NOFILE, &before);
	/* The pipe of the findings and five memory files: each may be the first that cannot be had. */
	for (int more = 0; more < 7; more++) {
		few = (struct rlimit){(rlim_t)after_free(more), before.rlim_max};
		setrlimit(RLIMIT_NOFILE, &few);
		expect_refused_at_once(more < 2 ? "no memory or descriptors to begin with" :
						  "the loader cannot be started: Too many open files");
		setrlimit(RLIMIT_NOFILE, &before);
		close(asker[1]);
		assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, asker), 0);
		heard[0] = 0;
	}
	close(asker[0]);
	close(asker[1]);
	assert_true(after_free(0) <= first);
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, asker), 0);
	to_committing();
}

static void a_loader_that_cannot_be_executed_is_told(void **state)
{
	(void)state;
	no_exec = true;
	begin();
	assert_true(loader_ends());
	assert_null(n.reload);
	assert_told("error: the loader ended with status 127");
	assert_told("goes on");
	assert_int_equal(killed_n, 0);
}

static void a_mistake_is_told_alone(void **state)
{
	(void)state;
	write_config("clent: {}\n");
	begin();
	assert_true(loader_ends());
	assert_told("did you mean \"client\"");
	assert_not_told("ended with status");
	assert_told("goes on");
}

/* ---- Workers that are starting ---- */

static void who_is_starting_hears_nothing_of_it(void **state)
{
	(void)state;
	n.worker[1].ready = false;
	to_preparing();
	assert_null(n.reload);
	assert_told("worker 1 is not there");
	assert_string_equal(orders(0), "PF");
	assert_string_equal(orders(1), "");
}

static void who_dies_and_starts_meanwhile_hears_nothing_either(void **state)
{
	(void)state;
	to_preparing();
	orders(1);
	n.worker[1].ready = false;
	reload_worker(&n, &n.worker[1], NULL);
	assert_told("worker 1 died");
	assert_string_equal(orders(0), "PF");
	assert_string_equal(orders(1), "");
	assert_false(is_new());
}

/* What it had prepared is lost with it, and it comes back with the generation in force: not with the next. */
static void who_has_prepared_and_dies_before_the_commit_ends_it(void **state)
{
	(void)state;
	to_preparing();
	say(1, CONTROL_PREPARED, "");
	n.worker[1].ready = false;
	reload_worker(&n, &n.worker[1], NULL);
	assert_null(n.reload);
	assert_told("worker 1 died");
	assert_told("goes on");
	assert_false(is_new());
}

static void who_dies_while_another_tries_ends_it_too(void **state)
{
	(void)state;
	to_preparing();
	say(0, CONTROL_PREPARED, "");
	say(1, CONTROL_PREPARED, "");
	n.worker[1].ready = false;
	reload_worker(&n, &n.worker[1], NULL);
	assert_null(n.reload);
	assert_told("worker 1 died");
	assert_string_equal(orders(0), "PTF");
	assert_false(is_new());
}

/* ---- The end comes ---- */

static void a_stop_before_the_commit_refuses_it(void **state)
{
	(void)state;
	to_preparing();
	reload_cancel(&n);
	assert_null(n.reload);
	assert_told("error: the gateway is stopping");
	assert_told("goes on");
	assert_true(hung_up());
	assert_false(is_new());
}

static void a_stop_during_the_commit_does_not_claim_that_nothing_changed(void **state)
{
	(void)state;
	to_committing();
	say(0, CONTROL_COMMITTED, "");
	reload_cancel(&n);
	assert_null(n.reload);
	assert_told("error: the gateway is stopping");
	assert_not_told("goes on");
	assert_not_told("ok\n");
	assert_true(hung_up());
	assert_true(is_new());
	assert_string_equal(orders(1), "");
	assert_int_equal(killed_n, 0);
	/* Its last word is late. */
	say(1, CONTROL_COMMITTED, "");
	reload_worker(&n, &n.worker[1], NULL);
}

static void pass(int64_t seconds)
{
	loop_virtual(n.loop, loop_us(n.loop) + seconds * 1000000);
	turn();
}

static void the_deadline_of_a_loader_ends_it(void **state)
{
	(void)state;
	begin();
	pass(59);
	assert_non_null(n.reload);
	pass(2);
	assert_null(n.reload);
	assert_told("no end after 60 s, while the configuration was being read");
	assert_told("goes on");
	assert_int_equal(killed_n, 1);
	assert_true(killed[0].pid > 1 && killed[0].pid < NOBODY && killed[0].signal == SIGKILL);
	assert_false(loader_ends());
}

static void the_deadline_of_preparing_kills_nobody(void **state)
{
	(void)state;
	to_preparing();
	pass(61);
	assert_null(n.reload);
	assert_told("while workers were preparing");
	assert_told("goes on");
	assert_string_equal(orders(0), "PF");
	assert_int_equal(killed_n, 0);
}

/* It is in force: who has not said so is ended, and comes back with it. */
static void the_deadline_of_the_commit_replaces_who_has_not_said_so(void **state)
{
	(void)state;
	to_committing();
	say(0, CONTROL_COMMITTED, "");
	pass(61);
	assert_null(n.reload);
	assert_told("while workers were changing over");
	assert_not_told("goes on");
	assert_true(hung_up());
	assert_int_equal(killed_n, 1);
	assert_true(killed[0].pid == NOBODY + 1 && killed[0].signal == SIGKILL);
	assert_true(is_new());
	assert_string_equal(orders(0), "");
}

static void who_dies_during_the_commit_is_not_waited_for(void **state)
{
	(void)state;
	to_committing();
	say(0, CONTROL_COMMITTED, "");
	reload_worker(&n, &n.worker[1], NULL);
	assert_null(n.reload);
	assert_told("is in force");
}

/* ---- Asked again ---- */

static void one_at_a_time(void **state)
{
	int other[2];
	char text[128] = "";

	(void)state;
	to_preparing();
	assert_int_equal(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, other), 0);
	reload_begin(&n, other[0]);
	assert_true(recv(other[1], text, sizeof text - 1, 0) > 0);
	assert_non_null(strstr(text, "in progress"));
	assert_int_equal(recv(other[1], text, sizeof text, 0), 0);
	close(other[1]);
	/* A signal has nobody to tell: it is remembered. */
	reload_begin(&n, -1);
	say(0, CONTROL_REFUSED, "no");
	assert_true(hung_up());
	assert_non_null(n.reload);
	assert_true(loader_ends());
	assert_string_equal(orders(0), "PFP");
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, open_bed, close_bed)

int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(a_reload_goes_through_its_steps),
		TEST(a_word_out_of_turn_changes_nothing),
		TEST(who_cannot_prepare_it_has_all_forget_it),
		TEST(without_processes_a_reload_is_refused_and_kills_nobody),
		TEST(without_descriptors_too),
		TEST(a_loader_that_cannot_be_executed_is_told),
		TEST(a_mistake_is_told_alone),
		TEST(who_is_starting_hears_nothing_of_it),
		TEST(who_dies_and_starts_meanwhile_hears_nothing_either),
		TEST(who_has_prepared_and_dies_before_the_commit_ends_it),
		TEST(who_dies_while_another_tries_ends_it_too),
		TEST(a_stop_before_the_commit_refuses_it),
		TEST(a_stop_during_the_commit_does_not_claim_that_nothing_changed),
		TEST(the_deadline_of_a_loader_ends_it),
		TEST(the_deadline_of_preparing_kills_nobody),
		TEST(the_deadline_of_the_commit_replaces_who_has_not_said_so),
		TEST(who_dies_during_the_commit_is_not_waited_for),
		TEST(one_at_a_time),
	};

	if (argc > 1)
		return role_main(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
