/* demand_test.c -- who has to show a certificate, which one counts, and for what a session is good that it opened. */
#include "gateway/base/hosts.h"
#include "gateway/tls/peer.h"

enum { HOUR = 3600000, CHAIN = 6 };

static struct made site, ca, other_ca, intermediate, chain[CHAIN];
static struct made good, below, deep[CHAIN], stranger, expired, early, for_servers, for_clients, weak, selfish;
static struct tls_ticket_ring ring;
static SSL_SESSION *last;

/* Sorted, as hosts.h wants them. */
static const struct tls_demand_host hosts[] = {
	{SLICE("*"), 3}, {SLICE("need.test"), 0}, {SLICE("need2.test"), 0}, {SLICE("other.test"), 2}, {SLICE("plain.test"), -1}, {SLICE("wish.test"), 1}};

static struct tls_demand demand_of(const struct made *m, uint8_t id, bool required)
{
	return (struct tls_demand){.ca_pem = slice_of(m->certificate), .id = {id}, .required = required};
}

/* need: of ca.  wish: of ca, but none will do.  other: of other_ca.  Without a name: wish, of other_ca. */
static struct tls_server *asking(const struct made *first_ca, uint8_t first_id)
{
	static const struct tls_tickets tickets = {&ring, SLICE_NONE, HOUR};
	const struct tls_demand demands[] = {demand_of(first_ca, first_id, true), demand_of(&ca, 1, false), demand_of(&other_ca, 2, true),
					     demand_of(&other_ca, 2, false)};
	struct tls_pem pem = pem_of(&site);
	struct tls_server_plan plan = {.pems = &pem, .pems_n = 1, .tickets = &tickets, .min_version = 0x0303,
				       .demands = demands, .demands_n = COUNT(demands), .hosts = hosts, .hosts_n = COUNT(hosts)};
	struct fail f = {0};
	struct tls_server *s = tls_server_new(&plan, &f);

	assert_non_null(s);
	fail_done(&f);
	return s;
}

static int set_up(void **state)
{
	static const char *const links[CHAIN] = {"link 1", "link 2", "link 3", "link 4", "link 5", "link 6"};

	(void)state;
	assert_true(tls_ticket_turn(&ring));
	site = make((struct recipe){.names = "DNS:*.test"});
	ca = make((struct recipe){.ca = true});
	other_ca = make((struct recipe){.ca = true, .common_name = "somebody else"});
	intermediate = make((struct recipe){.ca = true, .common_name = "between", .issuer = &ca});
	good = make((struct recipe){.names = "DNS:client", .issuer = &ca, .common_name = "good"});
	below = make((struct recipe){.names = "DNS:client", .issuer = &intermediate});
	stranger = make((struct recipe){.names = "DNS:client", .issuer = &other_ca});
	expired = make((struct recipe){.names = "DNS:client", .issuer = &ca, .from_days = -9, .to_days = -1});
	early = make((struct recipe){.names = "DNS:client", .issuer = &ca, .from_days = 1, .to_days = 9});
	for_servers = make((struct recipe){.names = "DNS:client", .issuer = &ca, .usage = "serverAuth"});
	for_clients = make((struct recipe){.names = "DNS:client", .issuer = &ca, .usage = "clientAuth"});
	weak = make((struct recipe){.names = "DNS:client", .issuer = &ca, .key = "RSA1024"});
	selfish = make((struct recipe){.names = "DNS:client", .common_name = "test authority"});
	for (int i = 0; i < CHAIN; i++) {
		chain[i] = make((struct recipe){.ca = true, .common_name = links[i], .issuer = i ? &chain[i - 1] : &ca});
		deep[i] = make((struct recipe){.names = "DNS:client", .issuer = &chain[i]});
	}
	return 0;
}

static int tear_down(void **state)
{
	struct made *all[] = {&site, &ca, &other_ca, &intermediate, &good, &below, &stranger, &expired, &early, &for_servers,
			      &for_clients, &weak, &selfish};

	(void)state;
	for (size_t i = 0; i < COUNT(all); i++)
		made_done(all[i]);
	for (int i = 0; i < CHAIN; i++) {
		made_done(&chain[i]);
		made_done(&deep[i]);
	}
	return 0;
}

static int on_session(SSL *ssl, SSL_SESSION *session)
{
	(void)ssl;
	SSL_SESSION_free(last);
	last = session;
	return 1;
}

static SSL_CTX *client_with(const struct made *m, int version)
{
	SSL_CTX *c = their_client();

	SSL_CTX_set_min_proto_version(c, version);
	SSL_CTX_set_max_proto_version(c, version);
	SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(c, on_session);
	if (m) {
		assert_int_equal(SSL_CTX_use_certificate(c, m->x509), 1);
		assert_int_equal(SSL_CTX_use_PrivateKey(c, m->pkey), 1);
	}
	return c;
}

/* ---- Which certificate counts ---- */

