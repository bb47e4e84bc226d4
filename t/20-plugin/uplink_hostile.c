/*
 * The uplink with what is no good server: answers that are wrong in every way, certificates of others, proxies. It says
 * what is wrong, loses nothing, and works again as soon as there is a good one.
 */
#include "t/20-plugin/uplink_relay.h"

static struct authority ca, other;

static void begin(void)
{
	if (shared)
		munmap(shared, sizeof *shared);
	shared_new();
}

/* ---- answers ------------------------------------------------------------------------------------------ */

static void answers(void)
{
	static const char *const names[BAD_COUNT] = {
	    [BAD_GARBAGE] = "garbage",
	    [BAD_HUGE] = "a message that is too large",
	    [BAD_ID] = "an answer to what was not asked",
	    [BAD_THROUGH] = "an acknowledgement of what was not sent",
	    [BAD_CALL] = "a call",
	    [BAD_MAP] = "a result that is none",
	    [BAD_ERROR] = "an error that is none",
	    [BAD_DEEP] = "arrays in arrays",
	};
	for (int bad = BAD_NOT + 1; bad < BAD_COUNT; bad++) {
		struct agent agent;
		begin();
		struct peer peer = peer_start(&ca, &ca, "IP:127.0.0.1", 0, NULL);
		shared->bad = bad;
		agent_new(&agent, &ca, peer.port);
		agent_put(&agent, 50);
		agent_link(&agent);
		until(&agent, shared->sessions >= 3);
		struct sense_link_status status = agent_status(&agent);
		ok(shared->sessions >= 3 && *status.problem, "%s ends the session: %s", names[bad],
		   status.problem);
		is_num(status.restarts, 0, "%s: not the process", names[bad]);
		is_num(status.waiting, 50, "%s: nothing leaves the spool", names[bad]);
		shared->bad = BAD_NOT;
		until(&agent, all_kept(&agent) && spool_empty(&agent));
		check_once(&agent, names[bad]);
		agent_free(&agent);
		peer_stop(&peer);
	}
}

static void held(void)
{
	struct agent agent;
	begin();
	struct peer peer = peer_start(&ca, &ca, "IP:127.0.0.1", 0, NULL);
	shared->hold = 1;
	agent_new(&agent, &ca, peer.port);
	agent.config.call_ms = 300;
	agent_put(&agent, 2000);
	agent_link(&agent);
	until(&agent, shared->sessions >= 2);
	ok(strstr(agent_status(&agent).problem, "does not answer"), "answers that do not come: %s",
	   agent_status(&agent).problem);
	is_num(agent_status(&agent).waiting, 2000, "nothing leaves the spool");
	shared->hold = 0;
	until(&agent, all_kept(&agent) && spool_empty(&agent));
	check_once(&agent, "held answers");
	agent_free(&agent);
	peer_stop(&peer);
}

static void busy(void)
{
	struct agent agent;
	begin();
	struct peer peer = peer_start(&ca, &ca, "IP:127.0.0.1", 0, NULL);
	shared->busy_each = 1;
	shared->notify = 3;
	agent_new(&agent, &ca, peer.port);
	agent_put(&agent, 500);
	agent_link(&agent);
	uint64_t begun = sense_clock_monotonic_us();
	until(&agent, shared->batches >= 8);
	uint64_t waited_ms = (sense_clock_monotonic_us() - begun) / 1000;
	/* 5 ms, it says: the pauses before the second to the eighth are 5, 10, 20, ... 320 at least, 635 together. */
	ok(waited_ms >= 600, "a server that is busy is asked less and less: %" PRIu64 " ms",
	   waited_ms);
	is_num(shared->sessions, 1, "and ends no session");
	is_num(agent_status(&agent).waiting, 500, "nothing leaves the spool");
	shared->busy_each = 0;
	until(&agent, all_kept(&agent) && spool_empty(&agent));
	check_once(&agent, "a busy server");
	ok(shared->command_asks > 0, "notifications are answered by asking for commands, others passed over");
	/* One that was set back to an older state takes up from there; what left the spool is gone. */
	shared->through = 0;
	agent_put(&agent, 20);
	until(&agent, all_kept(&agent) && spool_empty(&agent));
	check_once(&agent, "a server that was set back");
	agent_free(&agent);
	peer_stop(&peer);
}

