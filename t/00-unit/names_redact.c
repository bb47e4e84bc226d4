/* Shapes of secrets: each is found where it stands, and what only resembles one is not. */
#include "core/names/redact.h"

#include "t/tap.h"

static bool within(const char *word)
{
	return sense_secret_within(word, strlen(word));
}

int main(void)
{
	static const char *const prefixes[] = { "sk-ant-", "sk-", "sk_", "AIza", "hf_", "ghp_", "gho_", "ghu_",
		"ghs_", "ghr_", "github_pat_", "glpat-", "gsk_", "xai-", "pplx-", "nvapi-", "r8_", "xoxb-", "xoxp-",
		"AKIA", "key-", "eyJ" };
	char word[128];
	for (size_t i = 0; i < sizeof(prefixes) / sizeof(*prefixes); i++) {
		snprintf(word, sizeof(word), "%sA1B2C3D4E5F6G7H8", prefixes[i]);
		ok(within(word), "%s", word);
		snprintf(word, sizeof(word), "a=b:%sA1B2C3D4E5F6G7H8", prefixes[i]);
		ok(within(word), "%s within a word", prefixes[i]);
		snprintf(word, sizeof(word), "x%sA1B2C3D4E5F6G7H8", prefixes[i]);
		ok(!within(word), "%s behind a letter is another word", prefixes[i]);
		ok(!within(prefixes[i]), "%s alone", prefixes[i]);
	}
	ok(within("sk-12345678") && !within("sk-1234567"), "a key of the least length, and one less");
	ok(!within("key-abcdefghijkl") && !within("9-key-abcdefghijkl"), "a word that needs a digit has none behind it");
	ok(within("key-abcdefghijk1") && within("key-key-1abcdefgh"), "one digit is enough, wherever it is");
	ok(within("01234567890123456789012345678901234567890"), "41 digits");
	ok(!within("0123456789012345678901234567890123456789"), "40 digits");
	ok(within("aB3-aB3_aB3-aB3_aB3-aB3_aB3-aB3_aB3-aB3_aB3"), "long base64url");
	ok(!within("a-slug-that-is-long-and-says-something-about-2025"), "a slug");
	ok(!within("Mozilla/5.0") && !within("AppleWebKit/537.36") && !within("task-abcdefghijkl"), "words");
	is_num(sense_secret_kind("", 0), SENSE_CREDENTIAL_NONE, "nothing is no credential");
	is_num(sense_secret_kind("sk", 2), SENSE_CREDENTIAL_OTHER, "half a prefix is some credential");
	is_num(sense_secret_kind("sk-ant-x", 8), SENSE_CREDENTIAL_ANTHROPIC, "the longer prefix first");
	is_num(sense_secret_kind("github_pat_x", 12), SENSE_CREDENTIAL_GITHUB, "GitHub");
	return tap_done();
}
