/*
 * The settings of sense-server, by the machinery that the agent's have too (core/conf/conf.h): files in Lua
 * (/etc/sense/server.lua, /etc/sense/server.d), the environment (SENSE_SERVER_SERVER_WORKERS for
 * server.workers) and the command line. Keys of one group stand together: they are printed as one table.
 */
#ifndef SENSE_SERVER_CONF_H
#define SENSE_SERVER_CONF_H

#include "core/conf/conf.h"

/*
 * Identifier, name, type, default, lowest and highest (of a number, in its unit) or the words of a CHOICE,
 * documentation. LIST is separated by ',' in text, since addresses hold colons.
 */
#define SENSE_SERVER_KEYS(X)                                                                                \
	X(LOG_LEVEL, "log.level", CHOICE, "info", 0, 0, "error warn info debug",                            \
	  "least important message that is logged")                                                         \
	X(LOG_FORMAT, "log.format", CHOICE, "auto", 0, 0, "auto text json",                                 \
	  "auto: text on a terminal, JSON lines otherwise")                                                 \
	X(SERVER_LISTEN, "server.listen", LIST, "0.0.0.0:8443,[::]:8443", 0, 0, "",                         \
	  "addresses and ports on which agents and people are served")                                      \
	X(SERVER_WORKERS, "server.workers", NUMBER, "0", 0, 256, "", "processes that serve; 0: one a core") \
	X(SERVER_DIR, "server.dir", TEXT, "/var/lib/sense-server", 0, 0, "",                                \
	  "where the server keeps its certificates, keys and embedded stores")                              \
	X(SERVER_NAMES, "server.names", LIST, "", 0, 0, "",                                                 \
	  "DNS names and addresses in the server's certificate; empty: this host's name")                   \
	X(SERVER_USER, "server.user", TEXT, "sense", 0, 0, "",                                              \
	  "user that the workers become when the server is started as root")                                \
	X(SERVER_DRAIN, "server.drain", TIME, "10s", 0, 600e6, "",                                          \
	  "time in which a worker that ends answers what it was asked")                                     \
	X(SERVER_PER_ADDRESS, "server.per_address", NUMBER, "256", 1, 1000000, "",                          \
	  "connections of one address (IPv6: of one /64) to one worker that no certificate stands for")     \
	X(SERVER_METRICS_FROM, "server.metrics_from", LIST, "127.0.0.0/8,::1", 0, 0, "",                    \
	  "networks and addresses that may read /metrics; empty: nobody")                                   \
	X(SERVER_HANDSHAKE_TIMEOUT, "server.handshake_timeout", TIME, "10s", 100000, 600e6, "",             \
	  "time in which TLS must have been agreed on")                                                     \
	X(SERVER_REQUEST_TIMEOUT, "server.request_timeout", TIME, "20s", 100000, 3600e6, "",                \
	  "time in which a request must have come whole; an agent's message has three times as long")       \
	X(SERVER_SEND_TIMEOUT, "server.send_timeout", TIME, "30s", 100000, 3600e6, "",                      \
	  "time after which who takes nothing of what they asked for is hung up on")                        \
	X(SERVER_IDLE_TIMEOUT, "server.idle_timeout", TIME, "60s", 100000, 86400e6, "",                     \
	  "time after which a silent connection is closed; an agent's after three heartbeats")              \
	X(SERVER_INPUT, "server.input", BYTES, "256MiB", 16777216, 1099511627776.0, "",                     \
	  "memory of one worker for messages of agents that are on their way; people have a quarter of "    \
	  "that beside")                                                                                    \
	X(DATABASE_URL, "database.url", TEXT, "", 0, 0, "", "PostgreSQL, as libpq has it; empty: embedded") \
	X(DATABASE_CONNECTIONS, "database.connections", NUMBER, "4", 1, 64, "",                             \
	  "connections of one worker, at most")                                                             \
	X(REDIS_URL, "redis.url", TEXT, "", 0, 0, "", "redis://host:port or unix:///path; empty: embedded") \
	X(TLS_CERTIFICATE, "tls.certificate", TEXT, "", 0, 0, "",                                           \
	  "file with the server's certificate and chain, PEM; empty: one of the server's own CA")           \
	X(TLS_KEY, "tls.key", TEXT, "", 0, 0, "", "file with its key, PEM")                                 \
	X(AGENTS_HEARTBEAT, "agents.heartbeat", TIME, "30s", 1e6, 3600e6, "",                               \
	  "time between two heartbeats of an agent")                                                        \
	X(AGENTS_MAX, "agents.max", NUMBER, "20000", 1, 1000000, "",                                        \
	  "connections of one worker, of agents and others")                                                \
	X(INGEST_BATCH_ROWS, "ingest.batch_rows", NUMBER, "1000", 1, 1000, "",                              \
	  "findings of one batch of an agent, at most")                                                     \
	X(INGEST_DELAY, "ingest.delay", TIME, "20ms", 0, 1e6, "",                                           \
	  "time in which findings of several agents are gathered for one transaction")                      \
	X(FINDINGS_RETENTION, "findings.retention", NUMBER, "90", 1, 36500, "",                             \
	  "days for which findings are kept")

enum sense_server_key {
#define SENSE_SERVER_KEY_ENUM(id, ...) SENSE_SERVER_KEY_##id,
	SENSE_SERVER_KEYS(SENSE_SERVER_KEY_ENUM)
#undef SENSE_SERVER_KEY_ENUM
	    SENSE_SERVER_KEY_COUNT
};

extern const struct sense_conf_spec sense_server_conf;

#endif
