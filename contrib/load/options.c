#include "contrib/load/options.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "sense-load: many agents of a sense-server, with findings, heartbeats and policies\n"
    "\n"
    "  sense-load --server HOST:PORT --ca-dir DIR --database CONNINFO --agents N [options]\n"
    "  sense-load --server HOST:PORT --ca FILE --token TOKEN --agents N [options]\n"
    "\n"
    "Who the agents are\n"
    "  --server HOST:PORT    a server; can be given several times, agents choose one at random\n"
    "  --ca FILE             the CA's certificate (default: ca.pem of --ca-dir)\n"
    "  --ca-dir DIR          the CA's directory: certificates are made with its key, without the server\n"
    "  --database CONNINFO   and the agents are put into this database\n"
    "  --org NAME            their organization (load)\n"
    "  --token TOKEN         agents enrol with this token instead\n"
    "  --enrol-parallel N    enrolments at a time (8)\n"
    "  --enrol-only          end when all have enrolled\n"
    "  --agents N            how many (100)\n"
    "  --seed N              another number, other agents and findings (1)\n"
    "  --state FILE          what the agents have in their spools: a run that was killed is gone on with\n"
    "\n"
    "What they do\n"
    "  --rate N|max          findings a second of all agents together; max: as many as are taken (0)\n"
    "  --findings N          no more than these\n"
    "  --seconds S           findings for this time; then what is left is sent, and acknowledged\n"
    "  --drain S             for which there are so many seconds (60)\n"
    "  --batch N             findings of a batch, at most (500)\n"
    "  --delay S             seconds that a finding waits for others (1)\n"
    "  --window N            batches of one agent under way (4)\n"
    "  --heartbeat S         seconds between heartbeats; 0: none (as the server says)\n"
    "  --ramp N              connections a second (500)\n"
    "  --retry S             seconds until an agent connects again, at most (2)\n"
    "  --timeout S           seconds without an answer after which it does (30)\n"
    "  --sources N           addresses of the loopback that agents connect from (1)\n"
    "  --wait-policy G       go on until all agents have acknowledged policies of this generation\n"
    "  --policy-rules N      rules that they acknowledge (20)\n"
    "\n"
    "What it tells\n"
    "  --ids FILE            ids of findings, one a line: `UUID acknowledged` or `UUID generated`\n"
    "  --every S             a line on stderr each S seconds\n"
    "  --json                the report as one line of JSON\n"
    "\n"
    "Exit code: 0 when all findings were acknowledged (and all policies, if asked for), 1 when not, 2 for wrong use.\n"
    "\n"
    "Examples\n"
    "  sense-load --server 127.0.0.1:8443 --ca-dir /var/lib/sense-server \\\n"
    "    --database \"host=/var/lib/sense-server/run user=sense dbname=sense\" --agents 2000 --rate 20000 --seconds 60\n"
    "  sense-load --server 127.0.0.1:8443 --ca ca.pem --token sense1.AbC... --agents 500 --enrol-only\n"
    "  sense-load ... --agents 5000 --seconds 30                    # connected, and nothing but heartbeats\n"
    "  sense-load ... --agents 2000 --wait-policy 7                 # until the last one has generation 7\n";

enum {
	SERVER = 256, CA, CA_DIR, DATABASE, ORG, TOKEN, ENROL_PARALLEL, ENROL_ONLY, AGENTS, SEED, STATE, RATE, FINDINGS,
	SECONDS, DRAIN, BATCH, DELAY, WINDOW, HEARTBEAT, RAMP, RETRY, TIMEOUT, SOURCES, WAIT_POLICY, POLICY_RULES, IDS, EVERY,
	JSON, HELP
};

static const struct option names[] = {
    {"server", required_argument, NULL, SERVER},
    {"ca", required_argument, NULL, CA},
    {"ca-dir", required_argument, NULL, CA_DIR},
    {"database", required_argument, NULL, DATABASE},
    {"org", required_argument, NULL, ORG},
    {"token", required_argument, NULL, TOKEN},
    {"enrol-parallel", required_argument, NULL, ENROL_PARALLEL},
    {"enrol-only", no_argument, NULL, ENROL_ONLY},
    {"agents", required_argument, NULL, AGENTS},
    {"seed", required_argument, NULL, SEED},
    {"state", required_argument, NULL, STATE},
    {"rate", required_argument, NULL, RATE},
    {"findings", required_argument, NULL, FINDINGS},
    {"seconds", required_argument, NULL, SECONDS},
    {"drain", required_argument, NULL, DRAIN},
    {"batch", required_argument, NULL, BATCH},
    {"delay", required_argument, NULL, DELAY},
    {"window", required_argument, NULL, WINDOW},
    {"heartbeat", required_argument, NULL, HEARTBEAT},
    {"ramp", required_argument, NULL, RAMP},
    {"retry", required_argument, NULL, RETRY},
    {"timeout", required_argument, NULL, TIMEOUT},
    {"sources", required_argument, NULL, SOURCES},
    {"wait-policy", required_argument, NULL, WAIT_POLICY},
    {"policy-rules", required_argument, NULL, POLICY_RULES},
    {"ids", required_argument, NULL, IDS},
    {"every", required_argument, NULL, EVERY},
    {"json", no_argument, NULL, JSON},
    {"help", no_argument, NULL, HELP},
    {NULL, 0, NULL, 0},
};

