/* Command lines without secrets: each way to hand one over, and what must stay as it is. */
#include "core/names/command.h"

#include <stdlib.h>

#include "t/tap.h"

static char line[512];

/* '|' between arguments. The text lies in a block of its exact size. */
static const char *line_of(const char *arguments, size_t cap)
{
	size_t n = strlen(arguments);
	char *exact = malloc(n + 1);
	memcpy(exact, arguments, n);
	exact[n] = '\0';
	for (char *at = exact; (at = strchr(at, '|'));)
		*at++ = '\0';
	size_t len = sense_command_line(exact, n + 1, line, cap);
	if (len != strlen(line) || len >= cap)
		strcpy(line, "(wrong length)");
	free(exact);
	return line;
}

static void same(const char *arguments, const char *wanted)
{
	is_str(line_of(arguments, sizeof line), wanted, "%s", wanted);
}

static void secrets(void)
{
	same("x|--api-key|hunter2", "x --api-key ~redacted~");
	same("x|--api-key=hunter2|-v", "x --api-key=~redacted~ -v");
	same("x|--apikey|hunter2|y", "x --apikey ~redacted~ y");
	same("x|--token|a b c|y", "x --token ~redacted~ y");
	same("x|--token|", "x --token ''");
	same("x|--password|-S3cret!", "x --password ~redacted~");
	same("x|--password|--verbose|y", "x --password --verbose y");
	same("x|--openai-key|abc|--hf_token|def", "x --openai-key ~redacted~ --hf_token ~redacted~");
	same("x|--clientSecret|abc", "x --clientSecret ~redacted~");
	same("env|OPENAI_API_KEY=abc|A=b|DB_PASSWORD=|x", "env OPENAI_API_KEY=~redacted~ A=b DB_PASSWORD= x");
	same("docker|run|-e|HF_TOKEN=abc|--env=MY_SECRET=abc|img",
	     "docker run -e HF_TOKEN=~redacted~ --env=MY_SECRET=~redacted~ img");
	same("java|-Dapi.password=abc|Main", "java -Dapi.password=~redacted~ Main");
	same("curl|-H|Authorization: Bearer abc.def|-H|Accept: text/html",
	     "curl -H 'Authorization: Bearer ~redacted~' -H 'Accept: text/html'");
	same("curl|-HX-Api-Key: abc|x", "curl '-HX-Api-Key: ~redacted~' x");
	same("curl|-H|x-api-key:abc", "curl -H x-api-key:~redacted~");
	same("curl|-H|Cookie: a=1; b=2", "curl -H 'Cookie: ~redacted~; b=2'");
	same("curl|-u|me:abc|--user|you:def|x", "curl -u me:~redacted~ --user you:~redacted~ x");
	same("x|-u|--token|abc", "x -u --token ~redacted~");
	same("docker|run|-u|1000:1000|x", "docker run -u 1000:1000 x");
	same("x|https://me:abc@h.example/p?q=1#f", "x https://~redacted~@h.example/p?~redacted~");
	same("x|https://abcdef@h.example", "x https://~redacted~@h.example");
	same("git|clone|ssh://git@h.example/x.git", "git clone ssh://git@h.example/x.git");
	same("x|--url=postgres://u:p@h/db", "x --url=postgres://~redacted~@h/db");
	same("x|https://h.example/p?a=(1,2);c", "x https://h.example/p?~redacted~");
	same("x|https://h.example/p#access_token=abc", "x https://h.example/p#~redacted~");
	same("sh|-c|curl -H \"Authorization: Bearer abc\" https://h.example/?k=v && jq .",
	     "sh -c 'curl -H \"Authorization: Bearer ~redacted~\" https://h.example/?~redacted~ && jq .'");
	same("sh|-c|export API_TOKEN=abc; x --password abc y",
	     "sh -c 'export API_TOKEN=~redacted~; x --password ~redacted~ y'");
	same("x|{\"apiKey\":\"abc\", \"model\": \"m\"}", "x '{\"apiKey\":\"~redacted~\", \"model\": \"m\"}'");
	same("x|{\"apiKey\" : \"abc\"}", "x '{\"apiKey\" : \"~redacted~\"}'");
	same("x|sk-ant-api03-abcdef", "x ~redacted~");
	same("x|/a/sk-ant-api03-abcdef/b", "x /a/~redacted~/b");
	same("x|--header=sk-12345678,b", "x --header=~redacted~,b");
	same("mysql|-uroot|-pabc|db", "mysql -uroot -p~redacted~ db");
	same("/usr/bin/sshpass|-p|abc|ssh|h", "/usr/bin/sshpass -p ~redacted~ ssh h");
	same("redis-cli|-a|abc|get|x", "redis-cli -a ~redacted~ get x");
	same("openssl|pkcs12|-passin|pass:abc", "openssl pkcs12 -passin pass:~redacted~");
}

