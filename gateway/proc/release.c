/* release.c -- a generation outside the workers: loaded, opened, given to each of them. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "gateway/proc/image.h"
#include "gateway/proc/node.h"
#include "gateway/proc/spawn.h"

void release_init(struct node *n, struct release *r)
{
	*r = (struct release){.slot = n->next_slot++ % IMAGE_SLOTS,
			      .image_fd = -1,
			      .secrets_fd = -1,
			      .country_fd = -1,
			      .asn_fd = -1,
			      .rules_fd = -1,
			      .outputs = {-1, -1, -1}};
}

/* ---- Loading ---- */

pid_t release_load(struct node *n, struct release *r, int findings)
{
	char slot[16];
	const char *const argv[] = {"portcullis", "role-loader", n->config_path, slot, NULL};
	int fds[LOADER_FDS];

	snprintf(slot, sizeof slot, "%u", r->slot);
	r->image_fd = node_memory("portcullis-config", 0);
	r->secrets_fd = node_memory("portcullis-secrets", 0);
	r->country_fd = node_memory("portcullis-country", 0);
	r->asn_fd = node_memory("portcullis-asn", 0);
	r->rules_fd = node_memory("portcullis-files", 0);
	if (r->image_fd < 0 || r->secrets_fd < 0 || r->country_fd < 0 || r->asn_fd < 0 || r->rules_fd < 0)
		return -1;
	fds[LOADER_IMAGE - SPAWN_FIRST] = r->image_fd;
	fds[LOADER_SECRETS - SPAWN_FIRST] = r->secrets_fd;
	fds[LOADER_COUNTRY - SPAWN_FIRST] = r->country_fd;
	fds[LOADER_ASN - SPAWN_FIRST] = r->asn_fd;
	fds[LOADER_RULES - SPAWN_FIRST] = r->rules_fd;
	fds[LOADER_FINDINGS - SPAWN_FIRST] = findings;
	return spawn("/proc/self/exe", argv, fds, LOADER_FDS);
}

/* An empty file is a database that is not there: the one in force stays, where the configuration still
 * names one. */
static bool settle_database(int *fd, bool named, int beside)
{
	struct stat st;

	if (fstat(*fd, &st) < 0)
		return false;
	if (st.st_size > 0)
		return image_seal(*fd);
	close(*fd);
	*fd = named && beside >= 0 ? fcntl(beside, F_DUPFD_CLOEXEC, SPAWN_FIRST) : -1;
	return true;
}

bool release_map(struct release *r, const struct release *beside, char *why, size_t room)
{
	snprintf(why, room, "the configuration cannot be sealed and mapped: memory or descriptors are used up");
	if (!image_seal(r->image_fd) || !image_seal(r->secrets_fd) || !image_seal(r->rules_fd))
		return false;
	r->config = image_map(IMAGE_CONFIG, r->slot, r->image_fd);
	return r->config && settle_database(&r->country_fd, r->config->geoip.country.len, beside ? beside->country_fd : -1) &&
	       settle_database(&r->asn_fd, r->config->geoip.asn.len, beside ? beside->asn_fd : -1);
}

bool release_open(struct node *n, struct release *r, const struct release *beside, char *why, size_t room)
{
	if (!node_open_outputs(r->config, r->outputs, why, room))
		return false;
	if (!node_open_listeners(n, r, beside, why, room))
		return false;
	if (r->config->waf_used && !(r->queue = queue_of(n, r, beside ? beside->queue : NULL))) {
		snprintf(why, room, "no memory or descriptors for the inspection queue");
		return false;
	}
	return true;
}

void release_close(struct node *n, struct release *r)
{
	const int fds[] = {r->image_fd, r->secrets_fd, r->country_fd, r->asn_fd, r->rules_fd};

	for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++)
		if (fds[i] >= 0)
			close(fds[i]);
	for (unsigned i = 0; i < LOG_STREAMS; i++)
		if (r->outputs[i] >= 0)
			close(r->outputs[i]);
	for (unsigned i = 0; r->listeners && i < n->workers * r->config->listeners.n; i++)
		if (r->listeners[i] >= 0)
			close(r->listeners[i]);
	free(r->listeners);
	queue_drop(n, r->queue);
	if (r->config)
		image_unmap(IMAGE_CONFIG, r->slot);
}

/* ---- Giving ---- */

static void add(struct control_message *m, int *fds, unsigned *n, enum control_fd which, int fd)
{
	if (fd < 0)
		return;
	m->parts |= (uint16_t)(1u << which);
	fds[(*n)++] = fd;
}

bool release_lend(const struct node *n, const struct release *r, unsigned slot, const struct child *to)
{
	unsigned each = r->config->listeners.n;
	const struct control_message m = {.what = CONTROL_ADOPT, .slot = slot, .listeners = (uint16_t)each};

	return slot < n->workers && control_send(to->report.fd, &m, &r->listeners[slot * each], each);
}

bool release_give(const struct node *n, const struct release *r, const struct child *worker, bool keep_queue)
{
	struct control_message m = {.what = CONTROL_PREPARE, .slot = r->slot, .keep_queue = keep_queue};
	unsigned each = r->config->listeners.n, fds_n = 0;
	int fds[CONTROL_FDS];

	if (each > CONTROL_LISTENERS || worker->slot >= n->workers) {
		errno = E2BIG;
		return false;
	}
	add(&m, fds, &fds_n, CONTROL_IMAGE, r->image_fd);
	add(&m, fds, &fds_n, CONTROL_SECRETS, r->secrets_fd);
	if (r->queue && !keep_queue) {
		add(&m, fds, &fds_n, CONTROL_WAF, r->queue->waf_fd);
		add(&m, fds, &fds_n, CONTROL_LANE_SMALL, r->queue->lanes[worker->slot][WAF_SMALL][0]);
		add(&m, fds, &fds_n, CONTROL_LANE_BIG, r->queue->lanes[worker->slot][WAF_BIG][0]);
	}
	add(&m, fds, &fds_n, CONTROL_COUNTRY, r->country_fd);
	add(&m, fds, &fds_n, CONTROL_ASN, r->asn_fd);
	for (unsigned i = 0; r->queue && !keep_queue && i < n->inspectors; i++, m.doors++)
		fds[fds_n++] = r->queue->doors[i][0];
	m.listeners = (uint16_t)each;
	for (unsigned i = 0; i < each; i++)
		fds[fds_n++] = r->listeners[worker->slot * each + i];
	return control_send(worker->report.fd, &m, fds, fds_n);
}
