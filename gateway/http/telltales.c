/* telltales.c -- fields by which an answer tells what its origin runs, on which machine, and behind what.
 *
 * Nothing that a browser acts on is here.  What a site needs all the same it can show, what else tells of it it can
 * hide. */
#include "gateway/http/message.h"
#include "gateway/http/name_table.h"

enum { FAMILY = NAME_FAMILY };

static const struct name_row rows[] = {
	NAME_ROW("alt-svc", 0), /* of the origin's own port */
	NAME_ROW("host-header", 0),
	NAME_ROW("k-proxy-request", 0),
	NAME_ROW("liferay-portal", 0),
	NAME_ROW("microsoftofficewebserver", 0),
	NAME_ROW("microsoftsharepointteamservices", 0),
	NAME_ROW("oraclecommercecloud-version", 0),
	NAME_ROW("pega-host", 0),
	NAME_ROW("powered-by", 0),
	NAME_ROW("server", 0),
	NAME_ROW("server-name", 0),
	NAME_ROW("sprequestguid", 0),
	NAME_ROW("sprequestduration", 0),
	NAME_ROW("via", 0),
	NAME_ROW("x-application-context", 0),
	NAME_ROW("x-aspnet", FAMILY),
	NAME_ROW("x-b3-", FAMILY),
	NAME_ROW("x-backend", FAMILY),
	NAME_ROW("x-beserver", 0),
	NAME_ROW("x-cache", FAMILY),
	NAME_ROW("x-calculatedbetarget", 0),
	NAME_ROW("x-calculatedfetarget", 0),
	NAME_ROW("x-cf-powered-by", 0),
	NAME_ROW("x-cms", 0),
	NAME_ROW("x-cocoon-version", 0),
	NAME_ROW("x-content-encoded-by", 0),
	NAME_ROW("x-debug", FAMILY),
	NAME_ROW("x-diaginfo", 0),
	NAME_ROW("x-drupal-", FAMILY),
	NAME_ROW("x-dtagentid", 0),
	NAME_ROW("x-dthealthcheck", 0),
	NAME_ROW("x-dtinjectedservlet", 0),
	NAME_ROW("x-dynatrace", FAMILY),
	NAME_ROW("x-envoy-", FAMILY),
	NAME_ROW("x-feserver", 0),
	NAME_ROW("x-framework", 0),
	NAME_ROW("x-generated-by", 0),
	NAME_ROW("x-generator", 0),
	NAME_ROW("x-host", 0),
	NAME_ROW("x-hostname", 0),
	NAME_ROW("x-instance", 0),
	NAME_ROW("x-instance-", FAMILY),
	NAME_ROW("x-jboss", FAMILY),
	NAME_ROW("x-joomla-", FAMILY),
	NAME_ROW("x-kong-", FAMILY),
	NAME_ROW("x-litespeed", FAMILY),
	NAME_ROW("x-magento-", FAMILY),
	NAME_ROW("x-mod-pagespeed", 0),
	NAME_ROW("x-newrelic-", FAMILY),
	NAME_ROW("x-nginx", FAMILY),
	NAME_ROW("x-node", 0),
	NAME_ROW("x-node-", FAMILY),
	NAME_ROW("x-oneagent-", FAMILY),
	NAME_ROW("x-oracle-", FAMILY),
	NAME_ROW("x-origin-", FAMILY),
	NAME_ROW("x-owa-version", 0),
	NAME_ROW("x-page-speed", 0),
	NAME_ROW("x-php", FAMILY),
	NAME_ROW("x-pod", 0),
	NAME_ROW("x-pod-", FAMILY),
	NAME_ROW("x-powered-", FAMILY),
	NAME_ROW("x-proxy-", FAMILY),
	NAME_ROW("x-rack-cache", 0),
	NAME_ROW("x-real-server", 0),
	NAME_ROW("x-redirect-by", 0),
	NAME_ROW("x-runtime", 0),
	NAME_ROW("x-ruxit-", FAMILY),
	NAME_ROW("x-served-by", FAMILY),
	NAME_ROW("x-server", FAMILY),
	NAME_ROW("x-sharepointhealthscore", 0),
	NAME_ROW("x-sourcefiles", 0),
	NAME_ROW("x-squid-", FAMILY),
	NAME_ROW("x-turbo-charged-by", 0),
	NAME_ROW("x-umbraco-version", 0),
	NAME_ROW("x-upstream", FAMILY),
	NAME_ROW("x-varnish", FAMILY),
	NAME_ROW("x-weblogic-", FAMILY),
};

static struct name_table telltales = {.rows = rows, .n = sizeof rows / sizeof *rows};

__attribute__((constructor)) static void index_telltales(void)
{
	name_table_index(&telltales);
}

bool http_is_telltale(struct slice name)
{
	return name_table_find(&telltales, name) != NULL;
}

static bool is_listed(const struct http_names *list, struct slice name)
{
	for (unsigned i = 0; i < list->n; i++) {
		struct slice one = list->at[i];
		bool family = slice_ends(one, SLICE("*"));

		if (family ? slice_starts(name, slice_first(one, one.len - 1)) : slice_eq(name, one))
			return true;
	}
	return false;
}

void http_hide_telltales(struct fields *f, const struct http_names *shown, const struct http_names *hidden)
{
	for (uint32_t i = 0; i < f->n; i++) {
		struct field *one = &f->at[i];

		if (is_listed(hidden, one->name) || (http_is_telltale(one->name) && !is_listed(shown, one->name)))
			one->hidden = 1;
	}
}
