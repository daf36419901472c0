/* config_custom.c -- values of portcullis.yaml that need more than a kind. */
#include "gateway/base/text.h"
#include "gateway/config/config_parts.h"
#include "gateway/http/websocket.h"

enum { HOST_MAX = 253, LABEL_MAX = 63, PROCESSES_MAX = 64 };

static bool scalar(struct setting_reader *r, const struct yaml_node *node, const char *what)
{
	if (node->kind != YAML_SCALAR)
		return fail_at(r->fail, node->place, "%s must be text, not a %s", what,
			       node->kind == YAML_LIST ? "list" : "mapping");
	if (!node->text.len)
		return fail_at(r->fail, node->place, "%s has no value", what);
	return true;
}

static bool keep(struct setting_reader *r, const struct yaml_node *node, struct slice *out)
{
	*out = arena_copy(r->arena, node->text);
	return out->at || fail_at(r->fail, node->place, "memory is used up while the file is read");
}

/* Labels of a-z, 0-9, - and _; NULL when fine. */
static const char *bad_labels(struct slice rest)
{
	struct slice label;

	while (slice_cut(&rest, '.', &label)) {
		if (!label.len)
			return "has an empty label (two dots, or one at an end)";
		if (label.len > LABEL_MAX)
			return "has a label of more than 63 bytes";
		if (label.at[0] == '-' || label.at[label.len - 1] == '-')
			return "has a label that begins or ends with \"-\"";
		for (size_t i = 0; i < label.len; i++) {
			char c = label.at[i];

			if ((unsigned char)c >= 0x80)
				return "is not ASCII; write its xn-- form";
			if (c == '*')
				return "may have \"*\" only as the whole or as the first label (*.example.com)";
			if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-' || c == '_'))
				return "may have only a-z, 0-9, - and . (and no port or path)";
		}
	}
	return NULL;
}

static const char *bad_host(struct slice s)
{
	struct addr ignored;

	if (slice_is(s, "*"))
		return NULL;
	if (s.len > HOST_MAX)
		return "has more than 253 bytes";
	if (s.at[0] == '[')
		return addr_parse(s, &ignored) ? NULL : "is not an IPv6 address";
	if (addr_parse(s, &ignored) && !addr_is_v4(&ignored))
		return "is an IPv6 address; write it in brackets and quotes: '[::1]'";
	if (slice_starts(s, SLICE("*.")))
		s = slice_after(s, 2);
	return bad_labels(s);
}

bool config_parse_host(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	struct slice s = node->text;
	const char *why;

	if (!scalar(r, node, "a host"))
		return false;
	for (size_t i = 0; i < s.len; i++) {
		char lower[HOST_MAX + 1];

		if (s.at[i] == ascii_lower(s.at[i]) || s.len > HOST_MAX)
			continue;
		for (size_t k = 0; k < s.len; k++)
			lower[k] = ascii_lower(s.at[k]);
		return fail_at(r->fail, node->place, "host \"%.*s\" has upper case; did you mean \"%.*s\"?", SLICE_F(s),
			       (int)s.len, lower);
	}
	why = bad_host(s);
	if (why)
		return fail_at(r->fail, node->place, "host \"%.*s\" %s", (int)(s.len < 80 ? s.len : 80), s.at, why);
	return keep(r, node, out);
}

/* A name of a field, or the beginning of some with a star behind it; made lower case. */
bool config_parse_field(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	struct slice s = node->text, *name = out;
	char *at;

	if (!scalar(r, node, "a field"))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!ascii_is_alnum(s.at[i]) && !strchr("-_.", s.at[i]) && (s.at[i] != '*' || i + 1 < s.len || i < 2))
			return fail_at(r->fail, node->place,
				       "\"%.*s\" is not the name of a field; write X-Node, or 'X-Debug-*' for all that begin so",
				       (int)(s.len < 80 ? s.len : 80), s.at);
	at = arena_take(r->arena, s.len + 1);
	if (!at)
		return fail_at(r->fail, node->place, "memory is used up while the file is read");
	for (size_t i = 0; i < s.len; i++)
		at[i] = ascii_lower(s.at[i]);
	at[s.len] = 0;
	*name = slice_make(at, s.len);
	return true;
}

/* As a browser writes it in Origin. */
bool config_parse_page_origin(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	struct slice s = node->text;

	if (!scalar(r, node, "an origin"))
		return false;
	if (!slice_is(s, "*") && !websocket_is_origin(s))
		return fail_at(r->fail, node->place,
			       "\"%.*s\" is not the origin of a page; write https://app.example.com (lower case, no path), or '*'",
			       (int)(s.len < 80 ? s.len : 80), s.at);
	return keep(r, node, out);
}

