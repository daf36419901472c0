/* conceal.c -- the lists of a site and the names of its origin, applied to an answer. */
#include "gateway/proxy/conceal.h"

#include "gateway/http/mask.h"
#include "gateway/proxy/identity.h"

static struct http_names names_of(const struct setting_list *list)
{
	return (struct http_names){list->at, list->n};
}

static bool conceal(struct exchange *x, struct fields *f)
{
	const struct config_origin *o = x->site->origin;
	const struct http_names shown = names_of(&x->site->show_fields), hidden = names_of(&x->site->hide_fields);
	const struct http_mask mask = {
		.names = o->names.at,
		.names_n = o->names.n,
		.ports = o->ports.at,
		.ports_n = o->ports.n,
		.host = x->req.host,
		.authority = x->req.authority,
		.port = x->req.port,
		.secure = slice_is(identity_scheme(x), "https"),
	};

	http_hide_telltales(f, &shown, &hidden);
	return http_mask(&x->arena, f, &mask);
}

bool conceal_answer(struct exchange *x)
{
	return conceal(x, &x->response.fields);
}

bool conceal_trailers(struct exchange *x)
{
	return conceal(x, &x->response.trailers);
}

bool conceal_is_fault(const struct exchange *x)
{
	return x->response.status >= 500 && x->site->errors == CONFIG_ERRORS_REPLACE;
}
