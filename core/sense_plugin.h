/*
 * sense_plugin.h - the plugin interface of SENSE, complete in this one file.
 *
 * A plugin is a shared object that exports two symbols:
 *
 *   const uint32_t sense_plugin_abi = SENSE_PLUGIN_ABI;   read before anything else
 *   const struct sense_plugin sense_plugin = { ... };     read only when the version fits
 *
 * SENSE_PLUGIN_EXPORT writes both. The host accepts a plugin when the major numbers are equal and
 * the plugin's minor is not greater than the host's.  Tables only ever grow at their end; each one
 * begins with its own size, so that the host can tell which members a plugin was built with, and a
 * plugin which functions the host offers. A member that is NULL means 'takes no interest'.
 *
 * Ownership: what `open`/`module_new`/`flow_new` return belongs to the caller, which gives it back
 * with `close`/`module_free`/`flow_free`. Strings a plugin returns live as long as the plugin.
 * Threads: one module is used by one thread only; the host never shares it.
 *
 * Changes: 1.0 capture and classifier plugins. 1.1 sense_host.wait. 1.2 live capture and sensors; what
 * sense_host offers to sensors. 1.3 the uplink to a server.
 */
#ifndef SENSE_PLUGIN_H
#define SENSE_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENSE_ABI_MAJOR 1u
#define SENSE_ABI_MINOR 3u
#define SENSE_PLUGIN_ABI (SENSE_ABI_MAJOR << 16 | SENSE_ABI_MINOR)

/* Status of every call that can fail; 0 is success, so `if (status)` reads as 'if it failed'. */
enum sense_status {
	SENSE_OK = 0,
	SENSE_E_MEMORY,      /* an allocation failed or a memory bound was reached */
	SENSE_E_IO,          /* the operating system refused; the message holds its reason */
	SENSE_E_FORMAT,      /* input is not what it claims to be */
	SENSE_E_TRUNCATED,   /* input ends early */
	SENSE_E_LIMIT,       /* input exceeds a bound that SENSE sets */
	SENSE_E_UNSUPPORTED, /* input is valid and this build cannot take it */
	SENSE_E_VERSION,     /* interface or format version does not fit */
	SENSE_E_NOTFOUND,
	SENSE_E_CONFIG, /* a setting or policy is wrong */
	SENSE_E_SCRIPT, /* a Lua script failed; never the same as 'no match' */
	SENSE_E_INTERNAL
};

/* Where a failure is described. Opaque to plugins: filled through sense_host.fail. */
typedef struct sense_error sense_error;

enum sense_log_level { SENSE_LOG_ERROR, SENSE_LOG_WARN, SENSE_LOG_INFO, SENSE_LOG_DEBUG };

/* ---- what sensors tell --------------------------------------------------------------------- */

enum sense_fact_type { SENSE_FACT_TEXT, SENSE_FACT_NUMBER, SENSE_FACT_BOOL, SENSE_FACT_ADDRESS };

/* One value of an event. Borrowed for the call. */
struct sense_fact {
	const char *field; /* as rules call it: "listen.port" */
	enum sense_fact_type type;
	const char *text; /* any bytes but NUL: what is not UTF-8 is replaced, what is long is cut */
	double number;
	bool boolean;
	uint8_t address[16]; /* IPv6, or IPv4 mapped into it (RFC 4291, 2.5.5.2) */
};

/*
 * A process as the system knows it. Borrowed for the call; NULL and 0 where it is not known. Arguments
 * are handed over as they are: the host keeps them without what looks like a secret, knows which AI tool
 * it is by the catalogue, and finds its ancestors.
 */
struct sense_process {
	uint32_t size;
	uint32_t pid;
	uint32_t parent;     /* its parent's pid */
	uint32_t uid;
	uint64_t start_us;   /* since the epoch */
	const char *name;    /* as the system's lists call it */
	const char *path;    /* of the executable */
	const char *argv;    /* arguments, each ended by NUL */
	size_t argv_len;
	const char *cwd;
	const char *user;    /* name; or the uid in digits */
	const char *hash;    /* SHA-256 of the executable, in hex */
	const char *container; /* id of the container or unit that it is part of */
	const char *environment; /* names of environment variables, no values, each ended by NUL */
	size_t environment_len;
};

