/*
 * YAML to a tree, from libyaml's events. An alias stands for nothing: expanding it is how ten lines become
 * gigabytes. Only the first document counts. Every scalar is text.
 */
#include "mcp.h"

#include <string.h>
#include <yaml.h>

#define YAML_LEVELS_MAX 32u
#define YAML_KEY_MAX 256u

struct level {
	json_t *node; /* borrowed from the tree */
	bool has_key; /* of a map: the next value belongs to `key` */
	char key[YAML_KEY_MAX];
};

struct yaml {
	json_t *root;
	const char *fault;
	unsigned depth, values;
	struct level levels[YAML_LEVELS_MAX];
};

static void keep(struct yaml *r, json_t *value)
{
	struct level *level = r->depth ? &r->levels[r->depth - 1] : NULL;
	int failed = 0;
	if (++r->values > MCP_VALUES_MAX)
		r->fault = "holds too many values";
	if (!level) {
		json_decref(r->root);
		r->root = value;
	} else if (json_is_array(level->node)) {
		failed = json_array_append_new(level->node, value);
	} else {
		/* A map whose key is no scalar: what it holds is not reached by any name. */
		failed = json_object_set_new_nocheck(level->node, level->has_key ? level->key : "", value);
		level->has_key = false;
	}
	if (failed)
		r->fault = "could not be kept";
}

static void scalar(struct yaml *r, const yaml_event_t *event)
{
	struct level *level = r->depth ? &r->levels[r->depth - 1] : NULL;
	const char *text = (const char *)event->data.scalar.value;
	size_t len = event->data.scalar.length;
	if (level && json_is_object(level->node) && !level->has_key) {
		len = len < YAML_KEY_MAX - 1 ? len : YAML_KEY_MAX - 1;
		memcpy(level->key, text, len);
		level->key[len] = '\0';
		level->has_key = true;
		return;
	}
	keep(r, json_stringn_nocheck(text, len));
}

static void begin(struct yaml *r, json_t *node)
{
	if (r->depth == YAML_LEVELS_MAX) {
		json_decref(node);
		r->fault = "is nested too deeply";
		return;
	}
	keep(r, node);
	r->levels[r->depth].has_key = false;
	r->levels[r->depth++].node = node;
}

/* False: that was the last event that counts. */
static bool take(struct yaml *r, const yaml_event_t *event)
{
	struct level *level = r->depth ? &r->levels[r->depth - 1] : NULL;
	switch (event->type) {
	case YAML_SCALAR_EVENT:
		scalar(r, event);
		break;
	case YAML_ALIAS_EVENT:
		if (level && json_is_object(level->node) && !level->has_key) {
			level->key[0] = '\0';
			level->has_key = true;
		} else {
			keep(r, json_null());
		}
		break;
	case YAML_SEQUENCE_START_EVENT:
		begin(r, json_array());
		break;
	case YAML_MAPPING_START_EVENT:
		begin(r, json_object());
		break;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		break;
	case YAML_DOCUMENT_END_EVENT:
	case YAML_STREAM_END_EVENT:
		return false;
	default:
		break;
	}
	return !r->fault;
}

json_t *mcp_yaml(const char *text, size_t len, const char **fault)
{
	yaml_parser_t parser;
	yaml_event_t event;
	struct yaml *r = calloc(1, sizeof *r);
	json_t *root = NULL;
	*fault = "there is no memory to read it";
	if (!r || !yaml_parser_initialize(&parser)) {
		free(r);
		return NULL;
	}
	yaml_parser_set_input_string(&parser, (const unsigned char *)text, len);
	for (bool more = true; more;) {
		if (!yaml_parser_parse(&parser, &event)) {
			r->fault = "is not YAML";
			break;
		}
		more = take(r, &event);
		yaml_event_delete(&event);
	}
	yaml_parser_delete(&parser);
	*fault = r->fault;
	if (r->fault)
		json_decref(r->root);
	else
		root = r->root ? r->root : json_null();
	explicit_bzero(r, sizeof *r);
	free(r);
	return root;
}
