/*
 * MCP configurations as the sensor `files` tells them: every format, what is fetched, what is pinned, and
 * that no secret that stands in a file is ever told, whichever way it stands there.
 */
#include "t/20-plugin/files_world.h"

/* Each planted value holds this; nothing that is told may. */
#define PLANT "PLANTED"

static void test_json(void)
{
	put(".claude.json",
	    "{\"mcpServers\": {\"github\": {\"command\": \"npx\", \"args\": [\"-y\", "
	    "\"@modelcontextprotocol/server-github@2025.4.8\"], \"env\": {\"GITHUB_TOKEN\": \"" PLANT
	    "ab12cd34\", "
	    "\"OTHER_TOKEN\": \"${GH}\", \"EMPTY_KEY\": \"\", \"MAX_TOKENS\": \"4096\", \"MY_API_KEY\": "
	    "\"your-key-here\", \"LOG\": \"debug\", \"APP_CREDENTIALS\": \"/etc/keys/app.json\"}}},\n"
	    "\"projects\": {\"/home/x/p\": {\"mcpServers\": {\"inner\": {\"type\": \"http\", \"url\": "
	    "\"https://u:" PLANT "pw@MCP.example.com/v1?api_key=" PLANT "123&x=1#f\"}}}}}");
	put(".cursor/mcp.json",
	    "{\"mcpServers\": {\"sse\": {\"url\": \"https://a.example/sse\", \"headers\": "
	    "{\"Authorization\": \"Bearer " PLANT "zz99\", \"X-Api-Key\": \"{{KEY}}\"}}}}");
	put(".config/Code/User/mcp.json",
	    "{\n // a comment with \"quotes\"\n \"servers\": {\"fs\": "
	    "{\"command\": \"docker\", /* no */ \"args\": "
	    "[\"run\", \"-i\", \"--rm\", \"-e\", \"DB_PASSWORD=" PLANT
	    "77\", \"--name\", \"x\", \"mcp/filesystem:1.2\", "
	    "\"http://x/*\",],},},\n}\n");
	put(".config/Code/User/settings.json",
	    "{\"mcp\": {\"servers\": {\"old\": {\"command\": \"uvx\", \"args\": "
	    "[\"mcp-server-time==0.6.2\"]}}}}");
	put(".config/opencode/opencode.jsonc",
	    "{\"mcp\": {\"oc\": {\"type\": \"local\", \"command\": [\"bunx\", \"oc-mcp@1.0.0\", "
	    "\"--api-key\", \"" PLANT "55\", \"--token=" PLANT
	    "66\"], \"environment\": {\"A_SECRET\": \"" PLANT "1\"}}}}");
	put(".config/zed/settings.json",
	    "{\"context_servers\": {\"z\": {\"command\": {\"path\": \"/usr/bin/z\", \"args\": [\"--header\", "
	    "\"Authorization: Bearer " PLANT "88\"], \"env\": {\"Z_KEY\": \"" PLANT "3\"}}}}}");
	put("code/.mcp.json",
	    "{\"mcpServers\": {\"remote\": {\"command\": \"npx\", \"args\": [\"mcp-remote\", "
	    "\"https://Remote.example.net/mcp?token=" PLANT "4\"]}}}");
	put(".claude/plugins/cache/a/b/.mcp.json",
	    "{\"flat\": {\"command\": \"sh\", \"args\": [\"-c\", \"npx -y flat-pkg "
	    "--password " PLANT "9 https://q:" PLANT
	    "@h.example/\"]}, \"object\": {\"command\": \"npx\", \"args\": "
	    "[\"@smithery/cli@1.2.3\", \"--key\", \"" PLANT
	    "k1\", \"--config\", "
	    "\"{\\\"apiKey\\\": \\\"" PLANT "k2\\\"}\", \"Bearer " PLANT "k3\"]}}");
	put(".claude/plugins/cache/c/d/.mcp.json",
	    "{\"within\": {\"command\": \"npx\", \"args\": [\"-y\", \"tool@ghp_" PLANT
	    "0123456789abcdef\", \"--name=a@glpat-" PLANT "0123456789\", \"b/hf_" PLANT
	    "0123456789abcdef=1\", \"my-sk-planted0123456789abcdef\"]}}");
}

