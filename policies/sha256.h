/* sha256.h -- SHA-256 (FIPS 180-4) of one run of bytes.
 *
 * The policy library is pure and links no TLS library; it hashes only values
 * that a policy compares, never secrets of ours. */
#ifndef PORTCULLIS_POLICIES_SHA256_H
#define PORTCULLIS_POLICIES_SHA256_H

#include <stdint.h>

#include "gateway/base/slice.h"

void sha256(struct slice in, uint8_t out[32]);
/* As 64 lower-case digits, without NUL. */
void sha256_hex(struct slice in, char out[64]);

#endif