bool config_parse_network(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	struct cidr *net = out;
	const char *why = "";

	if (!scalar(r, node, "a network"))
		return false;
	if (!cidr_parse(node->text, net, &why))
		return fail_at(r->fail, node->place, "\"%.*s\": %s", SLICE_F(node->text), why);
	if (net->bits == 0 || (addr_is_v4(&net->base) && net->bits <= 96))
		return fail_at(r->fail, node->place,
			       "\"%.*s\" trusts every address: any client could claim any other; name the hops",
			       SLICE_F(node->text));
	return true;
}

bool config_parse_server(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	struct config_server *server = out;

	if (node->kind == YAML_SCALAR) {
		if (!scalar(r, node, "a server") || !keep(r, node, &server->url))
			return false;
		server->weight = 1;
	} else if (node->kind == YAML_LIST) {
		return fail_at(r->fail, node->place, "a server must be a url, or {url, weight}, not a list");
	} else if (!setting_read(r, config_server_table, node, server)) {
		return false;
	}
	server->head.place = node->place;
	if (node->kind == YAML_MAP)
		node = yaml_get(node, "url");
	return config_read_url(r->fail, node->place, server->url, server);
}

/* 0 is auto; the role that forks counts the cores. */
bool config_parse_auto(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	int64_t n;

	if (!scalar(r, node, "the number of processes"))
		return false;
	if (slice_is(node->text, "auto")) {
		*(int64_t *)out = 0;
		return true;
	}
	if (!text_int(node->text, &n) || n < 1 || n > PROCESSES_MAX)
		return fail_at(r->fail, node->place, "\"%.*s\" processes: write 1 to %d, or auto", SLICE_F(node->text),
			       PROCESSES_MAX);
	*(int64_t *)out = n;
	return true;
}

bool config_parse_log(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	static const char *const words[] = {"stdout", "stderr", "off", NULL};
	const char *near;

	if (!scalar(r, node, "a log"))
		return false;
	for (unsigned i = 0; words[i]; i++)
		if (slice_is(node->text, words[i]))
			return keep(r, node, out);
	if (slice_find(node->text, '/') == node->text.len && slice_find(node->text, '.') == node->text.len) {
		near = text_nearest(node->text, words);
		return fail_at(r->fail, node->place,
			       "log \"%.*s\": write stdout, stderr, off or a path (./%.*s)%s%s%s", SLICE_F(node->text),
			       SLICE_F(node->text), near ? "; did you mean \"" : "", near ? near : "", near ? "\"?" : "");
	}
	if (node->text.at[0] == '/')
		return keep(r, node, out);
	*(struct slice *)out = arena_print(r->arena, "%s/%.*s", r->directory, SLICE_F(node->text));
	return ((struct slice *)out)->at || fail_at(r->fail, node->place, "memory is used up while the file is read");
}

bool config_parse_listen(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	struct config_listener *l =
		(void *)((char *)out - offsetof(struct config_listener, address_text));
	struct slice s = node->text;
	uint64_t port;

	if (!scalar(r, node, "the address") || !keep(r, node, &l->address_text))
		return false;
	if (addr_parse_port(s, &l->address, &l->port))
		return true;
	if (text_uint(s, &port))
		return fail_at(r->fail, node->place, "\"%.*s\" is a port alone; did you mean '*:%.*s'?", SLICE_F(s), SLICE_F(s));
	if (addr_parse(s, &l->address))
		return fail_at(r->fail, node->place, "\"%.*s\" has no port; write ADDRESS:PORT%s", SLICE_F(s),
			       slice_find(s, ':') < s.len ? ", an IPv6 address in brackets: '[::1]:443'" : "");
	return fail_at(r->fail, node->place,
		       "\"%.*s\" is not ADDRESS:PORT; write 127.0.0.1:8443, '[::1]:443' or '*:443' (a literal address, "
		       "port 1 to 65535)",
		       SLICE_F(s));
}

/* What the gateway says of itself is not for the network. */
bool config_parse_loopback(struct setting_reader *r, const struct yaml_node *node, void *out)
{
	static const struct addr ipv6_loopback = {{[15] = 1}};
	const struct config_listener *l =
		(void *)((char *)out - offsetof(struct config_listener, address_text));

	if (!config_parse_listen(r, node, out))
		return false;
	if ((addr_is_v4(&l->address) && l->address.b[12] == 127) || addr_compare(&l->address, &ipv6_loopback) == 0)
		return true;
	return fail_at(r->fail, node->place,
		       "\"%.*s\" is not a loopback address, and whoever reaches it could read what is served and refused; write "
		       "127.0.0.1:PORT or '[::1]:PORT'",
		       SLICE_F(node->text));
}
