/* front_hop.c -- the PROXY header of a load balancer, in front of all that a client sends.
 *
 * It is looked at where it lies, and taken from the socket when it is whole: what follows belongs to TLS or HTTP,
 * which read for themselves. */
#include <errno.h>
#include <sys/socket.h>

#include "gateway/base/log.h"
#include "gateway/base/metric.h"
#include "gateway/http/proxy_header.h"
#include "gateway/proxy/front_parts.h"
#include "gateway/proxy/guard.h"

static bool refuse(struct front *f, const char *why)
{
	char text[ADDR_TEXT];

	addr_text(&f->peer, text);
	log_info("closed a connection of the load balancer %s: %s", text, why);
	front_shut(f, false);
	return false;
}

/* No fault: who connects and leaves again has looked whether the port is open. */
static bool leave(struct front *f)
{
	f->phase = FRONT_IDLE;
	front_shut(f, false);
	return false;
}

/* Whom the hop names is the client for everything from here on.  The hop itself is bound by no count of
 * connections: it brings those of everybody. */
static bool name_client(struct front *f, const struct proxy_header *h)
{
	enum metric cause;

	f->hopped = true;
	f->hop = f->peer;
	if (!h->named)
		return true;
	f->peer = h->source;
	f->peer_port = h->source_port;
	cause = guard_refuses(f->proxy, &f->peer);
	if (cause != METRICS) {
		metric_count(cause);
		return false;
	}
	f->place = guard_came(f->proxy, &f->peer);
	f->guarded = true;
	return true;
}

static bool take(struct front *f, char *seen, uint32_t len, const struct proxy_header *h)
{
	/* It was there a moment ago. */
	if (recv(f->sock.watch.fd, seen, len, MSG_DONTWAIT) != (ssize_t)len)
		return refuse(f, "its PROXY header cannot be read");
	if (!name_client(f, h))
		return leave(f);
	front_begin(f);
	/* A handshake goes on under the clock that began with the connection. */
	if (!f->sock.tls)
		timer_start(f->proxy->loop, &f->timer, f->proxy->config->client.head_ms);
	return true;
}

bool front_read_hop(struct front *f)
{
	char seen[PROXY_HEADER_MOST];
	ssize_t n = recv(f->sock.watch.fd, seen, sizeof seen, MSG_PEEK | MSG_DONTWAIT);
	struct proxy_header header;
	const char *why = "";
	uint32_t len;

	if (n < 0 && (errno == EAGAIN || errno == EINTR)) {
		f->sock.readable = false;
		return false;
	}
	if (n <= 0)
		return leave(f);
	switch (proxy_header_read(slice_make(seen, (size_t)n), &header, &len, &why)) {
	case PROXY_HEADER_WHOLE:
		return take(f, seen, len, &header);
	case PROXY_HEADER_MORE:
		if (f->sock.peer_closed)
			return refuse(f, "it ended within a PROXY header");
		f->sock.readable = false;
		return false;
	case PROXY_HEADER_BAD:
		break;
	}
	return refuse(f, why);
}
