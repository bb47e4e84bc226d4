/* What the server is told of this agent: when it registers, and with each heartbeat. */
#include <stdio.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "core/base/clock.h"
#include "core/link/internal.h"

#define MAP_MAX 32768u

/* PRETTY_NAME="..." of os-release(5). */
static void system_name(char *out, size_t cap)
{
	char line[256];
	FILE *file = fopen("/etc/os-release", "re");
	while (file && fgets(line, sizeof line, file)) {
		if (strncmp(line, "PRETTY_NAME=", 12))
			continue;
		const char *value = line + 12 + (line[12] == '"');
		snprintf(out, cap, "%.*s", (int)strcspn(value, "\"\n"), value);
	}
	if (file)
		fclose(file);
}

void sense_link_health_init(sense_link *link)
{
	struct utsname about;
	if (gethostname(link->host, sizeof link->host - 1) || !*link->host)
		snprintf(link->host, sizeof link->host, "unknown");
	if (!uname(&about)) {
		snprintf(link->os, sizeof link->os, "%s", about.sysname);
		snprintf(link->kernel, sizeof link->kernel, "%s", about.release);
		snprintf(link->arch, sizeof link->arch, "%s", about.machine);
	}
	system_name(link->os, sizeof link->os);
}

static void register_put(const sense_link *link, struct sense_wire_writer *writer)
{
	const struct sense_message_register message = {
	    .version = link->config.version,
	    .host = link->host,
	    .os = link->os,
	    .kernel = *link->kernel ? link->kernel : NULL,
	    .arch = *link->arch ? link->arch : NULL,
	    .policy = link->policies.at_work,
	};
	sense_message_put_register(writer, &message);
}

static void heartbeat_put(const sense_link *link, struct sense_wire_writer *writer)
{
	static struct sense_message_heartbeat message;
	message = (struct sense_message_heartbeat){0};
	if (link->config.health)
		link->config.health(link->config.self, &message);
	message.policy = link->policies.at_work;
	message.time = sense_clock_us();
	message.uptime = (message.time - link->began_us) / 1000000;
	sense_message_put_heartbeat(writer, &message);
}

void sense_link_due(sense_link *link, uint32_t method)
{
	static uint8_t map[MAP_MAX];
	struct sense_wire_writer writer = {.data = map, .cap = sizeof map};
	if (method == SENSE_UPLINK_REGISTER)
		register_put(link, &writer);
	else if (method == SENSE_UPLINK_HEARTBEAT)
		heartbeat_put(link, &writer);
	else
		return;
	if (!writer.full)
		sense_link_send(link, SENSE_UPLINK_PARAMETERS, method, 0, map, writer.len);
}
