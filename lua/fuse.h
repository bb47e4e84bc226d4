/*
 * Private to lua/: rules that are often asked together become one Lua function.
 *
 * Ten rules of one event, called one by one, cost ten entries into Lua and the cache misses of ten
 * functions. Fused, the compiler makes one run of code of them. Which rules go together is learnt
 * from the events: a small table counts the groups that are asked, and the frequent ones stay.
 */
#ifndef SENSE_LUA_FUSE_H
#define SENSE_LUA_FUSE_H

#include <stdint.h>

#include "lua/sandbox.h"

struct sense_fuse;

struct sense_fuse *sense_fuse_new(void);
void sense_fuse_free(struct sense_fuse *fuse);

/*
 * The place in SENSE_SLOT_FUSED of the function for these rules (2 to SENSE_SCRIPT_ASK_MAX of them),
 * or 0: there is none, ask them one by one. Counts the question, and makes the function when it is
 * time for it.
 */
int sense_fuse_find(sense_lua *lua, const uint32_t *numbers, unsigned count);

#endif
