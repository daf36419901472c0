/* config_parts.h -- shared by the files that read portcullis.yaml; nobody else includes it. */
#ifndef PORTCULLIS_CONFIG_CONFIG_PARTS_H
#define PORTCULLIS_CONFIG_CONFIG_PARTS_H

#include "gateway/config/config.h"

struct config_hash; /* a running SHA-256 */

struct config_reader {
	struct arena *arena, *secret; /* what stays */
	struct arena temp;            /* what only the reading needs: bytes, nodes */
	struct fail *fail;
	struct config *config;
	struct config_secrets *secrets;
	struct config_hash *hash, *rules; /* of all files, and of those of rule sets alone */
	int copies[CONFIG_COPIES];    /* -1: not there */
	const char *directory;        /* of portcullis.yaml */
	const struct yaml_node *root; /* for places that the structs do not keep */
};

/* The place of TOP[i].FIELD, of TOP.FIELD where i is CONFIG_ITSELF, or of the nearest thing above it that
 * was written.  Entries keep the order of the file. */
enum { CONFIG_ITSELF = -1 };
struct place config_place(const struct config_reader *r, const char *top, int i, const char *field);

/* config_table.c */
extern const struct setting config_table[];

/* config_custom.c: values that need more than a kind. */
bool config_parse_host(struct setting_reader *r, const struct yaml_node *node, void *out);
bool config_parse_field(struct setting_reader *r, const struct yaml_node *node, void *out);
bool config_parse_page_origin(struct setting_reader *r, const struct yaml_node *node, void *out);
bool config_parse_network(struct setting_reader *r, const struct yaml_node *node, void *out);
bool config_parse_server(struct setting_reader *r, const struct yaml_node *node, void *out);
bool config_parse_auto(struct setting_reader *r, const struct yaml_node *node, void *out);
bool config_parse_log(struct setting_reader *r, const struct yaml_node *node, void *out);
bool config_parse_listen(struct setting_reader *r, const struct yaml_node *node, void *out);
bool config_parse_loopback(struct setting_reader *r, const struct yaml_node *node, void *out);
extern const struct setting config_server_table[];

/* config_origin.c: names become addresses, sites find their origins. */
bool config_read_url(struct fail *f, struct place place, struct slice text, struct config_server *server);
bool config_resolve(struct config_reader *r, struct slice name, struct addr *out, struct place place);
void config_origins(struct config_reader *r);

/* config_names.c: o->names and o->ports, once its servers are resolved. */
void config_names(struct config_reader *r, struct config_origin *o);

/* config_check.c: what the entries mean together. */
void config_listeners(struct config_reader *r, bool given);
void config_sites(struct config_reader *r);

/* config_rules.c */
void config_rulesets(struct config_reader *r);

/* config_files.c: what the entries name. */
void config_certificates(struct config_reader *r);
void config_databases(struct config_reader *r);
void config_passwords(struct config_reader *r);
void config_ca_files(struct config_reader *r);

/* config_policies.c */
void config_policies(struct config_reader *r);

/* config_clients.c: sites that ask clients for certificates; policies must have been read. */
void config_clients(struct config_reader *r);

/* config_hash.c */
struct config_hash *config_hash_new(void);
void config_hash_free(struct config_hash *h);
/* A file's name and bytes; both lengths are hashed too, so that nothing can move from one to the other. */
void config_hash_file(struct config_hash *h, const char *path, struct slice bytes);
void config_hash_end(struct config_hash *h, uint8_t out[32]);
/* The key of the counters' names. */
void config_cluster_secret(struct config_reader *r);

#endif
