/* config.h -- portcullis.yaml, read and checked: what the operator decided.
 *
 * Read by the loader into an arena that other processes map at the same address:
 * no function pointers, nothing outside the arena.  Private keys and passwords
 * are not in it (struct config_secrets). */
#ifndef PORTCULLIS_CONFIG_CONFIG_H
#define PORTCULLIS_CONFIG_CONFIG_H

#include "gateway/base/addr.h"
#include "gateway/base/setting.h"
#include "policies/policy.h"

enum config_serve { CONFIG_HTTPS, CONFIG_HTTP, CONFIG_REDIRECT };

/* `auto` is on for https and off without TLS. */
enum config_http2 { CONFIG_HTTP2_AUTO, CONFIG_HTTP2_ON, CONFIG_HTTP2_OFF };

struct config_listener {
	struct setting_head head;
	struct slice address_text; /* '127.0.0.1:8443', '*:443', '[::1]:80' */
	int serve;                 /* enum config_serve */
	int http2;                 /* enum config_http2 */
	struct addr address;       /* all zero: any, IPv6 and IPv4 */
	uint16_t port;
	struct setting_list proxy_protocol; /* struct cidr: whose connections begin with a PROXY header; empty: nobody's */
};

struct config_certificate {
	struct setting_head head;
	struct slice certificate, key; /* paths */
	struct slice unfit;            /* why clients will refuse it; empty: they will not */
	uint8_t id[32];                /* SHA-256 of the certificate's file */
};

struct config_server {
	struct setting_head head;
	struct slice url;       /* 'http://10.0.0.5:8000' */
	int64_t weight;         /* 1..100, 1 */
	bool tls;
	struct slice name;      /* host of the url, for TLS and records of ours; never shown to clients */
	struct addr address;    /* resolved when the file is read */
	uint16_t port;
	uint32_t number;        /* over all origins: index into health tables */
};

struct config_origin {
	struct setting_head head; /* key: its name */
	struct setting_list servers; /* struct config_server */
	int http;               /* enum config_http, 1 */
	bool tls_verify;        /* true */
	struct slice tls_name;  /* instead of the url's host; empty: that */
	struct slice tls_ca;    /* path of PEM; empty: the system's */
	int64_t connect_ms;     /* 2s */
	int64_t first_byte_ms;  /* 60s */
	int64_t between_ms;     /* 30s between two bytes of an answer, */
	int64_t events_ms;      /* ... 5m where it is a stream of events */
	int64_t idle_ms;        /* 60s a pooled connection is kept */
	int64_t keep;           /* 64 idle connections kept per worker; 0 none */
	int64_t retries;        /* 1, on another server, for requests safe to repeat */
	int64_t eject_failures; /* 3 in a row */
	int64_t eject_ms;       /* 10s */
	uint32_t number;
	/* What a client must not learn: struct slice, its servers' hosts and addresses, sorted by mask_compare, without
	 * those that are some site's host; and uint16_t, their ports. */
	struct setting_list names, ports;
};

/* Which HTTP an origin's servers are asked by. `auto` is what TLS agrees on (ALPN), and HTTP/1.1 in clear. */
enum config_http { CONFIG_HTTP_1, CONFIG_HTTP_2, CONFIG_HTTP_AUTO };

/* What a site asks of its clients' certificates. */
enum config_client_cert { CONFIG_CERT_NONE, CONFIG_CERT_OPTIONAL, CONFIG_CERT_REQUIRED };

enum { CONFIG_CA_ID = 32 };

/* What becomes of an origin's answer with a status of 500 and above. */
enum config_errors { CONFIG_ERRORS_REPLACE, CONFIG_ERRORS_PASS };

