/* load_bed.h -- a rule set on the disk, captured and loaded as the loader and a zygote do it. */
#ifndef PORTCULLIS_TESTS_RULES_LOAD_BED_H
#define PORTCULLIS_TESTS_RULES_LOAD_BED_H

#include "rules/capture.h"
#include "rules/engine.h"

/* As the only rule set of the plan, whose bounds are kept.  False with the first finding, or the engine's word. */
static inline bool load_bed(struct engine *e, const struct capture_ruleset *set, char *why, size_t room)
{
	struct fail f = {0};
	struct capture *c = capture_new(&f);
	struct slice bundle;
	bool loaded = false;

	e->plan.rulesets_n = 1;
	e->plan.rulesets[0].name = set->name;
	e->modsec = NULL;
	if (capture_ruleset(c, set) && capture_end(c, &bundle))
		loaded = engine_load(e, bundle, why, room);
	else
		snprintf(why, room, "%s:%u: %s", f.at[0].place.file ? f.at[0].place.file : "", f.at[0].place.line, f.at[0].text);
	capture_free(c);
	fail_done(&f);
	return loaded;
}

#define LOAD_CRS                                                                             \
	(struct capture_ruleset)                                                             \
	{                                                                                    \
		.name = SLICE("crs"), .path = SLICE("/usr/share/modsecurity-crs"),           \
		.setup = SLICE("/etc/modsecurity/crs/crs-setup.conf")                        \
	}

#endif
