#include "core/cli/status_live.h"

#include <inttypes.h>
#include <time.h>

#define INTERFACES_SHOWN 64u

/* ---- JSON ---------------------------------------------------------------------------------------- */

static void capture_json(const sense_capture *capture, struct sense_json *json)
{
	struct sense_live_interface interfaces[INTERFACES_SHOWN];
	struct sense_live_stats stats = sense_capture_stats(capture);
	unsigned count = sense_capture_interfaces(capture, interfaces, INTERFACES_SHOWN);
	sense_json_open(json, '{');
	sense_json_member_uint(json, "received", stats.received);
	sense_json_member_uint(json, "dropped", stats.dropped);
	sense_json_key(json, "interfaces");
	sense_json_open(json, '[');
	for (unsigned i = 0; i < count && i < INTERFACES_SHOWN; i++) {
		sense_json_open(json, '{');
		sense_json_member(json, "name", interfaces[i].name);
		sense_json_member_bool(json, "up", interfaces[i].up);
		sense_json_member_uint(json, "received", interfaces[i].received);
		sense_json_member_uint(json, "dropped", interfaces[i].dropped);
		sense_json_close(json, '}');
	}
	sense_json_close(json, ']');
	sense_json_close(json, '}');
}

/* Names come from the sensor process: they are cut at their room, whatever stands there. */
static unsigned gauge_get(const sense_keeper *keeper, unsigned number, char name[SENSE_BOARD_GAUGE_NAME + 1],
                          uint64_t *value)
{
	const struct sense_board_page *page = sense_board_page(sense_keeper_link(keeper)->board);
	unsigned count = atomic_load_explicit(&page->gauge_count, memory_order_acquire);
	if (number >= count || number >= SENSE_BOARD_GAUGES)
		return 0;
	for (unsigned i = 0; i < SENSE_BOARD_GAUGE_NAME; i++)
		name[i] = page->gauges[number].name[i] < ' ' ? '\0' : page->gauges[number].name[i];
	name[SENSE_BOARD_GAUGE_NAME] = '\0';
	*value = atomic_load_explicit(&page->gauges[number].value, memory_order_relaxed);
	return 1;
}

static void host_json(const sense_keeper *keeper, const struct sense_crew *crew, struct sense_json *json)
{
	char name[SENSE_BOARD_GAUGE_NAME + 1];
	uint64_t value;
	sense_json_open(json, '{');
	sense_json_member_uint(json, "pid", (uint64_t)sense_keeper_pid(keeper));
	sense_json_member_uint(json, "restarts", sense_keeper_restarts(keeper));
	sense_json_member_uint(json, "events", sense_crew_count(crew, SENSE_COUNT_HOST_EVENTS));
	sense_json_member_uint(json, "flows_attributed", sense_crew_count(crew, SENSE_COUNT_ATTRIBUTED));
	sense_json_member_uint(json, "flows_unattributed", sense_crew_count(crew, SENSE_COUNT_UNATTRIBUTED));
	sense_json_key(json, "gauges");
	sense_json_open(json, '{');
	for (unsigned i = 0; gauge_get(keeper, i, name, &value); i++)
		sense_json_member_uint(json, name, value);
	sense_json_close(json, '}');
	sense_json_close(json, '}');
}

static uint64_t dropped_of(const struct sense_spool_stats *stats)
{
	uint64_t dropped = 0;
	for (unsigned i = 0; i < SENSE_SPOOL_SEVERITIES; i++)
		dropped += stats->dropped[i];
	return dropped;
}

static void spool_json(const sense_spool *spool, struct sense_json *json)
{
	struct sense_spool_stats stats;
	sense_spool_stats(spool, &stats);
	sense_json_open(json, '{');
	sense_json_member_uint(json, "findings", stats.findings);
	sense_json_member_uint(json, "bytes", stats.bytes);
	sense_json_member_uint(json, "waiting", stats.waiting);
	sense_json_member_uint(json, "acknowledged", stats.acknowledged);
	sense_json_member_uint(json, "dropped", dropped_of(&stats));
	sense_json_member_uint(json, "known", stats.known);
	sense_json_member_uint(json, "undecodable", stats.undecodable);
	sense_json_member_uint(json, "set_aside", stats.set_aside);
	sense_json_member_bool(json, "failing", stats.failing);
	sense_json_close(json, '}');
}

static const char *time_text(uint64_t us, char out[32])
{
	time_t seconds = (time_t)(us / 1000000);
	struct tm utc;
	strftime(out, 32, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &utc));
	return out;
}

static void link_json(const sense_link *link, struct sense_json *json)
{
	struct sense_link_status status;
	char when[32];
	sense_link_status(link, &status);
	sense_json_open(json, '{');
	sense_json_member(json, "agent", status.agent);
	sense_json_member(json, "organization", status.organization);
	sense_json_member_bool(json, "connected", status.connected);
	sense_json_member(json, "server", *status.server ? status.server : NULL);
	sense_json_member(json, "since", time_text(status.since_us, when));
	sense_json_member_uint(json, "policies", status.policies);
	sense_json_member_uint(json, "through", status.through);
	sense_json_member_uint(json, "waiting", status.waiting);
	sense_json_member_uint(json, "refused", status.refused);
	sense_json_member_uint(json, "sessions", status.sessions);
	sense_json_member_uint(json, "pid", (uint64_t)status.pid);
	sense_json_member_uint(json, "restarts", status.restarts);
	sense_json_member(json, "problem", *status.problem ? status.problem : NULL);
	sense_json_member(json, "problem_time", *status.problem ? time_text(status.problem_us, when) : NULL);
	sense_json_member(json, "certificate_until", time_text((uint64_t)status.certificate_until * 1000000, when));
	sense_json_close(json, '}');
}