static void test_others(void)
{
	put(".codex/config.toml",
	    "model = \"x\" # c\n[mcp_servers.ctx]\ncommand = 'npx'\nargs = [\"-y\", # c\n "
	    "\"@upstash/context7-mcp\", ]\n"
	    "startup_timeout_sec = 20\n[mcp_servers.ctx.env]\n\"CTX_KEY\" = \"" PLANT
	    "toml\"\n"
	    "[mcp_servers.\"with space\"]\nurl = \"https://t.example/mcp\"\nhttp_headers = { Authorization = "
	    "\"Bearer " PLANT
	    "t2\", X = 'y' }\n[other]\nlong = '''\n[mcp_servers.no]\ncommand = \"no\"\n'''\n");
	put(".config/goose/config.yaml",
	    "extensions:\n  time:\n    type: stdio\n    cmd: uvx\n    args: [--from, 'mcp-time@1.2.3', run]\n"
	    "    envs: {GOOSE_TOKEN: " PLANT "yaml}\n  builtin:\n    type: builtin\n");
	put(".continue/config.yaml",
	    "mcpServers:\n  - name: list\n    command: pipx\n    args:\n      - run\n      - --spec\n"
	    "      - git+https://x.example/r@v1\n      - tool\n");
	put(".continue/mcpServers/one.yaml",
	    "name: single\ncommand: deno\nargs: [run, -A, 'npm:one-mcp@3.2.1']\n");
	put(".continue/mcpServers/two.json",
	    "{\"mcpServers\": {\"two\": {\"command\": \"pnpm\", \"args\": [\"dlx\", "
	    "\"two-mcp@latest\"]}}}");
}

static void check_servers(void)
{
	ok(TOLD("mcp", "|mcp.server=github|", "|mcp.client=claude-code|", "|mcp.transport=stdio|",
	        "|mcp.command=npx -y @modelcontextprotocol/server-github@2025.4.8|",
	        "|mcp.package=@modelcontextprotocol/server-github@2025.4.8|", "|mcp.pinned=1|",
	        "|mcp.secrets=GITHUB_TOKEN|", "/.claude.json|", "|user="),
	   "a server started by npx: exact version, one secret of five names");
	ok(TOLD("mcp", "|mcp.server=inner|", "|mcp.transport=http|", "|mcp.url=https://MCP.example.com/v1|",
	        "|host=mcp.example.com|", "|mcp.secrets=url,api_key|"),
	   "a remote server of a project: the URL without user, password, query");
	ok(TOLD("mcp", "|mcp.server=sse|", "|mcp.transport=sse|", "|mcp.secrets=Authorization|"),
	   "an SSE server; of two headers one is a reference");
	ok(TOLD("mcp", "|mcp.server=fs|", "|mcp.client=vscode|", "|mcp.package=mcp/filesystem:1.2|",
	        "|mcp.pinned=0|", "|mcp.secrets=DB_PASSWORD|", "-e DB_PASSWORD=~redacted~ --name x"),
	   "JSON with comments and commas; a tag of an image pins nothing");
	ok(TOLD("mcp", "|mcp.server=old|", "|mcp.package=mcp-server-time==0.6.2|", "|mcp.pinned=1|"),
	   "settings of an editor; == pins");
	ok(TOLD("mcp", "|mcp.server=oc|",
	        "|mcp.command=bunx oc-mcp@1.0.0 --api-key ~redacted~ --token=~redacted~|",
	        "|mcp.secrets=api-key,token,A_SECRET|"),
	   "a command that is a list; secrets among its arguments");
	ok(TOLD("mcp", "|mcp.server=z|", "Authorization: ~redacted~", "|mcp.secrets=Authorization,Z_KEY|"),
	   "a command that is an object; a header among the arguments");
	ok(TOLD("mcp", "|mcp.server=remote|", "|mcp.transport=stdio|",
	        "|mcp.url=https://Remote.example.net/mcp|", "|host=remote.example.net|",
	        "|mcp.package=mcp-remote|", "|mcp.pinned=0|", "/code/.mcp.json|"),
	   "a bridge in a project: the URL that it calls");
	ok(TOLD("mcp", "|mcp.server=flat|", "|mcp.package=flat-pkg|", "--password ~redacted~"),
	   "a map without a name; a line for a shell");
	ok(TOLD("mcp", "|mcp.server=within|", "|mcp.package=~redacted~|",
	        "|mcp.command=npx -y ~redacted~ --name=~redacted~ ~redacted~ my-sk-planted0123456789abcdef|"),
	   "keys within a word, behind what no name has");
	ok(TOLD("mcp", "|mcp.server=object|", "--key ~redacted~ --config ~redacted~ Bearer ~redacted~",
	        "apiKey"),
	   "an object among the arguments");
	ok(TOLD("mcp", "|mcp.server=ctx|", "|mcp.client=codex|", "|mcp.package=@upstash/context7-mcp|",
	        "|mcp.pinned=0|", "|mcp.secrets=CTX_KEY|"),
	   "TOML: tables, arrays over lines");
	ok(TOLD("mcp", "|mcp.server=with space|", "|mcp.url=https://t.example/mcp|",
	        "|mcp.secrets=Authorization|"),
	   "TOML: quoted keys, inline tables");
	ok(!TOLD("mcp", "|mcp.server=no|"), "TOML: what stands in a string is no table");
	ok(TOLD("mcp", "|mcp.server=time|", "|mcp.package=mcp-time@1.2.3|", "|mcp.pinned=1|",
	        "|mcp.secrets=GOOSE_TOKEN|"),
	   "YAML: maps");
	ok(!TOLD("mcp", "|mcp.server=builtin|"), "what starts nothing and calls nothing is no server");
	ok(TOLD("mcp", "|mcp.server=list|", "|mcp.package=git+https://x.example/r@v1|", "|mcp.pinned=0|"),
	   "YAML: a list");
	ok(TOLD("mcp", "|mcp.server=single|", "|mcp.package=one-mcp@3.2.1|", "|mcp.pinned=1|"),
	   "one server a file");
	ok(TOLD("mcp", "|mcp.server=two|", "|mcp.package=two-mcp@latest|", "|mcp.pinned=0|"),
	   "JSON where YAML can be");
	ok(TOLD("file", "|file.kind=mcp_config|", "|file.op=found|", "/.codex/config.toml|"),
	   "the files themselves");
}

