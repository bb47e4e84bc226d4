/*
 * A worker at work on captures: loads the first generation of rules, takes up further ones as they come,
 * reads its sources through the engine, and tells the supervisor what it finds and counts.
 */
#ifndef SENSE_LUA_SHIFT_H
#define SENSE_LUA_SHIFT_H

#include "core/conf/agent.h"
#include "core/proc/worker.h"

/* What the run wants of its workers. */
struct sense_shift_config {
	const struct sense_conf *conf;
	bool observed_too; /* findings of rules that only observe */
	bool flows;        /* flows as they leave: those that some rule held for ... */
	bool all_flows;    /* ... or all of them */
	const char *capture; /* the plugin that reads the sources; NULL: "pcap" */
	bool live;         /* packets come as they happen: time goes on without them */
	bool host_events;  /* events of this host are told to the supervisor, too */
};

/* A sense_worker_main; the context is a struct sense_shift_config. */
int sense_shift_main(void *context, struct sense_worker *worker);

#endif
