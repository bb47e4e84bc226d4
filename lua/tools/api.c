/* `api`: the rule API in words, by the description that the loader works by (lua/sense/describe.lua). */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lua/state.h"
#include "lua/tools/tools.h"

struct wanted {
	const char *what; /* function of the describe module */
	char *text;
};

static void describe(sense_lua *lua, lua_State *L, void *arg)
{
	struct wanted *wanted = arg;
	(void)lua;
	sense_lua_module(L, "describe", wanted->what);
	lua_call(L, 0, 1);
	wanted->text = strdup(lua_tostring(L, -1));
}

int sense_tool_api(const struct sense_cli *cli)
{
	sense_error err;
	struct wanted wanted = {.what = cli->reference ? "reference" : "luals"};
	sense_lua *lua = sense_lua_new(NULL, &err);
	enum sense_status status = lua ? sense_lua_protect(lua, describe, &wanted, 1000000, &err) : err.status;
	if (!status && !wanted.text)
		status = sense_fail(&err, SENSE_E_MEMORY, "api", "no memory for the description");
	if (!status)
		fputs(wanted.text, stdout);
	free(wanted.text);
	sense_lua_free(lua);
	return status ? sense_tool_fail(&err) : SENSE_EXIT_OK;
}
