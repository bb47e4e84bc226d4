/*
 * Configuration: values as --set and the environment give them (first byte odd: lines KEY=VALUE), and
 * the file. What was taken must come out of `config` as a file that is taken again, with the same values.
 */
#include <stdlib.h>
#include <string.h>

#include "core/conf/agent.h"
#include "lua/conf_file.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static sense_error err;

static void check(bool good)
{
	if (!good)
		abort();
}

static void set_lines(struct sense_conf *conf, char *text)
{
	for (char *line = strtok(text, "\n"); line; line = strtok(NULL, "\n")) {
		char *value = strchr(line, '=');
		if (!value)
			continue;
		*value++ = '\0';
		if (sense_conf_set(conf, line, value, "command line", &err))
			check(err.message[0]);
	}
}

static bool load(struct sense_conf *conf, const char *text, size_t len)
{
	struct sense_report report;
	sense_report_init(&report);
	bool good = !sense_conf_text_load(conf, "fuzz.lua", text, len, &report, &err);
	check(good == !report.count);
	for (unsigned i = 0; i < report.count && i < SENSE_REPORT_MAX; i++)
		check(report.items[i].message[0]);
	sense_report_fini(&report);
	return good;
}

static void same_again(const struct sense_conf *conf)
{
	struct sense_conf again;
	char *text = NULL;
	size_t len = 0;
	FILE *out = open_memstream(&text, &len);
	check(out && !sense_conf_init(&again, &sense_agent_conf, &err));
	sense_conf_print(conf, out);
	fclose(out);
	check(load(&again, text, len));
	for (unsigned i = 0; i < SENSE_CONF_COUNT; i++) {
		const struct sense_conf_value *a = &conf->values[i], *b = &again.values[i];
		check(a->number == b->number && a->count == b->count);
		if (sense_agent_conf.keys[i].type == SENSE_CONF_TEXT)
			check(!strcmp(a->text, b->text));
		for (unsigned k = 0; k < a->count; k++)
			check(!strcmp(a->items[k], b->items[k]));
	}
	sense_conf_fini(&again);
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct sense_conf conf;
	if (!size || size > 20000 || sense_conf_init(&conf, &sense_agent_conf, &err))
		return 0;
	char *text = strndup((const char *)data + 1, size - 1);
	check(text);
	if (data[0] & 1)
		set_lines(&conf, text);
	else
		load(&conf, (const char *)data + 1, size - 1);
	same_again(&conf);
	free(text);
	sense_conf_fini(&conf);
	return 0;
}
