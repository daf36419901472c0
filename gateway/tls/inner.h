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

struct tls {
	SSL *ssl;
	struct tls_server *server; /* one of these two is set, and held */
	struct tls_client *client;
	const char *why;
	char *held;         /* a ticket that waits for the first answer */
	uint16_t held_n, held_sent;
	char *sni; /* what the client asked for; sni_len bytes */
	int fd;
	int lost;          /* errno that ended the socket */
	uint8_t sni_len;
	uint8_t odd;       /* messages in a row that brought no application data */
	uint8_t first_n;
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
};

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
/* All certificates of a PEM text; NULL when there is none or one is damaged. */
STACK_OF(X509) *tls_certs_read(struct slice pem);

/* ticket.c */
bool tls_ticket_setup(SSL_CTX *ctx);

/* server.c, client.c: what a connection needs of its maker. */
enum { TLS_CONTEXT_ID = 32 };
/* The digest of the certificates behind a context, TLS_CONTEXT_ID bytes. */
const uint8_t *tls_context_id(const SSL_CTX *ctx);
const struct tls_ticket_keys *tls_server_keys(const struct tls_server *s);
void tls_server_drop(struct tls_server *s);
void tls_client_drop(struct tls_client *c);

/* conn.c: versions, suites, modes and groups, the same for both directions. */
SSL_CTX *tls_context_new(bool server, uint64_t min_version);
struct tls *tls_conn_new(SSL_CTX *ctx, int fd);

/* why.c: the reason of the last failure of `t`; empties OpenSSL's queue. */
const char *tls_reason(const struct tls *t);
/* The last reason in OpenSSL's queue, for findings; empties it. */
const char *tls_queue_reason(void);
/* OpenSSL misreads an answer when an old error lies in its queue. */
void tls_queue_clear(void);

#endif