static bool wrong(const char *name, const char *text, const char *wanted)
{
	fprintf(stderr, "sense-load: --%s %s: %s is needed\n", name, text, wanted);
	return false;
}

/* A number from least to most. */
static bool number(const char *name, const char *text, double least, double most, double *out)
{
	char *end, wanted[80];
	*out = strtod(text, &end);
	if (end != text && !*end && *out >= least && *out <= most)
		return true;
	snprintf(wanted, sizeof wanted, "a number from %g to %g", least, most);
	return wrong(name, text, wanted);
}

static bool count(const char *name, const char *text, double least, double most, unsigned *out)
{
	double value;
	if (!number(name, text, least, most, &value))
		return false;
	*out = (unsigned)value;
	return true;
}

static bool large(const char *name, const char *text, uint64_t *out)
{
	double value;
	if (!number(name, text, 0, 9e15, &value))
		return false;
	*out = (uint64_t)value;
	return true;
}

static bool take_number(int option, const char *name, const char *text, struct load_options *o)
{
	switch (option) {
	case ENROL_PARALLEL:
		return count(name, text, 1, 256, &o->enrol_parallel);
	case AGENTS:
		return count(name, text, 1, LOAD_AGENTS_MAX, &o->agents);
	case SEED:
		return large(name, text, &o->seed);
	case RATE:
		o->rate_max = !strcmp(text, "max");
		return o->rate_max || number(name, text, 0, 1e7, &o->rate);
	case FINDINGS:
		return large(name, text, &o->total);
	case SECONDS:
		return number(name, text, 0, 1e7, &o->seconds);
	case DRAIN:
		return number(name, text, 0, 1e7, &o->drain);
	case BATCH:
		return count(name, text, 1, 1000, &o->batch);
	case DELAY:
		return number(name, text, 0, 3600, &o->delay);
	case WINDOW:
		return count(name, text, 1, 32, &o->window);
	case HEARTBEAT:
		return number(name, text, 0, 3600, &o->heartbeat);
	case RAMP:
		return number(name, text, 1, 1e6, &o->ramp);
	case RETRY:
		return number(name, text, 0.05, 3600, &o->retry);
	case TIMEOUT:
		return number(name, text, 0.1, 3600, &o->timeout);
	case SOURCES:
		return count(name, text, 1, 250, &o->sources);
	case WAIT_POLICY:
		return large(name, text, &o->wait_policy);
	case POLICY_RULES:
		return count(name, text, 0, 5000, &o->policy_rules);
	default:
		return number(name, text, 0, 3600, &o->every);
	}
}

static bool take(int option, const char *name, const char *text, struct load_options *o)
{
	switch (option) {
	case SERVER:
		if (o->server_count == LOAD_SERVERS_MAX)
			return wrong(name, text, "no more than 8 servers");
		o->servers[o->server_count++] = text;
		return true;
	case CA:
		o->ca = text;
		return true;
	case CA_DIR:
		o->ca_dir = text;
		return true;
	case DATABASE:
		o->database = text;
		return true;
	case ORG:
		o->org = text;
		return true;
	case TOKEN:
		o->token = text;
		return true;
	case STATE:
		o->state = text;
		return true;
	case IDS:
		o->ids = text;
		return true;
	case ENROL_ONLY:
		o->enrol_only = true;
		return true;
	case JSON:
		o->json = true;
		return true;
	default:
		return take_number(option, name, text, o);
	}
}

static const char *missing(const struct load_options *o)
{
	if (!o->server_count)
		return "--server HOST:PORT is missing";
	if (o->token ? !o->ca : !o->ca_dir || !o->database)
		return "either --ca-dir and --database, or --token and --ca are needed";
	if (o->token && o->state)
		return "--state goes with --ca-dir: agents that enrol anew have spools of their own";
	return NULL;
}

int load_options_read(int argc, char **argv, struct load_options *options)
{
	int option, at;
	*options = (struct load_options){.org = "load", .enrol_parallel = 8, .agents = 100, .drain = 60, .batch = 500,
	                                 .delay = 1, .window = 4, .ramp = 500, .heartbeat = -1, .timeout = 30, .retry = 2,
	                                 .sources = 1, .seed = 1, .policy_rules = 20};
	while ((option = getopt_long(argc, argv, "", names, &at)) != -1) {
		if (option == HELP) {
			fputs(help, stdout);
			return 0;
		}
		if (option == '?' || !take(option, names[option - SERVER].name, optarg, options))
			return 2;
	}
	const char *why = optind < argc ? "there are no operands" : missing(options);
	if (why)
		fprintf(stderr, "sense-load: %s; --help tells more\n", why);
	return why ? 2 : -1;
}
