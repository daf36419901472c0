/* capture.h -- the files of rule sets, read once, with all that they name.
 *
 * Of a rule set: its setup, what the operator puts before the rules, PATH/rules/
 * *.conf and *.data, what Debian's package has beside the setup, a map of
 * Unicode; and of each SecLang text what it includes and the data files and
 * scripts that it names.  What comes of it is a bundle (bundle.h): the bytes that
 * every zygote of the generation loads, and part of the generation's name.
 *
 * A relative name is one beside the file that has it, never in the directory that
 * the gateway was started in.  Refused: rules from the network, more than
 * CAPTURE_BYTES or CAPTURE_FILES in all, and a file that changed meanwhile. */
#ifndef PORTCULLIS_RULES_CAPTURE_H
#define PORTCULLIS_RULES_CAPTURE_H

#include "gateway/base/arena.h"
#include "gateway/base/fail.h"

enum { CAPTURE_BYTES = 64 << 20, CAPTURE_FILES = 4096, CAPTURE_DEPTH = 16 };

struct capture;

/* Texts end with a NUL and are absolute, and outlive the capture; places are those of the names. */
struct capture_ruleset {
	struct slice name, path, setup; /* setup: empty where there is none */
	const struct slice *before;
	unsigned before_n;
	struct place by_path, by_setup, by_before;
};

/* NULL: memory is used up. */
struct capture *capture_new(struct fail *f);
void capture_free(struct capture *c);
/* Read one more rule set.  False after findings: then there will be no bundle. */
bool capture_ruleset(struct capture *c, const struct capture_ruleset *set);
/* All are read.  The bundle is the capture's.  False after findings. */
bool capture_end(struct capture *c, struct slice *bundle);

#endif
