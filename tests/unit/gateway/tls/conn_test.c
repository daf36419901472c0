/* conn_test.c -- bytes through one connection: splits, floods, ends, and what is told about them. */
#include <poll.h>

#include "gateway/tls/peer.h"

static struct made cert;
static struct tls_server *server;
static SSL_CTX *client;

static int set_up(void **state)
{
	static struct tls_ticket_ring ring;
	static const struct tls_tickets keys = {&ring, SLICE_NONE, 3600000};
	struct tls_pem pem;

	(void)state;
	assert_true(tls_ticket_turn(&ring));
	cert = make((struct recipe){.names = "DNS:a.test"});
	pem = pem_of(&cert);
	server = server_of(&pem, 1, &keys, 0x0303);
	client = their_client();
	SSL_CTX_set_mode(client, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
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

static void link_open(struct link *l, int version)
{
	link_to_server(l, server, client, "a.test");
	SSL_set_max_proto_version(l->theirs, version);
	link_shake(l);
	assert_int_equal(l->state, TLS_DONE);
	assert_int_equal(l->their_result, 0);
	tls_readable(l->ours);
}

static bool has_input(int fd)
{
	struct pollfd p = {.fd = fd, .events = POLLIN};

	return poll(&p, 1, 0) == 1;
}

static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

static void a_drained_socket_is_not_asked_again(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(versions); i++) {
		struct link l;
		char b[64];

		link_open(&l, versions[i]);
		assert_int_equal(SSL_write(l.theirs, "one", 3), 3);
		assert_true(tls_pending(l.ours));
		assert_int_equal(tls_read(l.ours, b, sizeof b), 3);
		assert_false(tls_pending(l.ours));

		/* New bytes are there, but nobody has said so. */
		assert_int_equal(SSL_write(l.theirs, "two", 3), 3);
		assert_true(has_input(l.fd[0]));
		assert_int_equal(tls_read(l.ours, b, sizeof b), 0);
		assert_false(tls_pending(l.ours));
		tls_readable(l.ours);
		assert_true(tls_pending(l.ours));
		assert_int_equal(tls_read(l.ours, b, sizeof b), 3);
		assert_memory_equal(b, "two", 3);
		assert_false(has_input(l.fd[0]));
		link_done(&l);
	}
}

static void what_is_inside_is_pending(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(versions); i++) {
		struct link l;
		char b[4];

		link_open(&l, versions[i]);
		SSL_write(l.theirs, "first", 5);
		SSL_write(l.theirs, "next", 4);
		assert_int_equal(tls_read(l.ours, b, 4), 4);
		assert_true(tls_pending(l.ours)); /* the rest of a record */
		assert_int_equal(tls_read(l.ours, b, 4), 1);
		assert_true(tls_pending(l.ours)); /* a whole record, read ahead */
		assert_false(has_input(l.fd[0]));
		assert_int_equal(tls_read(l.ours, b, 4), 4);
		assert_memory_equal(b, "next", 4);
		assert_false(tls_pending(l.ours));
		assert_int_equal(tls_read(l.ours, b, 4), 0);
		link_done(&l);
	}
}

/* Everything the client sends arrives in pieces of `step` bytes. */
static void any_split_is_the_same(void **state)
{
	static const size_t steps[] = {1, 2, 5, 6, 77};

	(void)state;
	for (size_t i = 0; i < COUNT(steps) * COUNT(versions); i++) {
		size_t step = steps[i / COUNT(versions)], n;
		struct link l;
		BIO *out = BIO_new(BIO_s_mem());
		char *bytes, b[600], text[] = "a request in pieces";
		ssize_t got = 0, r;

		link_to_server(&l, server, client, "a.test");
		SSL_set_max_proto_version(l.theirs, versions[i % COUNT(versions)]);
		SSL_set0_wbio(l.theirs, out);
		BIO_set_mem_eof_return(out, -1);
		for (int turn = 0; turn < 4; turn++) {
			their_step(&l);
			if (turn == 3)
				assert_int_equal(SSL_write(l.theirs, text, sizeof text), sizeof text);
			n = (size_t)BIO_get_mem_data(out, &bytes);
			for (size_t at = 0; at < n; at += step) {
				size_t now = n - at < step ? n - at : step;

				assert_int_equal(send(l.fd[1], bytes + at, now, 0), now);
				tls_readable(l.ours);
				if (l.state == TLS_AGAIN)
					l.state = tls_handshake(l.ours);
				if (l.state != TLS_DONE)
					continue;
				do {
					r = tls_read(l.ours, b + got, sizeof b - (size_t)got);
					assert_true(r >= 0);
					got += r;
				} while (r > 0);
				assert_false(tls_pending(l.ours)); /* half a record is nothing to read */
			}
			(void)BIO_reset(out);
		}
		assert_int_equal(l.state, TLS_DONE);
		assert_int_equal(got, sizeof text);
		assert_memory_equal(b, text, sizeof text);
		link_done(&l);
	}
}

