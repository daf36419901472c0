/* build_strict.c -- a build without sanitizers: the table is all there is. */
#include "gateway/cage/inside.h"

const struct cage_build cage_build = {0};