static void harmless(void)
{
	same("vllm|serve|--max-tokens|100|--tokenizer|/x|--max_new_tokens=5",
	     "vllm serve --max-tokens 100 --tokenizer /x --max_new_tokens=5");
	same("x|--key-file|/etc/key.pem|--token-path=/x", "x --key-file /etc/key.pem --token-path=/x");
	same("docker|login|--password-stdin|h.example", "docker login --password-stdin h.example");
	same("ssh|-p|22|host", "ssh -p 22 host");
	same("mkdir|-p|a/b", "mkdir -p a/b");
	same("claude|--dangerously-skip-permissions|-p|say it's \"so\"",
	     "claude --dangerously-skip-permissions -p 'say it'\\''s \"so\"'");
	same("x|--monkey|banana|--turkey=1|--author|me", "x --monkey banana --turkey=1 --author me");
	same("x|https://h.example/p", "x https://h.example/p");
	same("git|clone|git@h.example:a/b.git", "git clone git@h.example:a/b.git");
}

static void characters(void)
{
	same("a|b\nc|d\te|\x1b[31m", "a 'b\\nc' 'd\\te' '\\x1b[31m'");
	same("a|\xff\xc3(|\xc3\xa4\xe2\x82\xac", "a \xef\xbf\xbd\xef\xbf\xbd( \xc3\xa4\xe2\x82\xac");
	same("a|x\xe2\x80\xaey|\xc2\x85z", "a x\xef\xbf\xbdy \xef\xbf\xbdz");
	same("", "''");
	is_num(sense_command_line(NULL, 0, line, sizeof line), 0, "no arguments");
	is_str(line, "", "are the empty text");
	is_num(sense_command_line("a\0b", 3, line, sizeof line), 3, "the last one need not end with NUL");
	is_str(line_of("abcdef|ghijkl", 12), "abcdef g...", "cut with dots");
	is_str(line_of("abcdef|ghij", 12), "abcdef ghij", "what just fits is whole");
	is_str(line_of("abcd|\xe2\x82\xac\xe2\x82\xac\xe2\x82\xac", 12), "abcd \xe2\x82\xac...",
	       "between characters");
	is_str(line_of("x|--token|hunter2hunter2", 16), "x --token ...", "not within a secret");
	is_str(line_of("abcdef", 3), "..", "hardly any room");
	is_str(line_of("abcdef", 1), "", "none but for the end");
	is_num(sense_command_line("abc", 4, line, 0), 0, "none at all");
}

int main(void)
{
	secrets();
	harmless();
	characters();
	ok(sense_secret_name("Authorization", 13) && sense_secret_name("PGPASSWORD", 10) &&
	       sense_secret_name("KEY", 3),
	   "names of secrets");
	ok(!sense_secret_name("keyboard", 8) && !sense_secret_name("tokens", 6) &&
	       !sense_secret_name("", 0) && !sense_secret_name("AWS_ACCESS_KEY_ID", 17),
	   "names of other things");
	return tap_done();
}
