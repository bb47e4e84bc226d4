#include "core/conf/conf.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/conf/units.h"

#define TEXT_MAX 4096

static enum sense_status find(const struct sense_conf_spec *spec, const char *name, unsigned *key, sense_error *err)
{
	const char *names[SENSE_CONF_KEYS_MAX + 1];
	for (unsigned i = 0; i < spec->count; i++) {
		if (!strcmp(spec->keys[i].name, name)) {
			*key = i;
			return SENSE_OK;
		}
		names[i] = spec->keys[i].name;
	}
	names[spec->count] = NULL;
	const char *near = strlen(name) <= 64 ? sense_nearest(name, names) : NULL;
	return sense_fail(err, SENSE_E_CONFIG, "config", "unknown key%s%s%s", near ? ", did you mean '" : "",
			  near ? near : "", near ? "'?" : "");
}

bool sense_conf_is_group(const struct sense_conf *conf, const char *name)
{
	const struct sense_conf_spec *spec = conf->spec;
	size_t len = strlen(name);
	for (unsigned i = 0; i < spec->count; i++)
		if (!strncmp(spec->keys[i].name, name, len) && spec->keys[i].name[len] == '.')
			return true;
	return false;
}

/* The position of text among the words, or -1. */
static int word_find(const char *words, const char *text)
{
	size_t len = strlen(text);
	for (int i = 0; *words; i++) {
		size_t word = strcspn(words, " ");
		if (word == len && !memcmp(words, text, len))
			return i;
		words += word + (words[word] == ' ');
	}
	return -1;
}

static bool whole_number(const char *text, uint64_t *out)
{
	uint64_t number = 0;
	if (!*text || strlen(text) > 15)
		return false;
	for (; *text; text++) {
		if (!isdigit((unsigned char)*text))
			return false;
		number = number * 10 + (uint64_t)(*text - '0');
	}
	*out = number;
	return true;
}

static void limit_format(const struct sense_conf_about *key, double limit, char *out, size_t cap)
{
	if (key->type == SENSE_CONF_BYTES)
		sense_bytes_format(limit, out, cap);
	else if (key->type == SENSE_CONF_TIME)
		sense_duration_format(limit / 1e6, out, cap);
	else
		snprintf(out, cap, "%.0f", limit);
}

static enum sense_status parse_number(const struct sense_conf_about *key, const char *text, uint64_t *out,
				      sense_error *err)
{
	static const char *const example[] = {
	    [SENSE_CONF_NUMBER] = "a whole number",
	    [SENSE_CONF_BYTES] = "a size such as '64MiB'",
	    [SENSE_CONF_TIME] = "a duration such as '5ms' or '2m'",
	};
	char low[32], high[32];
	bool good = key->type == SENSE_CONF_BYTES ? sense_bytes_parse(text, out)
		  : key->type == SENSE_CONF_TIME  ? sense_duration_parse(text, out)
						  : whole_number(text, out);
	if (!good)
		return sense_fail(err, SENSE_E_CONFIG, "config", "'%.60s' is not %s", text,
				  example[key->type]);
	if ((double)*out >= key->low && (double)*out <= key->high)
		return SENSE_OK;
	limit_format(key, key->low, low, sizeof low);
	limit_format(key, key->high, high, sizeof high);
	return sense_fail(err, SENSE_E_CONFIG, "config", "'%.60s' is out of range: %s to %s", text, low,
			  high);
}

static enum sense_status parse_choice(const struct sense_conf_about *key, const char *text, uint64_t *out,
				      sense_error *err)
{
	int word = word_find(key->words, text);
	if (word < 0)
		return sense_fail(err, SENSE_E_CONFIG, "config", "'%.60s' is not one of: %s", text,
				  key->words);
	*out = (uint64_t)word;
	return SENSE_OK;
}

static enum sense_status no_memory(sense_error *err)
{
	return sense_fail(err, SENSE_E_MEMORY, "config", "no memory for the configuration");
}

static enum sense_status split(struct sense_conf *conf, struct sense_conf_value *value, sense_error *err)
{
	const char separator[] = {conf->spec->separator, '\0'};
	for (const char *p = value->text; *p;) {
		size_t len = strcspn(p, separator);
		if (len) {
			if (value->count == SENSE_CONF_LIST_MAX)
				return sense_fail(err, SENSE_E_CONFIG, "config", "more than %d values",
						  SENSE_CONF_LIST_MAX);
			const char *item = sense_arena_strndup(&conf->arena, p, len);
			if (!item)
				return no_memory(err);
			value->items[value->count++] = item;
		}
		p += len + (p[len] != '\0');
	}
	return SENSE_OK;
}

