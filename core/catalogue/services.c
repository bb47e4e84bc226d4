/* services.tsv: hosts of AI services. */
#include "core/catalogue/internal.h"
#include "core/catalogue/tsv.h"

enum column { ID, NAME, VENDOR, CATEGORY, RISK, DOMAIN, MATCH, SHARED, GRADE, SOURCES };
static const char *const columns[] = {"service_id", "name",  "vendor", "category", "risk_tier", "domain",
                                      "match",      "shared", "grade", "sources",  NULL};
static const char *const categories[] = {"agent",  "api",   "browser", "chat",          "coding",
                                         "companion", "gateway", "hub", "image",        "infra",
                                         "meeting", "observability", "productivity",    "search",
                                         "vectordb", "video", "voice",  "writing",      NULL};
static const char *const risks[] = {"low", "medium", "high", NULL};
static const char *const matches[] = {
    [SENSE_MATCH_EXACT] = "exact", [SENSE_MATCH_GLOB] = "glob", [SENSE_MATCH_SUFFIX] = "suffix", NULL};
static const char *const bits[] = {"0", "1", NULL};

/* Rows of one service repeat its description: when they differ, one of them is a mistake. */
static enum sense_status service_add(sense_catalogue *catalogue, struct sense_tsv *tsv,
                                     const struct sense_service **service, sense_error *err)
{
	char **f = tsv->field;
	unsigned known = catalogue->service_ids.count;
	int number = sense_namemap_put(&catalogue->service_ids, f[ID], strlen(f[ID]));
	if (number < 0)
		return sense_tsv_fail(tsv, err, "too many services");
	struct sense_service *s = &catalogue->services[number];
	*service = s;
	if ((unsigned)number == known) {
		*s = (struct sense_service){f[ID], f[NAME], f[VENDOR], f[CATEGORY], f[RISK]};
		return SENSE_OK;
	}
	if (strcmp(s->name, f[NAME]) || strcmp(s->vendor, f[VENDOR]) || strcmp(s->category, f[CATEGORY]) ||
	    strcmp(s->risk, f[RISK]))
		return sense_tsv_fail(tsv, err, "service '%s' is '%s, %s, %s, %s' in an earlier row", f[ID],
		                      s->name, s->vendor, s->category, s->risk);
	return SENSE_OK;
}

static enum sense_status row_add(sense_catalogue *catalogue, struct sense_tsv *tsv, sense_error *err)
{
	char **f = tsv->field;
	unsigned unused, match, shared;
	enum sense_status status = SENSE_OK;
	struct sense_host_row *row = &catalogue->rows[catalogue->row_count];
	for (unsigned i = 0; i <= SOURCES; i++)
		if (!*f[i])
			return sense_tsv_fail(tsv, err, "%s is empty", columns[i]);
	if (f[ID][strspn(f[ID], "abcdefghijklmnopqrstuvwxyz0123456789-.")])
		return sense_tsv_fail(tsv, err, "service_id '%s' has a character other than a-z, 0-9, "
		                                "'-' and '.'", f[ID]);
	if ((status = sense_tsv_word(tsv, "category", f[CATEGORY], categories, &unused, err)) ||
	    (status = sense_tsv_word(tsv, "risk_tier", f[RISK], risks, &unused, err)) ||
	    (status = sense_tsv_word(tsv, "match", f[MATCH], matches, &match, err)) ||
	    (status = sense_tsv_word(tsv, "shared", f[SHARED], bits, &shared, err)) ||
	    (status = sense_tsv_word(tsv, "grade", f[GRADE], sense_grades, &unused, err)) ||
	    (status = service_add(catalogue, tsv, &row->service, err)))
		return status;
	const char *fault = sense_hosts_add(&catalogue->hosts, f[DOMAIN], (enum sense_host_match)match,
	                                    (uint16_t)(catalogue->row_count + 1));
	if (fault)
		return sense_tsv_fail(tsv, err, "domain '%s' %s", f[DOMAIN], fault);
	row->domain = f[DOMAIN];
	row->index = (uint16_t)catalogue->row_count++;
	row->match = (uint8_t)match;
	row->grade = f[GRADE][0];
	row->shared = shared;
	row->conclusive = !row->shared && sense_grade_may_alert(row->grade);
	return SENSE_OK;
}

enum sense_status sense_catalogue_add_services(sense_catalogue *catalogue, const char *name,
                                               char *text, size_t len, sense_error *err)
{
	struct sense_arena *arena = &catalogue->arena;
	unsigned rows = sense_catalogue_line_count(text, len);
	struct sense_tsv tsv;
	bool more = true;
	if (sense_namemap_init(&catalogue->service_ids, arena, rows) ||
	    sense_hosts_init(&catalogue->hosts, arena, rows) ||
	    !(catalogue->services = sense_arena_alloc(arena, rows * sizeof *catalogue->services)) ||
	    !(catalogue->rows = sense_arena_alloc(arena, rows * sizeof *catalogue->rows)))
		return sense_fail(err, SENSE_E_MEMORY, "catalogue", "out of memory for %s", name);
	enum sense_status status = sense_tsv_open(&tsv, name, text, len, columns, err);
	while (!status && !(status = sense_tsv_next(&tsv, &more, err)) && more)
		status = row_add(catalogue, &tsv, err);
	return status;
}
