/*
 * What stands between an agent and its server in the tests of the uplink: a relay that cuts connections after any number
 * of bytes, or a proxy; and the agent's end, run by hand.
 */
#ifndef SENSE_T_UPLINK_RELAY_H
#define SENSE_T_UPLINK_RELAY_H

#include "t/20-plugin/uplink_world.h"

/* ---- the relay --------------------------------------------------------------------------------------- */

struct relay_shared {
	_Atomic uint32_t
	    cut_most; /* a connection ends after at most so many bytes, of both directions; 0: never */
	_Atomic uint32_t connections, cuts, connects, refused;
	_Atomic int refuse; /* as a proxy: 407 */
	char asked[512];    /* the latest request of a proxy */
};
static struct relay_shared *relayed;

struct relay {
	pid_t pid;
	int listener;
	uint16_t port, to;
	bool proxy;
};

/* Reads a request byte by byte up to its end. False: it is to be refused, and was. */
static bool relay_connect(int client)
{
	static const char good[] = "HTTP/1.1 200 go on\r\n\r\n", bad[] = "HTTP/1.1 407 who are you\r\n\r\n";
	size_t len = 0;
	char request[512];
	while (len < sizeof request - 1 && read(client, request + len, 1) == 1) {
		request[++len] = '\0';
		if (len >= 4 && !strcmp(request + len - 4, "\r\n\r\n"))
			break;
	}
	request[len] = '\0';
	strcpy(relayed->asked, request);
	bool refuse = relayed->refuse;
	relayed->connects++;
	return write(client, refuse ? bad : good, refuse ? sizeof bad - 1 : sizeof good - 1) > 0 && !refuse;
}

static void relay_copy(int client, int server)
{
	uint8_t data[4096];
	uint32_t most = relayed->cut_most;
	size_t left = most ? 1 + (size_t)rand() % most : SIZE_MAX;
	struct pollfd ends[] = {{.fd = client, .events = POLLIN}, {.fd = server, .events = POLLIN}};
	while (left && poll(ends, 2, -1) > 0) {
		for (int i = 0; i < 2; i++) {
			if (!ends[i].revents)
				continue;
			ssize_t got = read(ends[i].fd, data, left < sizeof data ? left : sizeof data);
			if (got <= 0 || write(ends[!i].fd, data, (size_t)got) != got)
				return;
			left -= (size_t)got;
		}
	}
	relayed->cuts++;
}

static void relay_serve(const struct relay *relay, int client)
{
	struct sockaddr_in to = {
	    .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK), .sin_port = htons(relay->to)};
	int server = socket(AF_INET, SOCK_STREAM, 0);
	srand((unsigned)getpid());
	relayed->connections++;
	if (relay->proxy && !relay_connect(client))
		return;
	if (!connect(server, (struct sockaddr *)&to, sizeof to))
		relay_copy(client, server);
}

__attribute__((unused)) static struct relay relay_start(uint16_t to, bool proxy)
{
	struct relay relay = {.to = to, .proxy = proxy};
	if (!relayed)
		relayed =
		    mmap(NULL, sizeof *relayed, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	relay.listener = listen_at(&relay.port);
	fflush(NULL);
	relay.pid = fork();
	if (relay.pid) {
		close(relay.listener);
		return relay;
	}
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	signal(SIGCHLD, SIG_IGN);
	signal(SIGPIPE, SIG_IGN);
	for (;;) {
		int client = accept(relay.listener, NULL, NULL);
		if (client >= 0 && !fork()) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			relay_serve(&relay, client);
			_exit(0);
		}
		close(client);
	}
}

__attribute__((unused)) static void relay_stop(struct relay *relay)
{
	kill(relay->pid, SIGKILL);
	waitpid(relay->pid, NULL, 0);
}

/* ---- the agent ---------------------------------------------------------------------------------------- */

struct agent {
	char dir[64], spool_dir[96];
	sense_spool *spool;
	sense_link *link;
	struct sense_link_config config;
	uint64_t put; /* findings so far: the number of the next */
};

static const char *plugins_dir(void)
{
	static char dir[PATH_MAX];
	const char *build = getenv("SENSE_BUILD");
	snprintf(dir, sizeof dir, "%s/plugins", build ? build : "build");
	return dir;
}

