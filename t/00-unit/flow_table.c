/* core/flow/table.c: identity of flows, bound, eviction order, expiry. */
#include <stdlib.h>

#include "core/flow/table.h"
#include "t/tap.h"

static unsigned left_count;
static uint16_t left_ports[4096];

static void on_leave(void *context, struct sense_flow *flow)
{
	(void)context;
	left_ports[left_count++ % 4096] = flow->key.port_a;
}

/* Endpoint numbers stand for addresses; a is always the smaller one. */
static struct sense_decoded packet(uint32_t src, uint16_t src_port, uint32_t dst, uint16_t dst_port)
{
	struct sense_decoded p;
	memset(&p, 0, sizeof p);
	memcpy(p.src.bytes + 12, &src, 4);
	memcpy(p.dst.bytes + 12, &dst, 4);
	p.src_port = src_port;
	p.dst_port = dst_port;
	p.l4 = 6;
	p.ip_version = 4;
	return p;
}

static struct sense_flow *get(sense_flow_table *table, struct sense_decoded p, uint64_t ts, bool *created)
{
	struct sense_flow_key key;
	sense_flow_key_of(&p, &key);
	struct sense_flow *flow = sense_flow_table_get(table, &key, sense_flow_hash(table, &key), ts, created);
	flow->last_ts = ts;
	return flow;
}

static void test_identity(void)
{
	bool created;
	sense_flow_table *table = sense_flow_table_new(64, on_leave, NULL, NULL);
	struct sense_flow *one = get(table, packet(1, 1000, 2, 443), 5, &created);
	ok(created, "the first packet makes a flow");
	ok(get(table, packet(2, 443, 1, 1000), 6, &created) == one && !created, "the answer belongs to it");
	ok(get(table, packet(1, 1001, 2, 443), 7, &created) != one && created, "another port is another flow");
	struct sense_decoded vlan = packet(1, 1000, 2, 443);
	vlan.vlan = 7;
	ok(get(table, vlan, 8, &created) != one && created, "so is another VLAN");
	struct sense_decoded same = packet(3, 9, 3, 9);
	struct sense_flow_key key;
	ok(sense_flow_key_of(&same, &key), "equal endpoints have a direction all the same");
	struct sense_flow *before = get(table, packet(5, 10, 5, 20), 9, &created);
	ok(get(table, packet(5, 20, 5, 10), 9, &created) == before && !created,
	   "ports order the ends of a flow of a host with itself");
	is_num(sense_flow_table_stats(table)->live, 4, "four flows are live");
	is_num(one->first_ts, 5, "first_ts is that of the first packet");
	sense_flow_table_free(table);
}

static void test_eviction(void)
{
	bool created;
	left_count = 0;
	sense_flow_table *table = sense_flow_table_new(16, on_leave, NULL, NULL);
	for (uint16_t i = 0; i < 16; i++)
		get(table, packet(1, (uint16_t)(100 + i), 2, 443), (uint64_t)i * 10000000, &created);
	is_num(left_count, 0, "a full table has not evicted yet");
	get(table, packet(1, 100, 2, 443), 200000000, &created); /* the oldest speaks again */
	get(table, packet(1, 999, 2, 443), 210000000, &created);
	is_num(left_count, 1, "one more flow evicts one");
	is_num(left_ports[0], 101, "the one that was idle longest");
	is_num(sense_flow_table_stats(table)->evicted, 1, "and it is counted");
	sense_flow_table_expire(table, 50000000);
	is_num(left_count, 4, "expiry takes those idle since before");
	is_num(sense_flow_table_stats(table)->expired, 3, "and counts them");
	sense_flow_table_drain(table);
	is_num(left_count, 17, "drain lets every flow leave");
	is_num(sense_flow_table_stats(table)->live, 0, "none is live then");
	sense_flow_table_free(table);
}

/* Beyond the first index and the first small pages: every flow stays where it is, and the bound is exact. */
static void test_growth(void)
{
	enum { FLOWS = 40000 };
	static struct sense_flow *at[FLOWS];
	bool created, made = true, kept = true;
	sense_flow_table *table = sense_flow_table_new(FLOWS, on_leave, NULL, NULL);
	left_count = 0;
	for (unsigned i = 0; i < FLOWS; i++) {
		at[i] = get(table, packet(1, (uint16_t)(i + 1), 2, 443), 5, &created);
		made = made && created;
	}
	for (unsigned i = 0; i < FLOWS; i++)
		kept = kept && get(table, packet(2, 443, 1, (uint16_t)(i + 1)), 6, &created) == at[i] && !created;
	ok(made, "a large table takes each flow once");
	ok(kept, "and finds each where it was");
	is_num(left_count, 0, "no flow left while it grew");
	get(table, packet(1, 0, 2, 443), 7, &created);
	is_num(left_count, 1, "one more flow than there is room for evicts one");
	sense_flow_table_drain(table);
	is_num(left_count, FLOWS + 1, "drain lets all leave");
	sense_flow_table_free(table);
}

/* Many flows come and go at random: a model with one cell a port must agree at every step. */
static void test_random(void)
{
	bool created, agrees = true;
	static bool present[2048];
	unsigned live = 0;
	left_count = 0;
	sense_flow_table *table = sense_flow_table_new(4096, on_leave, NULL, NULL);
	srand(7);
	for (uint64_t step = 0; step < 200000; step++) {
		unsigned port = (unsigned)rand() % 2048;
		get(table, packet(1, (uint16_t)(port + 1), 2, 60000), step * 1000, &created);
		agrees = agrees && created == !present[port];
		live += created;
		present[port] = true;
		if (step % 1000)
			continue;
		unsigned from = left_count;
		sense_flow_table_expire(table, step > 2000 ? (step - 2000) * 1000 : 0);
		for (unsigned i = from; i < left_count; i++, live--)
			present[left_ports[i % 4096] - 1] = false;
		agrees = agrees && sense_flow_table_stats(table)->live == live;
	}
	ok(agrees, "200,000 random steps agree with a model");
	ok(sense_flow_table_stats(table)->expired > 1000, "flows did come and go");
	sense_flow_table_free(table);
}

int main(void)
{
	sense_error err;
	test_identity();
	test_eviction();
	test_growth();
	test_random();
	ok(!sense_flow_table_new(3, NULL, NULL, &err), "a table of 3 flows is refused");
	ok(strstr(err.message, "flow.max") != NULL, "by the name of its setting: %s", err.message);
	return tap_done();
}