/* ---- certificates --------------------------------------------------------------------------------------- */

static void refused(const struct authority *clients, const struct authority *by, const char *san,
                    const char *wanted)
{
	struct agent agent;
	begin();
	struct peer peer = peer_start(clients, by, san, 0, NULL);
	agent_new(&agent, &ca, peer.port);
	agent_put(&agent, 5);
	agent_link(&agent);
	until(&agent, strstr(agent_status(&agent).problem, wanted));
	struct sense_link_status status = agent_status(&agent);
	ok(strstr(status.problem, wanted), "%s: %s", wanted, status.problem);
	is_num(status.sessions, 0, "no session with it");
	is_num(status.waiting, 5, "nothing leaves the spool");
	agent_free(&agent);
	peer_stop(&peer);
}

/* As a server does with agents that it revoked. */
static void hung_up(void)
{
	struct agent agent;
	begin();
	struct peer peer = peer_start(&ca, &ca, "IP:127.0.0.1", 0, NULL);
	shared->hang_up = 1;
	agent_new(&agent, &ca, peer.port);
	agent_link(&agent);
	until(&agent, strstr(agent_status(&agent).problem, "revoked"));
	ok(strstr(agent_status(&agent).problem, "look whether it is revoked"), "one that hangs up: %s",
	   agent_status(&agent).problem);
	agent_free(&agent);
	peer_stop(&peer);
}

static void identity(void)
{
	struct agent agent;
	sense_error err;
	char path[128];
	begin();
	agent_new(&agent, &ca, 1);
	snprintf(path, sizeof path, "%s/fleet/identity", agent.dir);
	chmod(path, 0640);
	ok(!sense_link_new(&agent.config, &err) && strstr(err.message, "0600"),
	   "a key that others may read is refused: %s", err.message);
	chmod(path, 0600);
	if (truncate(path, 300))
		perror("# truncate");
	ok(!sense_link_new(&agent.config, &err) && strstr(err.message, "enrol again"),
	   "one that is cut short, too: %s", err.message);
	unlink(path);
	ok(!sense_link_new(&agent.config, &err) && err.status == SENSE_E_NOTFOUND, "none: %s", err.message);
	agent_free(&agent);
}

/* ---- a proxy --------------------------------------------------------------------------------------------- */

static void proxy(void)
{
	struct agent agent;
	char at[96];
	begin();
	struct peer peer = peer_start(&ca, &ca, "DNS:server.invalid", 0, NULL);
	struct relay relay = relay_start(peer.port, true);
	agent_new(&agent, &ca, 1);
	const char *servers[] = {"server.invalid:443"};
	agent.config.servers = servers;
	agent.config.server_count = 1;
	snprintf(at, sizeof at, "http://me:secret@127.0.0.1:%u/", relay.port);
	agent.config.proxy = at;
	relayed->refuse = 1;
	agent_put(&agent, 100);
	agent_link(&agent);
	until(&agent, strstr(agent_status(&agent).problem, "407"));
	ok(strstr(agent_status(&agent).problem, "refused: HTTP/1.1 407 who are you"),
	   "a proxy that refuses: %s", agent_status(&agent).problem);
	ok(!strstr(agent_status(&agent).problem, "secret"), "without the password");
	relayed->refuse = 0;
	until(&agent, all_kept(&agent) && spool_empty(&agent));
	check_once(&agent, "through a proxy, which looks names up");
	ok(!strncmp(relayed->asked, "CONNECT server.invalid:443 HTTP/1.1\r\n", 37),
	   "it was asked for the server");
	ok(strstr(relayed->asked, "Proxy-Authorization: Basic bWU6c2VjcmV0\r\n"), "with user and password");
	agent_free(&agent);
	relay_stop(&relay);
	peer_stop(&peer);
}

int main(void)
{
	signal(SIGPIPE, SIG_IGN);
	ca = authority_make("fleet");
	other = authority_make("other");
	answers();
	held();
	busy();
	refused(&ca, &other, "IP:127.0.0.1", "not of this fleet's CA");
	refused(&ca, &ca, "IP:127.0.0.2", "for another name");
	refused(&other, &ca, "IP:127.0.0.1", "does not accept this agent's certificate");
	hung_up();
	identity();
	proxy();
	authority_free(&other);
	authority_free(&ca);
	return tap_done();
}
