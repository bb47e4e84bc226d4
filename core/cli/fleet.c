#include "core/cli/fleet.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/log.h"
#include "core/base/version.h"
#include "core/cli/status_live.h"
#include "core/link/identity.h"
#include "core/link/managed.h"
#include "proto/token.h"

#define ENROLLED_MS 2000u /* how often it is looked for */

struct sense_fleet {
	struct sense_fleet_config config;
	struct sense_link_config how;
	sense_link *link;
	bool wanted;
	bool observes;
	unsigned left_ms;
	char rule_id[SENSE_SHARED_RULE_ID_MAX];
	char servers[SENSE_IDENTITY_SERVERS_MAX][SENSE_IDENTITY_SERVER_MAX];
	const char *server[SENSE_IDENTITY_SERVERS_MAX];
};

/* ---- what the server is told ------------------------------------------------------------------------ */

static void counter(struct sense_message_heartbeat *out, const char *name, uint64_t value)
{
	if (out->counter_count < SENSE_MESSAGE_COUNTERS_MAX)
		out->counters[out->counter_count++] = (struct sense_message_counter){name, value};
}

static void gap(struct sense_message_heartbeat *out, const char *what)
{
	if (out->gap_count < SENSE_MESSAGE_GAPS_MAX)
		out->gaps[out->gap_count++] = what;
}

static void capture_health(const sense_capture *capture, struct sense_message_heartbeat *out)
{
	struct sense_live_stats stats = sense_capture_stats(capture);
	counter(out, "capture.received", stats.received);
	counter(out, "capture.dropped", stats.dropped);
}

static void spool_health(const sense_spool *spool, struct sense_message_heartbeat *out)
{
	struct sense_spool_stats stats;
	uint64_t dropped = 0;
	sense_spool_stats(spool, &stats);
	for (unsigned i = 0; i < SENSE_SPOOL_SEVERITIES; i++)
		dropped += stats.dropped[i];
	counter(out, "spool.findings", stats.findings + stats.waiting);
	counter(out, "spool.dropped", dropped);
	counter(out, "spool.undecodable", stats.undecodable);
	if (stats.failing)
		gap(out, "spool: it cannot be written, findings wait in memory");
}

static void rules_health(const struct sense_crew *crew, struct sense_message_heartbeat *out)
{
	struct sense_rule_counts counts;
	out->rules = sense_crew_rules(crew);
	for (unsigned i = 0; i < out->rules; i++) {
		sense_crew_rule_counts(crew, i, &counts);
		out->rules_failing += counts.errors != 0;
		out->rules_quarantined += sense_crew_quarantined(crew, i);
	}
}

static void health(void *self, struct sense_message_heartbeat *out)
{
	const sense_fleet *fleet = self;
	const struct sense_fleet_config *config = &fleet->config;
	counter(out, "packets", sense_crew_count(config->crew, SENSE_COUNT_PACKETS));
	counter(out, "flows", sense_crew_count(config->crew, SENSE_COUNT_FLOWS));
	counter(out, "events", sense_crew_count(config->crew, SENSE_COUNT_EVENTS));
	counter(out, "findings", sense_crew_count(config->crew, SENSE_COUNT_FINDINGS));
	counter(out, "host.events", sense_crew_count(config->crew, SENSE_COUNT_HOST_EVENTS));
	counter(out, "flows.attributed", sense_crew_count(config->crew, SENSE_COUNT_ATTRIBUTED));
	counter(out, "flows.unattributed", sense_crew_count(config->crew, SENSE_COUNT_UNATTRIBUTED));
	if (config->capture)
		capture_health(config->capture, out);
	else
		gap(out, "capture: no packets are looked at");
	if (config->spool)
		spool_health(config->spool, out);
	else
		gap(out, "spool: findings are not kept");
	if (config->keeper && !sense_keeper_pid(config->keeper))
		gap(out, "host: nobody looks at this host");
	rules_health(config->crew, out);
}

