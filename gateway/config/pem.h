/* pem.h -- a certificate and its key, as files: do they hold what they should, and belong together.
 *
 * Names and dates are the business of gateway/tls. */
#ifndef PORTCULLIS_CONFIG_PEM_H
#define PORTCULLIS_CONFIG_PEM_H

#include "gateway/base/fail.h"
#include "gateway/base/slice.h"

/* Findings at the places of the two paths; false if there was any. */
bool pem_check(struct slice certificate_path, struct slice certificate, struct place certificate_place,
	       struct slice key_path, struct slice key, struct place key_place, struct fail *f);
bool pem_holds_certificate(struct slice pem);
/* A file of authorities, at most PEM_AUTHORITIES; an expired one is a warning. */
enum { PEM_AUTHORITIES = 100 };
bool pem_check_authorities(struct slice path, struct slice pem, struct place place, struct fail *f);

#endif