struct config_site {
	struct setting_head head; /* key: its name */
	struct setting_list hosts; /* struct slice: 'shop.example.com', '*.example.com', '*' */
	struct slice origin_text; /* name of an origin, or a url that makes one */
	struct slice policy_name; /* empty: none */
	int client_cert;        /* enum config_client_cert */
	struct slice client_ca; /* path of PEM: whose certificates count */
	struct slice client_crl; /* path of PEM: what they have revoked; empty: that is not asked */
	uint8_t client_ca_id[CONFIG_CA_ID], client_crl_id[CONFIG_CA_ID]; /* SHA-256 of these files */
	struct setting_list hide_fields, show_fields; /* struct slice: names of answers' fields, or beginnings with "*" */
	int errors;               /* enum config_errors */
	bool websocket;           /* false: a handshake is an ordinary request */
	struct setting_list websocket_origins; /* struct slice: whose pages may open one beside its own; '*': any */
	bool grpc;                /* false: calls of gRPC stream both ways, uninspected */
	const struct config_origin *origin;
	const struct policy *policy; /* NULL: none */
};

/* One name that is served; a wildcard without its star (".example.com"). */
struct config_host {
	struct slice name;
	const struct config_site *site;
	struct place place;
};

struct config_ruleset {
	struct setting_head head; /* key: its name */
	struct slice path;      /* directory with rules/ *.conf */
	struct slice setup;     /* crs-setup.conf; found beside `path` when empty */
	struct setting_list before; /* struct slice paths: SecLang after the setup and before the rules */
};

/* Bounds on what one client may take; all of THREATS.md section 3. */
struct config_client {
	int64_t head_bytes;      /* 32KiB */
	int64_t target_bytes;    /* 8KiB */
	int64_t fields;          /* 100, cookie crumbs included */
	int64_t handshake_ms;    /* 5s */
	int64_t head_ms;         /* 10s for a whole head */
	int64_t body_rate;       /* 500B a second at least ... */
	int64_t body_grace_ms;   /* ... after 20s */
	int64_t stall_ms;        /* 15s a client may leave an answer unread */
	int64_t keep_alive_ms;   /* 60s */
	int64_t requests;        /* 1000 on one connection */
	int64_t streams;         /* 100 at a time on one HTTP/2 connection */
	int64_t body;            /* 1GiB: content that is not inspected */
	int64_t inspected_body;  /* 1MiB: content that is */
	int64_t total_ms;        /* 1h: one request in all */
	int64_t tunnels;         /* 256 of one IPv4 or IPv6 /64 */
	int64_t tunnel_idle_ms;  /* 60s without a byte either way */
	int64_t tunnel_bytes;    /* 1GiB both ways together; 0: any */
	int64_t tunnel_total_ms; /* 0: any time */
	int64_t connections;     /* 50000 of one node */
	int64_t per_address;     /* 256 per IPv4 or IPv6 /64 */
	int64_t per_network;     /* 2048 per IPv6 /48 */
	int64_t memory;          /* 2MiB: of one connection, buffers and bookkeeping */
};

/* TLS to clients. */
struct config_tls {
	int64_t ticket_period_ms; /* 12h */
};

struct config_waf {
	int64_t queue_ms;        /* 1s */
	int64_t run_ms;          /* 250ms CPU */
	int64_t run_ms_per_kib;  /* 1ms */
	int64_t client_cpu_ms;   /* 30s CPU of one client; 0: any ... */
	int64_t client_window_ms; /* ... in 1m */
	int64_t arguments;       /* 1000 arguments or leaves */
	int64_t json_depth;      /* 64 */
	int64_t parts;           /* 128 of a multipart body */
	int64_t recycle_jobs;    /* 20000: an inspector is replaced after so many ... */
	int64_t recycle_memory;  /* ... or when it has grown by 128MiB */
};

struct config_processes {
	int64_t workers;         /* 0: one per core */
	int64_t inspectors;      /* 0: two per core, at least 4 */
	int64_t uids;            /* 58100: first of the uids that roles run as when started as root */
	int64_t drain_ms;        /* 30s from SIGTERM to the end */
	int64_t worker_memory;   /* 1GiB */
	int64_t lag_ms;          /* 100ms a worker may be late; 0: any */
	int64_t spool;           /* 256MiB of held bodies per worker */
};