static bool rule(void *self, uint32_t i, struct sense_message_rule *out)
{
	sense_fleet *fleet = self;
	const struct sense_crew *crew = fleet->config.crew;
	if (i >= sense_crew_rules(crew))
		return false;
	sense_shared_rule_id(&crew->member[0], i, fleet->rule_id);
	*out = (struct sense_message_rule){
	    .id = fleet->rule_id, .state = sense_crew_quarantined(crew, i) ? "quarantined" : "loaded"};
	return true;
}

/* ---- policies of the server -------------------------------------------------------------------------- */

/* As somebody who runs `sense-agent reload` would. */
static void reload(void *self)
{
	(void)self;
	kill(getpid(), SIGHUP);
}

void sense_fleet_loaded(sense_fleet *fleet, const struct sense_generations *all)
{
	struct sense_manifest manifest;
	struct sense_bundle bundle;
	const struct sense_attempt *last = &all->last;
	bool over = last->result == SENSE_ATTEMPT_REFUSED || last->result == SENSE_ATTEMPT_CRASHED;
	if (!fleet->link)
		return;
	/* Which attempt it was is told by what is in it. */
	sense_bundle_init(&bundle);
	if (!sense_managed_read(fleet->how.agent_dir, &manifest, &bundle, NULL) &&
	    !sense_bundle_seal(&bundle, NULL)) {
		bool at_work = all->now.number && !strcmp(all->now.hash, bundle.hash);
		if (at_work) {
			fleet->observes = manifest.mode == SENSE_MANIFEST_OBSERVE;
			sense_link_loaded(fleet->link, &manifest, true, NULL);
		} else if (over && (all->now.saved_us || !strcmp(last->hash, bundle.hash))) {
			sense_link_loaded(fleet->link, &manifest, false,
			                  last->problems_kept ? last->text.data : "they do not load");
		}
	}
	sense_bundle_fini(&bundle);
}

bool sense_fleet_observes(const sense_fleet *fleet)
{
	return fleet && fleet->observes;
}

/* ---- commands ----------------------------------------------------------------------------------------- */

static const char *log_level(const sense_fleet *fleet, const struct sense_link_command *command)
{
	static const char *const levels[] = {"error", "warn", "info", "debug"};
	for (unsigned i = 0; i < command->argument_count; i++)
		for (unsigned k = 0; k < sizeof levels / sizeof *levels; k++)
			if (!strcmp(command->arguments[i].name, "level") &&
			    !strcmp(command->arguments[i].value, levels[k])) {
				sense_log_setup((enum sense_log_level)k,
				                (enum sense_log_format)sense_conf_number(
						    fleet->config.conf, SENSE_CONF_LOG_FORMAT));
				return NULL;
			}
	return "its argument `level` must be error, warn, info or debug";
}

/* What `status --json` tells of the live agent. */
static const char *diagnose(const sense_fleet *fleet, struct sense_buf *out)
{
	const struct sense_fleet_config *config = &fleet->config;
	const struct sense_status_live live = {.keeper = config->keeper,
	                                       .capture = config->capture,
	                                       .spool = config->spool,
	                                       .link = fleet->link};
	struct sense_json json = {.out = out};
	sense_json_open(&json, '{');
	sense_status_live_json(&live, config->crew, &json);
	sense_json_close(&json, '}');
	return NULL;
}

/* There are these, and no command of the server's has anything run that it sends. */
static const char *command(void *self, const struct sense_link_command *what, struct sense_buf *output)
{
	const sense_fleet *fleet = self;
	if (!strcmp(what->name, "reload")) {
		reload(NULL);
		return NULL;
	}
	if (!strcmp(what->name, "log_level"))
		return log_level(fleet, what);
	if (!strcmp(what->name, "diagnose"))
		return diagnose(fleet, output);
	if (!strcmp(what->name, "scan"))
		return fleet->config.keeper && sense_keeper_sweep(fleet->config.keeper)
		         ? NULL
		         : "nothing looks at this host now (host.sensors)";
	return "this agent has no such command";
}