static void check_plants(void)
{
	unsigned leaks = 0;
	for (unsigned i = 0; i < told_count; i++)
		if (strstr(told[i].text, PLANT)) {
			leaks++;
			fprintf(stderr, "# %s\n", told[i].text);
		}
	is_num(leaks, 0, "no planted value in %u events", told_count);
}

/* What cannot be read is a gap and nothing else. */
static void test_faults(void)
{
	static char many[1 << 20];
	size_t used = 0;
	put(".cursor/mcp.json", "{\"mcpServers\": {\"cut\": {\"command\": ");
	put(".codex/config.toml", "[mcp_servers.a\ncommand = \"x\"\n");
	put(".config/goose/config.yaml", "extensions: [\n  {a: *nothing}\n");
	put(".kiro/settings/mcp.json", "");
	put(".gemini/settings.json",
	    "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[");
	used = (size_t)snprintf(many, sizeof many, "{\"mcpServers\": {");
	for (unsigned i = 0; i < 400; i++)
		used += (size_t)snprintf(many + used, sizeof many - used, "%s\"s%u\": {\"command\": \"c%u\"}",
		                         i ? "," : "", i, i);
	used += (size_t)snprintf(many + used, sizeof many - used, "}}");
	put_bytes(".codeium/windsurf/mcp_config.json", many, used);
	memset(many, '{', sizeof many);
	put_bytes(".lmstudio/mcp.json", many, sizeof many);
	for (size_t i = 0; i + 3 < sizeof many; i += 3)
		memcpy(many + i, "{},", 3);
	many[0] = '[';
	put_bytes(".qwen/settings.json", many, sizeof many);
	int fd = open(in_home(".copilot/mcp-config.json"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		mkdir(in_home(".copilot"), 0755);
		fd = open(in_home(".copilot/mcp-config.json"), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
	}
	if (fd < 0 || ftruncate(fd, (off_t)1 << 40) < 0)
		mistakes += ftruncate(fd, 1 << 30) < 0;
	close(fd);
	forget_told();
	sweep_once();
	ok(TOLD("gap", "|gap.what=files|", ".cursor/mcp.json|", "|gap.why=is not JSON|"), "JSON that is cut");
	ok(TOLD("gap", ".codex/config.toml|"), "TOML that is broken");
	ok(TOLD("gap", "goose/config.yaml|", "|gap.why=is not YAML|"), "YAML that is broken");
	ok(!TOLD("gap", ".kiro/settings/mcp.json"), "an empty file says nothing");
	ok(TOLD("gap", ".gemini/settings.json|", "|gap.why=is nested too deeply|"), "too deep");
	ok(TOLD("gap", ".lmstudio/mcp.json|", "|gap.why=is nested too deeply|"), "a MiB of brackets");
	ok(TOLD("gap", ".qwen/settings.json|", "|gap.why=holds too many values|"), "a MiB of empty objects");
	ok(TOLD("gap", ".copilot/mcp-config.json|", "|gap.why=is larger"), "a file without end");
	check_plants();
	is_num(count_told(0, "mcp", "|mcp.client=windsurf|"), 256, "256 servers of a file");
	ok(TOLD("gap", "windsurf/mcp_config.json|", "|gap.count=144|"), "the others are counted");
}

int main(void)
{
	world_begin();
	test_json();
	test_others();
	sweep_once();
	check_servers();
	check_plants();
	if (tap_failed)
		show_told();
	test_faults();
	return world_end();
}
