/*
 * A sensor for tests: a crowd of processes, texts that no reader expects, and a death when it is asked for. Built
 * by t/70-fault/live_faults.t.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/sense_plugin.h"

#define CROWD 100000u
#define PIECE 500u

static const struct sense_host *host;
static unsigned told;

static void strange(void)
{
	static const char argv[] = "strange\0--api-key\0sk-ant-abcdefghijklmnopqrstuvwxyz0123456789\0a\nb\xff\x1b[2J";
	const struct sense_process process = {.size = sizeof process,
	                                      .pid = 4000001,
	                                      .start_us = 1,
	                                      .name = "str\nange\xff",
	                                      .path = "/tmp/a\nb\xc3\x28/str\x1b[31mange",
	                                      .argv = argv,
	                                      .argv_len = sizeof argv,
	                                      .user = "u\tser"};
	host->process_started(&process, true);
	const struct sense_fact facts[] = {
	    {.field = "file.path", .type = SENSE_FACT_TEXT, .text = "/home/x/\n\"}{\\\xf0\x28\x8c\x28.gguf"},
	    {.field = "file.kind", .type = SENSE_FACT_TEXT, .text = "model"},
	    {.field = "file.op", .type = SENSE_FACT_TEXT, .text = "found"},
	    {.field = "file.size", .type = SENSE_FACT_NUMBER, .number = 1e9},
	    {.field = "no.such.field", .type = SENSE_FACT_NUMBER, .number = 1},
	};
	host->tell("file", 0, facts, 5);
	host->tell("no such event", 0, facts, 1);
}

static enum sense_status crowd_open(const struct sense_host *offered, enum sense_sensor_mode mode, void **sensor,
                                    sense_error *err)
{
	(void)mode;
	(void)err;
	host = offered;
	*sensor = &told;
	strange();
	/* As long as the test's mark is there, which no sensor can remove: the test looks. */
	const char *mark = getenv("SENSE_TEST_CRASH");
	if (mark && !access(mark, F_OK)) {
		unlink(mark);
		raise(SIGSEGV);
	}
	return SENSE_OK;
}

static enum sense_status crowd_sweep(void *sensor, uint32_t *wait_ms, sense_error *err)
{
	char name[32];
	(void)sensor;
	(void)err;
	for (unsigned i = 0; i < PIECE && told < CROWD; i++, told++) {
		snprintf(name, sizeof name, "crowd-%u", told);
		const struct sense_process process = {
		    .size = sizeof process, .pid = 100000 + told, .parent = 1, .start_us = 1, .name = name};
		host->process_started(&process, told % 100 == 0);
	}
	*wait_ms = told < CROWD ? 0 : 600000;
	return SENSE_OK;
}

static void crowd_close(void *sensor)
{
	(void)sensor;
}

static const struct sense_sensor_ops crowd_ops = {
    .size = sizeof crowd_ops, .open = crowd_open, .sweep = crowd_sweep, .close = crowd_close};

SENSE_PLUGIN_EXPORT = {
    .size = sizeof(struct sense_plugin), .name = "crowd", .version = "1", .summary = "a crowd", .sensor = &crowd_ops};
