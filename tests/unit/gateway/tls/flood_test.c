/* flood_test.c -- records that are worth nothing, and handshakes without end: each has a bound. */
#include "gateway/tls/peer.h"

static struct made cert;
static struct tls_server *server;
static SSL_CTX *client;

static int set_up(void **state)
{
	struct tls_pem pem;

	(void)state;
	cert = make((struct recipe){.names = "DNS:a.test"});
	pem = pem_of(&cert);
	server = server_of(&pem, 1, NULL, 0x0303);
	client = their_client();
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	tls_server_free(server);
	SSL_CTX_free(client);
	made_done(&cert);
	return 0;
}

static void open_link(struct link *l, int version)
{
	link_to_server(l, server, client, "a.test");
	SSL_set_max_proto_version(l->theirs, version);
	link_shake(l);
	assert_int_equal(l->state, TLS_DONE);
}

/* They send `n` bytes; what of it is read in pieces of `room`, or -2. */
static ssize_t pass(struct link *l, size_t n, size_t room)
{
	static char bytes[16384], b[16384];
	size_t all = 0;

	memset(bytes, 'x', sizeof bytes);
	if (SSL_write(l->theirs, bytes, (int)n) != (int)n) {
		ERR_clear_error();
		return -2;
	}
	tls_readable(l->ours);
	while (all < n) {
		ssize_t r = tls_read(l->ours, b, room);

		if (r < 0)
			return r;
		all += (size_t)r;
	}
	return (ssize_t)all;
}

/* How many turns of it pass; `most` when all do. */
static unsigned turns(int version, bool update, size_t small, unsigned smalls, size_t large, size_t room, int pause_us, unsigned most)
{
	struct link l;
	unsigned n;

	open_link(&l, version);
	for (n = 0; n < most; n++) {
		bool good = true;

		if (update)
			SSL_key_update(l.theirs, SSL_KEY_UPDATE_NOT_REQUESTED);
		for (unsigned i = 0; good && i < smalls; i++)
			good = pass(&l, small, room) == (ssize_t)small;
		good = good && (!large || pass(&l, large, room) == (ssize_t)large);
		if (!good)
			break;
		usleep((useconds_t)pause_us);
	}
	if (n < most)
		assert_string_equal(tls_why(l.ours), "too many records with nothing in them");
	link_done(&l);
	return n;
}

static void a_flood_ends_at_about_a_hundred(void **state)
{
	static const struct {
		int version;
		bool update;
		size_t small;
		unsigned smalls;
		size_t large, room;
		int pause_us;
		unsigned most, least_passed, most_passed;
		const char *says;
	} cases[] = {
		{TLS1_3_VERSION, false, 1, 1, 0, 4096, 0, 5000, 100, 300, "records of one byte"},
		{TLS1_2_VERSION, false, 1, 1, 0, 4096, 0, 5000, 100, 300, "the same in 1.2"},
		{TLS1_3_VERSION, false, 4, 1, 0, 4096, 0, 5000, 100, 300, "of four"},
		{TLS1_3_VERSION, false, 5, 1, 0, 4096, 0, 2000, 2000, 2000, "five may be a chunk"},
		{TLS1_3_VERSION, true, 100, 1, 0, 4096, 0, 5000, 100, 300, "a new key for each hundred bytes"},
		{TLS1_3_VERSION, true, 0, 0, 16384, 16384, 0, 500, 500, 500, "a new key for each 16 KiB is strange, and cheap"},
		{TLS1_3_VERSION, false, 1, 1, 0, 4096, 12000, 130, 130, 130, "a byte now and then"},
		{TLS1_3_VERSION, false, 2, 1, 1024, 4096, 0, 2000, 2000, 2000, "line ends between chunks"},
		{TLS1_3_VERSION, false, 1, 17, 16384, 4096, 0, 2000, 80, 300, "more of them than content pays for"},
		{TLS1_3_VERSION, false, 5, 1, 0, 4, 0, 2000, 2000, 2000, "a byte that is the rest of a record"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		unsigned n = turns(cases[i].version, cases[i].update, cases[i].small, cases[i].smalls, cases[i].large, cases[i].room,
				   cases[i].pause_us, cases[i].most);

		print_message("%s: %u\n", cases[i].says, n);
		assert_in_range(n, cases[i].least_passed, cases[i].most_passed);
	}
}

/* ---- Handshakes ---- */

/* A ClientHello that says it has `n` bytes, as so many of them as the socket takes. */
static enum tls_state hello_of(struct link *l, size_t n)
{
	static uint8_t record[5 + 16384];
	size_t sent = 0;

	link_sockets(l);
	l->ours = tls_accept(server, l->fd[0]);
	assert_non_null(l->ours);
	l->state = TLS_AGAIN;
	while (sent < n && l->state == TLS_AGAIN) {
		size_t part = n - sent < 16384 ? n - sent : 16384;

		memset(record, 0, sizeof record);
		memcpy(record, (const uint8_t[]){22, 3, 1, (uint8_t)(part >> 8), (uint8_t)part}, 5);
		if (!sent)
			memcpy(record + 5, (const uint8_t[]){1, (uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, 3, 3}, 6);
		assert_int_equal(write(l->fd[1], record, part + 5), part + 5);
		sent += part;
		l->state = tls_handshake(l->ours);
	}
	return l->state;
}

static void a_hello_is_only_so_long(void **state)
{
	static const struct { size_t n; const char *why; } cases[] = {
		{100 << 10, "the handshake is larger than any good one"},
		{40 << 10, "the handshake is larger than any good one"},
		{(16 << 20) - 1, "a message is larger than any good one"},
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct link l;

		assert_int_equal(hello_of(&l, cases[i].n), TLS_BROKEN);
		assert_string_equal(tls_why(l.ours), cases[i].why);
		assert_int_equal(tls_handshake(l.ours), TLS_BROKEN);
		link_done(&l);
	}
}

/* What a client sends behind its handshake is read with it, and is no part of it. */
static void content_that_comes_with_the_handshake_is_content(void **state)
{
	static char bytes[16384], b[16384];
	struct link l;
	size_t all = 0;

	(void)state;
	link_to_server(&l, server, client, "a.test");
	for (int i = 0; i < 6 && l.their_result; i++) {
		their_step(&l);
		if (l.their_result)
			l.state = tls_handshake(l.ours);
	}
	assert_int_equal(l.their_result, 0);
	assert_int_equal(l.state, TLS_AGAIN); /* their Finished is still on its way */
	for (int i = 0; i < 3; i++)
		assert_int_equal(SSL_write(l.theirs, bytes, sizeof bytes), sizeof bytes);
	assert_int_equal(tls_handshake(l.ours), TLS_DONE);
	tls_readable(l.ours);
	while (all < 3 * sizeof bytes) {
		ssize_t r = tls_read(l.ours, b, sizeof b);

		assert_true(r > 0);
		all += (size_t)r;
	}
	link_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_flood_ends_at_about_a_hundred),
		cmocka_unit_test(a_hello_is_only_so_long),
		cmocka_unit_test(content_that_comes_with_the_handshake_is_content),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
