/*
 * The catalogue's inside, for core/catalogue and its tests alone. All strings point into the texts
 * of the files, which the arena holds.
 */
#ifndef SENSE_CATALOGUE_INTERNAL_H
#define SENSE_CATALOGUE_INTERNAL_H

#include "core/base/arena.h"
#include "core/catalogue/catalogue.h"
#include "core/catalogue/hosts.h"
#include "core/catalogue/namemap.h"
#include "core/catalogue/pattern.h"

#define SENSE_CATALOGUE_FORMAT 1u
#define SENSE_CATALOGUE_LABELS_MAX 1024u
#define SENSE_CATALOGUE_MARKERS 32u
#define SENSE_CATALOGUE_CREDENTIALS 8u

/* Points of an indicator that stands alone; from 100 on a request is taken for what it says. */
#define SENSE_POINTS_STRONG 100u
#define SENSE_POINTS_MEDIUM 60u
#define SENSE_POINTS_WEAK 30u
#define SENSE_POINTS_PORT 40u

struct sense_mark {
	const char *name; /* NULL: not in the catalogue */
	uint16_t label;
	uint8_t points;
};

struct sense_path_row {
	struct sense_mark mark; /* its name is the pattern */
	uint8_t kind;           /* enum sense_pattern_kind */
	uint8_t methods;        /* bits, see sense_method_bit */
};

struct sense_agent_row {
	struct sense_mark mark; /* its name is the prefix of the user agent */
	uint16_t len;
};

struct sense_port_row {
	uint16_t port;
	uint16_t label; /* the runtime's name */
	bool serves;    /* it serves models: names an API family that is spoken on its own port */
};

struct sense_catalogue {
	struct sense_arena arena;
	const char *version;
	struct sense_service *services; /* by number in service_ids */
	struct sense_namemap service_ids;
	struct sense_host_row *rows;
	unsigned row_count;
	struct sense_hosts hosts;
	struct sense_namemap label_names;
	const char **labels;
	struct sense_path_row *paths;
	unsigned path_count;
	struct sense_agent_row *agents;
	unsigned agent_count;
	struct sense_mark markers[SENSE_CATALOGUE_MARKERS];         /* by bit of sense_http_marker */
	struct sense_mark credentials[SENSE_CATALOGUE_CREDENTIALS]; /* by sense_http_credential */
	struct sense_mark negotiation;                              /* JSON out, JSON or SSE back */
	struct sense_port_row *ports;                               /* sorted by port */
	unsigned port_count;
};

sense_catalogue *sense_catalogue_new(sense_error *err);

/*
 * Each takes the text of one file, which must be NUL-terminated, is changed, and must live as long
 * as the catalogue; `name` appears in messages.
 */
enum sense_status sense_catalogue_add_services(sense_catalogue *catalogue, const char *name,
                                               char *text, size_t len, sense_error *err);
enum sense_status sense_catalogue_add_runtimes(sense_catalogue *catalogue, const char *name,
                                               char *text, size_t len, sense_error *err);
enum sense_status sense_catalogue_add_wire(sense_catalogue *catalogue, const char *name, char *text,
                                           size_t len, sense_error *err);

/* Number of the label, which is added when new; -1 when there are too many. */
int sense_catalogue_label_put(sense_catalogue *catalogue, const char *label);
/* The whole of a regular file of at most SENSE_TSV_BYTES_MAX, NUL-terminated, in the arena. */
enum sense_status sense_catalogue_file(struct sense_arena *arena, const char *path, char **text, size_t *len,
                                       sense_error *err);
/* Upper bound of the rows in a text, so that tables can be made before it is read. */
unsigned sense_catalogue_line_count(const char *text, size_t len);

/* Bit of an HTTP method; 0 for one that no row can name. */
unsigned sense_method_bit(const char *method);

/* "A", "B", "C", "D", "U", as enum words and as what they mean. */
extern const char *const sense_grades[];
static inline bool sense_grade_may_alert(char grade)
{
	return grade >= 'A' && grade <= 'C';
}

#endif
