/* gcra_script.h -- the Lua script that counts in Redis; see gcra.lua. */
#ifndef PORTCULLIS_LIMIT_GCRA_SCRIPT_H
#define PORTCULLIS_LIMIT_GCRA_SCRIPT_H

#include "gateway/base/slice.h"

extern const struct slice gcra_script;

#endif
