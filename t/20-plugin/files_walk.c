/*
 * Homes as the sensor `files` goes through them: instructions, models, extensions, packages; hostile trees;
 * what changes while it watches.
 */
#include <sched.h>
#include <seccomp.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "t/20-plugin/files_world.h"

enum { MIB = 1 << 20 };

static void put_model(const char *rel, const void *head, size_t len)
{
	put_bytes(rel, head, len);
	if (truncate(in_home(rel), MIB + 1))
		mistakes++;
}

/* ---- what there is ------------------------------------------------------------------------------------- */

static void test_instructions(void)
{
	put("CLAUDE.md", "x");
	put("src/app/AGENTS.md", "xy");
	put("src/app/.cursor/rules/a.mdc", "x");
	put("src/app/.github/copilot-instructions.md", "x");
	put("src/app/node_modules/dep/CLAUDE.md", "x");
	put(".claude/skills/pdf/SKILL.md", "x");
	put(".hidden/CLAUDE.md", "x");
	put("1/2/3/4/CLAUDE.md", "x");
	put("lin\ne\xff/CLAUDE.md", "x");
	forget_told();
	sweep_once();
	ok(TOLD("file", "|file.kind=instructions|", "|file.op=found|", "/CLAUDE.md|", "|file.size=1|",
	        "|user="),
	   "of a home");
	ok(TOLD("file", "|file.kind=instructions|", "src/app/AGENTS.md|", "|file.size=2|"), "of a project");
	ok(TOLD("file", "src/app/.cursor/rules/a.mdc|") && TOLD("file", "copilot-instructions.md|"),
	   "in its folders");
	ok(TOLD("file", "|file.kind=instructions|", ".claude/skills/pdf/SKILL.md|"), "a skill");
	ok(TOLD("file", "lin\ne\xff/CLAUDE.md|"), "below a name with a newline and no UTF-8");
	ok(!TOLD("file", "node_modules") && !TOLD("file", ".hidden") && !TOLD("file", "1/2/3/4"),
	   "not in dependencies, hidden folders, far down");
}

static void test_models(void)
{
	uint8_t safe[64] = {40, 0, 0, 0, 0, 0, 0, 0, '{', '"'}, lie[64] = {0, 0, 0, 0, 0, 9, 0, 0, '{', '"'};
	uint8_t zip[64] = "PK\3\4", flite[16] = "....TFL3";
	memcpy(zip + 30, "archive/data.pkl", 16);
	put_model(".ollama/models/blobs/sha256-1", "GGUF\3\0\0\0", 8);
	put_model(".cache/huggingface/hub/models--a/blobs/b", safe, sizeof safe);
	put_model("models/lie.safetensors", lie, sizeof lie);
	put_model("models/net.pt", zip, sizeof zip);
	put_model("models/a.zip", "PK\3\4xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx", 50);
	put_model("models/old.bin", "tjgg", 4);
	put_model("models/small.tflite", flite, sizeof flite);
	put_model("models/x.onnx", "\x08\x07\x12\x07pytorch", 11);
	put_model("models/x.dat", "\x08\x07\x12\x07pytorch", 11);
	put("models/tiny.gguf", "GGUF\3\0\0\0");
	forget_told();
	sweep_once();
	ok(TOLD("file", "|file.kind=model|", ".ollama/models/blobs/sha256-1|", "|file.size=1.04858e+06|"),
	   "GGUF");
	ok(TOLD("file", "|file.kind=model|", "models--a/blobs/b|"), "safetensors");
	ok(TOLD("file", "|file.kind=model|", "models/net.pt|"), "PyTorch");
	ok(TOLD("file", "|file.kind=model|", "models/old.bin|"), "GGML");
	ok(TOLD("file", "|file.kind=model|", "models/small.tflite|"), "TFLite");
	ok(TOLD("file", "|file.kind=model|", "models/x.onnx|"), "ONNX, by name and first bytes");
	is_num(count_told(0, "file", "|file.kind=model|"), 6, "and none of those that only look alike");
}

