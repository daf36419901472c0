/* inner.h -- what the files of this folder share: a connection from inside, and loaded certificates. */
#ifndef PORTCULLIS_TLS_INNER_H
#define PORTCULLIS_TLS_INNER_H

#include <openssl/ssl.h>

#include "gateway/tls/tls.h"

enum tls_key_type { TLS_RSA, TLS_ECDSA, TLS_EDDSA, TLS_KEY_TYPES };

/* One certificate with its key, as loaded from PEM. */
struct tls_cert {
	X509 *leaf;
	STACK_OF(X509) *chain;
	EVP_PKEY *key;
	enum tls_key_type type;
};

struct tls_demand_made;
struct tls_demands {
	struct tls_demand_made *at;
	struct tls_demand_host *hosts;
	unsigned n, hosts_n; /* n: made so far */
};

struct tls {
	SSL *ssl;
	struct tls_server *server; /* one of these two is set, and held */
	struct tls_client *client;
	const struct tls_demand_made *demand; /* the server's: what was asked of this client; NULL: nothing */
	const struct tls_peer *peer;
	struct budget *budget; /* charged with `charged` bytes of OpenSSL's; NULL: nobody is */
	size_t charged;
	const char *why;
	char *held;         /* a ticket that waits for the first answer */
	uint16_t held_n, held_sent;
	char *sni; /* what the client asked for; sni_len bytes */
	int fd;
	int lost;          /* errno that ended the socket */
	uint8_t sni_len;
	uint8_t first_n;
	uint32_t records;  /* that came since the last read was judged */
	uint32_t odd;      /* how many that bring next to nothing came lately */
	uint32_t taken;    /* bytes of the handshake from the socket */
	int64_t odd_us;    /* when `odd` was counted last */
	char first[7];     /* the first bytes a client sent: HTTP or TLS? */
	bool has_sni;
	bool offers_h2;
	bool drained;      /* the socket is empty until tls_readable() */
	bool starved;      /* OpenSSL asked for more than there was */
	bool full;         /* the socket takes no more in this call */
	bool mid_record;   /* the last write was cut short inside a record */
	bool peer_closed;  /* short reads say nothing any more */
	bool ended;        /* recv said 0 */
	bool done;         /* handshake complete */
	bool closed;       /* close_notify received */
	bool broken;
	bool renegotiated; /* the peer tried to */
	bool overlong;     /* the handshake has brought more bytes than any needs */
};

/* memory.c: what all of OpenSSL holds now, and charging a connection with what has come since. */
size_t tls_memory(void);
void tls_charge_since(struct tls *t, size_t before);

/* bio.c */
BIO *tls_bio_new(struct tls *t);
void tls_held_drop(struct tls *t);
/* The connection of an SSL inside one of OpenSSL's callbacks. */
struct tls *tls_of(const SSL *ssl);

/* pem.c: false after a finding, and nothing is left in `out`. */
bool tls_cert_load(const struct tls_pem *pem, struct tls_cert *out, struct fail *f);
void tls_cert_done(struct tls_cert *c);
/* The DNS names of a leaf in lower case, without those that are no names.  False when memory is used up. */
bool tls_cert_names(X509 *leaf, struct arena *a, struct slice **names, unsigned *n);
/* All certificates, or revocation lists, of a PEM text; NULL when there is none or one is damaged. */
STACK_OF(X509) *tls_certs_read(struct slice pem);
STACK_OF(X509_CRL) *tls_crls_read(struct slice pem);

/* ticket_keys.c: the keys of this moment, the first of which encrypts. */
enum { TLS_TICKET_KEYS = 3, TLS_TICKET_NAME = 16, TLS_TICKET_SECRET = TLS_TICKET_BYTES - TLS_TICKET_NAME };
struct tls_ticket_keys {
	uint8_t key[TLS_TICKET_KEYS][TLS_TICKET_BYTES];
	unsigned n;
};
struct tls_ticket_source {
	const struct tls_ticket_ring *ring; /* NULL: no tickets */
	int64_t period_ms;
	uint8_t secret[64]; /* secret_n bytes; 0: keys are drawn, not derived */
	unsigned secret_n;
	int64_t epoch; /* whose keys are kept in `kept`; -1: none yet */
	struct tls_ticket_keys kept;
};
/* False: the secret cannot be used. */
bool tls_ticket_source_init(struct tls_ticket_source *s, const struct tls_tickets *from);
void tls_ticket_source_done(struct tls_ticket_source *s);
/* n is 0 when there are none.  The caller cleanses what it got. */
void tls_ticket_keys_at(struct tls_ticket_source *s, int64_t wall_ms, struct tls_ticket_keys *out);

/* demand.c */
bool tls_demands_begin(struct tls_demands *d, struct arena *a, const struct tls_server_plan *plan);
/* The next one; false after a finding. */
bool tls_demand_make(struct tls_demands *d, const struct tls_demand *from, struct fail *f);
void tls_demands_done(struct tls_demands *d);
/* At the ClientHello, when its name is known and the context chosen. */
bool tls_demand_ask(const struct tls_demands *d, struct tls *t);
/* What this client has shown holds by what is asked of it here, which is its demand from then on. */
bool tls_demand_holds(const struct tls_demands *d, struct tls *t);
/* What tells one demand from another, and from none. */
enum { TLS_BINDING = 1 + TLS_DEMAND_ID };
void tls_demand_binding(const struct tls_demand_made *demand, uint8_t out[TLS_BINDING]);

/* ticket.c */
bool tls_ticket_setup(SSL_CTX *ctx, const struct tls_ticket_source *from);

/* server.c, client.c: what a connection needs of its maker. */
enum { TLS_CONTEXT_ID = 32 };
/* The digest of the certificates behind a context, TLS_CONTEXT_ID bytes. */
const uint8_t *tls_context_id(const SSL_CTX *ctx);
struct tls_ticket_source *tls_server_tickets(struct tls_server *s);
void tls_server_drop(struct tls_server *s);
void tls_client_drop(struct tls_client *c);

/* conn.c: versions, suites, modes and groups, the same for both directions. */
SSL_CTX *tls_context_new(bool server, uint64_t min_version);
struct tls *tls_conn_new(SSL_CTX *ctx, int fd);
/* The peer's certificate has not expired since the session began: one that has proves nothing any more. */
bool tls_session_holds(SSL_SESSION *session);

/* why.c: the reason of the last failure of `t`; empties OpenSSL's queue. */
const char *tls_reason(const struct tls *t);
/* The last reason in OpenSSL's queue, for findings; empties it. */
const char *tls_queue_reason(void);
/* OpenSSL misreads an answer when an old error lies in its queue. */
void tls_queue_clear(void);

#endif