struct config_redis {
	bool present;
	struct slice address_text;
	struct addr address;
	uint16_t port;
	struct slice user, password_file;
	int64_t database;        /* 0 */
	int64_t deadline_ms;     /* 20ms */
	int64_t nodes;           /* 1: gateways that share it; the local share when it is lost */
};

enum config_geoip_missing { CONFIG_GEOIP_REFUSE, CONFIG_GEOIP_DEGRADE };

struct config_geoip {
	struct slice country, asn; /* paths; empty: none */
	int missing;               /* enum config_geoip_missing: a database that is missing or corrupt */
};

struct config_logs {
	struct slice requests, errors, waf; /* 'stdout' 'stderr' 'off' or a path; stdout, stderr, off */
	int level;                 /* enum log_level, LOG_INFO */
	bool waf_sync;             /* a WAF hit is in its file before the answer leaves */
};

/* Metrics and status; without an address on a Unix socket only. */
struct config_admin {
	struct config_listener listen; /* port 0: none; nothing else of it is used */
};

struct config {
	const char *file;
	struct setting_list listeners;    /* struct config_listener; *:443 https and *:80 redirect */
	struct setting_list certificates; /* struct config_certificate */
	struct setting_list sites;        /* struct config_site */
	struct setting_list hosts;        /* struct config_host of all sites, sorted for config_site_of */
	struct setting_list origins;      /* struct config_origin, those made from urls included */
	struct setting_list rulesets;     /* struct config_ruleset; `crs` from Debian's package if none */
	struct setting_list trusted;      /* struct cidr: hops whose X-Forwarded-For is believed */
	struct slice policies;            /* directory of policies/NAME.yaml: 'policies' beside this file */
	struct slice cluster_secret_file; /* key of the counters' names; empty: one made from the configuration */
	struct config_client client;
	struct config_tls tls;
	struct config_waf waf;
	struct config_processes processes;
	struct config_redis redis;
	struct config_geoip geoip;
	struct config_logs logs;
	struct config_admin admin;
	struct slice hash;                /* hex SHA-256 over every file that was read: names the generation */
	struct slice rules_hash;          /* ... over what rule sets consist of alone: whether inspectors must be made anew */
	unsigned servers_n;               /* of all origins */
	bool websocket_used;              /* some site opens tunnels */
	bool waf_used;                    /* some site's policy has a waf that is not off */
};

/* What only workers get. */
struct config_secrets {
	unsigned pems_n;
	struct {
		struct slice certificate, key; /* PEM bytes */
		struct place place;
	} *pems;
	struct slice redis_password;
	struct slice *origin_ca;   /* PEM by origin number; empty: the system's */
	struct slice *client_ca;   /* PEM by site, in their order; empty: no certificates are asked for */
	struct slice *client_crl;  /* the same of its revocation lists; empty: there are none */
	uint8_t cluster_secret[32];
};

/* Copies of files that others read while the gateway runs, as sealed memory files. */
enum config_copy {
	CONFIG_COUNTRY, CONFIG_ASN, /* checked GeoIP databases */
	CONFIG_RULES,               /* the rule files of all rule sets: a bundle (rules/bundle.h) */
	CONFIG_COPIES
};

/* Read the file, its policies, list files and origin names.  Everything but key material goes to
 * `a`, keys to `secret`.  `copies`: the caller's to close, -1 for those that are
 * not there; NULL: what they would hold is only checked.  NULL after findings. */
struct config *config_read(const char *path, struct arena *a, struct arena *secret, struct config_secrets **secrets,
			   int copies[CONFIG_COPIES], struct fail *f);
/* The site that serves `host` (lower case): exact before the longest wildcard before '*'.  NULL: none. */
const struct config_site *config_site_of(const struct config *c, struct slice host);
/* A site has that host, and not by a wildcard; lower case. */
bool config_is_host(const struct config *c, struct slice host);
/* `a` is in one of these networks (struct cidr). */
bool config_lists(const struct setting_list *networks, const struct addr *a);
bool config_offers_h2(const struct config_listener *l);
void config_schema(FILE *out);
void config_reference(FILE *out);

#endif
