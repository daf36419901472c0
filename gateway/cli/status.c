/* status.c -- portcullis status: asks a running gateway over its Unix socket and prints what it says. */
#include <errno.h>
#include <getopt.h>
#include <inttypes.h>
#include <jansson.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "gateway/base/buf.h"
#include "gateway/cli/cli.h"
#include "gateway/proc/rundir.h"

enum { ANSWER_MOST = 1 << 20, PATIENCE_S = 5, MINUTE = 60, HOUR = 60 * MINUTE, DAY = 24 * HOUR };

/* ---- Asking ---- */

static int connect_to(const char *config_path)
{
	struct sockaddr_un at = {.sun_family = AF_UNIX};
	struct timeval patience = {.tv_sec = PATIENCE_S};
	int fd;

	if (!rundir_path(config_path, "admin.sock", at.sun_path, sizeof at.sun_path)) {
		fprintf(stderr, "portcullis: the path of the gateway's socket is too long; see XDG_RUNTIME_DIR\n");
		return -1;
	}
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (struct sockaddr *)&at, sizeof at) < 0) {
		if (errno == EACCES)
			fprintf(stderr, "portcullis: %s may not be asked by this user; ask as the one that runs the gateway\n", at.sun_path);
		else
			fprintf(stderr, "portcullis: no gateway runs for %s as this user (%s: %s); start it with: portcullis run -c %s\n",
				config_path, at.sun_path, strerror(errno), config_path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
	return fd;
}

/* The whole answer; NULL-terminated.  False after a line on stderr. */
static bool ask(const char *config_path, struct buf *answer)
{
	static const char question[] = "GET /status HTTP/1.1\r\nHost: localhost\r\n\r\n";
	int fd = connect_to(config_path);
	ssize_t n = 0;

	if (fd < 0)
		return false;
	if (send(fd, question, sizeof question - 1, MSG_NOSIGNAL) == (ssize_t)sizeof question - 1)
		while (buf_len(answer) < ANSWER_MOST && buf_room(answer, 16384)) {
			n = recv(fd, answer->at + answer->end, 16383, 0);
			if (n <= 0)
				break;
			answer->end += (uint32_t)n;
		}
	close(fd);
	if (n == 0 && buf_len(answer)) {
		answer->at[answer->end] = 0;
		return true;
	}
	fprintf(stderr, "portcullis: the gateway's admin process does not answer; its log (logs.errors) may say why\n");
	return false;
}

/* What stands behind the head, if the answer is a good one. */
static const char *content_of(const struct buf *answer)
{
	const char *text = answer->at + answer->start, *content;

	if (strncmp(text, "HTTP/1.1 200 ", 13) != 0)
		return NULL;
	content = strstr(text, "\r\n\r\n");
	return content ? content + 4 : NULL;
}

/* ---- Reading ---- */

static int64_t number(const json_t *in, const char *key)
{
	return json_integer_value(json_object_get(in, key));
}

static const char *text(const json_t *in, const char *key)
{
	const char *s = json_string_value(json_object_get(in, key));

	return s ? s : "?";
}

static double p_ms(const json_t *in, const char *span, const char *which)
{
	return json_number_value(json_object_get(json_object_get(in, span), which));
}

/* ---- Printing ---- */

/* "2d 3h", "5h 12m", "7m 3s": as exact as anybody wants to know. */
static void print_age(int64_t s)
{
	if (s < 0)
		s = 0;
	if (s >= DAY)
		printf("%" PRId64 "d %" PRId64 "h", s / DAY, s % DAY / HOUR);
	else if (s >= HOUR)
		printf("%" PRId64 "h %" PRId64 "m", s / HOUR, s % HOUR / MINUTE);
	else
		printf("%" PRId64 "m %" PRId64 "s", s / MINUTE, s % MINUTE);
}

static double mib(int64_t bytes)
{
	return (double)bytes / (1 << 20);
}

static void print_head(const json_t *j)
{
	int64_t now = number(j, "now");

	printf("portcullis %s, %s", text(j, "version"), json_is_true(json_object_get(j, "healthy")) ? "serves" : text(j, "why"));
	printf(", up ");
	print_age(now - number(j, "started"));
	printf("\ngeneration  %s, read ", text(j, "generation"));
	print_age(now - number(j, "loaded"));
	printf(" ago\n");
}

static void print_workers(const json_t *j)
{
	int64_t up_s = number(j, "now") - number(j, "started");
	const json_t *workers = json_object_get(j, "workers"), *w;
	size_t i;

	printf("\nworker  connections  in flight  requests     per s  memory\n");
	json_array_foreach (workers, i, w)
		printf("%-6zu  %11" PRId64 "  %9" PRId64 "  %8" PRId64 "  %8.1f  %.1f of %.0f MiB%s\n", i, number(w, "connections"),
		       number(w, "in_flight"), number(w, "requests"), (double)number(w, "requests") / (double)(up_s > 0 ? up_s : 1),
		       mib(number(w, "memory")), mib(number(w, "memory_limit")),
		       json_is_true(json_object_get(w, "serves")) ? "" : "; does not serve");
}

static void print_sites(const json_t *j)
{
	const json_t *sites = json_object_get(j, "sites"), *s;
	size_t i;

	printf("\nsite                                          pass     block  redirect    failed\n");
	json_array_foreach (sites, i, s)
		printf("%-40s  %8" PRId64 "  %8" PRId64 "  %8" PRId64 "  %8" PRId64 "\n", text(s, "site"), number(s, "pass"),
		       number(s, "block"), number(s, "redirect"), number(s, "failed"));
}

static void print_waf(const json_t *j)
{
	const json_t *w = json_object_get(j, "waf");

	if (!json_is_true(json_object_get(w, "used"))) {
		printf("waf         not used\n");
		return;
	}
	printf("waf         %" PRId64 " inspectors, %" PRId64 " busy; %" PRId64 " inspections out, %" PRId64 " waiting\n",
	       number(w, "inspectors"), number(w, "busy_inspectors"), number(w, "out"), number(w, "waiting"));
	printf("            %" PRId64 " allowed, %" PRId64 " denied, %" PRId64 " lost, %" PRId64 " shed, %" PRId64 " late, %" PRId64
	       " refused for want of room, %" PRId64 " for the client's share\n",
	       number(w, "allow"), number(w, "deny"), number(w, "lost"), number(w, "shed"), number(w, "late"), number(w, "busy"),
	       number(w, "spent"));
	printf("            queue p50 %.1f ms, p99 %.1f ms; run p50 %.1f ms, p99 %.1f ms\n", p_ms(w, "queue", "p50_ms"),
	       p_ms(w, "queue", "p99_ms"), p_ms(w, "run", "p50_ms"), p_ms(w, "run", "p99_ms"));
	printf("            inspectors ended: %" PRId64 " killed, %" PRId64 " recycled, %" PRId64 " grown, %" PRId64 " died\n",
	       number(w, "killed"), number(w, "recycled"), number(w, "grown"), number(w, "died"));
	printf("            uninspected: %" PRId64 " requests, %" PRId64 " bytes; %" PRId64 " answers, %" PRId64 " bytes\n",
	       number(w, "uninspected_requests"), number(w, "uninspected_bytes"), number(w, "uninspected_answers"),
	       number(w, "uninspected_answer_bytes"));
}

static void print_limits(const json_t *j)
{
	const json_t *l = json_object_get(j, "limits");
	int64_t asked = number(l, "answered") + number(l, "late") + number(l, "lost") + number(l, "unasked");

	printf("limits      %" PRId64 " requests checked", number(l, "checked"));
	if (asked || number(l, "redis_ready"))
		printf("; redis ready in %" PRId64 " of %zu workers, %" PRId64 " answered, %" PRId64 " late, %" PRId64 " lost, %" PRId64
		       " unasked; wait p99 %.1f ms",
		       number(l, "redis_ready"), json_array_size(json_object_get(j, "workers")), number(l, "answered"),
		       number(l, "late"), number(l, "lost"), number(l, "unasked"), p_ms(l, "wait", "p99_ms"));
	printf("\n");
}

static void print_clients(const json_t *j)
{
	const json_t *c = json_object_get(j, "clients");

	printf("\nclients     %" PRId64 " connections of %" PRId64 " accepted; refused %" PRId64 " by address, %" PRId64
	       " full, %" PRId64 " for memory; %" PRId64 " evicted\n",
	       number(c, "connections"), number(c, "accepted"), number(c, "refused_address"), number(c, "refused_full"),
	       number(c, "refused_memory"), number(c, "evicted"));
	printf("tls         %" PRId64 " handshakes, %" PRId64 " resumed, %" PRId64 " failed; p50 %.1f ms, p99 %.1f ms\n",
	       number(c, "handshakes_full"), number(c, "handshakes_resumed"), number(c, "handshakes_failed"),
	       p_ms(c, "handshake", "p50_ms"), p_ms(c, "handshake", "p99_ms"));
	printf("requests    p50 %.1f ms, p99 %.1f ms; in the chain p50 %.1f ms, p99 %.1f ms\n", p_ms(c, "request", "p50_ms"),
	       p_ms(c, "request", "p99_ms"), p_ms(c, "chain", "p50_ms"), p_ms(c, "chain", "p99_ms"));
}

static void print_rest(const json_t *j)
{
	const json_t *o = json_object_get(j, "origins"), *r = json_object_get(j, "restarts");
	int64_t built = number(j, "geoip_built");

	printf("origins     %" PRId64 " requests on new connections, %" PRId64 " on pooled; %" PRId64 " idle\n", number(o, "new"),
	       number(o, "pooled"), number(o, "idle"));
	printf("            %" PRId64 " failures, %" PRId64 " retries, %" PRId64 " servers ejected now; first byte p50 %.1f ms, p99 %.1f ms\n",
	       number(o, "failures"), number(o, "retries"), number(o, "ejected"), p_ms(o, "first_byte", "p50_ms"),
	       p_ms(o, "first_byte", "p99_ms"));
	printf("geoip       ");
	if (built)
		print_age(number(j, "now") - built);
	printf("%s\n", built ? " old" : "no database");
	printf("logs        %" PRId64 " lines dropped\n", number(j, "log_lines_dropped"));
	printf("reloads     %" PRId64 " done, %" PRId64 " refused\n", number(j, "reloads_done"), number(j, "reloads_refused"));
	printf("restarts    %" PRId64 " workers, %" PRId64 " zygote, %" PRId64 " logger, %" PRId64 " admin\n", number(r, "worker"),
	       number(r, "zygote"), number(r, "logger"), number(r, "admin"));
}

static int print_status(const char *content)
{
	json_error_t error;
	json_t *j = json_loads(content, 0, &error);

	if (!j) {
		fprintf(stderr, "portcullis: what the gateway says is no JSON: %s\n", error.text);
		return CLI_NO;
	}
	print_head(j);
	print_workers(j);
	print_sites(j);
	print_clients(j);
	print_limits(j);
	print_waf(j);
	print_rest(j);
	json_decref(j);
	return CLI_YES;
}

/* ---- The command ---- */

static const char *read_options(int argc, char **argv, bool *json)
{
	static const struct option options[] = {
		{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
	const char *path = CLI_CONFIG;
	int option;

	while ((option = getopt_long(argc, argv, "c:", options, NULL)) != -1) {
		if (option == 'c')
			path = optarg;
		else if (option == 'j')
			*json = true;
		else
			return NULL;
	}
	return optind == argc && *path ? path : NULL;
}

int cli_status(int argc, char **argv)
{
	bool json = false;
	const char *path = read_options(argc, argv, &json), *content;
	struct buf answer = {0};
	int status = CLI_NO;

	if (!path)
		return cli_usage(argv[0]);
	if (ask(path, &answer)) {
		content = content_of(&answer);
		if (!content)
			fprintf(stderr, "portcullis: the gateway refuses to say: %.40s\n", answer.at);
		else if (json)
			status = fputs(content, stdout) < 0 ? CLI_NO : CLI_YES;
		else
			status = print_status(content);
	}
	buf_done(&answer);
	return status;
}
