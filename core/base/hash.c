/* The process's hash seed: from the kernel, or from the environment for runs that must repeat. */
#include "core/base/hash.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include "core/base/log.h"

static pthread_once_t seed_once = PTHREAD_ONCE_INIT;
static uint64_t seed;

/* Digits only and within 64 bits: strtoull alone would take "-1", " 7" and "7x". */
static bool seed_of_text(const char *text, uint64_t *value)
{
	if (!*text || text[strspn(text, "0123456789")])
		return false;
	errno = 0;
	*value = strtoull(text, NULL, 10);
	return !errno;
}

static void seed_choose(void)
{
	const char *text = getenv("SENSE_HASH_SEED");
	if (text && seed_of_text(text, &seed))
		return;
	if (text)
		sense_log(SENSE_LOG_WARN, "hash", "SENSE_HASH_SEED is not a decimal number of 64 bits: "
		                                  "a random seed is used");
	if (!getentropy(&seed, sizeof(seed)))
		return;
	/* A kernel that refuses leaves what an outsider can at least not read off the wire. */
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC, &now);
	seed = sense_hash_fold((uint64_t)now.tv_nsec ^ SENSE_HASH_K0,
	                       (uint64_t)(uintptr_t)&now ^ ((uint64_t)getpid() << 32));
}

uint64_t sense_hash_seed(void)
{
	pthread_once(&seed_once, seed_choose);
	return seed;
}
