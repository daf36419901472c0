/* memory_test.c -- what OpenSSL takes for a connection is charged to it, and given back. */
#include "gateway/tls/peer.h"

#include "gateway/base/mem.h"

static struct made cert;
static struct tls_server *server;
static SSL_CTX *client;

static int set_up(void **state)
{
	static const struct tls_tickets tickets = {.secret = SLICE("the same on every node, 32 bytes."), .period_ms = 3600000};
	struct tls_pem pem;

	(void)state;
	cert = make((struct recipe){.names = "DNS:a.test"});
	pem = pem_of(&cert);
	server = server_of(&pem, 1, &tickets, 0x0303);
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

static void a_connection_is_charged_from_its_first_byte_to_its_end(void **state)
{
	struct budget worker = {0}, connection = {.parent = &worker};
	struct link l;
	char b[64];

	(void)state;
	link_to_server(&l, server, client, "a.test");
	tls_charge(l.ours, &connection);
	assert_true(connection.used > 1000);
	link_shake(&l);
	assert_int_equal(l.state, TLS_DONE);
	/* What the handshake took is given back at its end. */
	assert_true(connection.peak > connection.used && connection.used < 32 << 10);
	assert_int_equal(worker.used, connection.used);
	assert_int_equal(SSL_write(l.theirs, "one", 3), 3);
	tls_readable(l.ours);
	assert_int_equal(tls_read(l.ours, b, sizeof b), 3);
	assert_int_equal(tls_write(l.ours, "two", 3), 3);
	assert_true(connection.used < 64 << 10);
	link_done(&l);
	assert_int_equal(connection.used, 0);
	assert_int_equal(worker.used, 0);
}

static void a_bound_that_breaks_in_a_call_breaks_no_call(void **state)
{
	struct budget connection = {.limit = 2000};
	struct link l;

	(void)state;
	link_to_server(&l, server, client, "a.test");
	tls_charge(l.ours, &connection);
	link_shake(&l);
	assert_int_equal(l.state, TLS_DONE);
	assert_true(connection.used > connection.limit);
	assert_false(budget_take(&connection, 1));
	link_done(&l);
	assert_int_equal(connection.used, 0);
}

static void who_is_not_told_of_is_charged_to_nobody(void **state)
{
	struct link l;

	(void)state;
	link_to_server(&l, server, client, "a.test");
	link_shake(&l);
	assert_int_equal(l.state, TLS_DONE);
	link_done(&l);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_connection_is_charged_from_its_first_byte_to_its_end),
		cmocka_unit_test(a_bound_that_breaks_in_a_call_breaks_no_call),
		cmocka_unit_test(who_is_not_told_of_is_charged_to_nobody),
	};

	/* Before anything of OpenSSL. */
	if (!tls_count_memory())
		return 1;
	return cmocka_run_group_tests(tests, set_up, tear_down);
}
