/*
 * The uplink, as the supervisor runs it, with a server that is good: findings arrive once and leave the spool; what its
 * process may do; interruptions of all kinds.
 */
#include "t/20-plugin/uplink_relay.h"

static struct authority ca;

static void begin(void)
{
	if (shared)
		munmap(shared, sizeof *shared);
	shared_new();
}

/* ---- what its process may do ------------------------------------------------------------------------- */

/* The child of this process's child: /proc/PID/task/PID/children is not everywhere. */
static pid_t child_of(pid_t parent)
{
	char line[64];
	for (pid_t pid = parent + 1; pid < parent + 200; pid++) {
		snprintf(line, sizeof line, "%d", (int)parent);
		if (!strcmp(proc_line(pid, "PPid"), line))
			return pid;
	}
	return 0;
}

static unsigned descriptors(pid_t pid, const char *not_like)
{
	char path[64], to[PATH_MAX];
	unsigned count = 0;
	snprintf(path, sizeof path, "/proc/%d/fd", (int)pid);
	DIR *dir = opendir(path);
	for (struct dirent *entry; dir && (entry = readdir(dir));) {
		char name[PATH_MAX];
		snprintf(name, sizeof name, "%s/%s", path, entry->d_name);
		ssize_t len = readlink(name, to, sizeof to - 1);
		if (len <= 0 || !strcmp(entry->d_name, "2"))
			continue;
		to[len] = '\0';
		count += strncmp(to, not_like, strlen(not_like)) != 0;
	}
	if (dir)
		closedir(dir);
	return count;
}

static void check_confined(pid_t pid, const char *what)
{
	if (!geteuid())
		ok(!strncmp(proc_line(pid, "Uid"), "65534\t65534\t65534", 17), "%s is nobody", what);
	is_str(proc_line(pid, "NoNewPrivs"), "1", "%s can gain no privileges", what);
	is_str(proc_line(pid, "Seccomp"), "2", "%s has a filter of system calls", what);
	is_str(proc_line(pid, "CapEff"), "0000000000000000", "%s has no capabilities", what);
	is_str(proc_line(pid, "CapPrm"), "0000000000000000", "%s can have none", what);
	is_num(descriptors(pid, "socket:"), 0, "%s has nothing open but sockets", what);
}

/* ---- one session ------------------------------------------------------------------------------------- */

static void plain(void)
{
	struct agent agent;
	begin();
	struct peer peer = peer_start(&ca, &ca, "DNS:localhost,IP:127.0.0.1", 0, NULL);
	agent_new(&agent, &ca, peer.port);
	agent_put(&agent, 1000);
	if (!ok(agent_link(&agent), "an agent that is enrolled has a link"))
		return;
	is_str(agent_status(&agent).agent, AGENT, "and knows who it is");
	until(&agent, all_kept(&agent) && spool_empty(&agent));
	check_once(&agent, "a good server");
	ok(spool_empty(&agent), "and leave the spool");
	struct sense_link_status status = agent_status(&agent);
	ok(status.connected, "status: connected (%s)", status.problem);
	is_str(status.server, server_at(peer.port), "to this server");
	is_num(status.through, shared->through, "through what the server keeps");
	is_num(shared->sessions, 1, "in one session");
	ok(shared->rows_most <= 100 && shared->rows_most > 50, "in batches as large as the server says");
	is_str(shared->version, "test 1", "the server knows its version");
	ok(shared->host[0] && shared->os[0], "and its host (%s, %s)", shared->host, shared->os);
	check_confined(status.pid, "the uplink");
	check_confined(child_of(status.pid), "the process that looks names up");
	until(&agent, shared->heartbeats > 1);
	ok(shared->heartbeats > 1, "heartbeats come");
	agent_put(&agent, 10);
	until(&agent, all_kept(&agent) && spool_empty(&agent));
	check_once(&agent, "later ones");
	pid_t names = child_of(status.pid);
	sense_link_free(agent.link);
	agent.link = NULL;
	for (int i = 0; i < 200 && !kill(names, 0); i++)
		usleep(10000);
	ok(kill(names, 0) && kill(status.pid, 0), "both processes end with the link");
	agent_free(&agent);
	peer_stop(&peer);
}