void sense_status_live_json(const struct sense_status_live *live, const struct sense_crew *crew,
                            struct sense_json *json)
{
	sense_json_key(json, "capture");
	if (live->capture)
		capture_json(live->capture, json);
	else
		sense_json_string(json, NULL);
	sense_json_key(json, "host");
	if (live->keeper)
		host_json(live->keeper, crew, json);
	else
		sense_json_string(json, NULL);
	sense_json_key(json, "spool");
	if (live->spool)
		spool_json(live->spool, json);
	else
		sense_json_string(json, NULL);
	sense_json_key(json, "uplink");
	if (live->link)
		link_json(live->link, json);
	else
		sense_json_string(json, NULL);
}

/* ---- text ---------------------------------------------------------------------------------------- */

static void capture_text(const sense_capture *capture, struct sense_buf *out)
{
	struct sense_live_interface interfaces[INTERFACES_SHOWN];
	struct sense_live_stats stats = sense_capture_stats(capture);
	unsigned count = sense_capture_interfaces(capture, interfaces, INTERFACES_SHOWN), down = 0;
	sense_buf_adds(out, "capture     ");
	for (unsigned i = 0; i < count && i < INTERFACES_SHOWN; i++) {
		down += !interfaces[i].up;
		if (interfaces[i].up)
			sense_buf_printf(out, " %s", interfaces[i].name);
	}
	if (down)
		sense_buf_printf(out, ", %u down", down);
	sense_buf_printf(out, "; %" PRIu64 " packets received, %" PRIu64 " dropped\n", stats.received,
	                 stats.dropped);
	for (unsigned i = 0; i < count && i < INTERFACES_SHOWN; i++)
		if (interfaces[i].dropped)
			sense_buf_printf(out, "              %s: %" PRIu64 " of %" PRIu64 " dropped\n",
			                 interfaces[i].name, interfaces[i].dropped, interfaces[i].received);
}

static void host_text(const sense_keeper *keeper, const struct sense_crew *crew, struct sense_buf *out)
{
	char name[SENSE_BOARD_GAUGE_NAME + 1];
	uint64_t value, known = sense_crew_count(crew, SENSE_COUNT_ATTRIBUTED);
	uint64_t all = known + sense_crew_count(crew, SENSE_COUNT_UNATTRIBUTED);
	sense_buf_printf(out, "host         pid %d, %u restart%s, %" PRIu64 " events\n", (int)sense_keeper_pid(keeper),
	                 sense_keeper_restarts(keeper), sense_keeper_restarts(keeper) == 1 ? "" : "s",
	                 sense_crew_count(crew, SENSE_COUNT_HOST_EVENTS));
	if (all)
		sense_buf_printf(out, "attribution  %.1f %% of %" PRIu64 " flows that ended\n",
		                 100.0 * (double)known / (double)all, all);
	for (unsigned i = 0; gauge_get(keeper, i, name, &value); i++)
		sense_buf_printf(out, "             %-28s %" PRIu64 "\n", name, value);
}

static void spool_text(const sense_spool *spool, struct sense_buf *out)
{
	struct sense_spool_stats stats;
	sense_spool_stats(spool, &stats);
	sense_buf_printf(out, "spool        %" PRIu64 " findings in %" PRIu64 " KiB, %" PRIu64 " acknowledged, %" PRIu64
	                 " dropped%s\n", stats.findings + stats.waiting, stats.bytes / 1024, stats.acknowledged,
	                 dropped_of(&stats), stats.failing ? "; it cannot be written, findings wait in memory" : "");
}

static void link_text(const sense_link *link, struct sense_buf *out)
{
	struct sense_link_status status;
	char when[32];
	sense_link_status(link, &status);
	sense_buf_printf(out, "uplink       %s%s since %s, %" PRIu64 " findings wait, %" PRIu64 " session%s\n",
	                 status.connected ? "connected to " : "not connected", status.connected ? status.server : "",
	                 time_text(status.since_us, when), status.waiting, status.sessions,
	                 status.sessions == 1 ? "" : "s");
	if (status.policies)
		sense_buf_printf(out, "             policies of generation %" PRIu64 " are the server's\n", status.policies);
	if (*status.problem && (!status.connected || status.problem_us > status.since_us))
		sense_buf_printf(out, "             %s: %s\n", time_text(status.problem_us, when), status.problem);
}

void sense_status_live_text(const struct sense_status_live *live, const struct sense_crew *crew,
                            struct sense_buf *out)
{
	if (live->capture)
		capture_text(live->capture, out);
	if (live->keeper)
		host_text(live->keeper, crew, out);
	if (live->spool)
		spool_text(live->spool, out);
	if (live->link)
		link_text(live->link, out);
}