static void a_certificate_must_hold_or_there_is_no_connection(void **state)
{
	static const char none[] = "the client shows no certificate";
	static const struct {
		const char *sni;
		const struct made *shown, *with[CHAIN];
		const char *why; /* NULL: let in */
		const char *says;
	} cases[] = {
		{"need.test", &good, {0}, NULL, "of the authority"},
		{"need.test", &for_clients, {0}, NULL, "made for clients"},
		{"need.test", &below, {&intermediate}, NULL, "of an intermediate that it brings"},
		{"need.test", &deep[3], {&chain[3], &chain[2], &chain[1], &chain[0]}, NULL, "four intermediates"},
		{"need.test", &deep[4], {&chain[4], &chain[3], &chain[2], &chain[1], &chain[0]}, "certificate chain too long",
		 "five are too many"},
		{"need.test", NULL, {0}, none, "none"},
		{"need.test", &below, {0}, "unable to get local issuer certificate", "of an intermediate that it left at home"},
		{"need.test", &stranger, {0}, "unable to get local issuer certificate", "of another authority"},
		{"need.test", &stranger, {&other_ca}, "self-signed certificate in certificate chain", "which it brings"},
		{"need.test", &selfish, {0}, "self-signed certificate", "of nobody, by the authority's name"},
		{"need.test", &expired, {0}, "certificate has expired", "that has expired"},
		{"need.test", &early, {0}, "certificate is not yet valid", "that is not valid yet"},
		{"need.test", &for_servers, {0}, "unsuitable certificate purpose", "made for servers"},
		{"need.test", &weak, {0}, "EE certificate key too weak", "with a weak key"},
		{"need2.test", &good, {0}, NULL, "another name that asks the same"},
		{"other.test", &stranger, {0}, NULL, "each name its own authority"},
		{"other.test", &good, {0}, "unable to get local issuer certificate", "and no other"},
		{"wish.test", &good, {0}, NULL, "where none will do, one"},
		{"wish.test", NULL, {0}, NULL, "where none will do, none"},
		{"wish.test", &stranger, {0}, "unable to get local issuer certificate", "but not a wrong one"},
		{"wish.test", &expired, {0}, "certificate has expired", "nor one of yesterday"},
		{"plain.test", NULL, {0}, NULL, "nothing is asked"},
		{"plain.test", &stranger, {0}, NULL, "so nothing is shown"},
		{NULL, &stranger, {0}, NULL, "who says no name is asked what any name is asked"},
		{NULL, &good, {0}, "unable to get local issuer certificate", "of any name's authority"},
		{"unknown.test", &good, {0}, "unable to get local issuer certificate", "and so is who says another name"},
		{"NEED.test.", NULL, {0}, none, "however it is written"},
	};
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct tls_server *s = asking(&ca, 1);

	(void)state;
	for (size_t i = 0; i < COUNT(cases) * COUNT(versions); i++) {
		size_t row = i / COUNT(versions);
		SSL_CTX *c = client_with(cases[row].shown, versions[i % COUNT(versions)]);
		bool asked = !cases[row].sni || strcmp(cases[row].sni, "plain.test") != 0;
		struct link l;

		print_message("%s\n", cases[row].says);
		for (int k = 0; k < CHAIN && cases[row].with[k]; k++)
			assert_int_equal(SSL_CTX_add1_chain_cert(c, cases[row].with[k]->x509), 1);
		link_to_server(&l, s, c, cases[row].sni);
		link_shake(&l);
		if (cases[row].why) {
			assert_int_equal(l.state, TLS_BROKEN);
			assert_string_equal(tls_why(l.ours), cases[row].why);
			assert_null(tls_peer(l.ours));
		} else {
			assert_int_equal(l.state, TLS_DONE);
			assert_int_equal(!!tls_demanded(l.ours), asked);
			assert_int_equal(!!tls_peer(l.ours), asked && cases[row].shown);
		}
		link_done(&l);
		SSL_CTX_free(c);
		SSL_SESSION_free(last);
		last = NULL;
	}
	tls_server_free(s);
}

/* The client learns whose certificates it may show. */
static void the_authorities_are_named(void **state)
{
	struct tls_server *s = asking(&ca, 1);
	SSL_CTX *c = client_with(&good, TLS1_2_VERSION);
	const STACK_OF(X509_NAME) *names;
	struct link l;

	(void)state;
	link_to_server(&l, s, c, "need.test");
	link_shake(&l);
	names = SSL_get0_peer_CA_list(l.theirs);
	assert_int_equal(sk_X509_NAME_num(names), 1);
	assert_int_equal(X509_NAME_cmp(sk_X509_NAME_value(names, 0), X509_get_subject_name(ca.x509)), 0);
	link_done(&l);
	SSL_CTX_free(c);
	SSL_SESSION_free(last);
	last = NULL;
	tls_server_free(s);
}