/* The uplink's process shares no memory with workers and sensors. */
static void leave(void *self)
{
	const sense_fleet *fleet = self;
	sense_crew_free(fleet->config.crew);
	if (fleet->config.keeper)
		sense_board_free(sense_keeper_link(fleet->config.keeper)->board);
}

/* ---- begin and end ---------------------------------------------------------------------------------- */

static enum sense_status servers_take(sense_fleet *fleet, const char *text, sense_error *err)
{
	const char *why;
	while (*text) {
		size_t len = strcspn(text, ", ");
		if (!len) {
			text++;
			continue;
		}
		if (fleet->how.server_count == SENSE_IDENTITY_SERVERS_MAX)
			return sense_fail(err, SENSE_E_CONFIG, "link", "uplink.servers: %u can be",
			                  SENSE_IDENTITY_SERVERS_MAX);
		if (len >= SENSE_IDENTITY_SERVER_MAX)
			return sense_fail(err, SENSE_E_CONFIG, "link",
			                  "uplink.servers: '%.60s...' is too long", text);
		char *to = fleet->servers[fleet->how.server_count];
		memcpy(to, text, len);
		to[len] = '\0';
		if (!sense_token_is_server(to, &why))
			return sense_fail(err, SENSE_E_CONFIG, "link",
			                  "uplink.servers: '%s': HOST:PORT is wanted: %s", to, why);
		fleet->server[fleet->how.server_count++] = to;
		text += len;
	}
	return SENSE_OK;
}

/* False: it is enrolled, and something is wrong with that. */
static bool link_begin(sense_fleet *fleet, sense_error *err)
{
	fleet->left_ms = ENROLLED_MS;
	fleet->link = sense_link_new(&fleet->how, err);
	return fleet->link || err->status == SENSE_E_NOTFOUND;
}

sense_fleet *sense_fleet_new(const struct sense_fleet_config *config, sense_error *err)
{
	const struct sense_conf *conf = config->conf;
	sense_fleet *fleet = calloc(1, sizeof *fleet);
	if (!fleet) {
		sense_fail(err, SENSE_E_MEMORY, "link", "no memory");
		return NULL;
	}
	fleet->config = *config;
	fleet->wanted = !sense_conf_number(conf, SENSE_CONF_UPLINK_ENABLED); /* "auto" is the first word */
	fleet->how = (struct sense_link_config){
	    .plugins_dir = config->plugins_dir,
	    .agent_dir = sense_conf_text(conf, SENSE_CONF_AGENT_DIR),
	    .spool = config->spool,
	    .servers = fleet->server,
	    .proxy = sense_conf_text(conf, SENSE_CONF_UPLINK_PROXY),
	    .bandwidth = sense_conf_number(conf, SENSE_CONF_UPLINK_BANDWIDTH),
	    .version = sense_version(),
	    .self = fleet,
	    .health = health,
	    .leave = leave,
	    .reload = reload,
	    .command = command,
	    .rule = rule,
	};
	if (servers_take(fleet, sense_conf_text(conf, SENSE_CONF_UPLINK_SERVERS), err) ||
	    (fleet->wanted && !link_begin(fleet, err))) {
		free(fleet);
		return NULL;
	}
	return fleet;
}

void sense_fleet_free(sense_fleet *fleet)
{
	if (!fleet)
		return;
	sense_link_free(fleet->link);
	free(fleet);
}

void sense_fleet_look(sense_fleet *fleet, unsigned elapsed_ms)
{
	sense_error err;
	if (fleet->link) {
		sense_link_look(fleet->link, elapsed_ms);
		return;
	}
	fleet->left_ms -= fleet->left_ms < elapsed_ms ? fleet->left_ms : elapsed_ms;
	if (!fleet->wanted || fleet->left_ms)
		return;
	fleet->wanted = link_begin(fleet, &err);
	if (!fleet->wanted)
		sense_log(SENSE_LOG_ERROR, err.subsystem, "%s", err.message);
	else if (fleet->link)
		sense_log(SENSE_LOG_INFO, "link", "this agent is enrolled now");
}

const sense_link *sense_fleet_link(const sense_fleet *fleet)
{
	return fleet ? fleet->link : NULL;
}
