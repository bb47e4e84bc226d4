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
 * Changes: 1.0 capture and classifier plugins. 1.1 sense_host.wait.
 */
#ifndef SENSE_PLUGIN_H
#define SENSE_PLUGIN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SENSE_ABI_MAJOR 1u
#define SENSE_ABI_MINOR 1u
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

/* ---- the plugin itself ----------------------------------------------------------------------- */

struct sense_plugin {
	uint32_t size;
	const char *name;    /* as in the configuration: "pcap", "ndpi" */
	const char *version; /* of the plugin */
	const char *summary; /* one line for `status` and the documentation */
	const struct sense_capture_ops *capture;
	const struct sense_classifier_ops *classifier;
};

#define SENSE_PLUGIN_EXPORT                                                                        \
	__attribute__((visibility("default"))) extern const uint32_t sense_plugin_abi;             \
	const uint32_t sense_plugin_abi = SENSE_PLUGIN_ABI;                                        \
	__attribute__((visibility("default"))) extern const struct sense_plugin sense_plugin;      \
	const struct sense_plugin sense_plugin

#endif
