/* tls.h -- TLS to clients and to origins: contexts, and connections on the loop's sockets.
 *
 * The only door to OpenSSL in the data path, and to private keys.  1.2 and 1.3,
 * forward-secret AEAD suites, no renegotiation, no compression, no early data.
 * A connection keeps the server or client it was made from alive: freeing a
 * tls_server after a reload disturbs nobody. */
#ifndef PORTCULLIS_TLS_TLS_H
#define PORTCULLIS_TLS_TLS_H

#include <sys/types.h>

#include "gateway/base/arena.h"
#include "gateway/base/fail.h"
#include "gateway/base/slice.h"

/* From now on count what OpenSSL allocates.  Before it is used for anything; false: too late. */
bool tls_count_memory(void);

/* ---- Certificates of ours ---- */

struct tls_pem {
	struct slice certificate, key; /* PEM bytes, chain behind the leaf */
	struct place place;            /* of the entry in the configuration */
};

/* ---- Session tickets ---- */

enum { TLS_TICKET_RING = 4, TLS_TICKET_BYTES = 80 };

/* Random keys of one node, in memory that all its workers map; one process turns it.  The newest encrypts, that
 * and the one before decrypt; older ones are overwritten.  16 bytes of a key are its name. */
struct tls_ticket_ring {
	_Atomic uint64_t turn; /* 0: there is no key yet, and no tickets */
	uint8_t key[TLS_TICKET_RING][TLS_TICKET_BYTES];
};

/* From now on a new key encrypts.  False: there are no random bytes; the keys are as they were. */
bool tls_ticket_turn(struct tls_ticket_ring *ring);

/* Where the keys of tickets come from.  However often it is resumed, a session ends two periods after its full
 * handshake. */
struct tls_tickets {
	const struct tls_ticket_ring *ring; /* outlives the server */
	struct slice secret; /* not empty: keys are derived from it and the wall clock, the same on every node that has
			      * it, and the ring is not used; copied */
	int64_t period_ms;   /* a key encrypts for so long, and decrypts for as long again */
};

/* ---- Certificates of clients ---- */

enum { TLS_DEMAND_ID = 32 };

/* A certificate is asked for.  One that is shown must be of these authorities, of now, and for clients, or the
 * handshake fails; a chain has at most four intermediates and 32 KiB. */
struct tls_demand {
	struct slice ca_pem; /* every certificate in it is trusted as it stands, be it an intermediate */
	struct slice crl_pem; /* what they and their intermediates have revoked; empty: nobody asks.  Else who issued a
			       * certificate below `ca_pem` must have a list here that is of now */
	uint8_t id[TLS_DEMAND_ID];     /* that names these authorities, */
	uint8_t crl_id[TLS_DEMAND_ID]; /* and these lists: sessions are bound to both */
	bool required;       /* the handshake also fails without one */
	struct place place;
};

struct tls_demand_host {
	struct slice name;   /* as gateway/base/hosts.h has it */
	int demand;          /* which one; -1: nothing is asked */
};

struct tls_server_plan {
	const struct tls_pem *pems;
	unsigned pems_n;
	const struct tls_tickets *tickets; /* NULL: none */
	uint64_t min_version;   /* 0x0303 or 0x0304 */
	const struct tls_demand *demands;
	unsigned demands_n;
	const struct tls_demand_host *hosts; /* sorted; a client without SNI is one of "*" */
	unsigned hosts_n;
};

struct tls_server;

/* Check a certificate and its key: parse, match.  Names of the certificate go to `names` (arena).  False after a
 * finding.  Its dates and chain were judged when the configuration was read. */
bool tls_pem_check(const struct tls_pem *pem, struct arena *a, struct slice **names, unsigned *n, struct fail *f);
/* Contexts by name: exact, wildcard of one label, ECDSA beside RSA.  The first pem answers clients
 * without SNI or with a name no certificate has.  NULL after a finding. */
struct tls_server *tls_server_new(const struct tls_server_plan *plan, struct fail *f);
/* The same in steps, for a process that serves meanwhile: begin, then make until it is MADE, each call for
 * about `us` microseconds (-1: to the end).  The PEM bytes stay until then.  Not to be accepted with before. */
enum tls_made { TLS_MORE_TO_MAKE, TLS_MADE, TLS_NOT_MADE /* after a finding */ };
struct tls_server *tls_server_begin(const struct tls_server_plan *plan, struct fail *f);
enum tls_made tls_server_make(struct tls_server *s, int64_t us, struct fail *f);
void tls_server_free(struct tls_server *s);

/* ---- TLS towards origins ---- */