enum sense_status sense_conf_set(struct sense_conf *conf, const char *name, const char *text,
				 const char *origin, sense_error *err)
{
	struct sense_conf_value value = {.count = 0};
	unsigned key = 0;
	enum sense_status status = find(conf->spec, name, &key, err);
	if (status)
		return status;
	if (strlen(text) > TEXT_MAX)
		return sense_fail(err, SENSE_E_CONFIG, "config", "longer than %d bytes", TEXT_MAX);
	value.text = sense_arena_strndup(&conf->arena, text, strlen(text));
	value.origin = sense_arena_strndup(&conf->arena, origin, strlen(origin));
	if (!value.text || !value.origin)
		return no_memory(err);
	const struct sense_conf_about *about = &conf->spec->keys[key];
	if (about->type == SENSE_CONF_CHOICE)
		status = parse_choice(about, text, &value.number, err);
	else if (about->type == SENSE_CONF_LIST)
		status = split(conf, &value, err);
	else if (about->type != SENSE_CONF_TEXT)
		status = parse_number(about, text, &value.number, err);
	if (!status)
		conf->values[key] = value;
	return status;
}

enum sense_status sense_conf_set_list(struct sense_conf *conf, const char *name, unsigned count,
				      const char *const *items, const char *origin, sense_error *err)
{
	char joined[TEXT_MAX + 1];
	size_t len = 0;
	unsigned key = 0;
	enum sense_status status = find(conf->spec, name, &key, err);
	if (status)
		return status;
	const char separator = conf->spec->separator;
	if (conf->spec->keys[key].type != SENSE_CONF_LIST)
		return sense_fail(err, SENSE_E_CONFIG, "config", "takes one value, not a list");
	joined[0] = '\0';
	for (unsigned i = 0; i < count; i++) {
		size_t item = strlen(items[i]);
		if (strchr(items[i], separator))
			return sense_fail(err, SENSE_E_CONFIG, "config", "'%.60s' holds a '%c'", items[i], separator);
		if (item + 2 > sizeof joined - len)
			return sense_fail(err, SENSE_E_CONFIG, "config", "longer than %d bytes", TEXT_MAX);
		if (i)
			joined[len++] = separator;
		len += (size_t)snprintf(joined + len, sizeof joined - len, "%s", items[i]);
	}
	return sense_conf_set(conf, name, joined, origin, err);
}

enum sense_status sense_conf_init(struct sense_conf *conf, const struct sense_conf_spec *spec, sense_error *err)
{
	memset(conf, 0, sizeof *conf);
	conf->spec = spec;
	sense_arena_init(&conf->arena, (size_t)4 << 20);
	if (spec->count > SENSE_CONF_KEYS_MAX)
		return sense_fail(err, SENSE_E_INTERNAL, "config", "more than %d keys", SENSE_CONF_KEYS_MAX);
	for (unsigned i = 0; i < spec->count; i++) {
		enum sense_status status =
		    sense_conf_set(conf, spec->keys[i].name, spec->keys[i].initial, "default", err);
		if (status)
			return status;
	}
	return SENSE_OK;
}

void sense_conf_fini(struct sense_conf *conf)
{
	sense_arena_fini(&conf->arena);
}

/* SENSE_FLOW_IDLE_TIMEOUT for flow.idle_timeout. */
static void variable_of(const struct sense_conf_spec *spec, unsigned key, char *out, size_t cap)
{
	size_t len = (size_t)snprintf(out, cap, "%s%s", spec->prefix, spec->keys[key].name);
	for (size_t i = 0; i < len && i < cap; i++)
		out[i] = out[i] == '.' ? '_' : (char)toupper((unsigned char)out[i]);
}

enum sense_status sense_conf_environment(struct sense_conf *conf, char *const *environment,
					 struct sense_report *report, sense_error *err)
{
	const struct sense_conf_spec *spec = conf->spec;
	unsigned before = report->count;
	for (unsigned i = 0; i < spec->count; i++) {
		char variable[80], origin[100];
		variable_of(spec, i, variable, sizeof variable);
		size_t len = strlen(variable);
		for (char *const *entry = environment; *entry; entry++) {
			struct sense_error why;
			if (strncmp(*entry, variable, len) || (*entry)[len] != '=')
				continue;
			snprintf(origin, sizeof origin, "environment %s", variable);
			if (!sense_conf_set(conf, spec->keys[i].name, *entry + len + 1, origin, &why))
				continue;
			struct sense_problem problem = {.key = variable, .message = why.message};
			sense_report_add(report, &problem);
		}
	}
	if (report->count == before)
		return SENSE_OK;
	return sense_fail(err, SENSE_E_CONFIG, "config", "%u problem%s in the environment",
			  report->count - before, report->count - before == 1 ? "" : "s");
}

