/*
 * Which program a process is, by the shipped catalogue: name, path, arguments and environment are the four
 * parts of the input, with a byte 0x1e between them. Whatever is found is in the catalogue, and what is
 * written is bounded.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/catalogue/programs.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check(bool good)
{
	if (!good)
		abort();
}

/* A copy of its exact size, with a NUL where `text`. */
static char *part(const uint8_t **data, size_t *size, size_t *len, bool text)
{
	const uint8_t *end = *size ? memchr(*data, 0x1e, *size) : NULL;
	*len = end ? (size_t)(end - *data) : *size;
	char *out = malloc(*len + 1);
	check(out);
	if (!text)
		out = realloc(out, *len + !*len);
	check(out);
	memcpy(out, *data, *len);
	if (text)
		out[*len] = '\0';
	*data += *len + (end != NULL), *size -= *len + (end != NULL);
	return out;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static sense_programs *programs;
	char out[40];
	size_t unused;
	if (!programs)
		programs = sense_programs_load("policies/catalogue", NULL);
	check(programs);
	struct sense_program_facts facts;
	char *name = part(&data, &size, &unused, true), *path = part(&data, &size, &unused, true);
	char *argv = part(&data, &size, &facts.argv_len, false);
	char *environment = part(&data, &size, &facts.environment_len, false);
	facts.name = *name ? name : NULL;
	facts.path = *path ? path : NULL;
	facts.argv = argv;
	facts.environment = environment;
	const struct sense_program *program = sense_programs_find(programs, &facts);
	if (program) {
		const char *option = sense_programs_unattended(programs, program, &facts);
		check(program->id[0] && (!option || *option));
	}
	size_t count = sense_programs_markers(programs, environment, facts.environment_len, out, sizeof out);
	check(strnlen(out, sizeof out) < sizeof out && (count || !*out));
	free(name);
	free(path);
	free(argv);
	free(environment);
	return 0;
}