struct tls_client_plan {
	struct slice ca_pem;   /* trust; empty: the system's store, loaded at tls_client_new */
	bool verify;
};

struct tls_client;

struct tls_client *tls_client_new(const struct tls_client_plan *plan, struct fail *f);
void tls_client_free(struct tls_client *c);

/* ---- One connection ---- */

struct tls; /* wraps a non-blocking socket; does not close it */

struct tls *tls_accept(struct tls_server *s, int fd);
/* `name`: SNI and the name the certificate must carry. */
struct tls *tls_connect(struct tls_client *c, int fd, struct slice name);
/* Offer HTTP/2 before HTTP/1.1, in the handshake that is to come. */
void tls_offer_h2(struct tls *t);
/* Towards an origin: ask for HTTP/2 in the handshake that is to come, `only` it or HTTP/1.1 as well; tls_alpn says what
 * was agreed.  False: no memory. */
bool tls_ask_h2(struct tls *t, bool only);
void tls_free(struct tls *t);
/* What OpenSSL holds for this connection is charged there, as far as it is counted: also beyond a limit. */
void tls_charge(struct tls *t, struct budget *b);

enum tls_state { TLS_DONE, TLS_AGAIN, TLS_CLOSED, TLS_BROKEN };

/* Go on with the handshake.  AGAIN: call again when the socket is ready in either direction. CLOSED:
 * the peer left before the end.  BROKEN: tls_why says why, and the alert has been sent. */
enum tls_state tls_handshake(struct tls *t);
/* The handshake broke because the client speaks plain HTTP: answer a short 400 on the bare socket. */
bool tls_was_http(const struct tls *t);
/* Tell that epoll reported the socket readable.  Reads that drained the socket are not repeated
 * before this is called: saves the read that would answer EAGAIN. */
void tls_readable(struct tls *t);
/* Tell that epoll reported the peer's end (PEER_CLOSED or HANGUP).  It comes with the last bytes and
 * only once, so from now on every read goes to the socket until it says so itself. */
void tls_peer_closed(struct tls *t);
/* Bytes read (> 0), 0 on AGAIN, -1 on an orderly close, -2 when broken. */
ssize_t tls_read(struct tls *t, void *at, size_t n);
/* Bytes written (> 0, may be short), 0 on AGAIN, -2 when broken.  A write that was short or AGAIN may
 * have encrypted what follows already: the next one must begin with those same bytes and bring at
 * least as many of them, up to 16 KiB. They may have moved. */
ssize_t tls_write(struct tls *t, const void *at, size_t n);
/* Another tls_read may bring bytes without a new event of the socket: some wait inside, or the socket
 * was not drained.  False after every tls_read that answered 0. */
bool tls_pending(const struct tls *t);
/* Send close_notify, best effort: in the middle of a write that was AGAIN nothing is sent.  May be
 * called again; reading may go on. */
void tls_shutdown(struct tls *t);

struct slice tls_sni(const struct tls *t);     /* lower case, no dot at the end; at NULL: none was sent */
struct slice tls_alpn(const struct tls *t);    /* what was agreed; empty: none */
/* What the client has shown would be taken by `now` too, be there other lists of what was revoked.  False: it would
 * not, or there is no saying. */
bool tls_still_holds(struct tls *t, struct tls_server *now);
/* The id of the authorities whose certificate was asked for, TLS_DEMAND_ID bytes; NULL: none was. */
const uint8_t *tls_demanded(const struct tls *t);
const char *tls_version(const struct tls *t);  /* "TLSv1.3" */
uint16_t tls_version_number(const struct tls *t);
const char *tls_cipher(const struct tls *t);
bool tls_resumed(const struct tls *t);
/* Why it is broken, one short line for the error log; static or thread-local memory. */
const char *tls_why(const struct tls *t);

/* What a client has proven to be: printable ASCII throughout.  Of what is too long for its bound there is nothing. */
struct tls_peer {
	struct slice subject;       /* RFC 4514, up to 1 KiB */
	struct slice sha256;        /* of the certificate, 64 digits */
	const struct slice *names;  /* subjectAltName: "DNS:a.example", "email:", "URI:", "IP:"; up to 64, 4 KiB in all */
	unsigned names_n;
	struct slice base64;        /* the certificate's DER, up to 8 KiB */
};

/* NULL: it has shown no certificate, or memory is used up.  As long as `t`, or as it is held. */
const struct tls_peer *tls_peer(struct tls *t);
const struct tls_peer *tls_peer_hold(const struct tls_peer *p);
void tls_peer_drop(const struct tls_peer *p);

#endif
