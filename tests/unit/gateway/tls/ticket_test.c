/* ticket_test.c -- whose ticket opens which door. */
#include "gateway/tls/peer.h"

static struct made one, two, renewed;
static struct tls_ticket_ring drawn, turned, past, drawn_elsewhere, empty;
static struct tls_tickets keys, rotated, gone, foreign, none, shared, agreed, other_secret, other_period;
static SSL_SESSION *last;

enum { HOUR = 3600000 };

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(last);
	last = session;
	return 1;
}

static struct tls_server *worker(const struct tls_tickets *k)
{
	struct tls_pem pems[] = {pem_of(&one), pem_of(&two)};

	return server_of(pems, COUNT(pems), k, 0x0303);
}

/* One connection, with a session to offer or none; what it leaves behind is in `last`. */
static bool visit(struct tls_server *s, SSL_CTX *c, const char *sni, SSL_SESSION *offer, int version)
{
	struct link l;
	bool resumed;
	char b[8];

	link_to_server(&l, s, c, sni);
	SSL_set_min_proto_version(l.theirs, version);
	SSL_set_max_proto_version(l.theirs, version);
	if (offer)
		SSL_set_session(l.theirs, offer);
	link_shake(&l);
	assert_int_equal(l.state, TLS_DONE);
	assert_int_equal(l.their_result, 0);
	assert_int_equal(tls_write(l.ours, "hello", 5), 5);
	assert_int_equal(their_read(&l, b, sizeof b), 5);
	resumed = tls_resumed(l.ours);
	assert_int_equal(resumed, SSL_session_reused(l.theirs));
	/* Of a resumed session in 1.2 their callback hears nothing. */
	if (resumed && !last)
		last = SSL_get1_session(l.theirs);
	tls_shutdown(l.ours);
	SSL_shutdown(l.theirs);
	link_done(&l);
	return resumed;
}

static SSL_CTX *keeper(void)
{
	SSL_CTX *c = their_client();

	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c, on_session);
	return c;
}

static int set_up(void **state)
{
	(void)state;
	one = make((struct recipe){.names = "DNS:a.test,DNS:a2.test"});
	two = make((struct recipe){.names = "DNS:b.test"});
	renewed = make((struct recipe){.names = "DNS:a.test"});
	assert_true(tls_ticket_turn(&drawn));
	memcpy(&turned, &drawn, sizeof turned);
	assert_true(tls_ticket_turn(&turned));
	memcpy(&past, &turned, sizeof past);
	assert_true(tls_ticket_turn(&past));
	/* The same name, another secret: as if the name were guessed. */
	assert_true(tls_ticket_turn(&drawn_elsewhere));
	memcpy(drawn_elsewhere.key[1], drawn.key[1], 16);
	keys = (struct tls_tickets){&drawn, SLICE_NONE, HOUR};
	rotated = (struct tls_tickets){&turned, SLICE_NONE, HOUR};
	gone = (struct tls_tickets){&past, SLICE_NONE, HOUR};
	foreign = (struct tls_tickets){&drawn_elsewhere, SLICE_NONE, HOUR};
	none = (struct tls_tickets){&empty, SLICE_NONE, HOUR};
	shared = (struct tls_tickets){&drawn, SLICE("0123456789abcdef0123456789abcdef"), HOUR};
	agreed = (struct tls_tickets){&turned, SLICE("0123456789abcdef0123456789abcdef"), HOUR};
	other_secret = (struct tls_tickets){&drawn, SLICE("0123456789abcdef0123456789abcdeg"), HOUR};
	other_period = (struct tls_tickets){&drawn, SLICE("0123456789abcdef0123456789abcdef"), 2 * HOUR};
	return 0;
}

static int tear_down(void **state)
{
	(void)state;
	made_done(&one);
	made_done(&two);
	made_done(&renewed);
	return 0;
}

