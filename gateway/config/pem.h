/* pem.h -- certificates and keys, as files: what is wrong with them, and what clients will say of them.
 *
 * Their names are the business of gateway/tls. */
#ifndef PORTCULLIS_CONFIG_PEM_H
#define PORTCULLIS_CONFIG_PEM_H

#include "gateway/base/fail.h"
#include "gateway/base/slice.h"

struct pem_file {
	struct slice path, bytes;
	struct place place; /* where the configuration names it */
};

/* A certificate with its chain, and its key.  False after findings.  *unfit: why clients will refuse it although it can
 * be served, of which there is a warning; static text, NULL: they will not. */
bool pem_check(const struct pem_file *certificate, const struct pem_file *key, const char **unfit, struct fail *f);
bool pem_holds_certificate(struct slice pem);
/* A file of authorities, at most PEM_AUTHORITIES; an expired one is a warning. */
enum { PEM_AUTHORITIES = 100 };
bool pem_check_authorities(const struct pem_file *file, struct fail *f);
/* A file of revocation lists, at most PEM_LISTS: whole, one of each of the `authorities` and signed by it.  One that is
 * out of date is a warning. */
enum { PEM_LISTS = 100 };
bool pem_check_lists(const struct pem_file *file, const struct pem_file *authorities, struct fail *f);

#endif