/* A process as the host keeps it; good until the sensor's call returns. */
struct sense_process_known {
	uint32_t size;
	uint32_t pid, parent, uid;
	uint64_t start_us;
	uint64_t exit_us; /* 0: it runs */
	const char *name, *path, *command, *user, *tool;
};

/* An endpoint of the network that a process holds. */
struct sense_socket {
	uint32_t size;
	uint32_t pid;
	uint8_t l4;        /* 6 TCP, 17 UDP */
	uint8_t local[16]; /* as sense_fact.address; zeroes: any */
	uint8_t remote[16];
	uint16_t local_port;
	uint16_t remote_port; /* 0: not connected, all that comes to local_port is this process's */
	const char *name;     /* of the process, should the host not know it yet; or NULL */
	uint32_t uid;
};

struct sense_row {
	const char *const *columns; /* names, ends with NULL */
	const char *const *fields;  /* as many */
	unsigned line;
};

/* What the host offers to a plugin. */
struct sense_host {
	uint32_t size; /* sizeof(struct sense_host) of the host */
	void (*log)(enum sense_log_level level, const char *plugin, const char *fmt, ...)
	    __attribute__((format(printf, 3, 4)));
	/* Fills err (which may be NULL) and returns status, so that `return host->fail(...)` works. */
	enum sense_status (*fail)(sense_error *err, enum sense_status status, const char *subsystem,
	                          const char *fmt, ...) __attribute__((format(printf, 4, 5)));
	/*
	 * 1.1: before a read of fd that may block. Returns when something can be read, or fd is at its end;
	 * until then the host does what else is due, so results go out and new rules come in while a
	 * source is silent.
	 */
	void (*wait)(int fd);
	/*
	 * 1.2: for sensors, and only while one of their functions is being called; NULL for other plugins.
	 *
	 * tell: an event ("listen", "file", "mcp", "inventory", "gap"; those of processes come from
	 * process_started and process_ended). pid: the process that it is about, 0: none; the host adds what it
	 * knows about it. An event or a field that there is not is a mistake of the plugin, logged once.
	 */
	void (*tell)(const char *event, uint32_t pid, const struct sense_fact *facts, unsigned count);
	/* A process that began (event: it does so now) or was found running (no event but in a scan). */
	void (*process_started)(const struct sense_process *process, bool now);
	/* It ended; exit_code as a shell tells it: what it returned, or 128 + signal; -1: not known. */
	void (*process_ended)(uint32_t pid, uint64_t ts_us, int exit_code);
	/* False: not known. Those that ended are known for a minute more. */
	bool (*process_find)(uint32_t pid, struct sense_process_known *out);
	/* Those that run, in no order: *cursor begins with 0. False: that was the last. */
	bool (*process_next)(uint32_t *cursor, struct sense_process_known *out);
	/* Flows of this endpoint are this process's, from now on. */
	void (*socket_of)(const struct sense_socket *socket);
	/* Each row of a table of the catalogue, "mcp_configs" say; false from `row` ends it. */
	enum sense_status (*catalogue)(const char *table, bool (*row)(void *self, const struct sense_row *row),
	                               void *self, sense_error *err);
	/* The value of a setting as text, "" when it is not set; NULL: there is no such setting. */
	const char *(*setting)(const char *key);
	/* A figure of the sensor's that `status` shows, under this name. 64 at most in all. */
	void (*gauge)(const char *name, uint64_t value);
	/*
	 * 1.2: for captures. True: no more is wanted. A read that waits (and `wait` returns then) ends with no
	 * packets, as at the end of its source.
	 */
	bool (*ending)(void);
};

/* ---- capture: where packets come from ------------------------------------------------------ */

/* Link types are the LINKTYPE_ values of the pcap registry (1 Ethernet, 113 Linux cooked, ...). */
struct sense_packet {
	const uint8_t *data; /* valid until the next read or close */
	uint64_t ts_us;      /* microseconds since the epoch */
	uint32_t caplen;     /* bytes at data */
	uint32_t len;        /* bytes on the wire; never less than caplen */
	uint16_t link;       /* link type */
	uint16_t iface;      /* interface number within the source, 0 if it has one only */
};