static void a_ticket_is_good_where_it_was_meant(void **state)
{
	static const struct {
		const char *first, *then;
		const struct tls_tickets *keys;
		bool want;
		const char *says;
	} cases[] = {
		{"a.test", "a.test", &keys, true, "another worker with the same keys"},
		{"a.test", "a.test", &rotated, true, "a key that was rotated out of use, but not away"},
		{"a.test", "a.test", &gone, false, "a key that was rotated away"},
		{"a.test", "a.test", &foreign, false, "other keys under the same name"},
		{"a.test", "a.test", &none, false, "a ring that was never turned"},
		{"a.test", "a.test", &shared, false, "derived keys, where they were drawn"},
		{"a.test", "a.test", NULL, false, "no keys at all"},
		{"a.test", "b.test", &keys, false, "another site"},
		{"a.test", "a2.test", &keys, false, "another name on the same certificate"},
		{"a.test", NULL, &keys, false, "no name, on the same certificate"},
		{NULL, "a.test", &keys, false, "a name, after none"},
		{NULL, NULL, &keys, true, "no name twice"},
		{"x.test", "y.test", &keys, false, "two names nobody knows"},
		{"A.test", "a.TEST", &keys, true, "one name however it is written"},
	};
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct tls_server *first = worker(&keys);
	SSL_CTX *c = keeper();

	(void)state;
	for (size_t i = 0; i < COUNT(cases) * COUNT(versions); i++) {
		int version = versions[i % COUNT(versions)];
		size_t row = i / COUNT(versions);
		struct tls_server *second = worker(cases[row].keys);
		SSL_SESSION *offer;

		print_message("%s\n", cases[row].says);
		assert_false(visit(first, c, cases[row].first, NULL, version));
		offer = last;
		last = NULL;
		assert_non_null(offer);
		assert_true(SSL_SESSION_has_ticket(offer));
		assert_int_equal(visit(second, c, cases[row].then, offer, version), cases[row].want);
		SSL_SESSION_free(offer);
		SSL_SESSION_free(last);
		last = NULL;
		tls_server_free(second);
	}
	SSL_CTX_free(c);
	tls_server_free(first);
}

static void a_new_certificate_ends_old_sessions(void **state)
{
	struct tls_pem pem = pem_of(&renewed);
	struct tls_server *before = worker(&keys), *after = server_of(&pem, 1, &keys, 0x0303);
	SSL_CTX *c = keeper();

	(void)state;
	visit(before, c, "a.test", NULL, TLS1_3_VERSION);
	assert_non_null(last);
	assert_false(visit(after, c, "a.test", last, TLS1_3_VERSION));
	SSL_SESSION_free(last);
	last = NULL;
	SSL_CTX_free(c);
	tls_server_free(before);
	tls_server_free(after);
}

static void a_resumed_1_3_session_brings_its_successor(void **state)
{
	struct tls_server *s = worker(&keys);
	SSL_CTX *c = keeper();

	(void)state;
	visit(s, c, "a.test", NULL, TLS1_3_VERSION);
	for (int i = 0; i < 3; i++) {
		SSL_SESSION *offer = last;

		last = NULL;
		assert_non_null(offer);
		assert_true(visit(s, c, "a.test", offer, TLS1_3_VERSION));
		SSL_SESSION_free(offer);
	}
	SSL_SESSION_free(last);
	last = NULL;
	SSL_CTX_free(c);
	tls_server_free(s);
}

static void nodes_with_one_secret_open_each_others_tickets(void **state)
{
	static const struct { const struct tls_tickets *there; bool want; const char *says; } cases[] = {
		{&agreed, true, "another ring, the same secret and period"},
		{&other_secret, false, "another secret"},
		{&other_period, false, "another period"},
		{&keys, false, "no secret"},
	};
	struct tls_server *first = worker(&shared);
	SSL_CTX *c = keeper();

	(void)state;
	for (size_t i = 0; i < COUNT(cases); i++) {
		struct tls_server *second = worker(cases[i].there);
		SSL_SESSION *offer;

		print_message("%s\n", cases[i].says);
		assert_false(visit(first, c, "a.test", NULL, TLS1_2_VERSION));
		offer = last;
		last = NULL;
		assert_int_equal(visit(second, c, "a.test", offer, TLS1_2_VERSION), cases[i].want);
		SSL_SESSION_free(offer);
		SSL_SESSION_free(last);
		last = NULL;
		tls_server_free(second);
	}
	SSL_CTX_free(c);
	tls_server_free(first);
}

