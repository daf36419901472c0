/* client_cert.h -- sites that ask their clients for certificates: what TLS is to ask, which connection may carry a
 * request, and who the client is then.
 *
 * A connection is asked once, for the site that its server name leads to; a request is routed by its own host.  So each
 * request is held to what the connection was made for, in the generation that it begins with. */
#ifndef PORTCULLIS_PROXY_CLIENT_CERT_H
#define PORTCULLIS_PROXY_CLIENT_CERT_H

#include "gateway/proxy/exchange.h"

/* Fill the plan's demands and hosts; client_cert_plan_done frees them.  False: no memory. */
bool client_cert_plan(const struct config *c, const struct config_secrets *secrets, struct tls_server_plan *plan);
void client_cert_plan_done(struct tls_server_plan *plan);

/* Why x->site may not be asked over this connection, for the record; NULL: it may.  *reason is the refusal's. */
const char *client_cert_misfit(const struct exchange *x, enum reason *reason);
/* The request may go on: note what its client has proven to this site. */
void client_cert_fill(struct exchange *x);
/* Tell the origin.  False: memory is used up. */
bool client_cert_upstream(struct exchange *x, struct fields *extra);

#endif