static void put_extensions(void)
{
	put(".config/google-chrome/Default/Extensions/ofpnmcalabcbjgholdjcjblkibolbppb/7.1_0/manifest.json",
	    "{\"name\": \"__MSG_appName__\", \"default_locale\": \"en\", \"version\": \"7.1\"}");
	put(".config/google-chrome/Default/Extensions/ofpnmcalabcbjgholdjcjblkibolbppb/7.1_0/_locales/en/"
	    "messages.json",
	    "{\"appname\": {\"message\": \"Monica the AI\"}}");
	put(".config/google-chrome/Default/Extensions/aaaabbbbccccddddeeeeffffgggghhhh/1_0/manifest.json",
	    "{\"name\": \"Private matter\", \"version\": \"1\"}");
	put(".config/chromium/Profile 1/Extensions/hlgbcneanomplepojfcnclggenpcoldo/2_0/manifest.json",
	    "{\"name\": \"__MSG_n__\", \"default_locale\": \"../../../../x\", \"version\": \"2\"}");
	put(".mozilla/firefox/a.default/extensions.json",
	    "{\"addons\": [{\"id\": \"ai@example.org\", \"version\": \"3\", \"type\": \"extension\", "
	    "\"defaultLocale\": {\"name\": \"Fox AI\"}}, {\"id\": \"other@example.org\", \"version\": "
	    "\"3\"}]}");
	put(".vscode/extensions/GitHub.copilot-1.254.0/x", "");
	put(".vscode/extensions/private.thing-1.0.0/x", "");
	put(".cursor/extensions/anthropic.claude-code-1.0.31-linux-x64/x", "");
	put(".local/lib/python3.11/site-packages/openai-1.3.7.dist-info/METADATA", "");
	put(".local/lib/python3.11/site-packages/Llama_Index-0.9.dist-info/METADATA", "");
	put(".local/lib/python3.11/site-packages/requests-2.0.dist-info/METADATA", "");
	put(".npm-global/lib/node_modules/@anthropic-ai/claude-code/package.json",
	    "{\"version\": \"2.0.1\"}");
	put(".npm-global/lib/node_modules/leftpad/package.json", "{\"version\": \"1.0.0\"}");
	char jar[1024];
	FILE *in = fopen("t/fuzz/corpus/jar/deflated", "r");
	size_t len = in ? fread(jar, 1, sizeof jar, in) : 0;
	mistakes += !len;
	if (in)
		fclose(in);
	put(".local/share/JetBrains/IntelliJIdea2024.1/github-copilot-intellij/lib/a.jar",
	    "PK\5\6 no jar at all, though it says so");
	put_bytes(".local/share/JetBrains/IntelliJIdea2024.1/github-copilot-intellij/lib/b.jar", jar, len);
}

static void test_extensions(void)
{
	put_extensions();
	forget_told();
	sweep_once();
	ok(TOLD("inventory", "|inventory.app=jetbrains|", "|inventory.name=com.github.copilot|",
	        "|inventory.version=1.5.2|", "/github-copilot-intellij|"),
	   "JetBrains, from a jar");
	ok(TOLD("inventory", "|inventory.kind=extension|", "|inventory.app=chrome|",
	        "|inventory.name=Monica the AI|", "|inventory.version=7.1|", "/manifest.json|", "|user="),
	   "Chrome, its name in a translation");
	ok(TOLD("inventory", "|inventory.app=chromium|", "|inventory.name=hlgbcneanomplepojfcnclggenpcoldo|"),
	   "a locale that is a path leads nowhere; the id stands for the name");
	ok(TOLD("inventory", "|inventory.app=firefox|", "|inventory.name=Fox AI|", "|inventory.version=3|"),
	   "Firefox");
	ok(TOLD("inventory", "|inventory.app=vscode|", "|inventory.name=github.copilot|",
	        "|inventory.version=1.254.0|"),
	   "VS Code");
	ok(TOLD("inventory", "|inventory.app=cursor|", "|inventory.name=anthropic.claude-code|",
	        "|inventory.version=1.0.31|"),
	   "Cursor, with the system in the folder's name");
	ok(TOLD("inventory", "|inventory.kind=package|", "|inventory.app=python|", "|inventory.name=openai|",
	        "|inventory.version=1.3.7|"),
	   "a package of Python");
	ok(TOLD("inventory", "|inventory.name=llama-index|", "|inventory.version=0.9|"),
	   "its name normalized");
	ok(TOLD("inventory", "|inventory.app=node|", "|inventory.name=@anthropic-ai/claude-code|",
	        "|inventory.version=2.0.1|"),
	   "a package of npm");
	ok(!TOLD("inventory", "rivate") && !TOLD("inventory", "requests") && !TOLD("inventory", "leftpad") &&
	       !TOLD("inventory", "other@"),
	   "what the catalogue does not list is nobody's business");
}

/* ---- hostile trees ------------------------------------------------------------------------------------- */

