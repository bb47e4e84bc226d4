#include "core/base/signals.h"

#include <signal.h>

void sense_signals_begin(void)
{
	sigset_t none;
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	signal(SIGPIPE, SIG_IGN);
}
