#include "core/conf/agent.h"

#define KEY(id, name, type, initial, low, high, words, doc) \
	[SENSE_CONF_##id] = {name, SENSE_CONF_##type, initial, low, high, words, doc},
static const struct sense_conf_about keys[SENSE_CONF_COUNT] = {SENSE_CONF_KEYS(KEY)};

const struct sense_conf_spec sense_agent_conf = {
    .program = "sense-agent",
    .file = SENSE_CONF_MAIN,
    .prefix = "SENSE_",
    .sample = SENSE_CONF_FLOW_MAX,
    .separator = ':',
    .keys = keys,
    .count = SENSE_CONF_COUNT,
};