/* Position and size of a source in bytes; total 0 when it is not known (a pipe). */
struct sense_capture_progress {
	uint64_t done;
	uint64_t total;
};

struct sense_capture_ops {
	uint32_t size;
	/*
	 * Opens the source that is readable at fd; name is for messages only. The plugin takes
	 * ownership of fd when it succeeds. `resume` is 0, or a position that `position` gave for
	 * the same source before: reading goes on behind it.
	 */
	enum sense_status (*open)(const struct sense_host *host, const char *name, int fd,
	                          uint64_t resume, void **capture, sense_error *err);
	/*
	 * Fills at most max packets and sets *count; 0 packets with SENSE_OK is the end. On failure
	 * *count packets before the fault are still valid and counted, and the source is at its end.
	 */
	enum sense_status (*read)(void *capture, struct sense_packet *packets, unsigned max,
	                          unsigned *count, sense_error *err);
	struct sense_capture_progress (*progress)(const void *capture);
	/* Position behind the last packet that `read` gave out; 0 when the source cannot resume. */
	uint64_t (*position)(const void *capture);
	void (*close)(void *capture);
};

/* ---- classifier: which protocol a flow speaks ----------------------------------------------- */

/* One packet of a flow, from its IP header on (after tunnels and reassembly of fragments). */
struct sense_ip_packet {
	const uint8_t *ip;
	uint32_t len;       /* captured bytes at ip */
	uint64_t ts_us;
	bool from_initiator; /* sent by the flow's first sender */
};

struct sense_class {
	uint16_t master; /* 0: none */
	uint16_t app;    /* 0: unknown */
	uint8_t guessed; /* by port or address, not by inspection */
};

enum sense_class_state { SENSE_CLASS_MORE, SENSE_CLASS_DONE };

struct sense_classifier_ops {
	uint32_t size;
	enum sense_status (*module_new)(const struct sense_host *host, void **module,
	                                sense_error *err);
	void (*module_free)(void *module);
	/* State of one flow; NULL when memory is short. */
	void *(*flow_new)(void *module);
	/*
	 * Looks at one packet. SENSE_CLASS_DONE: *out is final and the flow's state can be freed.
	 * SENSE_CLASS_MORE: *out is the best answer so far.
	 */
	enum sense_class_state (*packet)(void *module, void *flow, const struct sense_ip_packet *packet,
	                                 struct sense_class *out);
	/* No more packets will come: the final answer, guessed if need be. */
	void (*finish)(void *module, void *flow, struct sense_class *out);
	void (*flow_free)(void *module, void *flow);
	/* Name of a protocol number, or "Unknown". */
	const char *(*protocol_name)(void *module, uint16_t protocol);
};

/* ---- live capture: packets as they come (1.2) ------------------------------------------------- */

struct sense_live_want {
	uint32_t size;
	const char *const *interfaces; /* names; none: all */
	unsigned interface_count;
	unsigned workers;    /* descriptors wanted: flows are spread over them by hash */
	uint64_t ring_bytes; /* of all together */
	uint32_t snaplen;    /* bytes kept of a frame */
	const char *filter;  /* expression of pcap-filter(7); "": everything */
};

/* What became of packets since `begin`. */
struct sense_live_stats {
	uint64_t received; /* by the system, those dropped included */
	uint64_t dropped;  /* for want of room */
};

struct sense_live_interface {
	char name[32];
	bool wanted_by_name;
	bool up;
	uint64_t received; /* as of all in sense_live_stats; 0 where it is not known */
	uint64_t dropped;
};

/*
 * Runs in the privileged process, which keeps the descriptors; a worker gets one of them, and reads it by
 * the plugin's sense_capture_ops.
 */