static const char *server_at(uint16_t port)
{
	static char text[64];
	snprintf(text, sizeof text, "127.0.0.1:%u", port);
	return text;
}

__attribute__((unused)) static bool agent_link(struct agent *agent)
{
	sense_error err;
	agent->link = sense_link_new(&agent->config, &err);
	if (!agent->link)
		fprintf(stderr, "# %s\n", err.message);
	return agent->link != NULL;
}

__attribute__((unused)) static void agent_new(struct agent *agent, const struct authority *by, uint16_t port)
{
	sense_error err;
	*agent = (struct agent){.dir = "/tmp/sense-uplink-XXXXXX"};
	if (!mkdtemp(agent->dir))
		exit(1);
	snprintf(agent->spool_dir, sizeof agent->spool_dir, "%s/spool", agent->dir);
	const struct sense_spool_config how = {
	    .dir = agent->spool_dir, .max_bytes = 64 << 20, .machine = "/dev/null"};
	agent->spool = sense_spool_open(&how, &err);
	if (!agent->spool) {
		fprintf(stderr, "# %s\n", err.message);
		exit(1);
	}
	enrolled(agent->dir, by, server_at(port), -3600, 86400 * 90);
	agent->config = (struct sense_link_config){.plugins_dir = plugins_dir(),
	                                           .agent_dir = agent->dir,
	                                           .spool = agent->spool,
	                                           .retry_min_ms = 10,
	                                           .retry_max_ms = 40,
	                                           .call_ms = 2000,
	                                           .version = "test 1"};
}

__attribute__((unused)) static void agent_free(struct agent *agent)
{
	char fleet[96];
	sense_link_free(agent->link);
	sense_spool_close(agent->spool);
	snprintf(fleet, sizeof fleet, "%s/fleet", agent->dir);
	remove_all(fleet);
	remove_all(agent->spool_dir);
	remove_all(agent->dir);
}

__attribute__((unused)) static void agent_put(struct agent *agent, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		put_number(agent->spool, agent->put++, "high", 200, NULL);
	sense_spool_commit(agent->spool, NULL);
}

__attribute__((unused)) static void agent_look(struct agent *agent)
{
	usleep(2000);
	sense_link_look(agent->link, 10);
}

static struct sense_link_status agent_status(const struct agent *agent)
{
	struct sense_link_status status;
	sense_link_status(agent->link, &status);
	return status;
}

/* Goes on until it holds, or for half a minute. */
#define until(agent, condition)                                              \
	do {                                                                 \
		uint64_t until_end = sense_clock_us() + WAIT_S * 1000000ull; \
		while (!(condition) && sense_clock_us() < until_end)         \
			agent_look(agent);                                   \
	} while (0)

__attribute__((unused)) static bool all_kept(const struct agent *agent)
{
	for (uint64_t i = 0; i < agent->put; i++)
		if (!shared->seen[i])
			return false;
	return true;
}

__attribute__((unused)) static bool spool_empty(const struct agent *agent)
{
	return !agent_status(agent).waiting;
}

/* Each finding was kept once. */
__attribute__((unused)) static void check_once(const struct agent *agent, const char *what)
{
	unsigned missing = 0, doubled = 0;
	for (uint64_t i = 0; i < agent->put; i++) {
		missing += !shared->seen[i];
		doubled += shared->seen[i] > 1;
	}
	ok(!missing && !doubled, "%s: all %llu findings are kept once (%u missing, %u doubled)", what,
	   (unsigned long long)agent->put, missing, doubled);
}

/* A line of /proc/PID/status. */
__attribute__((unused)) static const char *proc_line(pid_t pid, const char *name)
{
	static char line[256];
	char path[64];
	snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
	FILE *file = fopen(path, "r");
	size_t len = strlen(name);
	while (file && fgets(line, sizeof line, file))
		if (!strncmp(line, name, len) && line[len] == ':') {
			fclose(file);
			line[strcspn(line, "\n")] = '\0';
			return line + len + 2;
		}
	if (file)
		fclose(file);
	return "";
}

#endif
