/* filter.h -- the rules of a site's policy, as a filter of the chain. */
#ifndef PORTCULLIS_POLICIES_FILTER_H
#define PORTCULLIS_POLICIES_FILTER_H

#include "gateway/chain/chain.h"

extern const struct filter policy_filter;

#endif
