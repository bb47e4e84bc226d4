/*
 * The settings of sense-agent. Keys of one group stand together: they are printed as one table.
 */
#ifndef SENSE_CONF_AGENT_H
#define SENSE_CONF_AGENT_H

#include "core/conf/conf.h"

#define SENSE_CONF_MAIN "/etc/sense/agent.lua"

/*
 * Identifier, name, type, default, lowest and highest (of a number, in its unit) or the words of a
 * CHOICE, documentation. LIST is separated by ':' in text.
 */
#define SENSE_CONF_KEYS(X)                                                                                \
	X(LOG_LEVEL, "log.level", CHOICE, "info", 0, 0, "error warn info debug",                          \
	  "least important message that is logged")                                                       \
	X(LOG_FORMAT, "log.format", CHOICE, "auto", 0, 0, "auto text json",                               \
	  "auto: text on a terminal, JSON lines otherwise")                                               \
	X(FLOW_MAX, "flow.max", NUMBER, "262144", 1024, 16777216, "", "flows kept at one time")           \
	X(FLOW_IDLE_TIMEOUT, "flow.idle_timeout", TIME, "1h", 1000000, 86400e6, "",                     \
	  "a flow without packets for so long has ended")                                                 \
	X(PLUGINS_DIR, "plugins.dir", TEXT, "", 0, 0, "", "where plugins are; empty: beside the program") \
	X(POLICIES_DIRS, "policies.dirs", LIST, "", 0, 0, "",                                             \
	  "directories of policies; empty: those shipped with the program")                               \
	X(POLICIES_WATCH, "policies.watch", CHOICE, "false", 0, 0, "false true",                            \
	  "reload when a file below the policies' directories changes")                                  \
	X(POLICIES_LAST_GOOD, "policies.last_good", TEXT, "", 0, 0, "",                                   \
	  "file that keeps the latest policies that loaded, to begin with when the configured ones do not") \
	X(CONTROL_SOCKET, "control.socket", TEXT, "", 0, 0, "",                                           \
	  "socket at which `status`, `reload` and `findings` reach this agent; empty: none")                          \
	X(CONTROL_GROUP, "control.group", TEXT, "", 0, 0, "",                                             \
	  "group whose members may ask for `status`; empty: root and the agent's own user alone")         \
	X(SPOOL_DIR, "spool.dir", TEXT, "", 0, 0, "",                                                     \
	  "directory that keeps findings until they are acknowledged; empty: none")                       \
	X(SPOOL_MAX_BYTES, "spool.max_bytes", BYTES, "256MiB", 1048576, 68719476736.0, "",                \
	  "findings kept there; beyond it the oldest of the lowest severity are dropped")                 \
	X(CATALOGUE_DIR, "catalogue.dir", TEXT, "", 0, 0, "",                                             \
	  "the AI catalogue; empty: the one shipped with the program")                                    \
	X(RULES_MEMORY, "rules.memory", BYTES, "64MiB", 4194304, 4294967296.0, "",                        \
	  "memory of all rules of one worker")                                                            \
	X(RULES_SOFT_LIMIT, "rules.soft_limit", TIME, "5ms", 1000, 1e6, "",                               \
	  "CPU time of one call of a rule, after which it is ended")                                      \
	X(RULES_HARD_LIMIT, "rules.hard_limit", TIME, "100ms", 10000, 60e6, "",                           \
	  "time after which a worker whose rule cannot be ended is replaced")                             \
	X(RULES_LOAD_LIMIT, "rules.load_limit", TIME, "200ms", 10000, 60e6, "",                       \
	  "CPU time in which one policy file must have declared its rules")                           \
	X(RULES_BUDGET, "rules.budget", NUMBER, "25", 0, 100, "",                                     \
	  "percent of a worker's CPU time that one rule may take; 0: any")                            \
	X(RULES_BUDGET_WINDOW, "rules.budget_window", TIME, "10s", 50000, 3600e6, "",                 \
	  "CPU time over which rules.budget is counted")                                              \
	X(NAMES_CACHE, "names.cache", NUMBER, "65536", 0, 16777216, "",                                   \
	  "DNS answers remembered, to name flows that have an address only")                              \
	X(THROTTLE_ENTRIES, "throttle.entries", NUMBER, "65536", 256, 16777216, "",                       \
	  "keys of throttled findings remembered")                                                        \
	X(STATE_ENTRIES, "state.entries", NUMBER, "32768", 256, 2097152, "",                              \
	  "counters that rules keep over time, of 256 bytes each")                                        \
	X(STATE_PER_POLICY, "state.per_policy", NUMBER, "25", 1, 100, "",                                 \
	  "percent of them that one policy may hold when others want them")                               \
	X(ACTIVITY_ENTRIES, "activity.entries", NUMBER, "4096", 256, 262144, "",                          \
	  "subjects of users for which indicators are added up")                                          \
	X(ACTIVITY_HALF_LIFE, "activity.half_life", TIME, "24h", 60e6, 31536000e6, "",                    \
	  "time in which an indicator loses half its weight")                                             \
	X(AGENT_DIR, "agent.dir", TEXT, "/var/lib/sense", 0, 0, "",                                       \
	  "where the agent keeps what outlives it")                                                       \
	X(CAPTURE_INTERFACES, "capture.interfaces", LIST, "", 0, 0, "",                                   \
	  "network interfaces to listen on; empty: all, loopback too")                                    \
	X(CAPTURE_WORKERS, "capture.workers", NUMBER, "1", 1, 16, "", "processes that share the packets")  \
	X(CAPTURE_RING, "capture.ring", BYTES, "64MiB", 1048576, 1073741824, "",                          \
	  "memory for packets that wait to be looked at")                        \
	X(CAPTURE_SNAPLEN, "capture.snaplen", BYTES, "20KiB", 1536, 262144, "",                           \
	  "bytes kept of a frame; heads and ClientHellos are looked at up to 16 KiB")                     \
	X(CAPTURE_FILTER, "capture.filter", TEXT, "", 0, 0, "",                                           \
	  "packets to listen to, in the words of pcap-filter(7); empty: all")                             \
	X(HOST_SENSORS, "host.sensors", LIST, "procs:sockets:files", 0, 0, "",                            \
	  "plugins that look at this host; empty: none")                                                  \
	X(HOST_CPU, "host.cpu", NUMBER, "3", 1, 100, "",                                                  \
	  "percent of one core that sweeps of this host may take on average")                             \
	X(HOST_HASH, "host.hash", CHOICE, "true", 0, 0, "false true",                                     \
	  "tell the SHA-256 of programs that run")                                                        \
	X(HOST_CONNECTOR, "host.connector", CHOICE, "true", 0, 0, "true false",                           \
	  "be told of processes as they begin and end, not only look for them once a second")             \
	X(HOST_EBPF, "host.ebpf", CHOICE, "true", 0, 0, "true false",                                     \
	  "learn whose a connection is by eBPF where the kernel allows it")                               \
	X(HOST_PROBE, "host.probe", CHOICE, "false", 0, 0, "false true",                                  \
	  "ask programs that listen on this host what they speak: /api/tags, /v1/models, MCP initialize") \
	X(HOST_HOMES, "host.homes", LIST, "", 0, 0, "",                                                   \
	  "home directories in which files are looked for; empty: those of this host's users")            \
	X(HOST_SWEEP_EVERY, "host.sweep_every", TIME, "6h", 1e6, 2592000e6, "",                           \
	  "time between two sweeps over files, beside what is seen as it changes")                         \
	X(UPLINK_ENABLED, "uplink.enabled", CHOICE, "auto", 0, 0, "auto false",                           \
	  "auto: report to the fleet's server when this agent is enrolled")                               \
	X(UPLINK_SERVERS, "uplink.servers", TEXT, "", 0, 0, "",                                           \
	  "HOST:PORT of servers, with commas between them; empty: those told at enrolment")               \
	X(UPLINK_PROXY, "uplink.proxy", TEXT, "", 0, 0, "",                                               \
	  "[USER:PASSWORD@]HOST:PORT of an HTTP proxy on the way to them; empty: none")                   \
	X(UPLINK_BANDWIDTH, "uplink.bandwidth", BYTES, "0", 0, 1073741824, "",                            \
	  "bytes of findings sent in a second, at most; 0: any")

enum sense_conf_key {
#define SENSE_CONF_ENUM(id, ...) SENSE_CONF_##id,
	SENSE_CONF_KEYS(SENSE_CONF_ENUM)
#undef SENSE_CONF_ENUM
	    SENSE_CONF_COUNT
};

extern const struct sense_conf_spec sense_agent_conf;

#endif