struct sense_live_ops {
	uint32_t size;
	/* Fills fds[want->workers]; they belong to `live` and are closed by end. */
	enum sense_status (*begin)(const struct sense_host *host, const struct sense_live_want *want,
	                           void **live, int *fds, sense_error *err);
	/* Some ten times a second: takes note of interfaces that came and went, and of how packets come. */
	enum sense_status (*look)(void *live, struct sense_live_stats *stats, sense_error *err);
	/* Fills at most max, returns how many there are. */
	unsigned (*interfaces)(const void *live, struct sense_live_interface *out, unsigned max);
	void (*end)(void *live);
	/*
	 * Descriptors that this worker's side needs beside its own, which it must be left with. Fills at most
	 * max, returns how many. NULL: none.
	 */
	unsigned (*keeps)(const void *live, unsigned worker, int *fds, unsigned max);
};

/* ---- sensors: what happens on this host (1.2) -------------------------------------------------- */

enum sense_sensor_mode {
	SENSE_SENSOR_WATCH, /* goes on until it is closed */
	SENSE_SENSOR_ONCE   /* one sweep, for a scan */
};

/*
 * All sensors run in one process that can read the host's files and sees its processes, and reaches nothing
 * beyond it. One thread; no call may take long: sweeps go on in pieces.
 */
struct sense_sensor_ops {
	uint32_t size;
	/* On failure the others go on; what is missed is reported as a gap. */
	enum sense_status (*open)(const struct sense_host *host, enum sense_sensor_mode mode, void **sensor,
	                          sense_error *err);
	/* A descriptor that becomes readable when there is something to be taken at once; -1: none. */
	int (*fd)(void *sensor);
	/* It is readable. Takes some of it. NULL where fd is. */
	enum sense_status (*ready)(void *sensor, sense_error *err);
	/*
	 * A piece of the slow work, a few milliseconds at most. *wait_ms: 0 when there is more to do, which the
	 * host paces; else a sweep is complete, and the next is due then. NULL: there is none.
	 */
	enum sense_status (*sweep)(void *sensor, uint32_t *wait_ms, sense_error *err);
	void (*close)(void *sensor);
};

/* ---- uplink: the connection to a fleet's server (1.3) ------------------------------------------- */

/*
 * The uplink runs in a process of its own, without files and privileges, and parses all that comes from the
 * network. Over a socket that keeps messages whole it talks with the supervisor, which has the spool and the
 * policies, and which takes what it says for hostile. A message is a head and, up to its end, what belongs to its
 * kind; numbers are in the order of the host's bytes.
 */
#define SENSE_UPLINK_MESSAGE_MAX 65536u /* with its head */

struct sense_uplink_head {
	uint32_t kind; /* enum sense_uplink_kind */
	uint32_t number;
	uint64_t sequence;
};

enum sense_uplink_kind {
	/* ---- from the supervisor ---- */
	/* Findings: of each its sequence u64, length u32, and bytes. number: that of the WANT. */
	SENSE_UPLINK_FINDINGS = 1,
	/* number: a method; what follows is the map of its parameters (proto/message.h). */
	SENSE_UPLINK_PARAMETERS,
	/* Policies of generation `sequence` are wanted, from offset u64 on. */
	SENSE_UPLINK_FETCH,

	/* ---- from the uplink ---- */
	/*
	 * Room for so many bytes more, u32, of FINDINGS. A number that was not used before: those behind `sequence`
	 * are wanted from now on, and what room there was is void.
	 */
	SENSE_UPLINK_WANT = 64,
	SENSE_UPLINK_THROUGH, /* all up to `sequence` are kept by the server; number: of them refused */
	SENSE_UPLINK_UP,      /* a session began; number: heartbeat in seconds, sequence: kept by the server; its name */
	SENSE_UPLINK_DOWN,    /* there is none; why, as text; number: 1 when there had been one */
	SENSE_UPLINK_DUE,     /* number: the method whose parameters are wanted now */
	SENSE_UPLINK_DONE,    /* a call of method `number` was answered; text: what was wrong with it */
	SENSE_UPLINK_ALIVE,   /* each few seconds */
	SENSE_UPLINK_POLICY,  /* the server wants generation `sequence` of this hash, 32 bytes, to be at work */
	SENSE_UPLINK_MANIFEST, /* of generation `sequence`: signature, 64 bytes, then the manifest */
	SENSE_UPLINK_PIECE,   /* of generation `sequence`: offset u64, size u64 of the whole, then bytes */
	SENSE_UPLINK_COMMAND, /* sequence: expires, us since the epoch; texts that end with NUL: id, name, then pairs */
	SENSE_UPLINK_RENEWED, /* a certificate, DER; sequence: expires, us since the epoch */
	SENSE_UPLINK_ENROLLED, /* texts that end with NUL: certificate, CA (PEM), agent, organization, policy key, servers */
	SENSE_UPLINK_FAILED   /* no enrolment; why, as text */
};

