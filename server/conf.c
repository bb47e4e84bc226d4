#include "server/conf.h"

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