static void rotation_reaches_a_living_server(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};

	(void)state;
	for (size_t i = 0; i < COUNT(versions); i++) {
		struct tls_ticket_ring ring = {0};
		struct tls_tickets from = {&ring, SLICE_NONE, HOUR};
		struct tls_server *s = worker(&from);
		SSL_CTX *c = keeper();
		SSL_SESSION *first, *second;

		visit(s, c, "a.test", NULL, versions[i]);
		assert_true(!last || !SSL_SESSION_has_ticket(last)); /* no key yet, no ticket */
		SSL_SESSION_free(last);
		last = NULL;
		assert_true(tls_ticket_turn(&ring));
		visit(s, c, "a.test", NULL, versions[i]);
		first = last;
		last = NULL;
		assert_true(tls_ticket_turn(&ring));
		/* Under the key before this one: good, and a new one comes with it. */
		SSL_SESSION_up_ref(first);
		assert_true(visit(s, c, "a.test", first, versions[i]));
		second = last;
		last = NULL;
		assert_non_null(second);
		assert_true(tls_ticket_turn(&ring));
		assert_false(visit(s, c, "a.test", first, versions[i]));
		assert_true(visit(s, c, "a.test", second, versions[i]));
		SSL_SESSION_free(first);
		SSL_SESSION_free(first);
		SSL_SESSION_free(second);
		SSL_SESSION_free(last);
		last = NULL;
		SSL_CTX_free(c);
		tls_server_free(s);
	}
}

/* The ticket's bytes are the client's to change. */
static void a_changed_ticket_is_a_full_handshake(void **state)
{
	struct tls_server *s = worker(&keys);
	SSL_CTX *c = keeper();
	SSL_SESSION *good;
	unsigned char *der = NULL;
	const unsigned char *ticket;
	size_t ticket_n;
	int der_n;

	(void)state;
	visit(s, c, "a.test", NULL, TLS1_2_VERSION);
	good = last;
	last = NULL;
	der_n = i2d_SSL_SESSION(good, &der);
	SSL_SESSION_get0_ticket(good, &ticket, &ticket_n);
	assert_true(der_n > 0 && ticket_n > 48);
	for (size_t at = 0; at < ticket_n; at += 13) {
		unsigned char *inside = memmem(der, (size_t)der_n, ticket, ticket_n);
		const unsigned char *p = der;
		SSL_SESSION *bent;

		assert_non_null(inside);
		inside[at] ^= 0x10;
		bent = d2i_SSL_SESSION(NULL, &p, der_n);
		inside[at] ^= 0x10;
		assert_non_null(bent);
		assert_false(visit(s, c, "a.test", bent, TLS1_2_VERSION));
		SSL_SESSION_free(bent);
	}
	assert_true(visit(s, c, "a.test", good, TLS1_2_VERSION));
	SSL_SESSION_free(good);
	OPENSSL_free(der);
	SSL_SESSION_free(last);
	last = NULL;
	SSL_CTX_free(c);
	tls_server_free(s);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_ticket_is_good_where_it_was_meant),
		cmocka_unit_test(a_new_certificate_ends_old_sessions),
		cmocka_unit_test(a_resumed_1_3_session_brings_its_successor),
		cmocka_unit_test(nodes_with_one_secret_open_each_others_tickets),
		cmocka_unit_test(rotation_reaches_a_living_server),
		cmocka_unit_test(a_changed_ticket_is_a_full_handshake),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
