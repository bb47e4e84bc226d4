#include "server/conf.h"

#include <string.h>
#include <unistd.h>

#include "lua/conf_dir.h"

#define KEY(id, name, type, initial, low, high, words, doc) \
	[SENSE_SERVER_KEY_##id] = {name, SENSE_CONF_##type, initial, low, high, words, doc},
static const struct sense_conf_about keys[SENSE_SERVER_KEY_COUNT] = {SENSE_SERVER_KEYS(KEY)};

const struct sense_conf_spec sense_server_conf = {
    .program = "sense-server",
    .file = "/etc/sense/server.lua",
    .prefix = "SENSE_SERVER_",
    .sample = SENSE_SERVER_KEY_AGENTS_HEARTBEAT,
    .separator = ',',
    .keys = keys,
    .count = SENSE_SERVER_KEY_COUNT,
};

static enum sense_status set_one(struct sense_conf *conf, const char *set, struct sense_report *report)
{
	char name[64];
	sense_error why;
	const char *value = strchr(set, '=');
	snprintf(name, sizeof name, "%.*s", (int)(value - set), set);
	enum sense_status status = sense_conf_set(conf, name, value + 1, "command line", &why);
	if (status)
		sense_report_add(report, &(struct sense_problem){.key = name, .message = why.message});
	return status;
}

enum sense_status sense_server_conf_load(struct sense_conf *conf,
                                         const struct sense_server_settings *settings,
                                         struct sense_report *report, sense_error *err)
{
	enum sense_status status = sense_conf_init(conf, &sense_server_conf, err);
	if (status)
		return status;
	status = sense_conf_files_load(conf, settings->file, report, err);
	enum sense_status environment = sense_conf_environment(conf, environ, report, err);
	status = status ? status : environment;
	for (unsigned i = 0; i < settings->set_count; i++)
		if (set_one(conf, settings->sets[i], report))
			status = sense_fail(err, SENSE_E_CONFIG, "config", "the configuration is not valid");
	return status;
}