/* More than 32 KiB of it. */
static void a_chain_is_only_so_long(void **state)
{
	struct tls_server *s = asking(&ca, 1);
	SSL_CTX *c = client_with(&good, TLS1_3_VERSION);
	struct link l;

	(void)state;
	for (int i = 0; i < 150; i++)
		SSL_CTX_add1_chain_cert(c, intermediate.x509);
	link_to_server(&l, s, c, "need.test");
	link_shake(&l);
	assert_int_equal(l.state, TLS_BROKEN);
	assert_string_equal(tls_why(l.ours), "a message is larger than any good one");
	link_done(&l);
	SSL_CTX_free(c);
	tls_server_free(s);
}

/* ---- Sessions ---- */

/* Resumed? */
static bool visit(struct tls_server *s, SSL_CTX *c, const char *sni, SSL_SESSION *offer, bool *shown)
{
	struct link l;
	bool resumed;
	char b[8];

	link_to_server(&l, s, c, sni);
	if (offer)
		SSL_set_session(l.theirs, offer);
	link_shake(&l);
	resumed = l.state == TLS_DONE && tls_resumed(l.ours);
	*shown = l.state == TLS_DONE && tls_peer(l.ours);
	if (l.state == TLS_DONE) {
		tls_write(l.ours, "hello", 5);
		their_read(&l, b, sizeof b);
		tls_shutdown(l.ours);
		SSL_shutdown(l.theirs);
	}
	link_done(&l);
	return resumed;
}

/* A session opened for one name, at another name or after another reading of the configuration: THREATS row D2. */
static void a_session_opens_no_other_door(void **state)
{
	static const char *const names[] = {"need.test", "need2.test", "wish.test", "other.test", "plain.test", NULL};
	static const struct made *const shown[] = {&good, &good, &good, &stranger, &good, &stranger};
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	struct tls_server *s = asking(&ca, 1), *reloaded = asking(&ca, 1);
	unsigned resumed = 0;
	bool proven;

	(void)state;
	for (size_t i = 0; i < COUNT(names) * COUNT(names) * COUNT(versions); i++) {
		size_t from = i / COUNT(versions) / COUNT(names), to = i / COUNT(versions) % COUNT(names);
		SSL_CTX *c = client_with(shown[from], versions[i % COUNT(versions)]), *bare = client_with(NULL, versions[i % COUNT(versions)]);
		SSL_SESSION *offer;
		bool again;

		assert_false(visit(s, c, names[from], NULL, &proven));
		assert_int_equal(proven, from != 4);
		offer = last;
		last = NULL;
		assert_non_null(offer);
		/* Who resumes has no certificate with it: all it has is the ticket. */
		again = visit(reloaded, bare, names[to], offer, &proven);
		assert_int_equal(again, from == to);
		assert_int_equal(proven, from == to && from != 4);
		resumed += again;
		SSL_SESSION_free(offer);
		SSL_SESSION_free(last);
		last = NULL;
		SSL_CTX_free(c);
		SSL_CTX_free(bare);
	}
	assert_int_equal(resumed, COUNT(names) * COUNT(versions));
	tls_server_free(s);
	tls_server_free(reloaded);
}

static void other_authorities_end_the_sessions_of_the_old_ones(void **state)
{
	static const int versions[] = {TLS1_2_VERSION, TLS1_3_VERSION};
	bool proven;

	(void)state;
	for (size_t i = 0; i < COUNT(versions); i++) {
		struct tls_server *before = asking(&ca, 1), *after = asking(&other_ca, 7), *same = asking(&ca, 1);
		SSL_CTX *c = client_with(&good, versions[i]);
		SSL_SESSION *offer;

		visit(before, c, "need.test", NULL, &proven);
		assert_true(proven);
		offer = last;
		last = NULL;
		SSL_SESSION_up_ref(offer);
		assert_false(visit(after, c, "need.test", offer, &proven));
		assert_false(proven);
		assert_true(visit(same, c, "need.test", offer, &proven));
		assert_true(proven);
		SSL_SESSION_free(offer);
		SSL_SESSION_free(offer);
		SSL_SESSION_free(last);
		last = NULL;
		SSL_CTX_free(c);
		tls_server_free(before);
		tls_server_free(after);
		tls_server_free(same);
	}
}

static void a_damaged_authority_is_a_finding(void **state)
{
	struct tls_pem pem = pem_of(&site);
	struct tls_demand demand = {.ca_pem = SLICE("nothing"), .place = {"x.yaml", 9, 5}};
	struct tls_server_plan plan = {.pems = &pem, .pems_n = 1, .min_version = 0x0303, .demands = &demand, .demands_n = 1};
	struct fail f = {0};

	(void)state;
	assert_null(tls_server_new(&plan, &f));
	assert_int_equal(f.errors, 1);
	assert_int_equal(f.at[0].place.line, 9);
	fail_done(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_certificate_must_hold_or_there_is_no_connection),
		cmocka_unit_test(the_authorities_are_named),
		cmocka_unit_test(a_chain_is_only_so_long),
		cmocka_unit_test(a_session_opens_no_other_door),
		cmocka_unit_test(other_authorities_end_the_sessions_of_the_old_ones),
		cmocka_unit_test(a_damaged_authority_is_a_finding),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