#define EMPTY_3 "\x16\x03\x01\0\0\x16\x03\x01\0\0\x16\x03\x01\0\0"
#define EMPTY_9 EMPTY_3 EMPTY_3 EMPTY_3

static void what_is_no_tls_is_told_apart(void **state)
{
	static const struct { const char *in; size_t n; bool http; const char *why, *says; } cases[] = {
#define ROW(bytes) bytes, sizeof bytes - 1
		{ROW("GET / HTTP/1.1\r\nHost: a\r\n\r\n"), true, "plain HTTP", "a browser on the wrong port"},
		{ROW("POST /x HTTP/1.1\r\n"), true, "plain HTTP", "a form on the wrong port"},
		{ROW("OPTIONS * HTTP/1.1\r\n"), true, "not TLS", "a method OpenSSL does not know"},
		{ROW("CONNECT a:443 HTTP/1.1\r\n"), true, "plain HTTP (CONNECT)", "a proxy's client"},
		{ROW("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), true, "not TLS", "HTTP/2 with prior knowledge"},
		{ROW("EHLO example.com\r\n"), false, "not TLS", "mail"},
		{ROW("GETS a b c\r\n"), false, "not TLS", "a word that begins like a method"},
		{ROW("\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00"), false, NULL, "zeros"},
		{ROW(EMPTY_9 EMPTY_9 EMPTY_9 EMPTY_9), false, NULL, "empty records without end"},
		{ROW("\x16\x03\x01\xff\xff" "aaaaaaaaaaaaaaaaaaaaaaaaaaa"), false, NULL, "a record above 16 KiB"},
		{ROW("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"), false, NULL, "SSL 2"},
		{ROW("\x15\x03\x01\x00\x02\x02\x28"), false, NULL, "an alert instead of a hello"},
		{ROW("\x17\x03\x03\x00\x05hello"), false, NULL, "data before the handshake"},
		{ROW("\x14\x03\x03\x00\x01\x01"), false, NULL, "a change of ciphers before the handshake"},
#undef ROW
	};

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct link l;
		char b[1];

		print_message("%s\n", cases[i].says);
		link_sockets(&l);
		l.ours = tls_accept(server, l.fd[0]);
		assert_int_equal(send(l.fd[1], cases[i].in, cases[i].n, 0), cases[i].n);
		assert_int_equal(tls_handshake(l.ours), TLS_BROKEN);
		assert_int_equal(tls_handshake(l.ours), TLS_BROKEN);
		assert_int_equal(tls_was_http(l.ours), cases[i].http);
		if (cases[i].http) /* no alert in front of the 400 */
			assert_false(has_input(l.fd[1]));
		if (cases[i].why)
			assert_string_equal(tls_why(l.ours), cases[i].why);
		assert_true(strlen(tls_why(l.ours)) > 0);
		assert_int_equal(tls_read(l.ours, b, 1), -2);
		assert_int_equal(tls_write(l.ours, b, 1), -2);
		assert_false(tls_pending(l.ours));
		tls_shutdown(l.ours);
		assert_int_equal(ERR_peek_error(), 0);
		link_done(&l);
	}
}

static void a_peer_may_leave_at_any_point(void **state)
{
	struct link l;

	(void)state;
	link_sockets(&l);
	l.ours = tls_accept(server, l.fd[0]);
	assert_int_equal(tls_handshake(l.ours), TLS_AGAIN);
	close(l.fd[1]);
	l.fd[1] = -1;
	tls_peer_closed(l.ours);
	assert_int_equal(tls_handshake(l.ours), TLS_CLOSED);
	assert_string_equal(tls_why(l.ours), "the peer left during the handshake");
	link_done(&l);

	link_to_server(&l, server, client, NULL);
	their_step(&l);
	SSL_free(l.theirs);
	l.theirs = NULL;
	close(l.fd[1]);
	l.fd[1] = -1;
	assert_int_equal(tls_handshake(l.ours), TLS_CLOSED);
	link_done(&l);
}

static void the_end_is_orderly_or_not(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(versions) * 3; i++) {
		bool notify = i % 3 == 0, shut = i % 3 == 1; /* else closed */
		struct link l;
		char b[16];

		link_open(&l, versions[i / 3]);
		assert_int_equal(SSL_write(l.theirs, "bye", 3), 3);
		if (notify)
			SSL_shutdown(l.theirs);
		else if (shut)
			shutdown(l.fd[1], SHUT_WR);
		else
			close(l.fd[1]);
		if (!notify && !shut)
			l.fd[1] = -1;
		/* Data and end are one event: the read after the data must still find the end. */
		tls_readable(l.ours);
		tls_peer_closed(l.ours);
		assert_int_equal(tls_read(l.ours, b, sizeof b), 3);
		assert_true(tls_pending(l.ours));
		assert_int_equal(tls_read(l.ours, b, sizeof b), notify ? -1 : -2);
		if (shut)
			assert_string_equal(tls_why(l.ours), "closed without close_notify");
		assert_int_equal(tls_read(l.ours, b, sizeof b), notify ? -1 : -2);
		assert_false(tls_pending(l.ours));
		/* Half-closed: an answer may still go out after close_notify. */
		if (notify) {
			assert_int_equal(tls_write(l.ours, "answer", 6), 6);
			tls_shutdown(l.ours);
			SSL_set_shutdown(l.theirs, SSL_SENT_SHUTDOWN);
			assert_int_equal(their_read(&l, b, sizeof b), 6);
			assert_int_equal(their_read(&l, b, sizeof b), 0);
			assert_int_equal(SSL_get_shutdown(l.theirs) & SSL_RECEIVED_SHUTDOWN, SSL_RECEIVED_SHUTDOWN);
		}
		link_done(&l);
	}
}

