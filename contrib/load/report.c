/* What came of it, for people or as JSON. */
#include <sys/resource.h>

#include "contrib/load/load.h"
#include "core/show/json.h"

double load_cpu(void)
{
	struct rusage use;
	getrusage(RUSAGE_SELF, &use);
	return (double)use.ru_utime.tv_sec + (double)use.ru_stime.tv_sec +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

void load_report_line(struct load *load, double now)
{
	fprintf(stderr, "%.0f s: %u of %u agents, %llu findings, %llu acknowledged, batches p99 %.1f ms\n",
	        now - load->begun, load->ready, load->options.agents, (unsigned long long)load->generated,
	        (unsigned long long)load->acknowledged,
	        (double)load_histogram_at(&load->counts.batch, 0.99) / 1e3);
}

/* ---- JSON ---------------------------------------------------------------------------------------------- */

static void histogram_json(struct sense_json *json, const char *name, const struct load_histogram *histogram)
{
	sense_json_key(json, name);
	sense_json_open(json, '{');
	sense_json_member_uint(json, "count", histogram->count);
	sense_json_member_uint(json, "p50", load_histogram_at(histogram, 0.5));
	sense_json_member_uint(json, "p90", load_histogram_at(histogram, 0.9));
	sense_json_member_uint(json, "p99", load_histogram_at(histogram, 0.99));
	sense_json_member_uint(json, "p999", load_histogram_at(histogram, 0.999));
	sense_json_member_uint(json, "max", histogram->most_us);
	sense_json_close(json, '}');
}

static double per_second(double count, double seconds)
{
	return seconds > 0 ? count / seconds : 0;
}

static void findings_json(const struct load *load, struct sense_json *json, double seconds)
{
	const struct load_counts *counts = &load->counts;
	sense_json_member_uint(json, "generated", load->generated);
	sense_json_member_uint(json, "acknowledged", load->acknowledged);
	sense_json_member_number(
	    json, "findings_per_s",
	    per_second((double)(load->acknowledged - load->acknowledged_begin), seconds));
	sense_json_member_uint(json, "batches", counts->batches);
	sense_json_member_uint(json, "sent", counts->findings_sent);
	sense_json_member_uint(json, "refused", counts->rows_refused);
	sense_json_member_uint(json, "lost", counts->went_back);
	sense_json_member_uint(json, "doubled", counts->ahead);
	histogram_json(json, "batch_us", &counts->batch);
}

static void report_json(const struct load *load, double seconds)
{
	const struct load_counts *counts = &load->counts;
	struct sense_buf text;
	struct sense_json json = {.out = &text};
	sense_buf_init(&text, 0);
	sense_json_open(&json, '{');
	sense_json_member_number(&json, "seconds", seconds);
	sense_json_member_uint(&json, "agents", load->options.agents);
	sense_json_member_uint(&json, "connected", load->ready);
	sense_json_member_uint(&json, "connections", counts->connections);
	sense_json_member_uint(&json, "handshakes", counts->handshakes);
	sense_json_member_uint(&json, "registrations", counts->registrations);
	sense_json_member_uint(&json, "connections_lost", counts->lost_connections);
	sense_json_member_number(&json, "all_ready_s", counts->all_ready);
	histogram_json(&json, "handshake_us", &counts->handshake);
	sense_json_member_uint(&json, "enrolments", counts->enrolment.count);
	sense_json_member_number(&json, "enrolled_s", counts->enrolled_s);
	histogram_json(&json, "enrolment_us", &counts->enrolment);
	findings_json(load, &json, seconds);
	sense_json_member_uint(&json, "heartbeats", counts->beats);
	histogram_json(&json, "heartbeat_us", &counts->beat);
	sense_json_member_uint(&json, "policies_told", counts->policies_told);
	sense_json_member_uint(&json, "policies_acknowledged", counts->policies_taken);
	sense_json_member_uint(&json, "policy_first_us", counts->first_told_us);
	sense_json_member_uint(&json, "policy_last_us", counts->last_taken_us);
	sense_json_member_uint(&json, "policy_missing", load->policy_missing);
	sense_json_member_uint(&json, "bytes_out", counts->bytes_out);
	sense_json_member_number(&json, "cpu_s", load_cpu() - counts->cpu_begin);
	sense_json_key(&json, "errors");
	sense_json_open(&json, '{');
	for (unsigned i = 0; i < counts->error_count; i++)
		sense_json_member_uint(&json, counts->errors[i].code, counts->errors[i].count);
	sense_json_close(&json, '}');
	sense_json_close(&json, '}');
	puts(sense_buf_str(&text));
	sense_buf_fini(&text);
}

/* ---- for people ---------------------------------------------------------------------------------------- */

static void histogram_print(const char *name, const struct load_histogram *histogram)
{
	if (!histogram->count)
		return;
	printf("%-14s %9llu   p50 %9.2f   p90 %9.2f   p99 %9.2f   p99.9 %9.2f   max %9.2f ms\n", name,
	       (unsigned long long)histogram->count, (double)load_histogram_at(histogram, 0.5) / 1e3,
	       (double)load_histogram_at(histogram, 0.9) / 1e3,
	       (double)load_histogram_at(histogram, 0.99) / 1e3,
	       (double)load_histogram_at(histogram, 0.999) / 1e3, (double)histogram->most_us / 1e3);
}

static void report_print(const struct load *load, double seconds)
{
	const struct load_counts *counts = &load->counts;
	printf("%.1f s, %u agents, %u connected; %llu connections, %llu handshakes, %llu lost\n", seconds,
	       load->options.agents, load->ready, (unsigned long long)counts->connections,
	       (unsigned long long)counts->handshakes, (unsigned long long)counts->lost_connections);
	if (counts->all_ready > 0)
		printf("all registered after %.2f s: %.0f handshakes/s\n", counts->all_ready,
		       load->options.agents / counts->all_ready);
	if (counts->enrolment.count)
		printf("%llu enrolments in %.2f s: %.0f/s\n", (unsigned long long)counts->enrolment.count,
		       counts->enrolled_s, per_second((double)counts->enrolment.count, counts->enrolled_s));
	printf("%llu findings, %llu acknowledged: %.0f/s; %llu batches, %llu findings refused, %llu lost, "
	       "%llu doubled\n",
	       (unsigned long long)load->generated, (unsigned long long)load->acknowledged,
	       per_second((double)(load->acknowledged - load->acknowledged_begin), seconds),
	       (unsigned long long)counts->batches, (unsigned long long)counts->rows_refused,
	       (unsigned long long)counts->went_back, (unsigned long long)counts->ahead);
	histogram_print("enrolments", &counts->enrolment);
	histogram_print("handshakes", &counts->handshake);
	histogram_print("batches", &counts->batch);
	histogram_print("heartbeats", &counts->beat);
	if (load->options.wait_policy)
		printf("policies: %llu acknowledged, %u agents missing, %.3f s from the first agent that was "
		       "told to the last "
		       "acknowledgement\n",
		       (unsigned long long)counts->policies_taken, load->policy_missing,
		       counts->last_taken_us > counts->first_told_us
		           ? (double)(counts->last_taken_us - counts->first_told_us) / 1e6
		           : 0);
	printf("%.1f MB sent, %.2f s CPU of this process\n", (double)counts->bytes_out / 1e6,
	       load_cpu() - counts->cpu_begin);
	for (unsigned i = 0; i < counts->error_count; i++)
		printf("  %8llu  %s\n", (unsigned long long)counts->errors[i].count, counts->errors[i].code);
}

void load_report(struct load *load)
{
	double seconds = load->ended - load->begun;
	if (load->options.json)
		report_json(load, seconds);
	else
		report_print(load, seconds);
}