/* Methods of proto/message.h whose parameters the supervisor makes. */
enum sense_uplink_method {
	SENSE_UPLINK_REGISTER = 1,
	SENSE_UPLINK_HEARTBEAT,
	SENSE_UPLINK_ACKNOWLEDGE,
	SENSE_UPLINK_RESULT,
	SENSE_UPLINK_RENEW,
	SENSE_UPLINK_METHODS
};

/* Enrolment: once, instead of sessions. */
struct sense_uplink_enrol {
	uint32_t size;
	const uint8_t *fingerprint; /* SHA-256 of the CA's certificate, DER, which the server's chain must hold */
	const char *secret;         /* of the token, in hex */
	const char *request;        /* PKCS#10, PEM */
	const char *host, *version; /* of this one */
};

/* An address of a name, as the socket `names` tells it: behind a head whose number is that of the question. */
struct sense_uplink_address {
	uint32_t family; /* 4 or 6 */
	uint8_t bytes[16];
};
#define SENSE_UPLINK_ADDRESSES 16u

struct sense_uplink_want {
	uint32_t size;
	const char *const *servers; /* HOST:PORT, or [IPv6]:PORT */
	unsigned server_count;
	const char *proxy;       /* of HTTP: [USER:PASSWORD@]HOST:PORT; "": none */
	uint64_t bandwidth;      /* bytes of findings a second; 0: as many as there are */
	const char *certificate, *key, *ca; /* PEM */
	uint32_t retry_min_ms, retry_max_ms; /* between two attempts */
	uint32_t call_ms; /* in which a call must be answered */
	/*
	 * Names are looked up by somebody who can read files: a head with a number of one's own and the name go in,
	 * a head with that number (kind: how many addresses) and those (none: why, as text) come out. -1: only addresses
	 * can be used.
	 */
	int names;
	const struct sense_uplink_enrol *enrol; /* NULL: sessions */
};

struct sense_uplink_ops {
	uint32_t size;
	/* While files can be read. What it needs of `want` is copied, but for `names`. */
	enum sense_status (*begin)(const struct sense_host *host, const struct sense_uplink_want *want, void **uplink,
	                           sense_error *err);
	/* The process's work, until the supervisor's end of fd is closed or enrolment is over. Its exit code. */
	int (*run)(void *uplink, int fd);
	void (*end)(void *uplink);
};

/* ---- the plugin itself ----------------------------------------------------------------------- */

struct sense_plugin {
	uint32_t size;
	const char *name;    /* as in the configuration: "pcap", "ndpi" */
	const char *version; /* of the plugin */
	const char *summary; /* one line for `status` and the documentation */
	const struct sense_capture_ops *capture;
	const struct sense_classifier_ops *classifier;
	const struct sense_live_ops *live;     /* 1.2 */
	const struct sense_sensor_ops *sensor; /* 1.2 */
	/* 1.2: what another system's plugin of this kind must provide, for those who port; or NULL. */
	const char *platform;
	const struct sense_uplink_ops *uplink; /* 1.3 */
};

#define SENSE_PLUGIN_EXPORT                                                                        \
	__attribute__((visibility("default"))) extern const uint32_t sense_plugin_abi;             \
	const uint32_t sense_plugin_abi = SENSE_PLUGIN_ABI;                                        \
	__attribute__((visibility("default"))) extern const struct sense_plugin sense_plugin;      \
	const struct sense_plugin sense_plugin

#endif
