/* Agents on real connections: messages torn at every byte, large ones, a crowd, and those that do not read.
 */
#include "t/40-server/listener_world.h"

#define CROWD 2000u

static uint8_t data[SENSE_RPC_MESSAGE_MAX + 4096];

static void torn(void)
{
	SSL *ssl = world_connect();
	ok(ssl, "an agent connects");
	size_t len = world_request(data, sizeof data, 1, "Echo", 60);
	unsigned wrong = 0;
	for (size_t cut = 1; ssl && cut < len; cut++) {
		/* TCP_NODELAY is off at this end, so each piece is written as a record of its own and read
		 * apart. */
		wrong += SSL_write(ssl, data, (int)cut) != (int)cut;
		wrong += SSL_write(ssl, data + cut, (int)(len - cut)) != (int)(len - cut);
		wrong += !world_answered(ssl, 1, len);
	}
	is_num(wrong, 0, "a message torn at every byte is answered each time");
	for (size_t i = 0; ssl && i < len; i++)
		wrong += SSL_write(ssl, data + i, 1) != 1;
	ok(!wrong && world_answered(ssl, 1, len), "and byte by byte");
	world_close(ssl);
}

static void large(void)
{
	SSL *ssl = world_connect();
	size_t len = world_request(data, sizeof data, 7, "Echo", SENSE_RPC_MESSAGE_MAX - 64);
	is_num(SSL_write(ssl, data, (int)len), (int)len, "a message of nearly 4 MiB");
	ok(world_answered(ssl, 7, len), "is answered with as much");
	len = world_request(data, sizeof data, 8, "Echo", SENSE_RPC_MESSAGE_MAX);
	SSL_write(ssl, data, (int)len);
	ok(world_ended(ssl), "a larger one: hung up on");
	world_close(ssl);
}

static unsigned long memory_kb(void)
{
	char path[64], line[256];
	unsigned long kb = 0;
	snprintf(path, sizeof path, "/proc/%d/status", (int)world_worker);
	FILE *in = fopen(path, "r");
	while (in && fgets(line, sizeof line, in))
		sscanf(line, "VmRSS: %lu", &kb);
	if (in)
		fclose(in);
	return kb;
}

static void crowd(void)
{
	static SSL *ssl[CROWD];
	unsigned connected = 0, answered = 0;
	unsigned long before = memory_kb();
	for (unsigned i = 0; i < CROWD; i++) {
		ssl[i] = world_connect_as(1 + i / SENSE_RPC_SESSIONS_MAX); /* as many each as may be */
		connected += ssl[i] != NULL;
	}
	is_num(connected, CROWD, "%u connections of agents at one time", CROWD);
	fprintf(stderr, "# %.1f KiB of the worker for each\n", (double)(memory_kb() - before) / CROWD);
	size_t len = world_request(data, sizeof data, 3, "Echo", 100);
	for (unsigned i = 0; i < CROWD; i++)
		answered +=
		    ssl[i] && SSL_write(ssl[i], data, (int)len) == (int)len && world_answered(ssl[i], 3, len);
	is_num(answered, CROWD, "and each is answered");
	for (unsigned i = 0; i < CROWD; i++)
		if (ssl[i])
			world_close(ssl[i]);
}

/* One agent again and again: the oldest of its connections go, and no other's. */
static void again(void)
{
	enum { TIMES = SENSE_RPC_SESSIONS_MAX + 4 };
	SSL *ssl[TIMES], *other = world_connect_as(500);
	unsigned answered = 0;
	size_t len = world_request(data, sizeof data, 9, "Echo", 10);
	for (unsigned i = 0; i < TIMES; i++)
		ssl[i] = world_connect();
	ok(world_ended(ssl[0]) && world_ended(ssl[3]), "of too many connections of one agent the oldest end");
	for (unsigned i = 4; i < TIMES; i++)
		answered += SSL_write(ssl[i], data, (int)len) == (int)len && world_answered(ssl[i], 9, len);
	is_num(answered, SENSE_RPC_SESSIONS_MAX, "the others are served");
	ok(SSL_write(other, data, (int)len) == (int)len && world_answered(other, 9, len),
	   "and another agent");
	for (unsigned i = 0; i < TIMES; i++)
		world_close(ssl[i]);
	world_close(other);
}

/* Asks without ever reading, until it is hung up on. */
static void deaf(void)
{
	SSL *ssl = world_connect();
	size_t len = world_request(data, sizeof data, 1, "Echo", 1 << 20), sent = 0;
	int n;
	while ((n = SSL_write(ssl, data, (int)len)) > 0 && sent < ((size_t)1 << 30))
		sent += (size_t)n;
	ok(n <= 0 && sent < ((size_t)64 << 20), "one that does not read what it asked for is hung up on");
	ERR_clear_error();
	world_close(ssl);
	ssl = world_connect();
	len = world_request(data, sizeof data, 2, "Echo", 10);
	ok(ssl && SSL_write(ssl, data, (int)len) == (int)len && world_answered(ssl, 2, len),
	   "others are served as before");
	world_close(ssl);
}

static void silent(void)
{
	SSL *ssl = world_connect();
	size_t len = world_request(data, sizeof data, 1, "Hold", 10);
	SSL_write(ssl, data, (int)(len - 1));
	ok(world_ended(ssl), "half a message and no more: hung up on");
	world_close(ssl);
	ssl = world_connect();
	ok(world_ended(ssl), "no message in three heartbeats: hung up on");
	world_close(ssl);
}

/* What was asked before a worker is told to end is answered; what nobody answers does not keep it. */
static void ending(void)
{
	SSL *idle = world_connect(), *late = world_connect(), *held = world_connect();
	size_t len = world_request(data, sizeof data, 1, "Hold", 0), later;
	len += world_request(data + len, sizeof data - len, 2, "Echo", 0);
	ok(SSL_write(held, data, (int)len) == (int)len && world_answered(held, 2, 20),
	   "a call that is never answered");
	later = world_request(data, sizeof data, 3, "Later", 0);
	len = later + world_request(data + later, sizeof data - later, 4, "Echo", 0);
	ok(SSL_write(late, data, (int)len) == (int)len && world_answered(late, 4, 20),
	   "and one that is answered later");
	kill(world_worker, SIGTERM);
	ok(world_ended(idle), "a worker that ends hangs up on agents");
	ok(world_answered(late, 3, later), "but answers what it was asked");
	ok(world_ended(late), "before it hangs up");
	is_num(world_end(), 0, "and ends well, in its time");
	ok(world_ended(held), "whatever is left");
	world_close(idle);
	world_close(late);
	world_close(held);
}

int main(void)
{
	sense_log_setup(SENSE_LOG_ERROR, SENSE_LOG_TEXT);
	world_begin((const char *const[]){"server.send_timeout", "1s", NULL});
	torn();
	large();
	crowd();
	again();
	deaf();
	ending();
	world_begin((const char *const[]){"server.request_timeout", "100ms", "agents.heartbeat", "1s", NULL});
	silent();
	is_num(world_end(), 0, "it ends well");
	world_remove();
	return tap_done();
}
