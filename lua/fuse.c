#include "lua/fuse.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/hash.h"
#include "lua/state.h"

#define PLACES 64
#define USES_BEFORE 64 /* a group has to come this often before it is worth a function */
#define USES_MAX 4096  /* how well a group is remembered, so that a new one can get its place */

struct group {
	uint32_t numbers[SENSE_SCRIPT_ASK_MAX];
	uint32_t count;
	uint32_t uses;
	enum { GROUP_NEW, GROUP_MADE, GROUP_FAILED } state;
};

struct sense_fuse {
	struct group groups[PLACES];
};

struct making {
	const struct group *group;
	int place;
};

struct sense_fuse *sense_fuse_new(void)
{
	return calloc(1, sizeof(struct sense_fuse));
}

void sense_fuse_free(struct sense_fuse *fuse)
{
	free(fuse);
}

static void make_body(sense_lua *lua, lua_State *L, void *arg)
{
	const struct making *making = arg;
	luaL_checkstack(L, 2 * SENSE_SCRIPT_ASK_MAX + 8, "fused rules");
	lua_rawgeti(L, LUA_REGISTRYINDEX, lua->refs[SENSE_SLOT_FUSED]);
	lua_rawgeti(L, LUA_REGISTRYINDEX, lua->refs[SENSE_SLOT_WHEN]);
	int whens = lua_gettop(L);
	sense_lua_module(L, "event", "fuse");
	for (uint32_t i = 0; i < making->group->count; i++) {
		lua_pushnumber(L, making->group->numbers[i]);
		lua_rawgeti(L, whens, (int)making->group->numbers[i] + 1);
	}
	lua_call(L, 2 * (int)making->group->count, 1);
	lua_rawseti(L, whens - 1, making->place);
}

static void make(sense_lua *lua, struct group *group, int place)
{
	struct making making = {group, place};
	bool good = !sense_lua_protect(lua, make_body, &making, lua->limits.load_us, NULL);
	group->state = good ? GROUP_MADE : GROUP_FAILED;
}

/* A group gets the place of another once that one has been missing as often as it was used. */
static bool replace(struct group *group, const uint32_t *numbers, unsigned count)
{
	if (group->uses) {
		group->uses--;
		return false;
	}
	memcpy(group->numbers, numbers, count * sizeof *numbers);
	group->count = count;
	group->state = GROUP_NEW;
	return true;
}

int sense_fuse_find(sense_lua *lua, const uint32_t *numbers, unsigned count)
{
	size_t size = count * sizeof *numbers;
	int place = (int)(sense_hash(numbers, size, 0) % PLACES);
	struct group *group = &lua->fuse->groups[place];
	bool same = group->count == count && !memcmp(group->numbers, numbers, size);
	if (!same && !replace(group, numbers, count))
		return 0;
	group->uses += group->uses < USES_MAX;
	if (group->state == GROUP_NEW && group->uses >= USES_BEFORE)
		make(lua, group, place + 1);
	return group->state == GROUP_MADE ? place + 1 : 0;
}