/* Before Linux 5.6 there is no openat2. Exit status of the child: 0 all well. */
static void test_old_kernel(void)
{
	int status = -1;
	pid_t child = fork();
	if (!child) {
		scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
		if (!filter || seccomp_rule_add(filter, SCMP_ACT_ERRNO(ENOSYS), SCMP_SYS(openat2), 0) ||
		    seccomp_load(filter))
			_exit(3);
		uint32_t wait_ms;
		void *sensor = NULL;
		forget_told();
		if (ops->open(&host, SENSE_SENSOR_ONCE, &sensor, &error))
			_exit(4);
		sweep(sensor, &wait_ms);
		_exit(TOLD("mcp", "|mcp.server=outside|")
		          ? 1
		          : !TOLD("inventory", "claude-code|", "|inventory.version=2.0.1|"));
	}
	mistakes += child < 0 || waitpid(child, &status, 0) != child;
	is_num(status, 0, "without openat2 no link is followed, and the rest is seen");
}

static void test_links(void)
{
	char outside[300];
	snprintf(outside, sizeof outside, "%s-outside", home);
	mkdir(outside, 0755);
	snprintf(outside, sizeof outside, "%s-outside/mcp.json", home);
	FILE *out = fopen(outside, "w");
	mistakes += !out || fputs("{\"mcpServers\": {\"outside\": {\"command\": \"x\"}}}", out) < 0;
	if (out)
		fclose(out);
	mkdir(in_home(".cursor"), 0755);
	mistakes += symlink(outside, in_home(".cursor/mcp.json")) != 0;
	mkdir(in_home(".kiro"), 0755);
	mistakes += symlink("../../..", in_home(".kiro/settings")) != 0;
	put("dotfiles/code/mcp.json", "{\"servers\": {\"inside\": {\"command\": \"x\"}}}");
	make_parents(in_home(".config/Code/User"));
	mistakes += symlink("../../dotfiles/code", in_home(".config/Code/User")) != 0;
	mistakes += symlink(".", in_home("loop")) != 0;
	mistakes += symlink("loop2", in_home("loop2")) != 0;
	mistakes += symlink("/proc/self/environ", in_home("CLAUDE.md.link")) != 0;
	forget_told();
	sweep_once();
	ok(!TOLD("mcp", "|mcp.server=outside|"), "a link out of the home is not followed");
	ok(TOLD("gap", ".cursor/mcp.json|", "leads out of the home"), "and that is said");
	ok(TOLD("mcp", "|mcp.server=inside|", "/.config/Code/User/mcp.json|"), "a link within the home is");
	ok(!TOLD("file", "/loop/"), "loops end");
	test_old_kernel();
	snprintf(outside, sizeof outside, "rm -rf '%s-outside'", home);
	mistakes += system(outside) != 0;
}

static void test_strange_files(void)
{
	struct sockaddr_un address = {.sun_family = AF_UNIX};
	make_parents(in_home(".gemini/x"));
	mistakes += mkfifo(in_home(".gemini/settings.json"), 0600) != 0;
	make_parents(in_home(".codex/x"));
	mistakes += mkdir(in_home(".codex/config.toml"), 0755) != 0;
	make_parents(in_home(".qwen/x"));
	int s = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	snprintf(address.sun_path, sizeof address.sun_path, "%s", in_home(".qwen/settings.json"));
	mistakes += bind(s, (struct sockaddr *)&address, sizeof address) != 0;
	mistakes += mkfifo(in_home("AGENTS.md"), 0600) != 0;
	make_parents(in_home(".lmstudio/x"));
	mistakes += symlink("../AGENTS.md", in_home(".lmstudio/mcp.json")) != 0;
	mistakes += mkfifo(in_home("models/fifo.gguf"), 0600) != 0;
	forget_told();
	sweep_once();
	ok(!TOLD("mcp", ".gemini") &&
	       !TOLD("file", "/AGENTS.md|file.kind=instructions|file.op=found|user=root|file.size=0|"),
	   "FIFO, directory, socket where a file is expected: passed over");
	close(s);
	unlink(in_home(".qwen/settings.json"));
	unlink(in_home("AGENTS.md"));
	unlink(in_home("models/fifo.gguf"));
	unlink(in_home(".gemini/settings.json"));
}