const char *sense_conf_text(const struct sense_conf *conf, unsigned key)
{
	return conf->values[key].text;
}

uint64_t sense_conf_number(const struct sense_conf *conf, unsigned key)
{
	return conf->values[key].number;
}

const char *const *sense_conf_list(const struct sense_conf *conf, unsigned key, unsigned *count)
{
	*count = conf->values[key].count;
	return conf->values[key].items;
}

/* A Lua string; control characters and quotes escaped, so that the output loads again. */
static void print_text(FILE *out, const char *text)
{
	fputc('"', out);
	for (const unsigned char *p = (const unsigned char *)text; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(out, "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			fprintf(out, "\\%03u", *p);
		else
			fputc(*p, out);
	}
	fputc('"', out);
}

static void print_value(FILE *out, const struct sense_conf_about *key, const struct sense_conf_value *value)
{
	if (key->type == SENSE_CONF_NUMBER) {
		fprintf(out, "%llu", (unsigned long long)value->number);
		return;
	}
	if (key->type != SENSE_CONF_LIST) {
		print_text(out, value->text);
		return;
	}
	fputs("{", out);
	for (unsigned i = 0; i < value->count; i++) {
		fputs(i ? ", " : " ", out);
		print_text(out, value->items[i]);
	}
	fputs(value->count ? " }" : "}", out);
}

/* Opens the group of a key, closing the one before; gives the key's own part of the name. */
static const char *group_print(FILE *out, const char *name, const char **open)
{
	size_t len = strcspn(name, ".");
	if (!*open || strncmp(*open, name, len + 1))
		fprintf(out, "%s%.*s = {\n", *open ? "}\n" : "", (int)len, name);
	*open = name;
	return name + len + 1;
}

/* Keys of one group stand together, so a group is printed as one table. */
void sense_conf_print(const struct sense_conf *conf, FILE *out)
{
	const struct sense_conf_about *keys = conf->spec->keys;
	const char *open = NULL;
	for (unsigned i = 0; i < conf->spec->count; i++) {
		fprintf(out, "  %s = ", group_print(out, keys[i].name, &open));
		print_value(out, &keys[i], &conf->values[i]);
		fprintf(out, ", -- %s (%s)\n", keys[i].doc, conf->values[i].origin);
	}
	fputs("}\n", out);
}

static void range_print(FILE *out, const struct sense_conf_about *key)
{
	char low[32], high[32];
	if (key->type == SENSE_CONF_CHOICE)
		fprintf(out, "; one of: %s", key->words);
	if (key->type == SENSE_CONF_LIST)
		fputs("; a list", out);
	if (key->type == SENSE_CONF_TEXT || key->type == SENSE_CONF_LIST || key->type == SENSE_CONF_CHOICE)
		return;
	limit_format(key, key->low, low, sizeof low);
	limit_format(key, key->high, high, sizeof high);
	fprintf(out, "; %s to %s", low, high);
}

void sense_conf_print_example(const struct sense_conf_spec *spec, FILE *out)
{
	struct sense_conf defaults;
	const struct sense_conf_about *keys = spec->keys;
	const char *open = NULL;
	char variable[80];
	variable_of(spec, spec->sample, variable, sizeof variable);
	fprintf(out,
	        "-- Configuration of %s. Each setting is shown with its default: take out the \"-- \"\n"
	        "-- before the name of one that you change.\n"
	        "--\n"
	        "-- Read as %s, and after it, each over the one before, the files of\n"
	        "-- %.*s.d/*.lua in the order of their names; then %s=... of the\n"
	        "-- environment for %s, and --set of the command line. `%s config` shows what came\n"
	        "-- of it, and where each value is from.\n\n",
	        spec->program, spec->file, (int)(strlen(spec->file) - strlen(".lua")), spec->file, variable,
	        keys[spec->sample].name, spec->program);
	if (sense_conf_init(&defaults, spec, NULL))
		goto out;
	for (unsigned i = 0; i < spec->count; i++) {
		const char *name = group_print(out, keys[i].name, &open);
		fprintf(out, "  -- %s", keys[i].doc);
		range_print(out, &keys[i]);
		fprintf(out, "\n  -- %s = ", name);
		print_value(out, &keys[i], &defaults.values[i]);
		fputs(",\n", out);
	}
	fputs("}\n", out);
out:
	sense_conf_fini(&defaults);
}
