#include "server/metrics.h"

#include <string.h>
#include <sys/mman.h>

#define CELLS_MAX 2048u

static const struct sense_metric *table[SENSE_METRICS_MAX];
static unsigned table_count;
static unsigned cells = 1; /* cell 0 stands for: not registered */
static uint64_t *memory;   /* places * CELLS_MAX */
static uint64_t *mine;
static unsigned place_count;

static unsigned bounds_of(const struct sense_metric *metric)
{
	unsigned count = 0;
	while (count < SENSE_METRIC_BOUNDS_MAX && metric->bounds[count] > 0)
		count++;
	return count;
}

/* A histogram: a cell for each bound, one for what is beyond them, one for the sum of microseconds. */
static unsigned cells_of(const struct sense_metric *metric)
{
	return metric->kind == SENSE_METRIC_HISTOGRAM ? bounds_of(metric) + 2 : 1;
}

enum sense_status sense_metrics_register(struct sense_metric *metrics, unsigned count, sense_error *err)
{
	for (unsigned i = 0; i < count; i++) {
		if (metrics[i].cell)
			continue;
		if (table_count == SENSE_METRICS_MAX || cells + cells_of(&metrics[i]) > CELLS_MAX)
			return sense_fail(err, SENSE_E_INTERNAL, "metrics", "no room for %s",
			                  metrics[i].name);
		metrics[i].cell = cells;
		cells += cells_of(&metrics[i]);
		table[table_count++] = &metrics[i];
	}
	return SENSE_OK;
}

enum sense_status sense_metrics_share(unsigned places, sense_error *err)
{
	void *shared = mmap(NULL, (size_t)places * CELLS_MAX * sizeof *memory, PROT_READ | PROT_WRITE,
	                    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return sense_fail_errno(err, "metrics", "no memory for %u processes", places);
	if (memory)
		munmap(memory, (size_t)place_count * CELLS_MAX * sizeof *memory);
	memory = mine = shared;
	place_count = places;
	return SENSE_OK;
}

void sense_metrics_take(unsigned place)
{
	if (!memory)
		return;
	mine = memory + (size_t)(place % place_count) * CELLS_MAX;
	for (unsigned i = 0; i < table_count; i++)
		if (table[i]->kind == SENSE_METRIC_GAUGE)
			__atomic_store_n(&mine[table[i]->cell], 0, __ATOMIC_RELAXED);
}

unsigned sense_metrics_places(void)
{
	return place_count;
}

/* ---- counting --------------------------------------------------------------------------------------- */

static void cell_add(unsigned cell, uint64_t by)
{
	if (mine && cell)
		__atomic_fetch_add(&mine[cell], by, __ATOMIC_RELAXED);
}

void sense_metric_add(const struct sense_metric *metric, uint64_t by)
{
	cell_add(metric->cell, by);
}

void sense_metric_sub(const struct sense_metric *metric, uint64_t by)
{
	cell_add(metric->cell, 0 - by);
}

void sense_metric_set(const struct sense_metric *metric, uint64_t value)
{
	if (mine && metric->cell)
		__atomic_store_n(&mine[metric->cell], value, __ATOMIC_RELAXED);
}

void sense_metric_observe(const struct sense_metric *metric, uint64_t us)
{
	unsigned count = bounds_of(metric), bucket = 0;
	if (!metric->cell)
		return;
	while (bucket < count && (double)us > metric->bounds[bucket] * 1e6)
		bucket++;
	cell_add(metric->cell + bucket, 1);
	cell_add(metric->cell + count + 1, us);
}

static uint64_t cell_sum(unsigned cell)
{
	uint64_t sum = 0;
	for (unsigned place = 0; cell && place < place_count; place++)
		sum += __atomic_load_n(&memory[(size_t)place * CELLS_MAX + cell], __ATOMIC_RELAXED);
	return sum;
}

uint64_t sense_metric_sum(const struct sense_metric *metric)
{
	return cell_sum(metric->cell);
}

/* ---- telling ------------------------------------------------------------------------------------------ */

static void histogram_print(struct sense_buf *out, const struct sense_metric *metric)
{
	unsigned count = bounds_of(metric);
	uint64_t sum = 0;
	const char *labels = metric->labels ? metric->labels : "", *comma = metric->labels ? "," : "";
	for (unsigned i = 0; i <= count; i++) {
		sum += cell_sum(metric->cell + i);
		if (i < count)
			sense_buf_printf(out, "%s_bucket{%s%sle=\"%g\"} %llu\n", metric->name, labels, comma,
			                 metric->bounds[i], (unsigned long long)sum);
		else
			sense_buf_printf(out, "%s_bucket{%s%sle=\"+Inf\"} %llu\n", metric->name, labels,
			                 comma, (unsigned long long)sum);
	}
	const char *open = metric->labels ? "{" : "", *close = metric->labels ? "}" : "";
	sense_buf_printf(out, "%s_sum%s%s%s %.6f\n", metric->name, open, labels, close,
	                 (double)cell_sum(metric->cell + count + 1) / 1e6);
	sense_buf_printf(out, "%s_count%s%s%s %llu\n", metric->name, open, labels, close,
	                 (unsigned long long)sum);
}

static void metric_print(struct sense_buf *out, const struct sense_metric *metric)
{
	if (metric->kind == SENSE_METRIC_HISTOGRAM) {
		histogram_print(out, metric);
		return;
	}
	uint64_t sum = cell_sum(metric->cell);
	const char *labels = metric->labels;
	sense_buf_printf(out, "%s%s%s%s ", metric->name, labels ? "{" : "", labels ? labels : "",
	                 labels ? "}" : "");
	if (metric->kind == SENSE_METRIC_GAUGE)
		sense_buf_printf(out, "%lld\n", (long long)sum);
	else
		sense_buf_printf(out, "%llu\n", (unsigned long long)sum);
}

void sense_metrics_print(struct sense_buf *out)
{
	static const char *const kinds[] = {"counter", "gauge", "histogram"};
	for (unsigned i = 0; i < table_count; i++) {
		const struct sense_metric *metric = table[i];
		if (!i || strcmp(metric->name, table[i - 1]->name))
			sense_buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name, metric->help,
			                 metric->name, kinds[metric->kind]);
		metric_print(out, metric);
	}
}