static void test_large(void)
{
	char rel[64], deep[3000] = ".cache/llama.cpp";
	uint32_t wait_ms = 0;
	mkdir(in_home("many"), 0755);
	for (unsigned i = 0; i < 9000; i++) {
		snprintf(rel, sizeof rel, "many/f%u", i);
		int fd = open(in_home(rel), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
		mistakes += fd < 0;
		close(fd);
	}
	for (unsigned i = 0; i < 40; i++)
		strcat(deep, "/d");
	strcat(deep, "/x");
	put(deep, "x");
	forget_told();
	void *sensor = begin(SENSE_SENSOR_ONCE);
	unsigned pieces = sweep(sensor, &wait_ms);
	ops->close(sensor);
	ok(pieces > 50, "a sweep goes in pieces: %u", pieces);
	is_num(wait_ms, 2 * 3600 * 1000, "the next is due when the setting says");
	ok(TOLD("gap", "/many/|", "more entries", "|gap.count=808|"), "what a bound leaves out is counted");
	snprintf(deep, sizeof deep, "rm -rf '%s/many'", home);
	mistakes += system(deep) != 0;
}

/* A file system whose server never answers: whoever touches it hangs. */
static void test_mounts(void)
{
	char options[64];
	make_parents(in_home("remote/x"));
	int fuse = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	snprintf(options, sizeof options, "fd=%d,rootmode=40000,user_id=0,group_id=0", fuse);
	if (fuse < 0 || unshare(CLONE_NEWNS) || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    mount("nobody", in_home("remote"), "fuse", 0, options)) {
		ok(true, "no file system can be mounted here # SKIP %s", strerror(errno));
		return;
	}
	forget_told();
	sweep_once();
	ok(TOLD("gap", "/remote|", "is a network or user-space file system"),
	   "a file system of another is left alone");
	ok(TOLD("file", "src/app/AGENTS.md|"), "and the rest is seen");
	snprintf(homes, sizeof homes, "%s/remote:%s/nothing:%s", home, home, home);
	forget_told();
	sweep_once();
	ok(TOLD("gap", "/remote|", "is a network or user-space file system"), "a home on one, too");
	ok(TOLD("file", "src/app/AGENTS.md|"), "the next home is seen");
	snprintf(homes, sizeof homes, "%s", home);
	umount2(in_home("remote"), MNT_DETACH);
	close(fuse);
}

/* ---- changes ------------------------------------------------------------------------------------------- */

/* Serves the descriptor until such an event was told. */
static bool await(void *sensor, unsigned from, const char *event, const char *const *parts)
{
	struct pollfd wake = {.fd = ops->fd(sensor), .events = POLLIN};
	while (!find_told(from, event, parts)) {
		if (poll(&wake, 1, 20000) != 1)
			return false;
		if (ops->ready(sensor, &error))
			return false;
	}
	return true;
}

#define AWAIT(event, ...) await(sensor, from, event, (const char *const[]){__VA_ARGS__, NULL})

static void sweeps_again(void *sensor)
{
	uint32_t wait_ms;
	unsigned from = told_count;
	sweep(sensor, &wait_ms);
	is_num(told_count - from, 0, "the second has nothing to say");
	unlink(in_home("src/app/AGENTS.md"));
	sweep(sensor, &wait_ms);
	ok(find_told(from, "file", (const char *const[]){"src/app/AGENTS.md|", "|file.op=removed|", NULL}),
	   "a sweep sees what is gone");
	put("src/app/AGENTS.md", "xy");
}

static void folders_change(void *sensor)
{
	unsigned from = told_count;
	put("fresh/deep/CLAUDE.md", "x");
	ok(AWAIT("file", "fresh/deep/CLAUDE.md|", "|file.op=created|"), "below folders that were not there");
	put("fresh/deep/GEMINI.md", "x");
	ok(AWAIT("file", "fresh/deep/GEMINI.md|", "|file.op=created|"), "which are watched from then on");

	from = told_count;
	mistakes += rename(in_home("fresh"), in_home("elsewhere")) != 0;
	ok(AWAIT("file", "fresh/deep/CLAUDE.md|", "|file.op=removed|") &&
	       AWAIT("file", "elsewhere/deep/CLAUDE.md|", "|file.op=created|"),
	   "a folder is renamed");
	from = told_count;
	put("elsewhere/deep/AGENTS.md", "x");
	ok(AWAIT("file", "elsewhere/deep/AGENTS.md|", "|file.op=created|"), "and is watched under its name");
}

static void test_changes(void)
{
	uint32_t wait_ms;
	unlink(in_home(".cursor/mcp.json"));
	put("src/app/.mcp.json",
	    "{\"mcpServers\": {\"stays\": {\"command\": \"s\"}, \"goes\": {\"command\": \"g\"}}}");
	void *sensor = begin(SENSE_SENSOR_WATCH);
	ok(ops->fd(sensor) >= 0, "there is something to wait for");
	forget_told();
	sweep(sensor, &wait_ms);
	ok(TOLD("mcp", "|mcp.server=stays|") && TOLD("file", "|file.op=found|"),
	   "the first sweep finds what is there");

	sweeps_again(sensor);

	unsigned from = told_count;
	put(".cursor/mcp.json", "{\"mcpServers\": {\"fresh\": {\"command\": \"f\"}}}");
	ok(AWAIT("mcp", "|mcp.server=fresh|") && AWAIT("file", ".cursor/mcp.json|", "|file.op=created|"),
	   "a file is made");

	from = told_count;
	put("src/app/.mcp.json.new",
	    "{\"mcpServers\": {\"stays\": {\"command\": \"s\"}, \"other\": {\"command\": \"o\"}}}");
	mistakes += rename(in_home("src/app/.mcp.json.new"), in_home("src/app/.mcp.json")) != 0;
	ok(AWAIT("mcp", "|mcp.server=other|") && AWAIT("file", "|file.op=changed|"),
	   "a file is put in place of another");
	is_num(count_told(from, "mcp", "|"), 1, "and only the server that is new is told");

	from = told_count;
	put("src/app/.mcp.json", "{\"mcpServers\": {\"goes\": {\"command\": \"g\"}}}");
	ok(AWAIT("mcp", "|mcp.server=goes|"), "a server that had gone and comes back is told again");

	folders_change(sensor);

	from = told_count;
	for (unsigned i = 0; i < 1000; i++) {
		char rel[64];
		snprintf(rel, sizeof rel, "src/app/object%u.o", i);
		put(rel, "x");
	}
	put("src/app/.mcp.json", "{\"other\": 1, \"mcpServers\": {\"goes\": {\"command\": \"g\"}}}");
	put("src/app/.clinerules", "x");
	ok(AWAIT("file", "src/app/.clinerules|", "|file.op=created|"), "among a thousand files of a build");
	is_num(told_count - from, 1,
	       "nothing else is told, nor of a configuration whose servers stay as they are");

	from = told_count;
	unlink(in_home("CLAUDE.md"));
	ok(AWAIT("file", "/CLAUDE.md|", "|file.op=removed|"), "a file is removed");

	from = told_count;
	put_model(".ollama/models/blobs/sha256-2", "GGUF\3\0\0\0", 8);
	int fd = open(in_home(".ollama/models/blobs/sha256-2"), O_WRONLY | O_CLOEXEC);
	close(fd);
	ok(AWAIT("file", "sha256-2|", "|file.kind=model|", "|file.op=created|"), "a model is fetched");
	ops->close(sensor);
}

/* More changes than inotify keeps: everything is looked at again. */
static void test_overflow(void)
{
	uint32_t wait_ms;
	char rel[64];
	unsigned queue = 0;
	FILE *in = fopen("/proc/sys/fs/inotify/max_queued_events", "r");
	if (!in || fscanf(in, "%u", &queue) != 1 || queue > 100000) {
		ok(true, "the queue of events is too long to be filled # SKIP %u", queue);
		return;
	}
	fclose(in);
	void *sensor = begin(SENSE_SENSOR_WATCH);
	sweep(sensor, &wait_ms);
	unsigned from = told_count;
	for (unsigned i = 0; i < queue / 2; i++) {
		snprintf(rel, sizeof rel, "src/app/t%u", i % 7);
		put(rel, "");
		unlink(in_home(rel));
	}
	put("src/app/GEMINI.md", "x");
	ok(AWAIT("file", "src/app/GEMINI.md|"), "what comes when events are lost is found");
	ok(TOLD("gap", "changes came faster"), "and that they were is said");
	ops->close(sensor);
}

static void test_unreadable(void)
{
	forget_told();
	mistakes += chmod(home, 0) != 0;
	if (!geteuid() && (setegid(65534) || seteuid(65534)))
		mistakes++;
	sweep_once();
	if (!getuid() && (seteuid(0) || setegid(0)))
		mistakes++;
	mistakes += chmod(home, 0755) != 0;
	ok(TOLD("gap", "|gap.why=Permission denied|", home), "a home that cannot be read is a gap");
}

int main(void)
{
	world_begin();
	test_instructions();
	test_models();
	test_extensions();
	test_links();
	test_strange_files();
	test_large();
	test_changes();
	if (tap_failed)
		show_told();
	test_overflow();
	test_unreadable();
	test_mounts();
	return world_end();
}
