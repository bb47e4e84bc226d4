#include <stdlib.h>

#include "core/host/roster.h"
#include "t/tap.h"

#define SECOND UINT64_C(1000000)

static sense_roster *roster;

static struct sense_roster_process *put(uint32_t pid, uint32_t parent, uint64_t start_s, const char *name,
                                        const char *tool)
{
	const struct sense_roster_process process = {
	    .pid = pid, .parent = parent, .start_us = start_s * SECOND, .name = name, .tool = tool};
	return sense_roster_put(roster, &process, false);
}

static void lineage(void)
{
	put(1, 0, 1, "init", NULL);
	put(10, 1, 2, "sshd", NULL);
	put(11, 10, 3, "bash", NULL);
	put(12, 11, 4, "claude", "claude-code");
	struct sense_roster_process *shell = put(13, 12, 5, "sh", NULL);
	is_str(shell->ancestors, "claude, bash, sshd, init", "ancestors, the nearest first");
	is_str(shell->agent, "claude-code", "and the tool among them");
	is_str(put(14, 13, 6, "curl", NULL)->agent, "claude-code", "at any remove");
	sense_roster_end(roster, 12, 7 * SECOND);
	is_str(put(15, 13, 8, "curl", NULL)->agent, "claude-code", "also when that one has ended");
	is_str(sense_roster_find(roster, 13)->tool, "", "what is not known is empty");
	put(20, 20, 1, "loop", NULL);
	is_str(put(21, 20, 2, "child", NULL)->ancestors, "loop", "its own parent is no endless story");
	put(30, 31, 1, "a", NULL);
	put(31, 30, 1, "b", NULL);
	ok(strlen(put(32, 31, 2, "c", NULL)->ancestors) < 192, "nor is a circle");
}

static void more_is_known(void)
{
	struct sense_roster_process *process = put(40, 1, 9, "python3", NULL);
	const struct sense_roster_process later = {.pid = 40, .start_us = 9 * SECOND, .hash = "abc", .name = ""};
	process->told = true;
	process = sense_roster_put(roster, &later, false);
	is_str(process->name, "python3", "what was known stays");
	is_str(process->hash, "abc", "what is new is added");
	ok(process->told && process->parent == 1, "and it is the same process");
	const struct sense_roster_process other = {.pid = 40, .start_us = 9 * SECOND, .tool = ""};
	put(40, 1, 9, "python3", "vllm");
	process = sense_roster_put(roster, &other, true);
	ok(!*process->tool && !*process->hash && !strcmp(process->name, "python3"), "as another program it is not that tool");
	process->told = true;
	process = put(40, 1, 99, "bash", NULL);
	ok(!*process->hash && !process->told, "the same pid with another start is another one");
	const struct sense_roster_process early = {.pid = 41, .name = "socket"};
	sense_roster_put(roster, &early, false)->place = (struct sense_board_place){3, 4};
	is_num(put(41, 1, 100, "curl", NULL)->place.number, 4, "one that was known by its socket keeps its place");
}

static void ends(void)
{
	uint32_t cursor = 0;
	unsigned count = sense_roster_count(roster), running = 0;
	sense_roster_end(roster, 13, 100 * SECOND);
	ok(sense_roster_find(roster, 13), "one that ended is still known");
	sense_roster_expire(roster, 159 * SECOND);
	ok(sense_roster_find(roster, 13) && !sense_roster_find(roster, 12), "for a minute");
	sense_roster_expire(roster, 161 * SECOND);
	ok(!sense_roster_find(roster, 13), "and not for longer");
	is_num(sense_roster_count(roster), count - 2, "counted");
	while (sense_roster_next(roster, &cursor))
		running++;
	is_num(running, count - 2, "those that run are gone through");
	sense_roster_end(roster, 14, 200 * SECOND);
	put(14, 1, 201, "new", NULL);
	sense_roster_expire(roster, 300 * SECOND);
	ok(sense_roster_find(roster, 14), "a pid that was used again is not forgotten for its predecessor");
	sense_roster_end(roster, 99999, 1);
	ok(!sense_roster_find(roster, 0) && !put(0, 0, 1, "x", NULL), "there is no process 0");
}

static void many(void)
{
	unsigned refused = 0;
	for (uint32_t i = 0; i < SENSE_ROSTER_MAX + 10; i++)
		refused += !put(1000 + i, 1, 5, "many", NULL);
	ok(refused > 10 && sense_roster_refused(roster) == refused, "there is a bound, and what is beyond counts");
	sense_roster_end(roster, 1000, 500 * SECOND);
	ok(put(9999999, 1, 5, "late", NULL) && !sense_roster_find(roster, 1000), "one that ended makes room");
	for (uint32_t i = 0; i < SENSE_ROSTER_MAX; i++)
		sense_roster_end(roster, 1000 + i, 600 * SECOND);
	sense_roster_expire(roster, 1000 * SECOND);
	ok(sense_roster_count(roster) < 100, "all that ended go");
}

static void long_texts(void)
{
	char text[5000];
	memset(text, 'x', sizeof text - 1);
	text[sizeof text - 1] = '\0';
	const struct sense_roster_process process = {.pid = 7, .start_us = 1, .name = text, .command = text};
	is_num(strlen(sense_roster_put(roster, &process, false)->name), 64, "a name is cut");
	is_num(strlen(sense_roster_find(roster, 7)->command), 1024, "so is a command");
}

int main(void)
{
	roster = sense_roster_new();
	ok(roster, "made");
	lineage();
	more_is_known();
	ends();
	long_texts();
	many();
	sense_roster_free(roster);
	return tap_done();
}