/* ---- names ------------------------------------------------------------------------------------------- */

static void names(void)
{
	struct agent agent;
	char server[64];
	begin();
	struct peer peer = peer_start(&ca, &ca, "DNS:localhost", 0, NULL);
	agent_new(&agent, &ca, peer.port);
	snprintf(server, sizeof server, "localhost:%u", peer.port);
	const char *servers[] = {"no-such-name.invalid:1", server};
	agent.config.servers = servers;
	agent.config.server_count = 2;
	agent_put(&agent, 10);
	agent_link(&agent);
	until(&agent, all_kept(&agent) && spool_empty(&agent));
	check_once(&agent, "a server that has a name, behind one that has none");
	is_str(agent_status(&agent).server, server, "status: its name");
	agent_free(&agent);
	peer_stop(&peer);
}

/* ---- no server, then one ------------------------------------------------------------------------------ */

static void offline(void)
{
	struct agent agent;
	uint16_t port = 0;
	begin();
	close(listen_at(&port)); /* a port where nobody is */
	agent_new(&agent, &ca, port);
	agent_link(&agent);
	agent_put(&agent, 500);
	until(&agent, *agent_status(&agent).problem);
	for (int i = 0; i < 200; i++) {
		agent_put(&agent, 1);
		agent_look(&agent);
	}
	struct sense_link_status status = agent_status(&agent);
	ok(!status.connected && strstr(status.problem, "refused"), "without a server, status says why: %s",
	   status.problem);
	is_num(status.restarts, 0, "and the process goes on");
	is_num(status.waiting, 700, "findings wait");
	struct peer peer = peer_start(&ca, &ca, "IP:127.0.0.1", port, NULL);
	until(&agent, all_kept(&agent) && spool_empty(&agent));
	check_once(&agent, "then there is one");
	ok(spool_empty(&agent), "and leave the spool");
	agent_free(&agent);
	peer_stop(&peer);
}

/* ---- interruptions ------------------------------------------------------------------------------------ */

/* Connections cut at any byte, a process that is killed, a supervisor that begins anew: in any order, many times. */
static void interrupted(void)
{
	struct agent agent;
	unsigned kills = 0, anew = 0;
	begin();
	struct peer peer = peer_start(&ca, &ca, "IP:127.0.0.1", 0, NULL);
	struct relay relay = relay_start(peer.port, false);
	relayed->cut_most = 20000;
	shared->gap_each = shared->busy_each = shared->part_each = 12;
	agent_new(&agent, &ca, relay.port);
	agent_link(&agent);
	uint64_t end = sense_clock_us() + 3 * WAIT_S * 1000000ull;
	while ((relayed->cuts < 50 || kills < 10 || anew < 5) && sense_clock_us() < end) {
		if (agent.put < NUMBERS - 200 && rand() % 3 == 0)
			agent_put(&agent, 1 + (unsigned)rand() % 40);
		agent_look(&agent);
		pid_t pid = agent_status(&agent).pid;
		if (pid && kills < 10 && rand() % 100 == 0 && !kill(pid, SIGKILL))
			kills++;
		if (anew < 5 && kills > anew && rand() % 100 == 0) {
			sense_link_free(agent.link);
			anew += agent_link(&agent);
		}
	}
	ok(relayed->cuts >= 50 && kills == 10 && anew == 5,
	   "%u connections were cut, %u processes killed, %u links begun anew", relayed->cuts, kills, anew);
	relayed->cut_most = 0;
	until(&agent, all_kept(&agent) && spool_empty(&agent));
	check_once(&agent, "interruptions");
	ok(spool_empty(&agent), "and all leave the spool");
	ok(shared->gaps > 0, "%u answers were gaps", shared->gaps);
	agent_free(&agent);
	relay_stop(&relay);
	peer_stop(&peer);
}