/* A slow reader of a big answer: every byte arrives once and in order, whatever the pieces. */
static void a_full_socket_resumes_where_it_stopped(void **state)
{
	enum { SIZE = 300000 };
	char *data = malloc(SIZE), *moved = malloc(SIZE), *seen = malloc(SIZE);

	(void)state;
	for (size_t i = 0; i < SIZE; i++)
		data[i] = (char)(i * 31 + i / 256);
	for (size_t v = 0; v < COUNT(versions); v++) {
		struct link l;
		size_t put = 0, got = 0;
		unsigned stops = 0;
		int small = 5000;

		link_open(&l, versions[v]);
		setsockopt(l.fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
		while (got < SIZE) {
			/* The bytes move between tries, as a queue's do. */
			const char *from = stops % 2 ? data : moved;
			ssize_t w, r;

			memcpy(moved, data, SIZE);
			w = put < SIZE ? tls_write(l.ours, from + put, SIZE - put) : 0;
			assert_true(w >= 0);
			put += (size_t)w;
			stops += put < SIZE;
			while ((r = their_read(&l, seen + got, 7001 < SIZE - got ? 7001 : SIZE - got)) > 0)
				got += (size_t)r;
		}
		assert_int_equal(put, SIZE);
		assert_memory_equal(seen, data, SIZE);
		assert_true(stops > 3);
		link_done(&l);
	}
	free(data);
	free(moved);
	free(seen);
}

static void the_end_is_said_once_and_reading_goes_on(void **state)
{
	(void)state;
	for (size_t i = 0; i < COUNT(versions); i++) {
		struct link l;
		char b[8];

		link_open(&l, versions[i]);
		assert_int_equal(SSL_write(l.theirs, "late", 4), 4);
		tls_shutdown(l.ours);
		tls_shutdown(l.ours);
		assert_true(has_input(l.fd[0])); /* nothing was read on the side */
		assert_int_equal(tls_read(l.ours, b, sizeof b), 4);
		assert_int_equal(their_read(&l, b, sizeof b), 0);
		assert_false(has_input(l.fd[1])); /* one close_notify */
		link_done(&l);
	}
}

/* Nothing may be put between the two halves of a record. */
static void the_end_waits_for_the_record(void **state)
{
	static char data[100000], seen[sizeof data];
	struct link l;
	ssize_t put = 0, got = 0, r;
	int small = 5000;

	(void)state;
	link_open(&l, TLS1_3_VERSION);
	setsockopt(l.fd[0], SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
	put = tls_write(l.ours, data, sizeof data);
	assert_true(put >= 0 && put < (ssize_t)sizeof data);
	tls_shutdown(l.ours);
	for (int i = 0; i < 100 && got < (ssize_t)sizeof data; i++) {
		while ((r = their_read(&l, seen, sizeof seen)) > 0)
			got += r;
		assert_int_equal(SSL_get_shutdown(l.theirs), 0);
		r = tls_write(l.ours, data + put, sizeof data - (size_t)put);
		assert_true(r >= 0);
		put += r;
	}
	assert_int_equal(got, sizeof data);
	tls_shutdown(l.ours);
	assert_int_equal(their_read(&l, seen, sizeof seen), 0);
	assert_int_equal(SSL_get_shutdown(l.theirs), SSL_RECEIVED_SHUTDOWN);
	link_done(&l);
}

static void a_write_to_nobody_is_broken(void **state)
{
	struct link l;

	(void)state;
	link_open(&l, TLS1_3_VERSION);
	close(l.fd[1]);
	l.fd[1] = -1;
	assert_int_equal(tls_write(l.ours, "x", 1), -2);
	assert_string_equal(tls_why(l.ours), "connection reset");
	tls_shutdown(l.ours);
	link_done(&l);
}

static void renegotiation_ends_the_connection(void **state)
{
	struct link l;
	char b[8];

	(void)state;
	link_open(&l, TLS1_2_VERSION);
	assert_int_equal(SSL_renegotiate(l.theirs), 1);
	SSL_do_handshake(l.theirs);
	ERR_clear_error();
	tls_readable(l.ours);
	assert_int_equal(tls_read(l.ours, b, sizeof b), -2);
	assert_string_equal(tls_why(l.ours), "the peer asked for renegotiation");
	assert_true(has_input(l.fd[1])); /* the no_renegotiation alert */
	link_done(&l);
}

static void key_updates_are_followed_but_not_for_ever(void **state)
{
	struct link l;
	char b[8];
	ssize_t r = 0;

	(void)state;
	link_open(&l, TLS1_3_VERSION);
	for (int i = 0; i < 40; i++) {
		SSL_key_update(l.theirs, SSL_KEY_UPDATE_REQUESTED);
		assert_int_equal(SSL_write(l.theirs, "x", 1), 1);
		tls_readable(l.ours);
		assert_int_equal(tls_read(l.ours, b, 1), 1);
		assert_int_equal(tls_write(l.ours, "y", 1), 1);
		assert_int_equal(their_read(&l, b, 1), 1);
	}
	for (int i = 0; i < 2000 && r == 0; i++) {
		SSL_key_update(l.theirs, SSL_KEY_UPDATE_NOT_REQUESTED);
		SSL_do_handshake(l.theirs);
		tls_readable(l.ours);
		r = tls_read(l.ours, b, sizeof b);
	}
	assert_int_equal(r, -2);
	assert_string_equal(tls_why(l.ours), "too many records with nothing in them");
	link_done(&l);
}

/* Segments cost: the ticket leaves with the first answer, or with the end. */
static void the_ticket_waits_for_the_first_answer(void **state)
{
	(void)state;
	for (int with_answer = 0; with_answer < 2; with_answer++) {
		struct link l;
		char b[8];

		link_open(&l, TLS1_3_VERSION);
		assert_false(has_input(l.fd[1]));
		if (with_answer)
			assert_int_equal(tls_write(l.ours, "ok", 2), 2);
		else
			tls_shutdown(l.ours);
		assert_int_equal(their_read(&l, b, sizeof b), with_answer ? 2 : 0);
		assert_true(SSL_SESSION_has_ticket(SSL_get0_session(l.theirs)));
		link_done(&l);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_drained_socket_is_not_asked_again),
		cmocka_unit_test(what_is_inside_is_pending),
		cmocka_unit_test(any_split_is_the_same),
		cmocka_unit_test(what_is_no_tls_is_told_apart),
		cmocka_unit_test(a_peer_may_leave_at_any_point),
		cmocka_unit_test(the_end_is_orderly_or_not),
		cmocka_unit_test(a_full_socket_resumes_where_it_stopped),
		cmocka_unit_test(the_end_is_said_once_and_reading_goes_on),
		cmocka_unit_test(the_end_waits_for_the_record),
		cmocka_unit_test(a_write_to_nobody_is_broken),
		cmocka_unit_test(renegotiation_ends_the_connection),
		cmocka_unit_test(key_updates_are_followed_but_not_for_ever),
		cmocka_unit_test(the_ticket_waits_for_the_first_answer),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