/* ---- what the server asks for -------------------------------------------------------------------------- */

static void sizes(void)
{
	struct agent agent;
	begin();
	struct peer peer = peer_start(&ca, &ca, "IP:127.0.0.1", 0, NULL);
	shared->bytes_max = 4096;
	shared->rows_max = 1000;
	shared->too_large = 10;
	agent_new(&agent, &ca, peer.port);
	agent_put(&agent, 300);
	agent_link(&agent);
	until(&agent, all_kept(&agent) && spool_empty(&agent));
	check_once(&agent, "batches that are too large are made smaller");
	ok(shared->bytes_most <= 4096 + 256, "no batch is larger than the server says: %u",
	   shared->bytes_most);
	sense_link_free(agent.link);
	agent.config.bandwidth = 20000;
	shared->too_large = shared->rows_most = shared->bytes_most = 0;
	shared->bytes_max = 1 << 20;
	agent_put(&agent, 200);
	agent_link(&agent);
	until(&agent, all_kept(&agent) && spool_empty(&agent));
	check_once(&agent, "a limit of bandwidth");
	ok(shared->bytes_most <= 20256, "no batch is larger than what a second may bring: %u",
	   shared->bytes_most);
	agent_free(&agent);
	peer_stop(&peer);
}

/* ---- commands ------------------------------------------------------------------------------------------ */

static unsigned carried_out;

static const char *command(void *self, const struct sense_link_command *what, struct sense_buf *output)
{
	(void)self;
	carried_out++;
	if (!strcmp(what->name, "wrong"))
		return "no such thing";
	sense_buf_printf(output, "%s %s=%s", what->name, what->arguments[0].name, what->arguments[0].value);
	return NULL;
}

static void commands(void)
{
	struct agent agent;
	begin();
	struct peer peer = peer_start(&ca, &ca, "IP:127.0.0.1", 0, NULL);
	shared->commands = 1;
	agent_new(&agent, &ca, peer.port);
	agent.config.command = command;
	agent_link(&agent);
	until(&agent, shared->results >= 6);
	is_str(shared->result[0], "done - ", "a command that comes again is answered again");
	is_str(shared->result[1], "expired it came too late ", "one that has expired is not carried out");
	is_str(shared->result[2], "refused no such thing ", "one that there is not is refused");
	is_num(carried_out, 2, "each is carried out once");
	agent_free(&agent);
	peer_stop(&peer);
}

/* ---- the certificate ----------------------------------------------------------------------------------- */

static void renewal(void)
{
	struct agent agent;
	static struct sense_identity before, after;
	sense_error err;
	begin();
	struct peer peer = peer_start(&ca, &ca, "IP:127.0.0.1", 0, NULL);
	agent_new(&agent, &ca, peer.port);
	enrolled(agent.dir, &ca, server_at(peer.port), -86400 * 61, 86400 * 29);
	sense_identity_read(agent.dir, &before, &err);
	agent_link(&agent);
	agent_put(&agent, 10);
	until(&agent, shared->sessions == 2 && all_kept(&agent) && spool_empty(&agent));
	is_num(shared->renewals, 1, "a certificate is renewed when two thirds of its time are over");
	ok(!sense_identity_read(agent.dir, &after, &err), "what is kept can be read");
	ok(strcmp(before.key, after.key) && strcmp(before.certificate, after.certificate),
	   "with another key");
	is_num(shared->sessions, 2, "and a session begins with it");
	ok(agent_status(&agent).certificate_until > (int64_t)time(NULL) + 86400 * 80, "status: its end");
	check_once(&agent, "meanwhile");
	agent_free(&agent);
	peer_stop(&peer);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	ca = authority_make("fleet");
	plain();
	names();
	offline();
	sizes();
	commands();
	renewal();
	interrupted();
	authority_free(&ca);
	return tap_done();
}
